#include "http/connection.h"

#include <fmt/format.h>

#include <boost/asio/error.hpp>
#include <exception>

#include "base/json.h"
#include "base/logging.h"
#include "base/text.h"

namespace tandem::http {
namespace asio = boost::asio;

namespace {

// Of what came beyond a request, for the next time: most connections are idle.
constexpr size_t kUnreadBytesKept = 4 * 1024;
// Most requests whole; some hundred where they are pipelined, which are then answered before others get their turn.
constexpr size_t kHeadReadBytes = 16 * 1024;
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

Connection::Connection(std::shared_ptr<ServerState> server, const asio::ip::tcp::endpoint& endpoint,
                       std::function<void()> on_cut)
    : server_(std::move(server)),
      socket_(server_->reactor()),
      parser_({{server_->options().header_bytes_max, server_->options().header_fields_max},
               server_->options().body_bytes_max}),
      deadline_(server_->reactor(), [this] { on_deadline(); }),
      on_cut_(std::move(on_cut)) {
  const auto peer = endpoint.address();
  const bool is_mapped = peer.is_v6() && peer.to_v6().is_v4_mapped();
  const auto address =
      is_mapped ? asio::ip::address(asio::ip::make_address_v4(asio::ip::v4_mapped, peer.to_v6())) : peer;
  parser_.request().peer_address = address.to_string();
  parser_.request().peer_is_loopback = address.is_loopback();
}

Connection::~Connection() { server_->forget(this); }

boost::system::error_code Connection::open(int descriptor) {
  if (const auto error = socket_.open(descriptor)) return error;
  socket_.set_in_use(true);
  socket_.on_hang_up([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self != nullptr && self->handler_runs_) self->disconnected();
  });
  return {};
}

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

// Reads the next request into the parser. Bytes of it may have come already (pipelining).
asio::awaitable<Connection::Received> Connection::receive() {
  parser_.next_request();
  stage_ = Stage::waiting;
  timed_out_ = false;
  wait_for(Wait::idle, server_->options().idle_timeout);
  consume_unread();
  while (parser_.state() != RequestParser::State::complete) {
    if (parser_.state() == RequestParser::State::refused) co_return Received::refused;
    if (wait_ == Wait::idle && has_unread()) wait_for(Wait::head, server_->options().header_timeout);
    if (wait_ != Wait::body && parser_.state() == RequestParser::State::body) {
      wait_for(Wait::body, server_->options().body_timeout);
      if (parser_.expects_continue() && parser_.request().body.empty()) {
        std::array piece{asio::buffer(std::string_view("HTTP/1.1 100 Continue\r\n\r\n"))};
        const auto sent = co_await send(piece);
        if (!sent) co_return Received::nothing;
        wait_for(Wait::body, server_->options().body_timeout);
      }
    }
    if (wait_ == Wait::idle && server_->closing()) co_return Received::nothing;
    const Input input = timed_out_ ? Input::ended : take_input();
    if (input == Input::ended) co_return timed_out_&& wait_ != Wait::idle ? Received::refused : Received::nothing;
    if (input == Input::none) co_await socket_.readable();
  }
  deadline_.clear();
  wait_ = Wait::handler;
  co_return Received::request;
}

Connection::Input Connection::take_input() {
  const bool in_body = parser_.state() == RequestParser::State::body;
  const std::span<char> buffer = server_->reactor().read_buffer().first(in_body ? Reactor::kReadBytes : kHeadReadBytes);
  const Socket::Moved read = socket_.read(buffer);
  if (read.error == asio::error::would_block) return Input::none;
  if (read.error) return Input::ended;
  const std::string_view bytes(buffer.data(), read.bytes);
  if (has_unread()) {
    unread_.append(bytes);
    consume_unread();
  } else {
    unread_.assign(bytes.substr(consume(bytes)));
    unread_begin_ = 0;
  }
  return Input::taken;
}

// How many of the bytes the request took.
size_t Connection::consume(std::string_view bytes) {
  size_t taken = 0;
  while (taken < bytes.size()) {
    const size_t step = parser_.consume(bytes.substr(taken));
    taken += step;
    if (step == 0 || parser_.state() == RequestParser::State::complete) break;
  }
  return taken;
}

void Connection::consume_unread() {
  unread_begin_ += consume(std::string_view(unread_).substr(unread_begin_));
  if (has_unread()) return;
  unread_.clear();
  unread_begin_ = 0;
  if (unread_.capacity() > kUnreadBytesKept) unread_.shrink_to_fit();
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
    socket_.wake();
  }
}

void Connection::close_if_idle() {
  if (wait_ == Wait::idle && !has_unread()) close_now();
}

asio::awaitable<void> Connection::answer() {
  head_only_ = parser_.request().method == "HEAD";
  keep_open_ = parser_.keeps_alive();
  handler_runs_ = true;
  if (socket_.has_hung_up()) disconnected();
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
  socket_.end_sending();
  timed_out_ = false;
  wait_for(Wait::drain, kDrainTimeout);
  size_t dropped = 0;
  while (dropped < kDrainBytesMax && !timed_out_) {
    const Socket::Moved read = socket_.read(server_->reactor().read_buffer());
    dropped += read.bytes;
    if (read.error == asio::error::would_block)
      co_await socket_.readable();
    else if (read.error)
      break;
  }
}

// --- the answer ---

Result<void> Connection::make_head(int status, const Headers& headers, std::string_view framing) {
  if (status < 200 || status > 599) return fail(ErrorCode::invalid_argument, "an answer's status is 200 to 599");
  const auto digit = [status](int power) { return static_cast<char>('0' + status / power % 10); };
  const char digits[] = {digit(100), digit(10), digit(1), ' '};
  head_.assign("HTTP/1.1 ", 9).append(digits, sizeof digits).append(reason_phrase(status)).append("\r\n", 2);
  if (auto fields = append_fields(headers, "date", head_); !fields) return fields;
  head_.append("date: ", 6).append(server_->date()).append("\r\n", 2).append(framing);
  if (server_->closing()) keep_open_ = false;
  if (!keep_open_) {
    head_.append("connection: close\r\n");
  } else if (parser_.is_http_1_0()) {
    head_.append("connection: keep-alive\r\n");
  }
  head_.append("\r\n", 2);
  return {};
}

asio::awaitable<Result<void>> Connection::respond(int status, Headers headers, std::string body) {
  if (stage_ != Stage::waiting) co_return fail(ErrorCode::invalid_argument, "the request is already answered");
  std::array<char, 40> framing;
  const auto framed = fmt::format_to_n(framing.data(), framing.size(), "content-length: {}\r\n", body.size());
  auto head = make_head(status, headers, {framing.data(), has_no_body(status) ? 0 : framed.size});
  if (!head) co_return head;
  stage_ = Stage::answered;
  const bool with_body = !head_only_ && !has_no_body(status);
  std::array pieces{asio::const_buffer(head_.data(), head_.size()),
                    asio::const_buffer(body.data(), with_body ? body.size() : 0)};
  if (!socket_.write(pieces).error) co_return Result<void>();
  auto sent = co_await send(pieces);
  co_return sent;
}

asio::awaitable<Result<void>> Connection::start(int status, Headers headers, std::string_view piece) {
  if (stage_ != Stage::waiting) co_return fail(ErrorCode::invalid_argument, "the request is already answered");
  if (has_no_body(status)) co_return fail(ErrorCode::invalid_argument, "this status has no body: use respond");
  if (parser_.is_http_1_0()) keep_open_ = false;  // it knows no chunks: the end of the connection ends the body
  auto head = make_head(status, headers, parser_.is_http_1_0() ? "" : "transfer-encoding: chunked\r\n");
  if (!head) co_return head;
  stage_ = Stage::streaming;
  Chunk chunk;
  frame(piece, chunk);
  std::array pieces{asio::const_buffer(head_.data(), head_.size()), chunk.parts[0], chunk.parts[1], chunk.parts[2]};
  if (!socket_.write(pieces).error) co_return Result<void>();
  auto sent = co_await send(pieces);
  co_return sent;
}

void Connection::frame(std::string_view piece, Chunk& chunk) const {
  chunk.parts = {};
  if (piece.empty() || head_only_) return;
  chunk.parts[1] = asio::buffer(piece);
  if (parser_.is_http_1_0()) return;
  const auto size_line = fmt::format_to_n(chunk.size_line.data(), chunk.size_line.size(), "{:x}\r\n", piece.size());
  chunk.parts[0] = asio::buffer(chunk.size_line.data(), size_line.size);
  chunk.parts[2] = asio::buffer("\r\n", 2);
}

asio::awaitable<Result<void>> Connection::write(std::string_view piece) {
  if (stage_ != Stage::broken && stage_ != Stage::streaming)
    co_return fail(ErrorCode::invalid_argument, "no answer has been started");
  if (stage_ == Stage::broken) co_return break_off();
  Chunk chunk;
  frame(piece, chunk);
  if (!socket_.write(chunk.parts).error) co_return Result<void>();
  auto sent = co_await send(chunk.parts);
  co_return sent;
}

asio::awaitable<Result<void>> Connection::finish(std::string_view piece) {
  if (stage_ != Stage::broken && stage_ != Stage::streaming)
    co_return fail(ErrorCode::invalid_argument, "no answer has been started");
  if (stage_ == Stage::broken) co_return break_off();
  stage_ = Stage::answered;
  Chunk chunk;
  frame(piece, chunk);
  const bool is_framed = !parser_.is_http_1_0() && !head_only_;
  std::array pieces{chunk.parts[0], chunk.parts[1], chunk.parts[2], asio::const_buffer("0\r\n\r\n", is_framed ? 5 : 0)};
  if (!socket_.write(pieces).error) co_return Result<void>();
  auto sent = co_await send(pieces);
  co_return sent;
}

void Connection::abort() {
  stage_ = Stage::broken;
  keep_open_ = false;
  if (on_cut_) on_cut_();
  if (parser_.is_http_1_0())
    socket_.reset();  // nothing less tells an HTTP/1.0 client that this is not the end
  else
    close_now();
}

// Hands the kernel what it has not taken yet, waiting for room.
asio::awaitable<Result<void>> Connection::send(std::span<asio::const_buffer> pieces) {
  const Wait before = wait_;
  for (;;) {
    const Socket::Moved written = socket_.write(pieces);
    if (written.error != asio::error::would_block) {
      if (std::exchange(wait_, before) == Wait::write) deadline_.clear();
      if (written.error) co_return break_off();
      co_return Result<void>();
    }
    if (wait_ != Wait::write) wait_for(Wait::write, server_->options().write_timeout);
    co_await socket_.writable();
  }
}

// The client has gone, or was given up.
Result<void> Connection::break_off() {
  if (handler_runs_) disconnected();
  stage_ = Stage::broken;
  keep_open_ = false;
  if (timed_out_) return fail(ErrorCode::deadline_exceeded, "the client reads too slowly");
  return fail(ErrorCode::unavailable, "the client has closed the connection");
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
asio::awaitable<Result<void>> ResponseWriter::start(int status, Headers headers, std::string_view piece) {
  return connection_.start(status, std::move(headers), piece);
}
asio::awaitable<Result<void>> ResponseWriter::write(std::string_view piece) { return connection_.write(piece); }
asio::awaitable<Result<void>> ResponseWriter::finish(std::string_view piece) { return connection_.finish(piece); }
void ResponseWriter::abort() { connection_.abort(); }
bool ResponseWriter::started() const { return connection_.started(); }
bool ResponseWriter::peer_closed() const { return connection_.peer_closed(); }
void ResponseWriter::on_disconnect(std::function<void()> callback) { connection_.on_disconnect(std::move(callback)); }

}  // namespace tandem::http
