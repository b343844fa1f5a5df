// A client's side of TLS over one socket. Internal to the module.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <memory>
#include <string>

#include "base/result.h"
#include "http/client.h"

namespace tandem::http {

class ClientTlsStream {
 public:
  using Stream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>;

  // `socket` must outlive it; `host` is the name or the address that the certificate must be for.
  // Errors: unavailable (the authorities cannot be read), internal.
  static Result<std::unique_ptr<ClientTlsStream>> make(boost::asio::ip::tcp::socket& socket, const std::string& host,
                                                       const ClientTls& trust);

  Stream& stream() { return stream_; }
  bool is_trusted();  // after a handshake: it did not fail for the certificate
  Error distrust();   // why the certificate is not trusted, and what would be right

 private:
  ClientTlsStream(boost::asio::ssl::context context, boost::asio::ip::tcp::socket& socket, std::string host,
                  std::string remedy);

  std::string host_;
  std::string remedy_;
  boost::asio::ssl::context context_;
  Stream stream_;  // made with `context_`
};

}  // namespace tandem::http
