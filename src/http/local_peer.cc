#include "http/local_peer.h"

#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

namespace tandem::http {
namespace {

using boost::asio::ip::tcp;

std::optional<uint32_t> known(uint32_t user) { return user == kUnknownUser ? std::nullopt : std::optional(user); }

struct Question {
  nlmsghdr head{};
  inet_diag_req_v2 body{};
};

void put_address(const boost::asio::ip::address& address, __be32 (&words)[4]) {
  if (address.is_v4()) {
    const auto bytes = address.to_v4().to_bytes();
    std::memcpy(words, bytes.data(), bytes.size());
  } else {
    const auto bytes = address.to_v6().to_bytes();
    std::memcpy(words, bytes.data(), bytes.size());
  }
}

// The peer's socket is the one that has our ends the other way round.
Question question_about(const Ends& ends) {
  Question question;
  question.head.nlmsg_len = sizeof question;
  question.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.head.nlmsg_flags = NLM_F_REQUEST;
  question.body.sdiag_family = ends.peer.address().is_v4() ? AF_INET : AF_INET6;
  question.body.sdiag_protocol = IPPROTO_TCP;
  question.body.idiag_states = 1u << TCP_ESTABLISHED;
  inet_diag_sockid& socket = question.body.id;
  socket.idiag_sport = htons(ends.peer.port());
  socket.idiag_dport = htons(ends.own.port());
  put_address(ends.peer.address(), socket.idiag_src);
  put_address(ends.own.address(), socket.idiag_dst);
  socket.idiag_cookie[0] = socket.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return question;
}

// "0100007F:1F90", as /proc has it: words as this machine reads them.
std::string proc_text(const tcp::endpoint& end, bool as_v6) {
  std::string text;
  const auto add = [&text](const auto& bytes) {
    for (size_t i = 0; i < bytes.size(); i += 4) {
      uint32_t word = 0;
      std::memcpy(&word, bytes.data() + i, sizeof word);
      text += fmt::format("{:08X}", word);
    }
  };
  const auto address = end.address();
  if (address.is_v6())
    add(address.to_v6().to_bytes());
  else if (as_v6)
    add(boost::asio::ip::make_address_v6(boost::asio::ip::v4_mapped, address.to_v4()).to_bytes());
  else
    add(address.to_v4().to_bytes());
  return text + fmt::format(":{:04X}", end.port());
}

std::optional<uint32_t> user_in(const char* file, bool is_v6, const Ends& ends) {
  const std::string peer = proc_text(ends.peer, is_v6), own = proc_text(ends.own, is_v6);
  std::ifstream lines(file);
  std::string line;
  for (size_t count = 0; count < kProcLinesMax && std::getline(lines, line); ++count) {
    if (line.find(peer) == std::string::npos) continue;
    std::istringstream fields(line);
    std::string number, local, remote, state, queues, timer, retransmits;
    uint64_t user = 0, timeout = 0, inode = 0;
    fields >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user >> timeout >> inode;
    if (fields && local == peer && remote == own && state == "01" && inode != 0)
      return known(static_cast<uint32_t>(user));
  }
  return std::nullopt;
}

// What the kernel says of the socket at that end, in whichever state; nothing where it knows none, or cannot be asked.
std::optional<inet_diag_msg> looked_up(const Ends& ends) {
  const int netlink = ::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (netlink < 0) return std::nullopt;
  const Question question = question_about(ends);
  struct {
    nlmsghdr head;
    inet_diag_msg found;
    std::array<char, 1'024> attributes;
  } answer{};
  // The kernel has answered when `send` returns.
  const bool is_sent = ::send(netlink, &question, sizeof question, 0) == static_cast<ssize_t>(sizeof question);
  const ssize_t size = is_sent ? ::recv(netlink, &answer, sizeof answer, MSG_DONTWAIT) : -1;
  ::close(netlink);
  const inet_diag_msg& found = answer.found;
  const bool is_it = size >= static_cast<ssize_t>(sizeof answer.head + sizeof found) &&
                     answer.head.nlmsg_type == SOCK_DIAG_BY_FAMILY &&
                     found.id.idiag_sport == question.body.id.idiag_sport &&
                     found.id.idiag_dport == question.body.id.idiag_dport;
  return is_it ? std::optional(found) : std::nullopt;
}

}  // namespace

Result<std::optional<uint32_t>> user_by_sock_diag(const Ends& ends) {
  if (const auto found = looked_up(ends)) {
    const bool is_held = found->idiag_state == TCP_ESTABLISHED && found->idiag_inode != 0;
    return is_held ? known(found->idiag_uid) : std::nullopt;
  }
  // Our own end is there, in whichever state: who is told nothing of it cannot ask.
  if (!looked_up({ends.own, ends.peer})) return fail(ErrorCode::unavailable, "the kernel does not answer sock_diag");
  return std::nullopt;
}

std::optional<uint32_t> user_by_proc(const Ends& ends) {
  if (ends.peer.address().is_v4())
    if (const auto user = user_in("/proc/net/tcp", false, ends)) return user;
  return user_in("/proc/net/tcp6", true, ends);
}

std::optional<uint32_t> LocalPeer::user() const {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(asked_, true)) {
    const auto told = user_by_sock_diag(ends_);
    user_ = told ? *told : user_by_proc(ends_);
  }
  return user_;
}

void LocalPeer::note_gone() const {
  const std::lock_guard lock(mutex_);
  asked_ = true;
}

bool LocalPeer::is_trusted() const {
  const auto who = user();
  return who && (*who == 0 || *who == ::geteuid() || std::ranges::find(also_trusted_, *who) != also_trusted_.end());
}

}  // namespace tandem::http
