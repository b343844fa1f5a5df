// An immutable string of bytes behind one pointer with its reference count in front: 8 bytes to hold, one allocation,
// copied by counting. For tables of millions of small records.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <new>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace tandem {

class SharedBytes {
 public:
  SharedBytes() = default;  // empty, without an allocation
  explicit SharedBytes(std::string_view bytes) : SharedBytes({bytes}) {}
  explicit SharedBytes(std::initializer_list<std::string_view> pieces) {  // one after another
    size_t size = 0;
    for (const std::string_view piece : pieces) size += piece.size();
    if (size == 0) return;
    CHECK(size <= UINT32_MAX);
    block_ = new (::operator new(sizeof(Block) + size)) Block(static_cast<uint32_t>(size));
    char* to = reinterpret_cast<char*>(block_ + 1);
    for (const std::string_view piece : pieces) to = std::copy(piece.begin(), piece.end(), to);
  }
  SharedBytes(const SharedBytes& other) : block_(other.block_) {
    if (block_) block_->references.fetch_add(1, std::memory_order_relaxed);
  }
  SharedBytes(SharedBytes&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  SharedBytes& operator=(SharedBytes other) noexcept { return std::swap(block_, other.block_), *this; }
  ~SharedBytes() {
    if (block_ && block_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      block_->~Block();
      ::operator delete(block_);
    }
  }

  std::string_view view() const {
    return block_ ? std::string_view(reinterpret_cast<const char*>(block_ + 1), block_->size) : std::string_view();
  }
  bool operator==(const SharedBytes& other) const { return block_ == other.block_ || view() == other.view(); }

  // Asks for the count's cache line, so that counting many up or down waits for memory once and not for each.
  friend void prefetch_count(const SharedBytes& bytes) { __builtin_prefetch(bytes.block_, 1); }

 private:
  struct Block {
    explicit Block(uint32_t bytes) : size(bytes) {}
    std::atomic<uint32_t> references{1};
    uint32_t size;
  };
  Block* block_ = nullptr;
};

}  // namespace tandem
