// POST /api/v1/te: traffic engineering of the grid as it is. Internal to the module.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <stop_token>

#include "api/call.h"
#include "te/te.h"

namespace tandem::api {

// Has a thread of its own, and one more while it searches: a large network takes it a minute, and holds up nobody else.
class TeDesk {
 public:
  explicit TeDesk(const Clock& clock) : clock_(clock) {}
  ~TeDesk();  // ends what runs

  // The policies for the background traffic and the demands as the accepted plan has them: te::to_json, and with it
  // "offset", "complete" (false where a limit or the caller ended it), "warnings", "routers" (where each stands),
  // "links" (each direction's load before and after), "planes", "ways" (which links the largest steered demands take,
  // and took), and with "failures" what losing each link does and the few changes that help most. Nothing is changed.
  // With "stream" the answer is server-sent events: `progress` a few times a second, {"doing":"search","mlu"} or
  // {"doing":"failures","done","all"}, then one `report`, or `error`; a caller who leaves ends the work. Errors:
  // invalid_argument, too_large, unavailable (no plan yet), resource_exhausted (too many at once).
  boost::asio::awaitable<void> answer(const Call& call, http::ResponseWriter& writer);

 private:
  struct Question {
    std::shared_ptr<const Published> published;
    te::Options search;
    bool failures = false, stream = false;
    te::RepairOptions repair;
    Duration limit;  // of the search, and again of the failures
  };
  using Tell = std::function<void(const Json& progress)>;
  static Result<Question> read_question(const Call& call);
  // `over` is the search's limit, `left` that nobody waits for the answer any more.
  Result<Json> work(const Question& question, std::stop_source over, std::stop_token left, const Tell& tell) const;
  Json fail_each(const Question& question, const te::Problem& problem, const te::Solution& solution,
                 const std::stop_token& left, const Tell& tell) const;
  boost::asio::awaitable<void> answer_in_pieces(std::shared_ptr<const Question> question, http::ResponseWriter& writer);

  const Clock& clock_;
  std::stop_source closing_;
  std::atomic<int> held_ = 0;  // running and waiting
  boost::asio::thread_pool thread_{1};
};

}  // namespace tandem::api
