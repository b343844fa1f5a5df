// The blocks of prompts that one replica holds in its prefix cache: the last used, up to a number of tokens. Internal.
#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>

namespace tandem::runtime {

class BlockCache {
 public:
  BlockCache() = default;
  BlockCache(const BlockCache&) = delete;  // positions_ point into its own list
  BlockCache& operator=(const BlockCache&) = delete;
  BlockCache(BlockCache&&) = default;
  BlockCache& operator=(BlockCache&&) = default;

  // The leading blocks that are there; afterwards all are, as the last used, a prompt's first blocks after its others:
  // what begins a prompt goes last. `blocks` are hashes of all up to their end, of so many tokens each.
  size_t take(std::span<const uint64_t> blocks, uint32_t block_tokens, uint64_t tokens_max);
  void clear();
  uint64_t tokens() const { return tokens_; }

 private:
  struct Block {
    uint64_t hash = 0;
    uint32_t tokens = 0;
  };
  std::list<Block> blocks_;                                             // the last used first
  std::unordered_map<uint64_t, std::list<Block>::iterator> positions_;  // looked up, never iterated
  uint64_t tokens_ = 0;
};

}  // namespace tandem::runtime
