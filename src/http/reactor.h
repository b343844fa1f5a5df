// When this module's sockets can be read and written. Asio reads ahead of every wait, so that half the reads of a
// proxied request find nothing; here a socket is registered once, edge-triggered, and the kernel is asked only where it
// has something to give (docs/decisions/0015-own-readiness.md). Runs inside the io_context. One thread. Internal.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <span>

#include "http/signal.h"

namespace tandem::http {

class Socket;
using SocketHook = boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

// One for each io_context. Keeps the context running while a socket is in use, and no longer.
class Reactor final : public boost::asio::execution_context::service {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  // What one read takes at most: a request with a long prompt, or what a stream sent meanwhile, in few calls.
  static constexpr size_t kReadBytes = 64 * 1024;

  static boost::asio::execution_context::id id;
  static Reactor& of(boost::asio::io_context& context);
  explicit Reactor(boost::asio::io_context& context);

  // Where all sockets read to: valid until whoever reads next, so that connections that wait hold no buffer.
  std::span<char> read_buffer() { return {buffer_.get(), kReadBytes}; }
  // Where a message in pieces is put together. The kernel takes longer to be told of several pieces than it takes to
  // copy that much.
  static constexpr size_t kGatherBytes = 8 * 1024;

  boost::asio::io_context& context() { return context_; }

  // The time, as it was when the events now handled came; looked up where there are none.
  TimePoint now() const { return handling_ ? now_ : std::chrono::steady_clock::now(); }

 private:
  friend class Socket;
  using Sockets = boost::intrusive::list<Socket, boost::intrusive::base_hook<SocketHook>,
                                         boost::intrusive::constant_time_size<false>>;
  static constexpr size_t kEventsMax = 128;
  // Before the context's timers and posted work get their turn: a few hundred microseconds.
  static constexpr int kRoundsMax = 8;

  void shutdown() override;
  bool add(int descriptor, Socket& socket);
  void forget(const Socket& socket);
  void use(bool more);
  void arm();
  void handle_events();

  boost::asio::io_context& context_;
  boost::asio::posix::stream_descriptor epoll_;
  std::unique_ptr<char[]> buffer_;
  std::unique_ptr<char[]> gathered_;
  Sockets sockets_;
  std::array<epoll_event, kEventsMax> events_{};
  size_t events_begin_ = 0;  // those not handled yet are [begin, end)
  size_t events_end_ = 0;
  size_t in_use_ = 0;  // sockets
  TimePoint now_;
  bool armed_ = false;
  bool handling_ = false;
  bool is_shut_down_ = false;
};

// A connected stream socket. What awaits it is one coroutine at a time.
class Socket : public SocketHook {
 public:
  explicit Socket(Reactor& reactor) : reactor_(reactor) {}
  ~Socket() { close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Takes the descriptor, which must be non-blocking, and owns it also where it fails.
  boost::system::error_code open(int descriptor);
  // Whoever waits is woken, from the context's loop.
  void close();
  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }
  void end_sending();
  void reset();  // closes so that the peer sees a broken connection, not an end

  // While it is in use its context has something to wait for.
  void set_in_use(bool in_use);
  // Told, from the context's loop, when the peer has ended its side, the connection broke or was closed.
  void on_hang_up(std::function<void()> callback) { on_hang_up_ = std::move(callback); }
  bool has_hung_up() const { return hung_up_; }

  // After so many reads without a wait the others get their turn: one that is sent to without end must not keep them.
  static constexpr int kReadsInTurn = 2;

  // Both without waiting. An `error` of would_block: nothing to be had, wait; of eof: the peer has ended its side.
  struct Moved {
    size_t bytes = 0;
    boost::system::error_code error;
  };
  Moved read(std::span<char> into);
  // In one call, up to 8 pieces. Where it took but a part, without an error, the pieces are what is left, and it is to
  // be waited for.
  Moved write(std::span<boost::asio::const_buffer> pieces);

  // Returns when it can be read or written, is closed, or was woken: whoever waits looks again.
  boost::asio::awaitable<void> readable() { return wait(false); }
  boost::asio::awaitable<void> writable() { return wait(true); }
  void wake();

  // Open, with nothing to read and no end in sight: fit for a request.
  bool is_quiet();

 private:
  friend class Reactor;
  boost::asio::awaitable<void> wait(bool to_write);
  void handle(uint32_t events);
  void hang_up();

  Reactor& reactor_;
  int descriptor_ = -1;
  bool in_use_ = false;
  bool can_read_ = false;
  bool can_write_ = false;
  bool hung_up_ = false;
  bool waits_to_write_ = false;
  int reads_in_turn_ = 0;
  Signal waiter_;
  std::function<void()> on_hang_up_;
};

}  // namespace tandem::http
