#include "http/reactor.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <string>

namespace tandem::http {
namespace {

namespace asio = boost::asio;

// A socket in use on a context, and the other end of it.
class Pair {
 public:
  Pair() : socket(Reactor::of(context)) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    EXPECT_FALSE(socket.open(ends[0]));
    socket.set_in_use(true);
    peer = ends[1];
  }
  ~Pair() {
    if (peer >= 0) ::close(peer);
  }
  void close_peer() { ::close(std::exchange(peer, -1)); }
  size_t send(std::string_view bytes) const {
    return static_cast<size_t>(std::max<ssize_t>(0, ::write(peer, bytes.data(), bytes.size())));
  }
  Socket::Moved read() { return socket.read(Reactor::of(context).read_buffer()); }
  void start(asio::awaitable<void> work) { asio::co_spawn(context, std::move(work), asio::detached); }

  asio::io_context context;
  Socket socket;
  int peer = -1;
};

TEST(Reactor, WakesAReaderWhenSomethingHasComeAndNotBefore) {
  Pair pair;
  std::string got;
  pair.start([](Pair& p, std::string& text) -> asio::awaitable<void> {
    while (text.size() < 6) {
      const Socket::Moved read = p.read();
      if (read.error == asio::error::would_block) co_await p.socket.readable();
      text.append(Reactor::of(p.context).read_buffer().data(), read.bytes);
    }
    p.socket.set_in_use(false);
  }(pair, got));
  pair.context.poll();
  EXPECT_EQ(got, "");
  pair.send("abc");
  pair.context.poll();
  EXPECT_EQ(got, "abc");
  pair.send("def");
  pair.context.run();  // ends: nothing is in use
  EXPECT_EQ(got, "abcdef");
}

TEST(Reactor, OneThatIsSentToWithoutEndGivesWay) {
  Pair pair;
  std::string all;
  bool had_turn = false;
  size_t read_before_turn = 0;
  pair.start([](Pair& p, std::string& text) -> asio::awaitable<void> {
    for (;;) {
      p.send(std::string(Reactor::kReadBytes, 'x'));  // there is always more
      const Socket::Moved read = p.read();
      text.append(read.bytes, 'x');
      if (text.size() > 1'000'000) break;
      if (read.error == asio::error::would_block) co_await p.socket.readable();
    }
    p.socket.set_in_use(false);
  }(pair, all));
  asio::post(pair.context, [&] {
    had_turn = true;
    read_before_turn = all.size();
  });
  pair.context.run();
  EXPECT_TRUE(had_turn);
  EXPECT_LE(read_before_turn, Socket::kReadsInTurn * Reactor::kReadBytes);
  EXPECT_GT(all.size(), 1'000'000u);
}

TEST(Reactor, WakesAWriterWhenThereIsRoom) {
  Pair pair;
  constexpr size_t kBytes = 4'000'000;
  bool done = false;
  pair.start([](Pair& p, bool& sent) -> asio::awaitable<void> {
    const std::string bytes(kBytes, 'x');
    std::array pieces{asio::buffer(bytes)};
    while (p.socket.write(pieces).error == asio::error::would_block) co_await p.socket.writable();
    sent = true;
    p.socket.set_in_use(false);
  }(pair, done));
  size_t received = 0;
  std::string room(100'000, ' ');
  while (received < kBytes) {
    pair.context.poll();
    const ssize_t count = ::read(pair.peer, room.data(), room.size());
    ASSERT_GT(count, 0) << "the writer was not woken";
    received += static_cast<size_t>(count);
  }
  pair.context.poll();
  EXPECT_TRUE(done);
}

TEST(Reactor, TellsOfTheEndWithoutARead) {
  Pair pair;
  int told = 0;
  pair.socket.on_hang_up([&] {
    ++told;
    pair.socket.set_in_use(false);
  });
  pair.send("unread");
  pair.close_peer();
  pair.context.run();
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(pair.socket.has_hung_up());
  EXPECT_FALSE(pair.socket.is_quiet());
  EXPECT_EQ(pair.read().bytes, 6u) << "what came before it is there";
  EXPECT_EQ(pair.read().error, asio::error::eof);
}

TEST(Reactor, ClosingWakesWhoeverWaits) {
  Pair pair;
  boost::system::error_code error;
  pair.start([](Pair& p, boost::system::error_code& seen) -> asio::awaitable<void> {
    co_await p.socket.readable();
    seen = p.read().error;
  }(pair, error));
  asio::post(pair.context, [&] {
    pair.socket.close();
    EXPECT_FALSE(error) << "not on this stack";
  });
  pair.context.poll();
  pair.context.restart();
  pair.context.poll();
  EXPECT_EQ(error, asio::error::bad_descriptor);
}

TEST(Reactor, AKeptSocketIsQuietUntilSomethingComes) {
  Pair pair;
  EXPECT_TRUE(pair.socket.is_quiet());
  pair.send("x");
  EXPECT_FALSE(pair.socket.is_quiet()) << "also where nobody has waited since";
}

}  // namespace
}  // namespace tandem::http
