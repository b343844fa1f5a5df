// One receiver of events: its address, and requests to it over one kept connection. Internal to the module.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tandem::api {

struct WebhookAddress {
  bool is_tls = false;
  std::string host;  // a name or a literal, without brackets
  uint16_t port = 0;
  std::string target;  // path and query
  bool operator==(const WebhookAddress&) const = default;
};

// "https://host[:port]/path", or "http://" to this machine itself (localhost, 127.0.0.0/8, ::1): nothing that leaves
// the machine goes unencrypted, and what has no certificate for its name is not reached at all. Without a user, a
// fragment or anything that is not ASCII. Errors: invalid_argument naming the fix.
Result<WebhookAddress> parse_webhook_url(std::string_view url);

// That a file holds certificates of authorities, in PEM. Errors: invalid_argument.
Result<void> check_authorities(const std::filesystem::path& file);

// Delivers to one address. Redirects are not followed: the receiver is the one that was registered. Certificates are
// verified for the host's name or address against the system's authorities and those of `authorities`, a PEM file that
// is read for each connection; empty: the system's alone. TLS 1.2 and newer.
class WebhookConnection {
 public:
  static constexpr size_t kAnswerBytesMax = 64 * 1024;  // read to keep the connection, and dropped

  WebhookConnection(boost::asio::any_io_executor executor, WebhookAddress address, Duration timeout,
                    std::filesystem::path authorities = {});
  ~WebhookConnection();

  using Fields = std::vector<std::pair<std::string, std::string>>;
  // The answer's status. A kept connection that the receiver has closed meanwhile is opened again, once.
  // Errors: unavailable, deadline_exceeded, corrupt (no HTTP).
  boost::asio::awaitable<Result<int>> post(const Fields& fields, const std::string& body);
  void cancel();  // for good: a post under way ends with `unavailable`; call it on the executor

 private:
  struct Streams;
  boost::asio::awaitable<Result<void>> connect();
  Result<void> prepare_tls();
  boost::asio::awaitable<Result<int>> attempt(const Fields& fields, const std::string& body);
  boost::asio::awaitable<Result<int>> exchange(const Fields& fields, const std::string& body);

  boost::asio::any_io_executor executor_;
  WebhookAddress address_;
  Duration timeout_;
  std::filesystem::path authorities_;
  std::unique_ptr<Streams> streams_;
  bool cancelled_ = false;
};

}  // namespace tandem::api
