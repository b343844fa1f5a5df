#include "http/reactor.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "base/check.h"

namespace tandem::http {
namespace asio = boost::asio;

namespace {

boost::system::error_code last_error() { return {errno, boost::system::system_category()}; }

// The C library's own are points at which a thread may be cancelled: where a process has several, each call takes two
// atomic operations for that. Sanitizers know what is read, and what it comes after, by the C library's.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TANDEM_CALLS_ARE_WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define TANDEM_CALLS_ARE_WATCHED 1
#endif
#endif
ssize_t receive_now(int descriptor, std::span<char> into) {
#ifdef TANDEM_CALLS_ARE_WATCHED
  return ::recv(descriptor, into.data(), into.size(), 0);
#else
  return ::syscall(SYS_recvfrom, descriptor, into.data(), into.size(), 0, nullptr, nullptr);
#endif
}
ssize_t send_now(int descriptor, std::span<const char> bytes) {
#ifdef TANDEM_CALLS_ARE_WATCHED
  return ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
#else
  return ::syscall(SYS_sendto, descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL, nullptr, 0);
#endif
}

}  // namespace

asio::execution_context::id Reactor::id;

Reactor& Reactor::of(asio::io_context& context) { return asio::use_service<Reactor>(context); }

Reactor::Reactor(asio::io_context& context)
    : service(context),
      context_(context),
      epoll_(context),
      buffer_(std::make_unique_for_overwrite<char[]>(kReadBytes)),
      gathered_(std::make_unique_for_overwrite<char[]>(kGatherBytes)) {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  CHECK(descriptor >= 0);  // as Asio's own
  epoll_.assign(descriptor);
}

// The context is being destroyed: so is what waits in it.
void Reactor::shutdown() {
  is_shut_down_ = true;
  while (!sockets_.empty()) {
    Socket& socket = sockets_.front();
    sockets_.pop_front();
    socket.waiter_.abandon();  // which may end the socket
  }
}

bool Reactor::add(int descriptor, Socket& socket) {
  epoll_event event{};
  // For good: that a full buffer has room again is told once, and only where it was full.
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &socket;
  if (::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, descriptor, &event) != 0) return false;
  sockets_.push_back(socket);
  return true;
}

// Closing the descriptor takes it out of the kernel's set; what was told of it already is passed over.
void Reactor::forget(const Socket& socket) {
  for (size_t i = events_begin_; i < events_end_; ++i)
    if (events_[i].data.ptr == &socket) events_[i].data.ptr = nullptr;
}

void Reactor::use(bool more) {
  in_use_ += more ? 1 : -1;
  if (is_shut_down_ || handling_) return;
  if (in_use_ > 0) return arm();
  boost::system::error_code ignored;
  if (armed_) epoll_.cancel(ignored);
}

void Reactor::arm() {
  if (std::exchange(armed_, true)) return;
  epoll_.async_wait(asio::posix::descriptor_base::wait_read, [this](const boost::system::error_code&) {
    armed_ = false;
    handle_events();
    if (in_use_ > 0) arm();
  });
}

void Reactor::handle_events() {
  handling_ = true;
  for (int round = 0; round < kRoundsMax; ++round) {
    const int count = ::epoll_wait(epoll_.native_handle(), events_.data(), kEventsMax, 0);
    now_ = std::chrono::steady_clock::now();
    events_begin_ = 0;
    events_end_ = static_cast<size_t>(std::max(count, 0));
    while (events_begin_ < events_end_) {
      const epoll_event& event = events_[events_begin_++];
      if (event.data.ptr != nullptr) static_cast<Socket*>(event.data.ptr)->handle(event.events);
    }
    if (count <= 1) break;  // little to do: let the context wait for more
  }
  handling_ = false;
}

// --- a socket ---

boost::system::error_code Socket::open(int descriptor) {
  CHECK(descriptor_ < 0);
  can_read_ = can_write_ = true;
  hung_up_ = false;
  if (!reactor_.add(descriptor, *this)) {
    const auto error = last_error();
    ::close(descriptor);
    return error;
  }
  descriptor_ = descriptor;
  return {};
}

void Socket::close() {
  if (descriptor_ < 0) return;
  ::close(std::exchange(descriptor_, -1));
  reactor_.forget(*this);
  unlink();
  set_in_use(false);
  hang_up();
  wake();
}

void Socket::end_sending() {
  if (is_open()) ::shutdown(descriptor_, SHUT_WR);
}

void Socket::reset() {
  if (!is_open()) return;
  const linger at_once{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

void Socket::set_in_use(bool in_use) {
  if (std::exchange(in_use_, in_use) != in_use) reactor_.use(in_use);
}

Socket::Moved Socket::read(std::span<char> into) {
  if (!is_open()) return {0, asio::error::bad_descriptor};
  if (!can_read_ || reads_in_turn_ == kReadsInTurn) return {0, asio::error::would_block};
  ++reads_in_turn_;
  ssize_t count = 0;
  do {
    count = receive_now(descriptor_, into);
  } while (count < 0 && errno == EINTR);
  if (count > 0) {
    // Less than there was room for is all there is, unless the end came behind it.
    if (static_cast<size_t>(count) < into.size() && !hung_up_) can_read_ = false;
    return {static_cast<size_t>(count), {}};
  }
  if (count == 0) return {0, asio::error::eof};
  if (errno != EAGAIN && errno != EWOULDBLOCK) return {0, last_error()};
  can_read_ = false;
  return {0, asio::error::would_block};
}

Socket::Moved Socket::write(std::span<asio::const_buffer> pieces) {
  constexpr size_t kPiecesMax = 8;
  CHECK(pieces.size() <= kPiecesMax);
  if (!is_open()) return {0, asio::error::bad_descriptor};
  std::array<iovec, kPiecesMax> parts;
  size_t wanted = 0;
  size_t count = 0;
  for (const asio::const_buffer& piece : pieces) {
    if (piece.size() == 0) continue;
    parts[count++] = {const_cast<void*>(piece.data()), piece.size()};
    wanted += piece.size();
  }
  if (wanted == 0) return {};
  if (!can_write_) return {0, asio::error::would_block};
  if (count > 1 && wanted <= Reactor::kGatherBytes) {
    char* to = reactor_.gathered_.get();
    for (const iovec& part : std::span(parts).first(count))
      to = std::copy_n(static_cast<char*>(part.iov_base), part.iov_len, to);
    parts[0] = {reactor_.gathered_.get(), wanted};
    count = 1;
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  ssize_t sent = 0;
  do {
    sent = count == 1 ? send_now(descriptor_, {static_cast<const char*>(parts[0].iov_base), wanted})
                      : ::sendmsg(descriptor_, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return {0, last_error()};
  auto taken = static_cast<size_t>(std::max<ssize_t>(sent, 0));
  const Moved moved{taken, taken == wanted ? boost::system::error_code() : asio::error::would_block};
  if (taken < wanted) can_write_ = false;
  for (asio::const_buffer& piece : pieces) {
    const size_t part = std::min(taken, piece.size());
    piece += part;
    taken -= part;
  }
  return moved;
}

asio::awaitable<void> Socket::wait(bool to_write) {
  waits_to_write_ = to_write;
  reads_in_turn_ = 0;
  if (is_open() && (to_write ? can_write_ : can_read_)) return asio::post(reactor_.context_, asio::use_awaitable);
  return waiter_.wait();
}

void Socket::wake() { waiter_.notify_later(reactor_.context_.get_executor()); }

bool Socket::is_quiet() {
  if (!is_open() || hung_up_) return false;
  if (reactor_.handling_ && !can_read_) return true;  // what the kernel knows has just been heard
  char byte = 0;
  const bool has_more = ::recv(descriptor_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
  if (has_more || (errno != EAGAIN && errno != EWOULDBLOCK)) return false;
  can_read_ = false;  // the news of what has been read already came late
  return true;
}

void Socket::hang_up() {
  if (!std::exchange(hung_up_, true) && on_hang_up_) asio::post(reactor_.context_, on_hang_up_);
}

void Socket::handle(uint32_t events) {
  reads_in_turn_ = 0;
  const bool ends = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  if (ends || (events & EPOLLIN) != 0) can_read_ = true;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) can_write_ = true;
  if (ends) hang_up();
  if (waits_to_write_ ? can_write_ : can_read_) waiter_.notify();  // which may end this socket
}

}  // namespace tandem::http
