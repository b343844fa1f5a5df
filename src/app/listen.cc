#include "app/listen.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/text.h"

namespace tandem::app {

Result<http::Endpoint> parse_listen(std::string_view text) {
  const size_t colon = text.rfind(':');
  const std::string_view port_text = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  std::string_view host = text.substr(0, colon);
  const auto port = parse_integer(port_text);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host.empty() || !port || *port < 0 || *port > 65'535)
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("'{}' is no place to listen; write an address and a port, as 127.0.0.1:8080", text.substr(0, 100)));
  return http::Endpoint{std::string(host), static_cast<uint16_t>(*port)};
}

namespace {

// As the links of /proc name them: "socket:[1234]".
std::set<std::string> sockets_listening_on(uint16_t port) {
  std::set<std::string> sockets;
  const std::string ending = fmt::format(":{:04X}", port);
  for (const char* file : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream fields(line);
      std::string number, local, remote, state, queues, timer, retransmits, user, timeout, inode;
      fields >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user >> timeout >> inode;
      if (local.ends_with(ending) && state == "0A") sockets.insert(fmt::format("socket:[{}]", inode));
    }
  }
  return sockets;
}

}  // namespace

std::optional<std::string> port_holder(uint16_t port) {
  namespace fs = std::filesystem;
  const std::set<std::string> sockets = sockets_listening_on(port);
  if (sockets.empty()) return std::nullopt;
  std::error_code error;
  for (const fs::directory_entry& process : fs::directory_iterator("/proc", error)) {
    const std::string id = process.path().filename().string();
    if (!parse_integer(id)) continue;
    std::error_code unreadable;  // another user's, or it has ended
    for (const fs::directory_entry& open : fs::directory_iterator(process.path() / "fd", unreadable)) {
      if (!sockets.contains(fs::read_symlink(open.path(), unreadable).string())) continue;
      std::string name;
      std::getline(std::ifstream(process.path() / "comm"), name);
      return fmt::format("'{}' (process {})", name, id);
    }
  }
  return "a process of another user";
}

// Listeners that share a port among themselves would share it with another process's too, and take half of its
// requests: one that shares with nobody, closed at once, tells whether somebody is there.
Result<void> check_port_is_free(const http::Endpoint& listen, std::string_view option) {
  if (listen.port == 0) return {};
  boost::asio::io_context context;
  http::ServerOptions options;
  options.address = listen.host;
  options.port = listen.port;
  const auto listening = http::Server::listen(context, options, {});
  if (listening) return {};
  // Of an address that is not this machine's, or a port that this user may not take, nobody is to blame.
  const bool is_taken = listening.error().message.ends_with(std::make_error_code(std::errc::address_in_use).message());
  const auto holder = is_taken ? port_holder(listen.port) : std::nullopt;
  if (!holder) return tl::unexpected(listening.error());
  return fail(listening.error().code,
              fmt::format("{}: {} has it; end that, or choose another port with {} {}", listening.error().message,
                          *holder, option, to_string(http::Endpoint{listen.host, 0})));
}

}  // namespace tandem::app
