// Live updates to any number of listeners, as server-sent events.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "http/http.h"

namespace tandem::api {

// Publishing never waits for a listener: each has a queue of its own, and one that falls kQueueMax messages behind is
// closed, upon which a browser reconnects and reads the state anew. Thread-safe.
class Feed {
 public:
  static constexpr size_t kQueueMax = 512;        // ~10 s of a busy grid
  static constexpr size_t kListenersMax = 1'000;  // screens of one operator

  Feed();
  ~Feed();
  void publish(std::string_view event, std::string data);
  size_t listeners() const;

  // Writes the stream to one client until it leaves. Runs on the client's io_context.
  boost::asio::awaitable<void> serve(http::ResponseWriter& writer);

 private:
  struct Listener;
  mutable std::mutex mutex_;  // guards the list; held for pushes of a pointer, never across a wait
  std::list<std::shared_ptr<Listener>> listeners_;
};

}  // namespace tandem::api
