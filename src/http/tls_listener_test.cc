// TLS before a server, through this module's own client, and a certificate that is replaced while it serves.
#include "http/tls_listener.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>

#include "http/http.h"
#include "support/certificates.h"
#include "support/temporary_directory.h"

namespace tandem::http {
namespace {

namespace asio = boost::asio;
using test_support::Identity;
using test_support::issue;
using test_support::write_certificate;
using test_support::write_key;

// A server behind TLS and clients of it, all in one thread.
class TlsWorld : public testing::Test {
 protected:
  void SetUp() override {
    install(first);
    certificate = ServerCertificate::load(chain, key).value();
    server = Server::listen(context, {}, [this](const Request& request, ResponseWriter& writer) {
               return answer(request, writer);
             }).value();
  }
  void TearDown() override {
    listener.reset();
    clients.clear();
    server.reset();
    context.restart();
    context.run_for(std::chrono::milliseconds(50));
  }

  void install(const Identity& identity) {
    write_certificate(identity, chain);
    write_key(identity, key);
  }
  void listen(TlsListenerOptions options = {}) {
    listener = TlsListener::listen(context, options, certificate, *server).value();
  }

  // A client that trusts this authority alone.
  Client& client_of(const Identity& trusted) {
    ClientOptions options;
    options.tls.emplace();
    options.tls->authorities =
        write_certificate(trusted, directory.path() / ("authority-" + std::to_string(clients.size())));
    clients.push_back(std::make_unique<Client>(context, options));
    return *clients.back();
  }

  struct Answer {
    int status = 0;
    std::string body;
    std::string error;
  };
  Answer ask(Client& client, std::string target, std::string body = {}) {
    Answer answer;
    bool done = false;
    ClientRequest request("POST", std::move(target), {}, std::move(body));
    asio::co_spawn(context, exchange(client, std::move(request), answer, done), asio::detached);
    context.restart();
    while (!done) context.run_one();
    return answer;
  }

  template <class Condition>
  void wait_until(Condition condition) {
    context.restart();
    while (!condition()) context.run_one_for(std::chrono::milliseconds(10));
  }

  test_support::TemporaryDirectory directory;
  const std::filesystem::path chain = directory.path() / "tls.crt";
  const std::filesystem::path key = directory.path() / "tls.key";
  const Identity authority = issue({}), other_authority = issue({});
  const Identity first = issue({.names = "DNS:localhost"}, &authority);
  const Identity second = issue({.names = "DNS:localhost", .to_s = 7'200}, &other_authority);
  asio::io_context context;
  std::shared_ptr<ServerCertificate> certificate;
  std::unique_ptr<Server> server;
  std::unique_ptr<TlsListener> listener;
  std::vector<std::unique_ptr<Client>> clients;
  int hanging = 0;
  int left = 0;

 private:
  asio::awaitable<void> answer(const Request& request, ResponseWriter& writer) {
    std::string body = request.body;
    if (request.target == "/who") body = request.peer_address + (is_of_trusted_user(request) ? " trusted" : "");
    if (request.target == "/hang") {
      bool gone = false;
      ++hanging;
      writer.on_disconnect([this, &gone] { ++left, gone = true; });
      asio::steady_timer timer(context);
      while (!gone) {
        timer.expires_after(std::chrono::milliseconds(1));
        co_await timer.async_wait(asio::use_awaitable);
      }
      co_return;
    }
    Headers headers = content_type("text/plain");
    if (request.target == "/cut" || request.target == "/stream") {
      co_await writer.start(200, std::move(headers), "part");
      if (request.target == "/stream") co_await writer.finish();
      co_return;  // what has not been finished is broken off
    }
    co_await writer.respond(200, std::move(headers), std::move(body));
  }

  asio::awaitable<void> exchange(Client& client, ClientRequest request, Answer& answer, bool& done) {
    Endpoint endpoint("localhost", listener->port());
    auto sent = co_await client.send(std::move(endpoint), std::move(request), {});
    if (sent) {
      answer.status = sent->status();
      auto body = co_await sent->read_all(64u << 20);
      if (body) answer.body = std::move(*body);
    } else {
      answer.error = sent.error().message;
    }
    done = true;
  }
};

TEST_F(TlsWorld, RequestsComeInTheClearWithTheClientsAddress) {
  listen();
  Client& client = client_of(authority);
  EXPECT_EQ(ask(client, "/who").body, "127.0.0.1 trusted");
  const std::string large(3u << 20, 'x');
  EXPECT_EQ(ask(client, "/echo", large).body, large);
  EXPECT_EQ(server->connections(), 1u) << "the connection is kept";
}

// Without chunks the end of the connection ends the body: only TLS tells it from a cut.
TEST_F(TlsWorld, ACutIsNotTakenForAnEnd) {
  listen();
  for (const auto& [target, end] : {std::pair<const char*, boost::system::error_code>("/stream", asio::error::eof),
                                    {"/cut", asio::ssl::error::stream_truncated}}) {
    asio::ssl::context trusting(asio::ssl::context::tls_client);
    asio::ssl::stream<asio::ip::tcp::socket> stream(context, trusting);
    stream.next_layer().connect({asio::ip::address_v4::loopback(), listener->port()});
    boost::system::error_code error;
    std::string body;
    bool done = false;
    asio::co_spawn(
        context,
        [&]() -> asio::awaitable<void> {
          co_await stream.async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);
          const std::string request = fmt::format("GET {} HTTP/1.0\r\n\r\n", target);
          co_await asio::async_write(stream, asio::buffer(request), asio::use_awaitable);
          co_await asio::async_read(stream, asio::dynamic_buffer(body),
                                    asio::redirect_error(asio::use_awaitable, error));
          done = true;
        },
        asio::detached);
    wait_until([&] { return done; });
    EXPECT_EQ(error, end) << target;
  }
}

TEST_F(TlsWorld, AReplacedCertificateIsForNewConnectionsAndOldOnesGoOn) {
  TlsListenerOptions options;
  options.look_every = hours(1);
  listen(options);
  Client& old_client = client_of(authority);
  Client& new_client = client_of(other_authority);
  EXPECT_EQ(ask(old_client, "/echo", "a").body, "a");
  EXPECT_NE(ask(new_client, "/echo").error, "");
  install(second);
  ASSERT_TRUE(certificate->reload());
  EXPECT_EQ(ask(old_client, "/echo", "b").body, "b") << "its connection began with the old one";
  EXPECT_EQ(ask(new_client, "/echo", "c").body, "c");
  EXPECT_NE(ask(client_of(authority), "/echo").error, "") << "a new connection has the new one";
}

TEST_F(TlsWorld, ChangedFilesAreSeen) {
  TlsListenerOptions options;
  options.look_every = milliseconds(1);
  listen(options);
  const Instant before = certificate->not_after();
  install(second);
  // Whatever the file system's clock makes of two writes so close together.
  std::filesystem::last_write_time(key, std::filesystem::last_write_time(key) + std::chrono::seconds(5));
  wait_until([&] { return certificate->not_after() != before; });
  EXPECT_EQ(ask(client_of(other_authority), "/echo", "x").body, "x");
}

TEST_F(TlsWorld, FilesThatDoNotGoTogetherLeaveWhatIsInUse) {
  write_certificate(second, chain);  // the key is the first's still
  const auto reloaded = certificate->reload();
  ASSERT_FALSE(reloaded);
  EXPECT_EQ(reloaded.error().code, ErrorCode::invalid_argument);
  std::filesystem::remove(chain);
  EXPECT_FALSE(certificate->reload_if_changed());
  listen();
  EXPECT_EQ(ask(client_of(authority), "/echo", "x").body, "x");
  EXPECT_FALSE(ServerCertificate::load(directory.path() / "none", key));
}

TEST_F(TlsWorld, AClientThatLeavesIsSeenAndOneThatNeverSpeaksIsLetGo) {
  TlsListenerOptions options;
  options.handshake_timeout = milliseconds(20);
  listen(options);
  asio::ip::tcp::socket silent(context);
  silent.connect({asio::ip::address_v4::loopback(), listener->port()});
  bool ended = false;
  std::array<char, 1> byte;
  silent.async_read_some(asio::buffer(byte),
                         [&](const boost::system::error_code& error, size_t) { ended = bool(error); });
  wait_until([&] { return ended; });

  listen();  // with time for a handshake, however busy the machine
  Cancellation leaving;
  Client& client = client_of(authority);
  bool done = false;
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        Endpoint endpoint("localhost", listener->port());
        ClientRequest request("GET", "/hang");
        auto sent = co_await client.send(std::move(endpoint), std::move(request), {}, leaving);
        done = !sent;
      },
      asio::detached);
  wait_until([&] { return hanging == 1; });
  leaving.cancel();
  wait_until([&] { return done && left == 1 && server->connections() == 0; });
}

}  // namespace
}  // namespace tandem::http
