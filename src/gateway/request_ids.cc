#include "gateway/request_ids.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "gateway/request_headers.h"

namespace tandem::gateway {
namespace {

constexpr std::string_view kDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

void append_digits(std::string& text, uint64_t value, size_t least) {
  std::array<char, 16> digits;
  size_t count = 0;
  for (; value > 0 || count < least; value /= kDigits.size()) digits[count++] = kDigits[value % kDigits.size()];
  std::reverse(digits.begin(), digits.begin() + count);
  text.append(digits.data(), count);
}

}  // namespace

RequestIds::RequestIds(char kind, Instant began, uint32_t number) : prefix_{kind, '-'} {
  constexpr size_t kBeganDigits = 7;  // to the year 2081
  append_digits(prefix_, static_cast<uint64_t>(std::max<int64_t>(began.ns, 0)) / 1'000'000, kBeganDigits);
  const bool is_one_digit = number < kDigits.size();
  if (!is_one_digit) prefix_ += '-';
  append_digits(prefix_, number, 1);
  if (!is_one_digit) prefix_ += '-';
}

std::string RequestIds::next() {
  std::string id = prefix_;
  append_digits(id, ++given_, 1);
  return id;
}

std::string RequestIds::of(const http::Request& request) {
  auto own = request_id(request.headers);
  return own ? std::move(*own) : next();
}

}  // namespace tandem::gateway
