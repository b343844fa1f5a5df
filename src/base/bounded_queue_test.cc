#include "base/bounded_queue.h"

#include <gtest/gtest.h>

#include <thread>

namespace tandem {
namespace {

TEST(BoundedQueue, BringsEverythingInOrderWhoeverIsAhead) {
  BoundedQueue<int> queue(3);
  std::jthread ahead([&] {
    for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(queue.put(i));
    queue.close();
  });
  int next = 0;
  for (;;) {
    const std::vector<int> items = queue.take_all();
    if (items.empty()) break;
    ASSERT_LE(items.size(), 3u);
    for (const int item : items) ASSERT_EQ(item, next++);
  }
  EXPECT_EQ(next, 10'000);
}

TEST(BoundedQueue, LetsNobodyWaitOnceItIsClosed) {
  BoundedQueue<int> queue(1);
  ASSERT_TRUE(queue.put(1));
  std::jthread full([&] { EXPECT_FALSE(queue.put(2)); });
  queue.close();
  full.join();
  EXPECT_EQ(queue.take_all(), std::vector<int>{1});
  EXPECT_TRUE(queue.take_all().empty());
}

}  // namespace
}  // namespace tandem
