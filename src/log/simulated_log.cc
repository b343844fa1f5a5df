#include "log/simulated_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "log/batch.h"

namespace tandem::log {

Result<void> SimulatedLog::append(const EncodedBatch& batch) {
  if (failed_) return fail(ErrorCode::io, "an append failed; the log must be opened again");
  BatchHeader head = stored_.empty() ? BatchHeader{} : stored_.back().header;
  if (batch.header.epoch < fence_) {
    return fail(ErrorCode::fenced,
                fmt::format("epoch {} has taken over; this writer's is {}", fence_, batch.header.epoch));
  }
  TANDEM_TRY(check_next(head, batch));
  const std::string& body = batch.body;
  if (body.size() > capacity_bytes_ - std::min(bytes_, capacity_bytes_) || random_.chance(faults_.append_full)) {
    return fail(ErrorCode::resource_exhausted, "the simulated disk is full");
  }
  if (random_.chance(faults_.append_lost)) {
    failed_ = true;
    return fail(ErrorCode::io, "the simulated disk failed before the write");
  }
  if (random_.chance(faults_.append_unknown)) {
    failed_ = true;
    unknown_ = Stored{batch.header, body};
    return fail(ErrorCode::io, "the simulated disk failed in the sync");
  }
  bytes_ += body.size();
  stored_.push_back({batch.header, body});
  return {};
}

Result<std::vector<Batch>> SimulatedLog::read(Offset from, size_t bytes_limit) const {
  if (random_.chance(faults_.read_failed)) return fail(ErrorCode::io, "the simulated disk failed in a read");
  std::vector<Batch> batches;
  size_t bytes = 0;
  for (size_t i = position_of(std::max<Offset>(from, 1)); i < stored_.size(); ++i) {
    if (!batches.empty() && bytes >= bytes_limit) break;
    const Stored& stored = stored_[i];
    const std::string_view body = stored.body;
    TANDEM_TRY(check_stored(stored.header, &body));
    Batch batch{stored.header, {}};
    TANDEM_ASSIGN(batch.events, decode_events(body, stored.header.count));
    bytes += body.size();
    batches.push_back(std::move(batch));
  }
  return batches;
}

Result<Head> SimulatedLog::head() const {
  if (stored_.empty()) return Head{};
  return Head{stored_.back().header.last(), stored_.back().header};
}

void SimulatedLog::crash() {
  failed_ = false;
  if (unknown_ && random_.chance(0.5)) {
    bytes_ += unknown_->body.size();
    stored_.push_back(std::move(*unknown_));
  }
  unknown_.reset();
}

bool SimulatedLog::damage(Offset offset) {
  const size_t i = position_of(offset);
  if (i == stored_.size()) return false;
  std::string& body = stored_[i].body;
  body[random_.below(body.size())] ^= static_cast<char>(1u << random_.below(8));
  return true;
}

bool SimulatedLog::lose_from(Offset offset) {
  const size_t i = position_of(offset);
  if (i == stored_.size()) return false;
  for (size_t j = i; j < stored_.size(); ++j) bytes_ -= stored_[j].body.size();
  stored_.resize(i);
  return true;
}

size_t SimulatedLog::position_of(Offset offset) const {
  const auto after = std::ranges::upper_bound(stored_, offset, {}, [](const Stored& one) { return one.header.first; });
  if (after == stored_.begin()) return stored_.size();
  const auto holder = after - 1;
  return offset <= holder->header.last() ? static_cast<size_t>(holder - stored_.begin()) : stored_.size();
}

}  // namespace tandem::log
