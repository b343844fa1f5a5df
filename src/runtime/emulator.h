// Emulated LLM servers over HTTP: many engines on one port, each answering at the pace its profile says, as a real
// OpenAI-compatible server would, and saying in every answer that it is an emulator (the header x-tandem-emulated, the
// system fingerprint, and the text itself).
//
// Under /pools/<pool> (or at the root, for the pool with the empty name):
//   POST /v1/chat/completions, /v1/completions   streamed (stream_options.include_usage) or whole
//   GET  /v1/models, /metrics (vLLM's names), /health
//
// - Prompt tokens are counted at four bytes each. The answer's length is max_tokens with "ignore_eos": true; else what
//   the header x-tandem-output-tokens says, or a seeded draw, but at most max_tokens and at least min_tokens.
// - x-tandem-path-rtt-us, set by the gateway, is added to the time of the first byte: no network lies under the port.
// - Tokens are written as they come. When many come at once, those of one answer that became due since its last write
//   go into one piece, so that delivering takes at most half of the thread's time.
// - A full queue is refused with 503, an unknown model with 404, an engine on its way out with 503. A client that
// leaves
//   frees its place in the batch.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "grid/nouns.h"

namespace tandem::runtime {

// An engine is told apart by pool, model id and profile id.
struct EngineSpec {
  std::string pool;
  std::string site;
  grid::Model model;  // answers to its id, name and aliases; bounds prompt + output by context_tokens
  grid::Profile profile;
  uint32_t replicas = 1;  // ≥ 1
  double prefix_hit = 0;  // fraction of prompt tokens found in cache, [0, 1)
  bool operator==(const EngineSpec&) const = default;
};

struct EngineHostOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 0;             // 0: any free one
  uint64_t seed = 1;             // of the lengths of answers
  uint32_t waiting_max = 1'024;  // requests that wait, per engine; see EngineOptions
};

// Serves on the thread that runs `context`; that must be one thread. The functions below may be called from any thread:
// they take effect on that one, in order, at once when called there.
class EngineHost {
 public:
  // `context` and `clock` must outlive the host. Errors: invalid_argument (address), io (cannot bind).
  static Result<std::unique_ptr<EngineHost>> listen(boost::asio::io_context& context, const Clock& clock,
                                                    EngineHostOptions options);

  // Breaks every answer under way. To be called on the context's thread, or when the context no longer runs.
  ~EngineHost();
  EngineHost(const EngineHost&) = delete;
  EngineHost& operator=(const EngineHost&) = delete;

  uint16_t port() const;

  // From now on exactly these run. Those that ran already with the same figures go on undisturbed, also with other
  // replicas or prefix hits; one that is no longer named, or with other figures, takes no more requests and ends with
  // its last. Errors: invalid_argument, naming the first spec that cannot run or is named twice; then nothing has
  // changed.
  Result<void> set_engines(std::vector<EngineSpec> specs);

  // The site loses power: the connections of its engines break, also in the middle of an answer, what they were doing
  // is lost, and new requests find theirs closed without an answer. Engines set later at a cut site are cut too.
  void cut_site(std::string site);
  void restore_site(std::string site);

 private:
  class State;
  explicit EngineHost(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace tandem::runtime
