#include "gateway/prefix_board.h"

#include "gateway/live_board.h"

namespace tandem::gateway {

routing::PrefixHits PrefixBoard::find(std::span<const routing::PrefixPoint> prompt, const BoundTable& bound,
                                      Duration now) {
  routing::PrefixHits hits;
  if (prompt.empty()) return hits;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || index_ == nullptr) return hits;
  index_->find(prompt, now, [&](uint32_t engine, uint32_t tokens) {
    if (engine >= bound.target_of_engine.size()) return;
    if (const auto target = bound.target_of_engine[engine]) hits.offer({*target, tokens});
  });
  return hits;
}

void PrefixBoard::note(std::span<const routing::PrefixPoint> prompt, const BoundTable& bound, uint32_t target,
                       double tokens, Duration now) {
  if (prompt.empty()) return;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  if (index_ == nullptr) index_ = std::make_unique<routing::PrefixIndex>();
  const routing::Target& row = bound.table->targets()[target];
  index_->note(prompt, {bound.engines[target]->number(), row.replicas, row.kv_tokens}, tokens, now);
}

void PrefixBoard::forget(uint32_t number) {
  const std::lock_guard lock(mutex_);
  if (index_ != nullptr) index_->forget(number);
}

}  // namespace tandem::gateway
