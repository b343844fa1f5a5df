// Whether an event that is written can be read again. Internal to `log`.
//
// Protobuf writes what it then refuses to read: text that is not UTF-8, messages nested over 100 deep. Such an event
// would make the log unreadable from there on. Reading each event back before it is stored would find it, at twice the
// cost of the rest of an append; walking its bytes by the schema, which checks just these two, costs a tenth.
#pragma once

#include <string_view>

#include "base/result.h"

namespace tandem::log {

inline constexpr int kNestingMax = 96;  // under Protobuf's own limit of 100

// Of the bytes of one event, as Protobuf wrote them. Errors: invalid_argument.
Result<void> check_readable(std::string_view event);

}  // namespace tandem::log
