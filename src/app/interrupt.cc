#include "app/interrupt.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>

#include "base/check.h"

namespace tandem::app {
namespace {

std::atomic<int> handlers_wake = -1;

void wake(int descriptor) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(descriptor, &one, sizeof(one));  // it is never full
}

void on_interrupt(int) {
  const int before = errno;
  wake(handlers_wake);
  errno = before;
}

}  // namespace

Interrupt::Interrupt() {
  struct sigaction known {};
  ::sigaction(SIGINT, nullptr, &known);
  if (known.sa_handler == SIG_IGN) return;
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  if (wake_ < 0) return;  // Ctrl-C then ends the process
  CHECK(handlers_wake.exchange(wake_) == -1);
  thread_ = std::jthread([this](const std::stop_token& over) {
    uint64_t count = 0;
    while (::read(wake_, &count, sizeof(count)) < 0 && errno == EINTR) {
    }
    if (!over.stop_requested()) stop_.request_stop();
  });
  struct sigaction once {};
  once.sa_handler = on_interrupt;
  once.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &once, nullptr);
}

Interrupt::~Interrupt() {
  if (wake_ < 0) return;
  std::signal(SIGINT, SIG_DFL);
  thread_.request_stop();
  wake(wake_);
  thread_.join();
  handlers_wake = -1;
  ::close(wake_);
}

}  // namespace tandem::app
