// Public traces of inference requests.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/diagnostics.h"
#include "base/time.h"

namespace tandem::ingest {

inline constexpr size_t kTraceBytesMax = size_t{1} << 30;  // the full 2024 Azure week is ~0.7 GB
inline constexpr size_t kTraceRequestsMax = 50'000'000;
inline constexpr int64_t kTraceTokensMax = 100'000'000;  // of one request

struct TraceRequest {
  Duration arrival;            // after the first of the trace, ≥ 0
  uint32_t prompt_tokens = 0;  // ≥ 1
  uint32_t output_tokens = 0;  // ≥ 1
  std::vector<uint64_t>
      prefix_blocks;  // hashes of the prompt's leading blocks of Trace::block_tokens; equal: same text
  bool operator==(const TraceRequest&) const = default;
};

struct Trace {
  std::vector<TraceRequest> requests;   // by arrival
  uint32_t block_tokens = 0;            // 0: the trace has no prefix blocks
  std::vector<Diagnostic> diagnostics;  // of use only without errors
};

// Azure LLM inference traces, 2023 and 2024: CSV of TIMESTAMP,ContextTokens,GeneratedTokens (P. Patel et al.,
// "Splitwise", ISCA 2024). Requests that generate nothing are taken for one token.
Trace parse_azure_trace(std::string_view bytes, std::string_view file_name);

// Mooncake traces: JSON lines of timestamp (ms), input_length, output_length, hash_ids of 512-token blocks (R. Qin et
// al., "Mooncake", arXiv:2407.00079).
Trace parse_mooncake_trace(std::string_view bytes, std::string_view file_name);

// Whichever of them the bytes are: JSON lines start with "{".
Trace parse_trace(std::string_view bytes, std::string_view file_name);

}  // namespace tandem::ingest
