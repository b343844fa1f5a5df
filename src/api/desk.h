// What the desks, which answer questions that take seconds, have in common. Internal to the module.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "api/desk_stream.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "http/http.h"

namespace tandem::api {

// A place at a desk, for as long as a request has it, among those that run and wait.
class DeskPlace {
 public:
  DeskPlace(std::atomic<int>& held, int held_max) : held_(held), is_free_(held.fetch_add(1) < held_max) {}
  ~DeskPlace() { --held_; }
  DeskPlace(const DeskPlace&) = delete;
  DeskPlace& operator=(const DeskPlace&) = delete;
  bool is_free() const { return is_free_; }

 private:
  std::atomic<int>& held_;
  bool is_free_;
};

// How the work on a question stands with its caller. On the desk's thread, for as long as the work goes on.
class DeskTask {
 public:
  DeskTask(const Clock& its_clock, std::stop_token when_left, std::stop_token when_over, DeskStream* stream)
      : clock(its_clock), left(std::move(when_left)), over(std::move(when_over)), stream_(stream) {}

  // Tells what `progress()` gives, as JSON, where somebody listens and was not told just now.
  template <class Progress>
  void tell(const Progress& progress) {
    if (stream_ == nullptr || clock.monotonic() < next_) return;
    next_ = clock.monotonic() + kToldEvery;
    stream_->say_progress(progress());
  }

  const Clock& clock;
  const std::stop_token left;  // asked to stop: nobody waits for the answer any more
  const std::stop_token over;  // that, or the limit is over: what is known by then is the answer

 private:
  DeskStream* stream_;  // null where the answer comes whole
  Duration next_;
};

struct DeskQuestion {
  std::function<Result<Json>(DeskTask&)> work;  // holds all that it needs
  std::optional<Duration> limit = {};           // from when the work begins; none where it is short anyway
  bool stream = false;                          // progress is told, and then the answer, as server-sent events
};

// Answers questions that take seconds on a thread of its own, one at a time, so that they hold up nobody else. Work is
// asked to end when its limit is over, its caller leaves or the desk goes. The clock must outlive it.
class Desk {
 public:
  // At most `held_max` run and wait; a further one is refused: `resource_exhausted`, in the words of `refusal`.
  Desk(const Clock& clock, int held_max, std::string refusal)
      : clock_(clock), held_max_(held_max), refusal_(std::move(refusal)) {}
  ~Desk();

  // The answer whole; with `stream` in pieces, `progress` a few times a second, then one `report`, or `error`. What
  // was asked wrong is answered whole.
  boost::asio::awaitable<void> answer(Result<DeskQuestion> question, http::ResponseWriter& writer);

 private:
  Result<Json> work(const DeskQuestion& question, const boost::asio::any_io_executor& timers, std::stop_source left,
                    DeskStream* stream) const;
  boost::asio::awaitable<void> answer_in_pieces(std::shared_ptr<const DeskQuestion> question,
                                                http::ResponseWriter& writer);

  const Clock& clock_;
  const int held_max_;
  const std::string refusal_;
  std::stop_source closing_;
  std::atomic<int> held_ = 0;  // running and waiting
  boost::asio::thread_pool thread_{1};
};

// A field of a question's body; `fallback` where it is null or absent. Errors: invalid_argument, naming it.
Result<int64_t> read_whole(const Json& body, const char* name, int64_t fallback, int64_t least, int64_t most);
Result<bool> read_flag(const Json& body, const char* name, bool fallback);
Result<double> read_positive(const Json& body, const char* name, double fallback, double most);

// Tables go out as CSV where the client asks for it, else as JSON. `text` is either, as it goes out.
bool asks_for_csv(const http::Request& request);
boost::asio::awaitable<void> respond_text(Result<std::string> text, bool as_csv, http::ResponseWriter& writer);

}  // namespace tandem::api
