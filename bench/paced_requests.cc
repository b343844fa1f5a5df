// An open-loop client for bench/gateway_peers.mjs: chat completions at random moments at a given mean rate, each on a
// kept connection that is free, and the time from the moment it was due to its answer's last byte, its own waking
// included. Usage: paced_requests PORT REQUESTS_PER_S SECONDS whole|streamed SEED; prints microseconds, a line for each
// request.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kConnections = 64;  // more than are ever under way while nothing is saturated
constexpr auto kPatience = std::chrono::seconds(5);

[[noreturn]] void give_up(const char* why) {
  std::fprintf(stderr, "paced_requests: %s\n", why);
  std::exit(1);
}

struct Connection {
  int socket = -1;
  Clock::time_point due;
  std::string answer;
  bool busy = false;
};

int connect_to(uint16_t port) {
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  if (made < 0 || ::setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) give_up("no socket");
  if (::connect(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS)
    give_up("cannot connect");
  pollfd ready{made, POLLOUT, 0};
  if (::poll(&ready, 1, 1'000) != 1) give_up("cannot connect");
  return made;
}

std::string request_text(bool streamed) {
  const std::string body = std::string(R"({"model":"m","stream":)") + (streamed ? "true" : "false") +
                           R"(,"max_tokens":32,"messages":[{"role":"user","content":")" + std::string(900, 'a') +
                           R"("}]})";
  return "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
         "authorization: Bearer sk-bench\r\ncontent-length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Whether the answer is there, as far as the backend's answers go: a length, or chunks to their end.
bool is_whole(std::string_view answer) {
  const size_t head = answer.find("\r\n\r\n");
  if (head == std::string_view::npos) return false;
  if (!answer.starts_with("HTTP/1.1 200")) give_up("an answer is no success");
  for (const std::string_view name : {"content-length: ", "Content-Length: "}) {
    const size_t found = answer.substr(0, head).find(name);
    if (found == std::string_view::npos) continue;
    size_t length = 0;
    std::from_chars(answer.data() + found + name.size(), answer.data() + head, length);
    return answer.size() >= head + 4 + length;
  }
  return answer.ends_with("\r\n0\r\n\r\n");
}

}  // namespace

int main(int count, char** words) {
  if (count != 6) give_up("usage: paced_requests PORT REQUESTS_PER_S SECONDS whole|streamed SEED");
  const auto port = static_cast<uint16_t>(std::atoi(words[1]));
  const double rate = std::atof(words[2]);
  const double seconds = std::atof(words[3]);
  const std::string request = request_text(std::string_view(words[4]) == "streamed");
  std::mt19937_64 random(static_cast<uint64_t>(std::atoll(words[5])));
  if (port == 0 || rate <= 0 || seconds <= 0) give_up("a port, a rate and a time above 0 are needed");

  std::vector<Connection> connections(kConnections);
  for (Connection& connection : connections) connection.socket = connect_to(port);
  std::deque<Clock::time_point> waiting;
  std::vector<double> took_us;
  const Clock::time_point begin = Clock::now();
  const Clock::time_point end =
      begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  const auto gap = [&] {
    const double uniform = (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53;
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(-std::log(uniform) / rate));
  };
  Clock::time_point next = begin + gap();
  size_t busy = 0;
  char buffer[65536];
  std::vector<pollfd> polled;
  for (;;) {
    Clock::time_point now = Clock::now();
    if (now > end + kPatience) give_up("answers are missing");
    for (; next <= now && next < end; next += gap()) waiting.push_back(next);
    if (next >= end && waiting.empty() && busy == 0) break;
    for (Connection& connection : connections) {
      if (connection.busy || waiting.empty()) continue;
      connection.due = waiting.front();
      waiting.pop_front();
      connection.answer.clear();
      if (::send(connection.socket, request.data(), request.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(request.size()))
        give_up("a request could not be sent");
      connection.busy = true;
      ++busy;
    }
    polled.clear();
    for (const Connection& connection : connections)
      if (connection.busy) polled.push_back({connection.socket, POLLIN, 0});
    now = Clock::now();
    const int64_t until_ns = std::max<int64_t>((std::min(next, end + kPatience) - now).count(), 0);
    const timespec timeout{until_ns / 1'000'000'000, until_ns % 1'000'000'000};
    if (::ppoll(polled.data(), polled.size(), &timeout, nullptr) <= 0) continue;
    for (Connection& connection : connections) {
      if (!connection.busy) continue;
      const ssize_t got = ::recv(connection.socket, buffer, sizeof buffer, MSG_DONTWAIT);
      if (got == 0) give_up("a connection was closed");
      if (got < 0) continue;
      connection.answer.append(buffer, static_cast<size_t>(got));
      if (!is_whole(connection.answer)) continue;
      took_us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - connection.due).count());
      connection.busy = false;
      --busy;
    }
  }
  for (const double time : took_us) std::printf("%.1f\n", time);
  return 0;
}
