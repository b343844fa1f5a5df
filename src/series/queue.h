// Rows from many threads to one, bounded, without locks. Internal to `series`.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <utility>

#include "base/check.h"

namespace tandem::series {

// A ring of cells, each with a turn number: a producer claims the cell at the tail by moving the tail on, fills it and
// passes the turn to the consumer; the consumer empties it and passes the turn to the next lap's producer. (D. Vyukov,
// "Bounded MPMC queue", 2010, here with one consumer.) A push is one compare-and-swap when nobody else pushes. A
// producer that stops between claim and hand-over holds up the consumer, not other producers.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : mask_(capacity - 1), cells_(std::make_unique<Cell[]>(capacity)) {
    CHECK(std::has_single_bit(capacity));
    for (size_t i = 0; i < capacity; ++i) cells_[i].turn.store(i, std::memory_order_relaxed);
  }

  size_t capacity() const { return mask_ + 1; }

  // False when the queue is full; the value is untouched then.
  bool push(T& value) {
    size_t position = tail_.load(std::memory_order_relaxed);
    while (true) {
      Cell& cell = cells_[position & mask_];
      const size_t turn = cell.turn.load(std::memory_order_acquire);
      if (turn == position) {
        if (!tail_.compare_exchange_weak(position, position + 1, std::memory_order_relaxed)) continue;
        cell.value = std::move(value);
        cell.turn.store(position + 1, std::memory_order_release);
        return true;
      }
      // An earlier turn: the cell still holds the last lap's value. A later one: another producer was faster.
      if (static_cast<std::ptrdiff_t>(turn - position) < 0) return false;
      position = tail_.load(std::memory_order_relaxed);
    }
  }

  // By the one consumer. False when the queue is empty.
  bool pop(T& value) {
    Cell& cell = cells_[head_ & mask_];
    if (cell.turn.load(std::memory_order_acquire) != head_ + 1) return false;
    value = std::move(cell.value);
    cell.turn.store(head_ + mask_ + 1, std::memory_order_release);
    ++head_;
    return true;
  }

 private:
  struct Cell {
    std::atomic<size_t> turn;
    T value;
  };
  const size_t mask_;
  std::unique_ptr<Cell[]> cells_;
  alignas(64) std::atomic<size_t> tail_{0};  // on cache lines of their own: producers and consumer do not share one
  alignas(64) size_t head_ = 0;
};

}  // namespace tandem::series
