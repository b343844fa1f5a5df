// By which client and operator speak of a request: `x-request-id`. Internal to the module.
#pragma once

#include <cstdint>
#include <string>

#include "http/http.h"

namespace tandem::gateway {

// On one thread; `prefix` tells its ids from all others'.
class RequestIds {
 public:
  explicit RequestIds(std::string prefix) : prefix_(std::move(prefix)) {}

  std::string next();
  // The client's own, where it sent one that is short and plain.
  std::string of(const http::Request& request);
  uint64_t given() const { return given_; }  // of our own

 private:
  const std::string prefix_;
  uint64_t given_ = 0;
};

}  // namespace tandem::gateway
