// By which client and operator speak of a request: `x-request-id`. Internal to the module.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"
#include "http/http.h"

namespace tandem::gateway {

// On one thread. Its ids, "d-0TzWqPb01", are told from all others' by the kind, the millisecond in which this began and
// its number in the process. They have 15 characters at most for the first billion of each of 62 gateways: a string
// holds as many without memory of its own, which a record that is kept for thousands of requests would find in no
// cache.
class RequestIds {
 public:
  RequestIds(char kind, Instant began, uint32_t number);

  std::string next();
  // The client's own, where it sent one that is short and plain.
  std::string of(const http::Request& request);
  uint64_t given() const { return given_; }  // of our own

 private:
  std::string prefix_;
  uint64_t given_ = 0;
};

}  // namespace tandem::gateway
