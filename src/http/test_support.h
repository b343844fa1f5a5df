// A server on its own thread and a blocking raw socket, for this module's tests.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <future>
#include <string>
#include <string_view>
#include <thread>

#include "http/http.h"

namespace tandem::http {

namespace asio = boost::asio;

class RunningServer {
 public:
  explicit RunningServer(Handler handler, ServerOptions options = {}) {
    auto listening = Server::listen(context_, std::move(options), std::move(handler));
    EXPECT_TRUE(listening) << to_string(listening.error());
    server_ = std::move(*listening);
    port_ = server_->port();
    thread_ = std::thread([this] { context_.run(); });
  }
  ~RunningServer() {
    asio::post(context_, [this] { server_.reset(); });
    run_dry();
  }
  RunningServer(const RunningServer&) = delete;
  RunningServer& operator=(const RunningServer&) = delete;

  // Waits until the context has nothing left to do, which is once the server is closed and every connection has
  // unwound.
  void run_dry() {
    if (thread_.joinable()) thread_.join();
  }

  uint16_t port() const { return port_; }
  asio::io_context& context() { return context_; }

  // On the server's thread.
  template <class Function>
  auto ask(Function function) {
    std::promise<decltype(function(*server_))> promise;
    asio::post(context_, [&] { promise.set_value(function(*server_)); });
    return promise.get_future().get();
  }

 private:
  asio::io_context context_;
  std::unique_ptr<Server> server_;
  uint16_t port_ = 0;
  std::thread thread_;
};

// A client that sends exactly the bytes it is told to.
class RawClient {
 public:
  explicit RawClient(uint16_t port) : socket_(context_) {
    boost::system::error_code error;
    socket_.connect({asio::ip::address_v4::loopback(), port}, error);
    EXPECT_FALSE(error) << error.message();
    // A test that waits longer than this for bytes has failed: it would hang.
    const timeval patience{20, 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }

  bool send(std::string_view bytes) {
    boost::system::error_code error;
    asio::write(socket_, asio::buffer(bytes), error);
    return !error;
  }

  // Whatever comes until the server closes; empty also when it resets.
  std::string read_to_end() {
    std::string text = std::move(pending_);
    pending_.clear();
    while (read_more(text)) {
    }
    return text;
  }

  // One response: its head, and its body by content-length or to the end of its chunks (left framed).
  std::string read_response() {
    std::string text = std::move(pending_);
    pending_.clear();
    size_t head_end = 0;
    while ((head_end = text.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more(text)) return text;
    }
    size_t end = head_end + 4;
    if (const size_t length = text.find("content-length: "); length < head_end) {
      end += std::stoul(text.substr(length + 16));
      while (text.size() < end) {
        if (!read_more(text)) return text;
      }
    } else if (text.find("transfer-encoding: chunked") < head_end) {
      while ((end = text.find("\r\n0\r\n\r\n", head_end)) == std::string::npos) {
        if (!read_more(text)) return text;
      }
      end += 7;
    }
    pending_ = text.substr(end);
    text.resize(end);
    return text;
  }

  // Some bytes, at least one; empty at the end.
  std::string read_some() {
    std::string text = std::move(pending_);
    pending_.clear();
    if (text.empty()) read_more(text);
    return text;
  }

  bool was_reset() const { return reset_; }
  void close() { socket_.close(); }
  asio::ip::tcp::socket& socket() { return socket_; }

 private:
  bool read_more(std::string& text) {
    char bytes[4096];
    const auto count = ::recv(socket_.native_handle(), bytes, sizeof bytes, 0);
    if (count < 0) {
      reset_ = errno == ECONNRESET;
      EXPECT_TRUE(reset_) << "nothing came in time";
    }
    if (count <= 0) return false;
    text.append(bytes, static_cast<size_t>(count));
    return true;
  }

  asio::io_context context_;
  asio::ip::tcp::socket socket_;
  std::string pending_;
  bool reset_ = false;
};

inline int status_of(std::string_view response) {
  if (!response.starts_with("HTTP/1.1 ") || response.size() < 12) return 0;
  return std::stoi(std::string(response.substr(9, 3)));
}

inline std::string body_of(std::string_view response) {
  const size_t end = response.find("\r\n\r\n");
  return end == std::string_view::npos ? std::string() : std::string(response.substr(end + 4));
}

inline asio::awaitable<void> sleep_ms(int ms) {
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(ms));
  co_await timer.async_wait(asio::use_awaitable);
}

// Works for longer than a test lasts, or until the client has gone: it may have by now.
inline asio::awaitable<void> work_until_left(ResponseWriter& writer) {
  asio::steady_timer work(co_await asio::this_coro::executor, std::chrono::seconds(20));
  writer.on_disconnect([&work] { work.expires_after({}); });
  boost::system::error_code error;
  co_await work.async_wait(asio::redirect_error(asio::use_awaitable, error));
  writer.on_disconnect({});
}

// Answers with what it understood: method, target, query, the body.
inline asio::awaitable<void> echo(const Request& request, ResponseWriter& writer) {
  std::string text = request.method + " " + request.target + " " + request.query + " " + request.body;
  auto sent = co_await writer.respond(200, content_type("text/plain"), std::move(text));
  static_cast<void>(sent);
}

}  // namespace tandem::http
