// Stops one thread of a running process, found by its name, until standard input ends: what a core that is lost or
// stuck is to the other threads, for bench/chaos.mjs. Usage: stop_thread PID NAME
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

namespace {

// 0: it has none of that name.
pid_t find_thread(const std::string& process, const std::string& name) {
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/" + process + "/task", gone)) {
    std::string its_name;
    std::getline(std::ifstream(entry.path() / "comm"), its_name);
    if (its_name == name) return std::atoi(entry.path().filename().c_str());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: stop_thread PID NAME\n", stderr);
    return 2;
  }
  const pid_t thread = find_thread(argv[1], argv[2]);
  if (thread == 0) {
    std::fprintf(stderr, "process %s has no thread '%s'\n", argv[1], argv[2]);
    return 1;
  }
  const bool stopped = ::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) == 0 &&
                       ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) == 0 &&
                       ::waitpid(thread, nullptr, __WALL) == thread;
  if (!stopped) {
    std::fprintf(stderr, "thread %d cannot be stopped: %s; run as root\n", thread, std::strerror(errno));
    return 1;
  }
  std::puts("stopped");
  std::fflush(stdout);
  for (char byte = 0; ::read(STDIN_FILENO, &byte, 1) > 0;) continue;
  ::ptrace(PTRACE_DETACH, thread, nullptr, nullptr);
  return 0;
}
