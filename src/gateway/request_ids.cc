#include "gateway/request_ids.h"

#include <array>
#include <charconv>

#include "gateway/request_headers.h"

namespace tandem::gateway {

std::string RequestIds::next() {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.begin(), digits.end(), ++given_, 16).ptr;
  std::string id;
  id.reserve(prefix_.size() + digits.size());
  return id.append(prefix_).append(digits.begin(), end);
}

std::string RequestIds::of(const http::Request& request) {
  auto own = request_id(request.headers);
  return own ? std::move(*own) : next();
}

}  // namespace tandem::gateway
