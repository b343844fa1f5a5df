#include "http/connection.h"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <charconv>
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

// Of what is too large also how large it may be.
std::string message_of(const Refusal& refusal, const ServerOptions& options) {
  std::string message(refusal.message);
  if (refusal.status == 413)
    message += ", which is " + std::to_string(options.body_bytes_max) + " bytes: send it in parts";
  if (refusal.status == 431)
    message += ", which is " + std::to_string(options.header_bytes_max) + " bytes in " +
               std::to_string(options.header_fields_max) + " fields: send fewer, or shorter ones";
  return message;
}

std::string refusal_body(const Refusal& refusal, const ServerOptions& options) {
  std::string body = R"({"error":{"message":)";
  append_json_string(body, message_of(refusal, options));
  body.append(R"(,"type":"invalid_request_error","param":null,"code":)");
  append_json_string(body, refusal.code);
  body.append("}}");
  return body;
}

// An IPv4 address in IPv6 as itself.
asio::ip::tcp::endpoint unmapped(const asio::ip::tcp::endpoint& end) {
  const auto address = end.address();
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return end;
  return {asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()), end.port()};
}

bool has_no_body(int status) { return status == 204 || status == 304; }

}  // namespace

Connection::Connection(std::shared_ptr<ServerState> server, const Ends& ends, std::function<void()> on_cut)
    : server_(std::move(server)),
      socket_(server_->reactor()),
      parser_({{server_->options().header_bytes_max, server_->options().header_fields_max},
               server_->options().body_bytes_max}),
      deadline_(server_->reactor(), [this] { on_deadline(); }),
      on_cut_(std::move(on_cut)) {
  const asio::ip::tcp::endpoint peer = unmapped(ends.peer);
  Request& request = parser_.request();
  request.peer_address = peer.address().to_string();
  if (peer.address().is_loopback())
    request.local_peer = std::make_shared<LocalPeer>(Ends{peer, unmapped(ends.own)}, server_->options().trusted_users);
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
        add_piece(asio::buffer(std::string_view("HTTP/1.1 100 Continue\r\n\r\n")));
        auto sent = send();
        if (!sent) sent = co_await rest();
        if (!*sent) co_return Received::nothing;
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
  if (const auto& peer = parser_.request().local_peer) peer->note_gone();
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
  } else if (stage_ == Stage::streaming || pieces_count_ > 0) {
    abort();
  }
  if (stage_ == Stage::broken) keep_open_ = false;
}

asio::awaitable<void> Connection::refuse(Refusal refusal) {
  keep_open_ = false;
  head_only_ = false;
  const bool late = std::exchange(timed_out_, false);
  const std::string body = refusal_body(refusal, server_->options());
  auto sent = respond(refusal.status, json_headers(), body);
  if (!sent) sent = co_await rest();
  if (!*sent || late) stage_ = Stage::broken;  // nothing to wait for
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
  if (status == 200) {
    head_.assign("HTTP/1.1 200 OK\r\n", 17);
  } else {
    const auto digit = [status](int power) { return static_cast<char>('0' + status / power % 10); };
    const char digits[] = {digit(100), digit(10), digit(1), ' '};
    head_.assign("HTTP/1.1 ", 9).append(digits, sizeof digits).append(reason_phrase(status)).append("\r\n", 2);
  }
  if (auto fields = append_fields(headers, "date", head_); !fields) return fields;
  head_.append(server_->date_line()).append(framing);
  if (server_->closing()) keep_open_ = false;
  if (!keep_open_) {
    head_.append("connection: close\r\n");
  } else if (parser_.is_http_1_0()) {
    head_.append("connection: keep-alive\r\n");
  }
  head_.append("\r\n", 2);
  return {};
}

std::optional<Result<void>> Connection::respond(int status, const Headers& headers, std::string_view body) {
  if (stage_ != Stage::waiting) return fail(ErrorCode::invalid_argument, "the request is already answered");
  std::array<char, 40> framing;
  char* end = framing.begin();
  if (!has_no_body(status)) {
    constexpr std::string_view kName = "content-length: ";
    end = std::copy(kName.begin(), kName.end(), end);
    end = std::to_chars(end, framing.end(), body.size()).ptr;
    *end++ = '\r';
    *end++ = '\n';
  }
  auto head = make_head(status, headers, {framing.data(), static_cast<size_t>(end - framing.data())});
  if (!head) return head;
  stage_ = Stage::answered;
  add_piece(asio::buffer(head_));
  if (!head_only_ && !has_no_body(status)) add_piece(asio::buffer(body));
  return send();
}

std::optional<Result<void>> Connection::start(int status, const Headers& headers, std::string_view piece) {
  if (stage_ != Stage::waiting) return fail(ErrorCode::invalid_argument, "the request is already answered");
  if (has_no_body(status)) return fail(ErrorCode::invalid_argument, "this status has no body: use respond");
  if (parser_.is_http_1_0()) keep_open_ = false;  // it knows no chunks: the end of the connection ends the body
  auto head = make_head(status, headers, parser_.is_http_1_0() ? "" : "transfer-encoding: chunked\r\n");
  if (!head) return head;
  stage_ = Stage::streaming;
  add_piece(asio::buffer(head_));
  add_chunk(piece);
  return send();
}

// A piece of a streamed answer: in a chunk's frame, or as it is.
void Connection::add_chunk(std::string_view piece) {
  if (piece.empty() || head_only_) return;
  if (parser_.is_http_1_0()) return add_piece(asio::buffer(piece));
  char* end = std::to_chars(size_line_.begin(), size_line_.end(), piece.size(), 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  add_piece(asio::buffer(size_line_.data(), static_cast<size_t>(end - size_line_.data())));
  add_piece(asio::buffer(piece));
  add_piece(asio::buffer("\r\n", 2));
}

std::optional<Result<void>> Connection::write(std::string_view piece) {
  if (stage_ == Stage::broken) return break_off();
  if (stage_ != Stage::streaming) return fail(ErrorCode::invalid_argument, "no answer has been started");
  if (pieces_count_ > 0)
    return fail(ErrorCode::invalid_argument, "what was written before is not sent yet: await `rest`");
  add_chunk(piece);
  return send();
}

std::optional<Result<void>> Connection::finish(std::string_view piece) {
  if (stage_ == Stage::broken) return break_off();
  if (stage_ != Stage::streaming) return fail(ErrorCode::invalid_argument, "no answer has been started");
  if (pieces_count_ > 0)
    return fail(ErrorCode::invalid_argument, "what was written before is not sent yet: await `rest`");
  stage_ = Stage::answered;
  add_chunk(piece);
  if (!parser_.is_http_1_0() && !head_only_) add_piece(asio::buffer("0\r\n\r\n", 5));
  return send();
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

// Hands the kernel the pieces; nothing: it has not taken all of them.
std::optional<Result<void>> Connection::send() {
  const Socket::Moved written = socket_.write(std::span(pieces_).first(pieces_count_));
  if (written.error == asio::error::would_block) return std::nullopt;
  pieces_count_ = 0;
  if (written.error) return break_off();
  return Result<void>();
}

// Waits for room for what is left of them.
asio::awaitable<Result<void>> Connection::rest() {
  const Wait before = wait_;
  for (;;) {
    auto sent = send();
    if (sent) {
      if (std::exchange(wait_, before) == Wait::write) deadline_.clear();
      co_return *std::move(sent);
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
  auto sent = connection_.respond(status, headers, body);
  if (!sent) sent = co_await connection_.rest();
  co_return *std::move(sent);
}
asio::awaitable<Result<void>> ResponseWriter::respond_json(int status, std::string json) {
  return respond(status, json_headers(), std::move(json));
}
asio::awaitable<Result<void>> ResponseWriter::respond_error(const Error& error) {
  return respond(describe(error.code).http_status, json_headers(), json_error_body(error));
}
asio::awaitable<Result<void>> ResponseWriter::start(int status, Headers headers, std::string_view piece) {
  auto sent = connection_.start(status, headers, piece);
  if (!sent) sent = co_await connection_.rest();
  co_return *std::move(sent);
}
asio::awaitable<Result<void>> ResponseWriter::write(std::string_view piece) {
  auto sent = connection_.write(piece);
  if (!sent) sent = co_await connection_.rest();
  co_return *std::move(sent);
}
asio::awaitable<Result<void>> ResponseWriter::finish(std::string_view piece) {
  auto sent = connection_.finish(piece);
  if (!sent) sent = co_await connection_.rest();
  co_return *std::move(sent);
}
std::optional<Result<void>> ResponseWriter::respond_now(int status, const Headers& headers, std::string_view body) {
  return connection_.respond(status, headers, body);
}
std::optional<Result<void>> ResponseWriter::start_now(int status, const Headers& headers, std::string_view piece) {
  return connection_.start(status, headers, piece);
}
std::optional<Result<void>> ResponseWriter::write_now(std::string_view piece) { return connection_.write(piece); }
std::optional<Result<void>> ResponseWriter::finish_now(std::string_view piece) { return connection_.finish(piece); }
asio::awaitable<Result<void>> ResponseWriter::rest() { return connection_.rest(); }
void ResponseWriter::abort() { connection_.abort(); }
bool ResponseWriter::started() const { return connection_.started(); }
bool ResponseWriter::peer_closed() const { return connection_.peer_closed(); }
void ResponseWriter::on_disconnect(std::function<void()> callback) { connection_.on_disconnect(std::move(callback)); }

}  // namespace tandem::http
