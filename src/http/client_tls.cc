#include "http/client_tls.h"

#include <fmt/format.h>

#include <boost/asio/ip/address.hpp>

namespace tandem::http {
namespace ssl = boost::asio::ssl;

Result<void> check_authorities(const std::filesystem::path& file) {
  ssl::context context(ssl::context::tls_client);
  boost::system::error_code error;
  context.load_verify_file(file.string(), error);
  if (!error) return {};
  return fail(ErrorCode::invalid_argument,
              fmt::format("no certificate authority can be read from it ({}); give a PEM file", error.message()),
              file.string());
}

namespace {

// What is trusted and offered, before a stream is made with it.
Result<void> prepare_context(ssl::context& context, const ClientTls& trust) {
  boost::system::error_code error;
  context.set_options(ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1, error);
  context.set_default_verify_paths(error);
  if (error) return fail(ErrorCode::unavailable, "reading the system's certificate authorities: " + error.message());
  if (!trust.authorities.empty()) context.load_verify_file(trust.authorities.string(), error);
  if (error)
    return fail(ErrorCode::unavailable, fmt::format("reading certificate authorities from '{}': {}",
                                                    trust.authorities.string(), error.message()));
  return {};
}

}  // namespace

ClientTlsStream::ClientTlsStream(ssl::context context, boost::asio::ip::tcp::socket& socket, std::string host,
                                 std::string remedy)
    : host_(std::move(host)), remedy_(std::move(remedy)), context_(std::move(context)), stream_(socket, context_) {}

Result<std::unique_ptr<ClientTlsStream>> ClientTlsStream::make(boost::asio::ip::tcp::socket& socket,
                                                               const std::string& host, const ClientTls& trust) {
  ssl::context context(ssl::context::tls_client);
  TANDEM_TRY(prepare_context(context, trust));
  auto made = std::unique_ptr<ClientTlsStream>(new ClientTlsStream(std::move(context), socket, host, trust.remedy));
  made->stream_.set_verify_mode(ssl::verify_peer);
  SSL* session = made->stream_.native_handle();
  boost::system::error_code no_literal;
  boost::asio::ip::make_address(host, no_literal);
  // (What the macro SSL_set_tlsext_host_name does, without its cast.)
  const auto name_server = [&] {
    return SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, made->host_.data()) == 1;
  };
  const bool named = no_literal ? SSL_set1_host(session, host.c_str()) == 1 && name_server()
                                : X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host.c_str()) == 1;
  if (!named) return fail(ErrorCode::internal, "the host's name cannot be checked with TLS");
  return made;
}

bool ClientTlsStream::is_trusted() { return SSL_get_verify_result(stream_.native_handle()) == X509_V_OK; }

Error ClientTlsStream::distrust() {
  const long verified = SSL_get_verify_result(stream_.native_handle());
  if (verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    return {
        ErrorCode::unavailable, fmt::format("the certificate is not for '{}': use the name that it is for", host_), {}};
  }
  const bool unknown =
      verified == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY || verified == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
      verified == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT || verified == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
  std::string message =
      fmt::format("the certificate of '{}' is not trusted: {}", host_, X509_verify_cert_error_string(verified));
  if (unknown && !remedy_.empty()) message.append("; ").append(remedy_);
  return {ErrorCode::unavailable, std::move(message), {}};
}

}  // namespace tandem::http
