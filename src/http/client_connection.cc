#include "http/client_connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <charconv>

#include "base/text.h"

namespace tandem::http {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr size_t kAnswerBytesKept = 4 * 1024;  // from request to request
constexpr int kInterimHeadsMax = 8;            // 100 Continue, 103 Early Hints: a server that sends more is broken

// What this machine lacks; it says nothing of the other.
bool is_our_own(const boost::system::error_code& error) {
  return error == boost::system::errc::too_many_files_open ||
         error == boost::system::errc::too_many_files_open_in_system || error == boost::system::errc::no_buffer_space ||
         error == boost::system::errc::not_enough_memory || error == boost::system::errc::address_not_available;
}

std::string_view body_of(const ClientRequest& request) {
  return request.lent_body.empty() ? std::string_view(request.body) : request.lent_body;
}

}  // namespace

ClientConnection::ClientConnection(asio::io_context& context, Endpoint endpoint,
                                   std::shared_ptr<const ClientOptions> options)
    : endpoint_(std::move(endpoint)),
      host_(to_string(endpoint_)),
      host_line_("host: " + host_ + "\r\n"),
      options_(std::move(options)),
      limits_{options_->header_bytes_max, Headers::kFieldsMax},
      reactor_(Reactor::of(context)),
      resolver_(context),
      socket_(context),
      wire_(reactor_),
      deadline_(reactor_, [this] { on_deadline(); }) {}

ClientConnection::~ClientConnection() { detach(); }

void ClientConnection::attach(const Cancellation& cancellation, ClientTimeouts timeouts) {
  detach();
  cancellation_ = cancellation.state_;
  cancellation_->serving = this;
  timeouts_ = timeouts;
  is_complete_ = false;
  got_bytes_ = false;
  if (wire_.is_open()) wire_.set_in_use(true);
}

void ClientConnection::detach() {
  if (cancellation_ && cancellation_->serving == this) cancellation_->serving = nullptr;  // it may serve another by now
  cancellation_.reset();
  deadline_.clear();
  wire_.set_in_use(false);
}

void ClientConnection::close() {
  boost::system::error_code ignored;  // whatever state it is in, it is closed afterwards
  socket_.close(ignored);
  wire_.close();
}

void ClientConnection::on_deadline() {
  timed_out_ = true;
  resolver_.cancel();
  close();
}

void ClientConnection::cancel() {
  cancelled_ = true;
  resolver_.cancel();
  close();
}

Error ClientConnection::failure(const boost::system::error_code& error, std::string_view what) {
  close();
  deadline_.clear();
  std::string message(what);
  message.append(" ").append(host_).append(": ");
  if (cancelled_) return {ErrorCode::unavailable, message + "cancelled", {}};
  if (timed_out_) return {ErrorCode::deadline_exceeded, message + "it took too long", {}};
  lacked_address_ = error == boost::system::errc::address_not_available;
  if (is_our_own(error))
    return {
        ErrorCode::resource_exhausted, message + error.message() + "; raise the limit of open files or of ports", {}};
  return {ErrorCode::unavailable, message + (error ? error.message() : "the connection has ended"), {}};
}

bool ClientConnection::is_quiet() {
  if (!tls_) return wire_.is_quiet();
  char byte = 0;
  const auto peeked = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return peeked < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

Error ClientConnection::malformed(std::string_view reason) {
  close();
  deadline_.clear();
  return {ErrorCode::corrupt, "malformed answer from " + host_ + ": " + std::string(reason), {}};
}

asio::awaitable<Result<std::vector<tcp::endpoint>>> ClientConnection::resolve() {
  boost::system::error_code error;
  std::vector<tcp::endpoint> candidates;
  const auto literal = asio::ip::make_address(endpoint_.host, error);
  if (!error) {
    candidates.emplace_back(literal, endpoint_.port);
  } else {
    const std::string port = std::to_string(endpoint_.port);
    auto found =
        co_await resolver_.async_resolve(endpoint_.host, port, asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return tl::unexpected(failure(error, "cannot find"));
    for (const auto& entry : found) candidates.push_back(entry.endpoint());
  }
  if (options_->loopback_only)
    std::erase_if(candidates, [](const tcp::endpoint& candidate) { return !candidate.address().is_loopback(); });
  co_return candidates;
}

asio::awaitable<Result<void>> ClientConnection::connect() {
  deadline_.set(timeouts_.connect);
  const auto found = co_await resolve();
  if (!found) co_return tl::unexpected(found.error());
  const std::vector<tcp::endpoint>& candidates = *found;
  if (candidates.empty()) co_return fail(ErrorCode::unavailable, host_ + " is not this machine");
  boost::system::error_code error;
  boost::system::error_code theirs;  // that one of them gave: it says more than what we lack for another
  for (const tcp::endpoint& candidate : candidates) {
    if (cancelled_ || timed_out_) break;
    close();
    socket_.open(candidate.protocol(), error);
    if (!error) co_await socket_.async_connect(candidate, asio::redirect_error(asio::use_awaitable, error));
    if (!error || error == asio::error::operation_aborted) break;
    if (!is_our_own(error)) theirs = error;
  }
  if (error && theirs) error = theirs;
  if (error || cancelled_ || timed_out_) co_return tl::unexpected(failure(error, "cannot connect to"));
  socket_.non_blocking(true, error);
  if (!error) socket_.set_option(tcp::no_delay(true), error);
  if (error) co_return tl::unexpected(failure(error, "cannot connect to"));
  if (options_->tls) {
    auto secured = co_await secure();
    if (!secured) co_return secured;
  } else {
    const int descriptor = socket_.release(error);
    if (!error) error = wire_.open(descriptor);
    if (error) co_return tl::unexpected(failure(error, "cannot connect to"));
    wire_.set_in_use(true);
  }
  deadline_.clear();
  co_return Result<void>();
}

asio::awaitable<Result<void>> ClientConnection::secure() {
  auto made = ClientTlsStream::make(socket_, endpoint_.host, *options_->tls);
  if (made) {
    tls_ = std::move(*made);
    boost::system::error_code error;
    co_await tls_->stream().async_handshake(asio::ssl::stream_base::client,
                                            asio::redirect_error(asio::use_awaitable, error));
    if (!error) co_return Result<void>();
    if (tls_->is_trusted()) co_return tl::unexpected(failure(error, "the TLS handshake failed with"));
    made = tl::unexpected(tls_->distrust());
  }
  close();
  deadline_.clear();
  co_return tl::unexpected(made.error());
}

Result<void> ClientConnection::make_head(const ClientRequest& request) {
  bool target_is_plain = true;  // all of it is looked at: by sixteens, that way
  for (const char c : request.target) target_is_plain &= static_cast<uint8_t>(c - '!') <= '~' - '!';
  if (!is_token(request.method) || !request.target.starts_with('/') || !target_is_plain) {
    return fail(ErrorCode::invalid_argument, "'" + request.method + " " + request.target + "' is no request line");
  }
  head_.assign(request.method).append(" ", 1).append(request.target).append(" HTTP/1.1\r\n", 11);
  if (auto fields = append_fields(request.headers, {}, head_); !fields) return fields;
  if (!request.headers.find("host")) head_.append(host_line_);
  const bool may_have_body = request.method != "GET" && request.method != "HEAD" && request.method != "DELETE";
  const size_t body_bytes = body_of(request).size();
  if (may_have_body || body_bytes > 0) {
    constexpr std::string_view kName = "content-length: ";
    std::array<char, 40> line;
    char* end = std::copy(kName.begin(), kName.end(), line.begin());
    end = std::to_chars(end, line.end(), body_bytes).ptr;
    end = std::copy_n("\r\n\r\n", 4, end);
    head_.append(line.data(), static_cast<size_t>(end - line.data()));
  } else {
    head_.append("\r\n", 2);
  }
  return {};
}

Result<bool> ClientConnection::begin(const ClientRequest& request) {
  if (auto made = make_head(request); !made) return tl::unexpected(std::move(made.error()));
  deadline_.set(timeouts_.first_byte);
  head_checked_ = 0;
  interim_heads_ = 0;
  pieces_ = {asio::const_buffer(head_.data(), head_.size()), asio::buffer(body_of(request))};
  if (tls_) return false;
  return sent(wire_.write(pieces_).error);
}

asio::awaitable<Result<bool>> ClientConnection::send_rest() {
  boost::system::error_code error;
  if (tls_) {
    co_await asio::async_write(tls_->stream(), pieces_, asio::redirect_error(asio::use_awaitable, error));
    co_return sent(error);
  }
  while ((error = wire_.write(pieces_).error) == asio::error::would_block) co_await wire_.writable();
  co_return sent(error);
}

// A server that refuses a large body answers and stops reading: its answer may be there although the rest of the
// request could not be sent.
Result<bool> ClientConnection::sent(const boost::system::error_code& error) {
  if (error == asio::error::would_block) return false;
  const bool may_be_answered = error == asio::error::broken_pipe || error == asio::error::connection_reset;
  if (error && !may_be_answered) return tl::unexpected(failure(error, "cannot send to"));
  return true;
}

Result<std::optional<ResponseHead>> ClientConnection::take_answer(std::string_view method) {
  for (;;) {
    auto head = take_head(method);
    if (!head || *head) return head;
    const boost::system::error_code error = read_now();
    if (error == asio::error::would_block) return head;
    if (error) return tl::unexpected(failure(error, "no answer from"));
  }
}

Result<std::optional<ResponseHead>> ClientConnection::take_head(std::string_view method) {
  for (;;) {
    const auto end = find_head_end(unread(), head_checked_, limits_);
    if (!end) return tl::unexpected(malformed(end.error().message));
    if (!*end) return std::optional<ResponseHead>();
    auto head = parse_response_head(unread().substr(0, **end), method, limits_);
    if (!head) return tl::unexpected(malformed(head.error().message));
    unread_begin_ += **end;
    head_checked_ = 0;
    if (head->status >= 200) {
      deadline_.clear();
      keeps_alive_ = head->keeps_alive;
      decoder_ = BodyDecoder(head->framing);
      is_complete_ = decoder_.done();
      return std::optional<ResponseHead>(std::move(*head));
    }
    if (++interim_heads_ > kInterimHeadsMax) return tl::unexpected(malformed("too many interim responses"));
  }
}

// What has come; where it is encrypted, `more` has read it.
boost::system::error_code ClientConnection::read_now() {
  if (tls_) return tls_error_ ? tls_error_ : asio::error::would_block;
  const Socket::Moved read = wire_.read(reactor_.read_buffer());
  if (read.error) return read.error;
  if (unread().empty()) {
    unread_.assign(reactor_.read_buffer().data(), read.bytes);
    unread_begin_ = 0;
  } else {
    unread_.append(reactor_.read_buffer().data(), read.bytes);
  }
  got_bytes_ = true;
  return {};
}

// Waits for more to come; where it is encrypted, reads it.
asio::awaitable<void> ClientConnection::more() { return tls_ ? read_tls() : wire_.readable(); }

asio::awaitable<void> ClientConnection::read_tls() {
  constexpr size_t kTlsRecordBytes = 16 * 1024;  // what a record decrypts to at most
  unread_.erase(0, std::exchange(unread_begin_, 0));
  const size_t held = unread_.size();
  unread_.resize(held + kTlsRecordBytes);
  const size_t bytes = co_await tls_->stream().async_read_some(asio::buffer(unread_.data() + held, kTlsRecordBytes),
                                                               asio::redirect_error(asio::use_awaitable, tls_error_));
  unread_.resize(held + bytes);
  got_bytes_ = got_bytes_ || bytes > 0;
}

// The data among the bytes that have come.
void ClientConnection::take_decoded(std::string& body) {
  body.reserve(body.size() + unread().size());  // once, and not with each chunk
  while (!unread().empty() && !decoder_.done() && !decoder_.malformed()) {
    const BodyDecoder::Step step = decoder_.next(unread());
    body.append(step.data);
    unread_begin_ += step.taken;
  }
  if (!unread().empty()) return;
  unread_.clear();
  unread_begin_ = 0;
  if (unread_.capacity() > kAnswerBytesKept) unread_.shrink_to_fit();
}

Result<ClientConnection::Got> ClientConnection::take_body(std::string& body) {
  const size_t held = body.size();
  for (;;) {
    take_decoded(body);
    if (decoder_.malformed()) return tl::unexpected(malformed("its chunks are malformed"));
    is_complete_ = decoder_.done();
    if (is_complete_ || body.size() > held) {
      deadline_.clear();
      return body.size() > held ? Got::bytes : Got::end;
    }
    const boost::system::error_code error = read_now();
    if (error == asio::error::would_block) {
      deadline_.set(timeouts_.between_bytes);
      return Got::nothing;
    }
    if (error == asio::error::eof && decoder_.may_end_with_connection()) {
      is_complete_ = true;
      deadline_.clear();
      return Got::end;
    }
    if (error) return tl::unexpected(failure(error, "broken answer from"));
  }
}

// --- the pool ---

int& AddressLacks::of(const Endpoint& endpoint) {
  if (lacks_.size() >= kEndpointsMax && !lacks_.contains(endpoint)) lacks_.clear();
  return lacks_[endpoint];
}

void AddressLacks::note_connected(const Endpoint& endpoint) { of(endpoint) = kReached; }

bool AddressLacks::note_lack(const Endpoint& endpoint) {
  int& lacks = of(endpoint);
  if (lacks == kReached) return false;
  lacks = std::min(lacks + 1, kLacksMax);
  return lacks == kLacksMax;
}

ClientPool::ClientPool(asio::io_context& context, ClientOptions options)
    : context_(context),
      reactor_(Reactor::of(context)),
      options_(std::make_shared<const ClientOptions>(std::move(options))),
      sweep_(reactor_, [this] { drop_expired(); }) {}

std::unique_ptr<ClientConnection> ClientPool::make(const Endpoint& endpoint) {
  return std::make_unique<ClientConnection>(context_, endpoint, options_);
}

std::unique_ptr<ClientConnection> ClientPool::take(const Endpoint& endpoint) {
  const auto found = idle_.find(endpoint);
  if (found == idle_.end()) return nullptr;
  std::unique_ptr<ClientConnection> connection;
  while (!connection && !found->second.empty()) {
    connection = std::move(found->second.back().connection);  // the last used: the likeliest to be open still
    found->second.pop_back();
    --idle_count_;
    if (!connection->is_quiet()) connection.reset();
  }
  return connection;
}

void ClientPool::give(std::unique_ptr<ClientConnection> connection) {
  connection->detach();
  std::vector<Idle>& kept = idle_[connection->endpoint()];
  if (closed_ || idle_count_ >= options_->idle_max || kept.size() >= options_->idle_per_endpoint_max) return;
  kept.push_back({std::move(connection), reactor_.now()});
  if (++idle_count_ == 1) sweep_.set(options_->idle_timeout);
}

void ClientPool::drop_expired() {
  const TimePoint oldest_kept = std::chrono::steady_clock::now() - std::chrono::nanoseconds(options_->idle_timeout.ns);
  for (auto endpoint = idle_.begin(); endpoint != idle_.end();) {
    const size_t dropped = std::erase_if(endpoint->second, [&](const Idle& idle) { return idle.since <= oldest_kept; });
    idle_count_ -= dropped;
    endpoint = endpoint->second.empty() ? idle_.erase(endpoint) : std::next(endpoint);
  }
  // Half the timeout again: a connection is kept for at most one and a half times as long as it should be.
  if (idle_count_ > 0) sweep_.set({options_->idle_timeout.ns / 2});
}

void ClientPool::close() {
  closed_ = true;
  idle_.clear();
  idle_count_ = 0;
  sweep_.stop();
}

}  // namespace tandem::http
