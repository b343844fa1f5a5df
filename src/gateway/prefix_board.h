// What the engines' prefix caches most likely hold, as all gateways of a process know it. Internal.
#pragma once

#include <memory>
#include <mutex>
#include <span>

#include "base/time.h"
#include "routing/prefix.h"
#include "routing/routing.h"

namespace tandem::gateway {

struct BoundTable;

// Any thread; none waits for another: where one is at it, the other does without. What is not noted or found so costs
// a first token some milliseconds, once.
class PrefixBoard {
 public:
  routing::PrefixHits find(std::span<const routing::PrefixPoint> prompt, const BoundTable& bound, Duration now);
  // The prompt goes to the target, which has to compute about `tokens` for it, its output included.
  void note(std::span<const routing::PrefixPoint> prompt, const BoundTable& bound, uint32_t target, double tokens,
            Duration now);
  // The engine with this number has lost what it had, or is no more. May wait: not for the path of a request.
  void forget(uint32_t number);

 private:
  std::mutex mutex_;
  std::unique_ptr<routing::PrefixIndex> index_;  // from the first prompt that is long enough to be noted
};

}  // namespace tandem::gateway
