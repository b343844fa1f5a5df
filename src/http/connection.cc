#include "http/connection.h"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <exception>

#include "base/json.h"
#include "base/logging.h"
#include "base/text.h"
#include "http/write_now.h"

namespace tandem::http {
namespace asio = boost::asio;

namespace {

// Two pages of kernel memory would hold most requests; most of ours fit one.
constexpr size_t kRequestBufferBytesFirst = 4 * 1024;
// What a client may still send after it has been refused, so that closing does not reset the connection before it has
// read why: as much as commonly lies in its socket's buffer.
constexpr size_t kDrainBytesMax = 1024 * 1024;
constexpr Duration kDrainTimeout = seconds(2);

std::string refusal_body(const Refusal& refusal) {
  std::string body = R"({"error":{"message":)";
  append_json_string(body, refusal.message);
  body.append(R"(,"type":"invalid_request_error","param":null,"code":)");
  append_json_string(body, refusal.code);
  body.append("}}");
  return body;
}

bool has_no_body(int status) { return status == 204 || status == 304; }

}  // namespace

Connection::Connection(std::shared_ptr<ServerState> server, asio::ip::tcp::socket socket,
                       const asio::ip::tcp::endpoint& endpoint)
    : server_(std::move(server)),
      socket_(std::move(socket)),
      parser_({{server_->options().header_bytes_max, server_->options().header_fields_max},
               server_->options().body_bytes_max}),
      deadline_(server_->context(), [this] { on_deadline(); }) {
  const auto peer = endpoint.address();
  const bool is_mapped = peer.is_v6() && peer.to_v6().is_v4_mapped();
  const auto address =
      is_mapped ? asio::ip::address(asio::ip::make_address_v4(asio::ip::v4_mapped, peer.to_v6())) : peer;
  parser_.request().peer_address = address.to_string();
  parser_.request().peer_is_loopback = address.is_loopback();
}

Connection::~Connection() { server_->forget(this); }

asio::awaitable<void> Connection::run() {
  const auto self = shared_from_this();
  while (keep_open_) {
    const Received received = co_await receive();
    if (received == Received::nothing) break;
    if (received == Received::refused) {
      const Refusal refusal =
          timed_out_ ? Refusal{408, "request_timeout", "the request did not arrive in time"} : parser_.refusal();
      co_await refuse(refusal);
    } else {
      co_await answer();
    }
  }
  if (stage_ != Stage::broken) co_await drain();
  close_now();
}

// Reads the next request into the parser. Bytes of it may be in the buffer already (pipelining).
asio::awaitable<Connection::Received> Connection::receive() {
  parser_.next_request();
  stage_ = Stage::waiting;
  timed_out_ = false;
  wait_for(Wait::idle, server_->options().idle_timeout);
  for (;;) {
    consume();
    if (parser_.state() == RequestParser::State::complete) break;
    if (parser_.state() == RequestParser::State::refused) co_return Received::refused;
    if (wait_ == Wait::idle && begin_ < end_) wait_for(Wait::head, server_->options().header_timeout);
    if (wait_ != Wait::body && parser_.state() == RequestParser::State::body) {
      wait_for(Wait::body, server_->options().body_timeout);
      if (parser_.expects_continue() && begin_ == end_) {
        constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
        const std::array<asio::const_buffer, 1> piece{asio::buffer(kContinue)};
        const auto sent = co_await send(piece);
        if (!sent) co_return Received::nothing;
        wait_for(Wait::body, server_->options().body_timeout);
      }
    }
    if (wait_ == Wait::idle && server_->closing()) co_return Received::nothing;
    const bool came = co_await more_bytes();
    if (!came) co_return timed_out_&& wait_ != Wait::idle ? Received::refused : Received::nothing;
  }
  deadline_.clear();
  wait_ = Wait::handler;
  co_return Received::request;
}

void Connection::consume() {
  while (begin_ < end_) {
    const size_t taken = parser_.consume(unread());
    if (taken == 0) return;
    begin_ += taken;
    // At the head's end the caller may have to ask for the body first.
    if (parser_.state() == RequestParser::State::complete) return;
  }
}

asio::awaitable<bool> Connection::more_bytes() {
  if (at_end_ || timed_out_) co_return false;
  arm_read();
  co_await more_.wait();
  co_return !at_end_ && !timed_out_;
}

void Connection::arm_read() {
  if (read_armed_ || at_end_ || !socket_.is_open() || !make_room()) return;
  read_armed_ = true;
  socket_.async_read_some(asio::buffer(buffer_.get() + end_, capacity_ - end_), ReadHandler(shared_from_this()));
}

// Room at the buffer's end for a read. Never while a read is under way, which writes into the buffer.
bool Connection::make_room() {
  const size_t most = std::max(server_->options().header_bytes_max, kRequestBufferBytesFirst);
  const size_t held = end_ - begin_;
  size_t wanted = capacity_;
  if (parser_.state() == RequestParser::State::body && parser_.body_bytes_expected() > capacity_) {
    wanted = most;  // fewer calls for a large body
  } else if (capacity_ == 0 || (held == 0 && parser_.state() != RequestParser::State::body)) {
    wanted = std::min(kRequestBufferBytesFirst, most);  // also back to it: most connections are idle
  } else if (held == capacity_) {
    wanted = std::min(most, capacity_ * 2);
  }
  if (wanted != capacity_) {
    auto larger = std::make_unique_for_overwrite<char[]>(wanted);
    if (held > 0) std::memcpy(larger.get(), buffer_.get() + begin_, held);
    buffer_ = std::move(larger);
    capacity_ = wanted;
  } else if (begin_ > 0 && held > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, held);
  }
  begin_ = 0;
  end_ = held;
  return held < capacity_;
}

void Connection::on_read(const boost::system::error_code& error, size_t bytes) {
  read_armed_ = false;
  if (error) {
    at_end_ = true;
  } else {
    end_ += bytes;
  }
  if (!handler_runs_) {
    more_.notify();
  } else if (at_end_) {
    disconnected();
  } else {
    arm_read();
  }
}

void Connection::disconnected() {
  if (peer_closed_ || stage_ == Stage::broken) return;
  peer_closed_ = true;
  if (const auto callback = std::exchange(on_disconnect_, nullptr)) callback();
}

void Connection::on_disconnect(std::function<void()> callback) {
  if (peer_closed_) {
    if (callback) callback();
  } else {
    on_disconnect_ = std::move(callback);
  }
}

void Connection::wait_for(Wait wait, Duration timeout) {
  wait_ = wait;
  deadline_.set(timeout);
}

void Connection::on_deadline() {
  timed_out_ = true;
  if (wait_ == Wait::write) {
    close_now();  // the write under way ends with an error
  } else {
    more_.notify();
  }
}

void Connection::close_if_idle() {
  if (wait_ == Wait::idle && begin_ == end_) close_now();
}

void Connection::close_now() {
  boost::system::error_code ignored;  // whatever state it is in, it is closed afterwards
  socket_.close(ignored);
}

asio::awaitable<void> Connection::answer() {
  head_only_ = parser_.request().method == "HEAD";
  keep_open_ = parser_.keeps_alive();
  handler_runs_ = true;
  arm_read();
  if (at_end_) disconnected();
  ResponseWriter writer(*this);
  try {
    co_await server_->handler()(parser_.request(), writer);
  } catch (const std::exception& exception) {
    log_error("handler of {} {} threw: {}", parser_.request().method, parser_.request().target, exception.what());
    if (stage_ == Stage::streaming) abort();
  }
  handler_runs_ = false;
  on_disconnect_ = nullptr;
  if (stage_ == Stage::waiting) {
    const Error error{ErrorCode::internal, "the request was not answered", {}};
    const auto sent = co_await writer.respond_error(error);
    if (!sent) keep_open_ = false;
  } else if (stage_ == Stage::streaming) {
    abort();
  }
  if (stage_ == Stage::broken) keep_open_ = false;
}

asio::awaitable<void> Connection::refuse(Refusal refusal) {
  keep_open_ = false;
  head_only_ = false;
  const bool late = std::exchange(timed_out_, false);
  const auto sent = co_await respond(refusal.status, json_headers(), refusal_body(refusal));
  if (!sent || late) stage_ = Stage::broken;  // nothing to wait for
}

// Closing while the client still sends would reset the connection, and could take the answer with it: so our side ends,
// and what comes is dropped until theirs does.
asio::awaitable<void> Connection::drain() {
  boost::system::error_code error;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
  if (error) co_return;
  timed_out_ = false;
  wait_for(Wait::drain, kDrainTimeout);
  size_t dropped = 0;
  while (dropped < kDrainBytesMax) {
    dropped += end_ - begin_;
    begin_ = end_;
    const bool came = co_await more_bytes();
    if (!came) break;
  }
}

// --- the answer ---

Result<void> Connection::make_head(int status, const Headers& headers, std::string_view framing) {
  if (status < 200 || status > 599) return fail(ErrorCode::invalid_argument, "an answer's status is 200 to 599");
  head_.assign("HTTP/1.1 ").append(std::to_string(status)).append(" ").append(reason_phrase(status)).append("\r\n");
  for (const Header& field : headers) {
    if (is_framing_field(field) || is_named(field, "date")) continue;
    if (!is_token(field.name) || !is_field_value(field.value)) {
      return fail(ErrorCode::invalid_argument, "the header '" + field.name + "' cannot be sent");
    }
    head_.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  head_.append("date: ").append(server_->date()).append("\r\n").append(framing);
  if (server_->closing()) keep_open_ = false;
  if (!keep_open_) {
    head_.append("connection: close\r\n");
  } else if (parser_.is_http_1_0()) {
    head_.append("connection: keep-alive\r\n");
  }
  head_.append("\r\n");
  return {};
}

asio::awaitable<Result<void>> Connection::respond(int status, Headers headers, std::string body) {
  if (stage_ != Stage::waiting) co_return fail(ErrorCode::invalid_argument, "the request is already answered");
  std::string framing;
  if (!has_no_body(status)) framing.append("content-length: ").append(std::to_string(body.size())).append("\r\n");
  auto head = make_head(status, headers, framing);
  if (!head) co_return head;
  stage_ = Stage::answered;
  const bool with_body = !head_only_ && !has_no_body(status);
  const std::array<asio::const_buffer, 2> pieces{asio::buffer(head_),
                                                 asio::buffer(body.data(), with_body ? body.size() : 0)};
  auto sent = co_await send(pieces);
  co_return sent;
}

asio::awaitable<Result<void>> Connection::start(int status, Headers headers) {
  if (stage_ != Stage::waiting) co_return fail(ErrorCode::invalid_argument, "the request is already answered");
  if (has_no_body(status)) co_return fail(ErrorCode::invalid_argument, "this status has no body: use respond");
  if (parser_.is_http_1_0()) keep_open_ = false;  // it knows no chunks: the end of the connection ends the body
  auto head = make_head(status, headers, parser_.is_http_1_0() ? "" : "transfer-encoding: chunked\r\n");
  if (!head) co_return head;
  stage_ = Stage::streaming;
  const std::array<asio::const_buffer, 1> pieces{asio::buffer(head_)};
  auto sent = co_await send(pieces);
  co_return sent;
}

asio::awaitable<Result<void>> Connection::write(std::string_view piece) {
  if (stage_ == Stage::broken) co_return tl::unexpected(send_error());
  if (stage_ != Stage::streaming) co_return fail(ErrorCode::invalid_argument, "no answer has been started");
  if (piece.empty() || head_only_) co_return Result<void>();
  if (parser_.is_http_1_0()) {
    const std::array<asio::const_buffer, 1> pieces{asio::buffer(piece)};
    auto sent = co_await send(pieces);
    co_return sent;
  }
  std::array<char, 20> size;
  const auto size_end = fmt::format_to_n(size.data(), size.size(), "{:x}\r\n", piece.size());
  const std::array<asio::const_buffer, 3> pieces{asio::buffer(size.data(), size_end.size), asio::buffer(piece),
                                                 asio::buffer("\r\n", 2)};
  auto sent = co_await send(pieces);
  co_return sent;
}

asio::awaitable<Result<void>> Connection::finish() {
  if (stage_ == Stage::broken) co_return tl::unexpected(send_error());
  if (stage_ != Stage::streaming) co_return fail(ErrorCode::invalid_argument, "no answer has been started");
  stage_ = Stage::answered;
  if (parser_.is_http_1_0() || head_only_) co_return Result<void>();
  const std::array<asio::const_buffer, 1> pieces{asio::buffer("0\r\n\r\n", 5)};
  auto sent = co_await send(pieces);
  co_return sent;
}

void Connection::abort() {
  if (parser_.is_http_1_0()) {
    boost::system::error_code ignored;  // only a reset tells an HTTP/1.0 client that this is not the end
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  }
  stage_ = Stage::broken;
  keep_open_ = false;
  close_now();
}

Error Connection::send_error() const {
  if (timed_out_) return {ErrorCode::deadline_exceeded, "the client reads too slowly", {}};
  return {ErrorCode::unavailable, "the client has closed the connection", {}};
}

// Hands the pieces to the kernel in one call when it takes them, which is nearly always; waits for it otherwise.
template <size_t count>
asio::awaitable<Result<void>> Connection::send(std::array<asio::const_buffer, count> pieces) {
  boost::system::error_code error;
  if (!write_now(socket_, pieces, error) && !error) {
    const Wait before = std::exchange(wait_, Wait::write);
    deadline_.set(server_->options().write_timeout);
    co_await asio::async_write(socket_, pieces, asio::redirect_error(asio::use_awaitable, error));
    deadline_.clear();
    wait_ = before;
  }
  if (!error) co_return Result<void>();
  if (handler_runs_) disconnected();
  stage_ = Stage::broken;
  keep_open_ = false;
  const Error cause = send_error();
  co_return tl::unexpected(cause);
}

// --- the façade ---

asio::awaitable<Result<void>> ResponseWriter::respond(int status, Headers headers, std::string body) {
  return connection_.respond(status, std::move(headers), std::move(body));
}
asio::awaitable<Result<void>> ResponseWriter::respond_json(int status, std::string json) {
  return connection_.respond(status, json_headers(), std::move(json));
}
asio::awaitable<Result<void>> ResponseWriter::respond_error(const Error& error) {
  return connection_.respond(describe(error.code).http_status, json_headers(), json_error_body(error));
}
asio::awaitable<Result<void>> ResponseWriter::start(int status, Headers headers) {
  return connection_.start(status, std::move(headers));
}
asio::awaitable<Result<void>> ResponseWriter::write(std::string_view piece) { return connection_.write(piece); }
asio::awaitable<Result<void>> ResponseWriter::finish() { return connection_.finish(); }
void ResponseWriter::abort() { connection_.abort(); }
bool ResponseWriter::started() const { return connection_.started(); }
bool ResponseWriter::peer_closed() const { return connection_.peer_closed(); }
void ResponseWriter::on_disconnect(std::function<void()> callback) { connection_.on_disconnect(std::move(callback)); }

}  // namespace tandem::http
