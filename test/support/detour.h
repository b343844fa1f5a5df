// A network whose repairs go elsewhere than its paths: a-b-c-d is shortest, a-e-d the next; but where c-d is cut, c
// sends on over b and f until all know.
#pragma once

#include <string>

namespace tandem::test_support {

inline const std::string kDetour = R"(
  a-b 1ms 10G metric=2
  b-c 1ms 10G metric=2
  c-d 1ms 10G metric=2
  a-e 1ms 10G metric=3
  e-d 1ms 10G metric=4
  b-f 1ms 10G metric=2
  f-d 1ms 10G metric=4
)";

}  // namespace tandem::test_support
