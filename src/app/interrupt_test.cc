#include "app/interrupt.h"

#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <future>

#include "app/time_limit.h"

namespace tandem::app {
namespace {

void (*handler_now())(int) {
  struct sigaction now {};
  ::sigaction(SIGINT, nullptr, &now);
  return now.sa_handler;
}

// A process that is told of Ctrl-C in this way, whatever other tests have made of it; after them it is as it was.
class InterruptTest : public testing::Test {
 protected:
  InterruptTest() {
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &interrupt, &mask_);
  }
  ~InterruptTest() override {
    std::signal(SIGINT, handler_);
    pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
  }

 private:
  sigset_t mask_;
  void (*handler_)(int) = handler_now();
};

TEST_F(InterruptTest, TheFirstAsksForAStopAndTheSecondEndsTheProcess) {
  std::signal(SIGINT, SIG_DFL);
  for (int round = 0; round < 2; ++round) {
    Interrupt interrupt;
    std::promise<void> stopped;
    const std::stop_callback<std::function<void()>> on_stop(interrupt.token(), [&] { stopped.set_value(); });
    EXPECT_FALSE(interrupt.asked());
    EXPECT_NE(handler_now(), SIG_DFL);
    std::raise(SIGINT);
    stopped.get_future().wait();
    EXPECT_TRUE(interrupt.asked());
    EXPECT_EQ(handler_now(), SIG_DFL);
  }
  { const Interrupt unused; }
  EXPECT_EQ(handler_now(), SIG_DFL);
}

TEST_F(InterruptTest, WhatIgnoresItGoesOn) {
  std::signal(SIGINT, SIG_IGN);  // as `nohup` and a script's `&` have it
  {
    const Interrupt interrupt;
    std::raise(SIGINT);
    EXPECT_FALSE(interrupt.asked());
  }
  EXPECT_EQ(handler_now(), SIG_IGN);
}

TEST(TimeLimit, EndsWithTheStopThatItIsGivenToo) {
  std::stop_source source;
  const TimeLimit limit(0, source.get_token());
  const TimeLimit long_one(3600, source.get_token());
  EXPECT_FALSE(limit.token().stop_requested());
  source.request_stop();
  EXPECT_TRUE(limit.token().stop_requested());
  EXPECT_TRUE(long_one.token().stop_requested());
}

}  // namespace
}  // namespace tandem::app
