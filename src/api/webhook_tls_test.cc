// Delivery over TLS, to a server whose certificate an authority made here has signed.
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

#include "api/webhook_testing.h"
#include "base/file.h"
#include "support/certificates.h"

namespace tandem::api {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using test_support::Identity;
using test_support::issue;
using test_support::write_certificate;

// Answers 200 to whatever is posted, over TLS, one connection after another.
class TlsReceiver {
 public:
  explicit TlsReceiver(const Identity& identity) : acceptor_(context_, {asio::ip::address_v4::loopback(), 0}) {
    SSL_CTX_use_certificate(tls_.native_handle(), identity.certificate.get());
    SSL_CTX_use_PrivateKey(tls_.native_handle(), identity.key.get());
    port_ = acceptor_.local_endpoint().port();
    thread_ = std::thread([this] { serve(); });
  }
  ~TlsReceiver() {
    is_over_ = true;
    boost::system::error_code ignored;
    tcp::socket(context_).connect(tcp::endpoint(asio::ip::address_v4::loopback(), port_), ignored);  // wakes `serve`
    thread_.join();
  }
  std::string url(const std::string& host) const { return "https://" + host + ":" + std::to_string(port_) + "/hook"; }
  size_t taken() const { return taken_; }

 private:
  void serve() {
    while (!is_over_) {
      boost::system::error_code error;
      tcp::socket socket = acceptor_.accept(error);
      if (!error && !is_over_) talk(std::move(socket));
    }
  }
  void talk(tcp::socket socket) {
    boost::system::error_code error;
    asio::ssl::stream<tcp::socket> stream(std::move(socket), tls_);
    stream.handshake(asio::ssl::stream_base::server, error);
    std::string unread;
    while (!error) {
      size_t taken = asio::read_until(stream, asio::dynamic_buffer(unread), "\r\n\r\n", error);
      if (error) break;
      const std::string_view name = "content-length: ";
      taken += static_cast<size_t>(std::stoul(unread.substr(unread.find(name) + name.size())));
      if (unread.size() < taken)
        asio::read(stream, asio::dynamic_buffer(unread), asio::transfer_exactly(taken - unread.size()), error);
      unread.erase(0, taken);
      ++taken_;
      asio::write(stream, asio::buffer(std::string_view("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")), error);
    }
  }

  asio::io_context context_;
  asio::ssl::context tls_{asio::ssl::context::tls_server};
  tcp::acceptor acceptor_;
  uint16_t port_ = 0;
  std::atomic<bool> is_over_ = false;
  std::atomic<size_t> taken_ = 0;
  std::thread thread_;
};

struct Tls : ::testing::Test {
  // The error of a delivery; empty where it arrived.
  std::string last_error(const std::string& url) {
    EXPECT_TRUE(world.sender->keep_secret("w", "0123456789abcdef"));
    world.want("w", {{"url", url}, {"placed_offset", ++placed}});  // from the first event on
    EXPECT_TRUE(world.until([&] {
      const auto status = world.sender->status("w");
      return status->delivered == 2 || !status->last_error.empty();
    }));
    return world.sender->status("w")->last_error;
  }

  int64_t placed = 0;
  Delivering world{2};
  Identity authority = issue({});
  std::filesystem::path authorities = write_certificate(authority, world.directory.path / "authority.pem");
};

TEST_F(Tls, ArrivesWhereTheCertificateIsOfAKnownAuthorityAndForTheName) {
  const TlsReceiver receiver(issue({.names = "DNS:localhost,IP:127.0.0.1"}, &authority));
  for (const char* host : {"localhost", "127.0.0.1"}) {
    world.start(authorities);
    EXPECT_EQ(last_error(receiver.url(host)), "");
  }
  EXPECT_EQ(receiver.taken(), 4u);
  world.sender.reset();  // closes the connection it keeps, which the receiver waits on
}

TEST_F(Tls, AnUnknownAuthorityIsRefusedWithTheRemedy) {
  const TlsReceiver receiver(issue({.names = "DNS:localhost"}, &authority));
  const std::string error = last_error(receiver.url("localhost"));
  EXPECT_NE(error.find("the certificate of 'localhost' is not trusted"), std::string::npos) << error;
  EXPECT_NE(error.find("--webhook-ca"), std::string::npos) << error;
  EXPECT_EQ(receiver.taken(), 0u);
  const Identity another = issue({});
  world.start(write_certificate(another, world.directory.path / "another.pem"));
  EXPECT_NE(last_error(receiver.url("localhost")).find("is not trusted"), std::string::npos);
  EXPECT_EQ(receiver.taken(), 0u);
}

TEST_F(Tls, ACertificateForAnotherNameIsRefused) {
  const TlsReceiver receiver(issue({.names = "DNS:example.net,IP:127.0.0.2"}, &authority));
  for (const char* host : {"localhost", "127.0.0.1"}) {
    world.start(authorities);
    const std::string error = last_error(receiver.url(host));
    EXPECT_NE(error.find("the certificate is not for '" + std::string(host) + "'"), std::string::npos) << error;
  }
  EXPECT_EQ(receiver.taken(), 0u);
}

TEST_F(Tls, AnExpiredCertificateIsRefused) {
  const TlsReceiver receiver(issue({.names = "DNS:localhost", .from_s = -7'200, .to_s = -3'600}, &authority));
  world.start(authorities);
  const std::string error = last_error(receiver.url("localhost"));
  EXPECT_NE(error.find("expired"), std::string::npos) << error;
  EXPECT_EQ(receiver.taken(), 0u);
}

TEST_F(Tls, AFileWithoutAuthoritiesIsRefusedAtTheStart) {
  for (const char* name : {"none.pem", "broken.pem"}) {
    const auto file = world.directory.path / name;
    if (std::string_view(name) == "broken.pem") {
      ASSERT_TRUE(write_file_durably(file, "no certificate"));
    }
    const auto opened = WebhookSender::open(world.log, world.signal, world.clock, world.metrics,
                                            {.directory = world.directory.path / "w", .authorities = file});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::invalid_argument);
  }
}

}  // namespace
}  // namespace tandem::api
