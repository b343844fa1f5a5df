// Operating errors as values. A bug is a CHECK (base/check.h); a bad file is a list of diagnostics
// (base/diagnostics.h); everything else that can go wrong at run time is a Result.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace tandem {

// Every operating error there is. The one table from code to HTTP status, OpenAI error type and metric label is
// `describe`; add a code there and here together.
enum class ErrorCode : uint8_t {
  invalid_argument,    // the caller's input is malformed or out of range
  unauthenticated,     // no credential, or one that is not known
  permission_denied,   // the credential may not do this
  not_found,           // what was named is not there
  conflict,            // it changed since the caller looked, or clashes with what is there
  too_large,           // over a stated limit of size
  quota_exceeded,      // over the caller's own budget or rate
  resource_exhausted,  // a queue or store of ours is full; try again later
  unavailable,         // what serves this is down or cut off
  deadline_exceeded,   // it took longer than allowed
  fenced,              // a newer writer has taken over
  corrupt,             // stored or received bytes fail their own check
  io,                  // the operating system refused: disk, socket, permissions
  infeasible,          // no answer satisfies the constraints; the message names the one that blocks
  internal,            // an invariant of a dependency did not hold
};

struct ErrorDescription {
  std::string_view name;         // as in the enumeration; also the metric label
  int http_status;               // 4xx: the caller can fix it; 5xx: we must
  std::string_view openai_type;  // the `type` of an OpenAI error object
};

const ErrorDescription& describe(ErrorCode code);

// (A constructor, because GCC 12 destroys a braced aggregate twice when it is made within one expression with
// `co_await`.)
struct Error {
  Error() = default;
  Error(ErrorCode its_code, std::string its_message, std::string its_context = {})
      : code(its_code), message(std::move(its_message)), context(std::move(its_context)) {}

  ErrorCode code = ErrorCode::internal;
  std::string message;  // a sentence for the person who must act: what is wrong and what would be right
  std::string context;  // where: an entity, an offset, a file:line; empty when the message says it all

  bool operator==(const Error&) const = default;
};

template <class T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> fail(ErrorCode code, std::string message, std::string context = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message), std::move(context)});
}

// "not_found: no link 'x' (grid.yaml:12)".
std::string to_string(const Error& error);

}  // namespace tandem

#define TANDEM_CONCAT_INNER(a, b) a##b
#define TANDEM_CONCAT(a, b) TANDEM_CONCAT_INNER(a, b)

// Returns the error of `expression` from the enclosing function, or continues.
#define TANDEM_TRY(expression)                                                        \
  do {                                                                                \
    if (auto tandem_try_result = (expression); !tandem_try_result)                    \
      return ::tl::unexpected<::tandem::Error>(std::move(tandem_try_result.error())); \
  } while (false)

// Declares `declaration` from the value of `expression`, or returns its error from the enclosing function.
#define TANDEM_ASSIGN(declaration, expression)                                                            \
  auto TANDEM_CONCAT(tandem_assign_, __LINE__) = (expression);                                            \
  if (!TANDEM_CONCAT(tandem_assign_, __LINE__))                                                           \
    return ::tl::unexpected<::tandem::Error>(std::move(TANDEM_CONCAT(tandem_assign_, __LINE__).error())); \
  declaration = std::move(*TANDEM_CONCAT(tandem_assign_, __LINE__))
