#include "http/local_peer.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <string>

#include "http/test_support.h"

namespace tandem::http {
namespace {

using asio::ip::tcp;

constexpr uid_t kStranger = 54'321;

// Not every machine has IPv6.
bool is_here(const std::string& address) {
  asio::io_context context;
  const tcp::endpoint end(asio::ip::make_address(address), 0);
  tcp::socket socket(context);
  boost::system::error_code failed;
  socket.open(end.protocol(), failed);
  if (!failed) socket.bind(end, failed);
  return !failed;
}

// A connection over loopback, both of its ends here.
struct Connected {
  explicit Connected(const std::string& address) {
    tcp::acceptor acceptor(context, tcp::endpoint(asio::ip::make_address(address), 0));
    theirs.connect(acceptor.local_endpoint());
    acceptor.accept(ours);
  }
  Ends ends() const { return {ours.remote_endpoint(), ours.local_endpoint()}; }

  asio::io_context context;
  tcp::socket theirs{context}, ours{context};
};

TEST(LocalPeer, IsTheUserWhoseProcessMadeTheConnection) {
  for (const char* address : {"127.0.0.1", "127.0.0.9", "::1"}) {
    if (!is_here(address)) continue;
    const Connected connected(address);
    EXPECT_EQ(user_by_sock_diag(connected.ends()).value(), ::geteuid()) << address;
    EXPECT_EQ(user_by_proc(connected.ends()), ::geteuid()) << address;
    EXPECT_TRUE(LocalPeer(connected.ends(), {}).is_trusted()) << address;
  }
}

// Root's is what the kernel shows of a socket that nobody has any more.
TEST(LocalPeer, IsNobodyOnceItHasGone) {
  Connected connected("127.0.0.1");
  const Ends ends = connected.ends();
  const LocalPeer asked_before(ends, {}), asked_after(ends, {});
  EXPECT_TRUE(asked_before.is_trusted());
  connected.theirs.close();
  EXPECT_EQ(user_by_sock_diag(ends).value(), std::nullopt);
  EXPECT_EQ(user_by_proc(ends), std::nullopt);
  EXPECT_FALSE(asked_after.is_trusted());
  EXPECT_TRUE(asked_before.is_trusted()) << "it was asked, once";
  const Ends nobody{tcp::endpoint(asio::ip::address_v4::loopback(), 1), ends.own};
  EXPECT_FALSE(user_by_sock_diag(nobody)) << "of a connection that is not ours nothing can be said";
  EXPECT_EQ(user_by_proc(nobody), std::nullopt);
}

// Its addresses may be another's by the time that anybody asks.
TEST(LocalPeer, IsNotAskedAboutOnceItWasSeenToGo) {
  const Connected connected("127.0.0.1");
  const LocalPeer gone(connected.ends(), {}), asked_before(connected.ends(), {});
  EXPECT_TRUE(asked_before.is_trusted());
  gone.note_gone();
  asked_before.note_gone();
  EXPECT_FALSE(gone.is_trusted());
  EXPECT_TRUE(asked_before.is_trusted());
}

TEST(LocalPeer, IsTrustedAsRootAsThisUserAndAsOneThatIsNamed) {
  EXPECT_TRUE(LocalPeer(0).is_trusted());
  EXPECT_TRUE(LocalPeer(::geteuid()).is_trusted());
  EXPECT_FALSE(LocalPeer(kStranger).is_trusted());
  EXPECT_FALSE(LocalPeer(std::nullopt).is_trusted());
}

// What the server answers to a process of that user; that does only what may be done between a fork and an exec.
std::string ask_as(uid_t user, int family, uint16_t port) {
  std::array<int, 2> pipe{};
  EXPECT_EQ(::pipe(pipe.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    const bool is_user = ::setresuid(user, user, user) == 0;
    const int descriptor = ::socket(family, SOCK_STREAM, 0);
    sockaddr_in plain{};
    plain.sin_family = AF_INET;
    plain.sin_port = htons(port);
    plain.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_in6 mapped{};
    mapped.sin6_family = AF_INET6;
    mapped.sin6_port = htons(port);
    mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xFF;
    mapped.sin6_addr.s6_addr[12] = 127;
    mapped.sin6_addr.s6_addr[15] = 1;
    const bool is_connected = family == AF_INET
                                  ? ::connect(descriptor, reinterpret_cast<sockaddr*>(&plain), sizeof plain) == 0
                                  : ::connect(descriptor, reinterpret_cast<sockaddr*>(&mapped), sizeof mapped) == 0;
    if (!is_user || !is_connected || ::write(descriptor, kRequest.data(), kRequest.size()) < 0) ::_exit(1);
    std::array<char, 4'096> bytes;
    for (ssize_t size = 0; (size = ::read(descriptor, bytes.data(), bytes.size())) > 0;)
      if (::write(pipe[1], bytes.data(), static_cast<size_t>(size)) != size) ::_exit(1);
    ::_exit(0);
  }
  ::close(pipe[1]);
  std::string text;
  std::array<char, 4'096> bytes;
  for (ssize_t size = 0; (size = ::read(pipe[0], bytes.data(), bytes.size())) > 0;)
    text.append(bytes.data(), static_cast<size_t>(size));
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  return text.substr(text.rfind('\n') + 1);
}

// As a proxy of another user does that says nothing of itself.
TEST(LocalPeer, OfAnotherUserIsNotTrustedUnlessNamed) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may be another user for once: run this as root";
  if (!is_here("::1")) GTEST_SKIP() << "no IPv6 here, as which IPv4 comes";
  for (const bool is_named : {false, true}) {
    ServerOptions options;
    options.address = "::";  // takes IPv4 as well, as mapped addresses
    if (is_named) options.trusted_users = {kStranger};
    RunningServer server(
        [](const Request& request, ResponseWriter& writer) -> asio::awaitable<void> {
          std::string body = is_from_this_machine(request) ? "from here" : "from elsewhere";
          if (is_of_trusted_user(request)) body += ", trusted";
          co_await writer.respond(200, Headers(), std::move(body));
        },
        std::move(options));
    for (const int family : {AF_INET, AF_INET6}) {
      EXPECT_EQ(ask_as(kStranger, family, server.port()), is_named ? "from here, trusted" : "from here");
      EXPECT_EQ(ask_as(0, family, server.port()), "from here, trusted");
    }
  }
}

}  // namespace
}  // namespace tandem::http
