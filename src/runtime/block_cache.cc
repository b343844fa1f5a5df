#include "runtime/block_cache.h"

namespace tandem::runtime {

size_t BlockCache::take(std::span<const uint64_t> blocks, uint32_t block_tokens, uint64_t tokens_max) {
  size_t hits = 0;
  while (hits < blocks.size() && positions_.contains(blocks[hits])) ++hits;
  for (size_t i = blocks.size(); i-- > 0;) {
    const auto [known, fresh] = positions_.try_emplace(blocks[i], blocks_.end());
    if (fresh) {
      blocks_.push_front({blocks[i], block_tokens});
      known->second = blocks_.begin();
      tokens_ += block_tokens;
    } else {
      blocks_.splice(blocks_.begin(), blocks_, known->second);
    }
  }
  for (; tokens_ > tokens_max && !blocks_.empty(); blocks_.pop_back()) {
    tokens_ -= blocks_.back().tokens;
    positions_.erase(blocks_.back().hash);
  }
  return hits;
}

void BlockCache::clear() {
  blocks_.clear();
  positions_.clear();
  tokens_ = 0;
}

}  // namespace tandem::runtime
