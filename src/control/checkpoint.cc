#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/file.h"
#include "base/text.h"
#include "control/control.h"
#include "control/replay.h"
#include "tandem/v1/checkpoint.pb.h"

namespace tandem::control {
namespace {

constexpr std::string_view kMagic = "TNDMCKP4";
constexpr size_t kEnvelopeBytes = 8 + 32;               // magic and SHA-256 of what follows
constexpr uint64_t kFileBytesMax = uint64_t{16} << 30;  // above what the largest inventory we promise takes
constexpr size_t kKept = 3;                             // one may be damaged, one of a log that was put back
constexpr std::string_view kPrefix = "checkpoint-";

Digest digest_of(std::string_view bytes) {
  Digest digest;
  std::memcpy(digest.bytes.data(), bytes.data(), digest.bytes.size());
  return digest;
}

void encode_head(const log::BatchHeader& head, v1::BatchPosition& out) {
  out.set_epoch(head.epoch);
  out.set_first(head.first);
  out.set_count(head.count);
  out.set_at_ns(head.at.ns);
  out.set_body_sha256(std::string(head.body_sha256.view()));
  out.set_previous(std::string(head.previous.view()));
  out.set_hash(std::string(head.hash.view()));
}

Result<log::BatchHeader> decode_head(const v1::BatchPosition& in) {
  if (in.body_sha256().size() != 32 || in.previous().size() != 32 || in.hash().size() != 32)
    return fail(ErrorCode::corrupt, "a checkpoint's digest has not 32 bytes");
  log::BatchHeader head;
  head.epoch = in.epoch();
  head.first = in.first();
  head.count = in.count();
  head.at = {in.at_ns()};
  head.body_sha256 = digest_of(in.body_sha256());
  head.previous = digest_of(in.previous());
  head.hash = digest_of(in.hash());
  return head;
}

// Files of a directory with the offsets in their names, the newest first.
std::vector<std::pair<log::Offset, std::filesystem::path>> files_in(const std::filesystem::path& directory) {
  std::vector<std::pair<log::Offset, std::filesystem::path>> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    if (const auto offset = parse_integer(std::string_view(name).substr(kPrefix.size())); offset && *offset >= 0)
      files.emplace_back(static_cast<log::Offset>(*offset), entry.path());
  }
  std::sort(files.rbegin(), files.rend());
  return files;
}

class DirectoryCheckpoints final : public CheckpointStore {
 public:
  explicit DirectoryCheckpoints(std::filesystem::path directory) : directory_(std::move(directory)) {}

  Result<void> write(log::Offset offset, const std::function<void(const Sink&)>& produce) override {
    std::error_code error;
    std::filesystem::create_directories(directory_, error);
    if (error) return fail(ErrorCode::io, fmt::format("'{}' cannot be made: {}", directory_.string(), error.message()));
    TANDEM_ASSIGN(ReplacingFile file, ReplacingFile::begin(directory_ / fmt::format("{}{:020}", kPrefix, offset)));
    TANDEM_TRY(file.append(std::string(kEnvelopeBytes, '\0')));
    Hasher hasher;
    Result<void> appended;
    produce([&](std::string_view piece) {
      hasher.update(piece);
      if (appended) appended = file.append(piece);
    });
    TANDEM_TRY(appended);
    TANDEM_TRY(file.write_at(0, std::string(kMagic) + std::string(hasher.finish().view())));
    TANDEM_TRY(file.finish());
    const auto files = files_in(directory_);
    for (size_t i = kKept; i < files.size(); ++i) std::filesystem::remove(files[i].second, error);
    return {};
  }

  Result<std::optional<std::string>> read(log::Offset at_most) const override {
    for (const auto& [offset, path] : files_in(directory_)) {
      if (offset > at_most) continue;
      auto read = read_file(path, kFileBytesMax);
      if (!read) continue;  // unreadable is as good as not there
      std::string bytes = std::move(*read);
      const bool whole = bytes.size() >= kEnvelopeBytes && bytes.starts_with(kMagic) &&
                         digest_of(std::string_view(bytes).substr(kMagic.size())) ==
                             sha256(std::string_view(bytes).substr(kEnvelopeBytes));
      if (!whole) continue;
      bytes.erase(0, kEnvelopeBytes);
      return std::optional(std::move(bytes));
    }
    return std::optional<std::string>();
  }

 private:
  std::filesystem::path directory_;
};

}  // namespace

std::unique_ptr<CheckpointStore> directory_checkpoints(std::filesystem::path directory) {
  return std::make_unique<DirectoryCheckpoints>(std::move(directory));
}

void put_length(std::string& out, uint64_t length) {
  for (int i = 0; i < 8; ++i) out += static_cast<char>(length >> (8 * i));
}

// A part that stands behind its length; nothing where it is cut short.
std::optional<std::string_view> take_part(std::string_view& bytes) {
  uint64_t size = 0;
  if (bytes.size() < 8) return std::nullopt;
  for (int i = 0; i < 8; ++i) size |= uint64_t{static_cast<unsigned char>(bytes[static_cast<size_t>(i)])} << (8 * i);
  bytes.remove_prefix(8);
  if (size > bytes.size()) return std::nullopt;
  const std::string_view part = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return part;
}

// What follows here, the branches and the accounts, each behind its length as 8 little-endian bytes; then the
// inventory.
void encode_checkpoint(const State& state, const CheckpointStore::Sink& sink) {
  v1::Checkpoint checkpoint;
  encode_head(state.head, *checkpoint.mutable_head());
  if (state.plan) *checkpoint.mutable_plan() = *state.plan;
  checkpoint.set_plan_offset(state.plan_offset);
  checkpoint.set_plan_at_ns(state.plan_at.ns);
  checkpoint.set_replan_after(state.replan_after);
  checkpoint.set_plan_not_before_ns(state.plan_not_before.ns);
  checkpoint.set_refused_as_is(state.refused_as_is);
  if (state.unsearched_since) checkpoint.set_unsearched_since_ns(state.unsearched_since->ns);
  if (state.schedule) *checkpoint.mutable_schedule() = *state.schedule;
  checkpoint.set_schedule_offset(state.schedule_offset);
  checkpoint.set_schedule_stale(state.schedule_stale);
  checkpoint.set_schedule_not_before_ns(state.schedule_not_before.ns);
  if (state.preparing) *checkpoint.mutable_preparing() = planner::to_message(*state.preparing);
  checkpoint.set_state_sha256(std::string(whole_hash(state).view()));
  if (state.pending) {
    v1::PendingPlan& pending = *checkpoint.mutable_pending();
    pending.set_plan_id(state.pending->plan_id);
    pending.set_base(state.pending->base);
    pending.set_seed(state.pending->seed);
    pending.set_work_limit(state.pending->work_limit);
    pending.set_anew(state.pending->anew);
    pending.set_reason(state.pending->reason);
    pending.set_requested_at_ns(state.pending->requested_at.ns);
    if (state.pending->hours) *pending.mutable_hours() = planner::to_message(*state.pending->hours);
    pending.set_periods_max(state.pending->periods_max);
  }
  const std::string part = checkpoint.SerializeAsString();
  std::string branches;
  state.branches.write(state.inventory, branches);
  std::string bytes;
  put_length(bytes, part.size());
  bytes += part;
  put_length(bytes, branches.size());
  bytes += branches;
  const std::string accounts = state.accounts.bytes();
  put_length(bytes, accounts.size());
  bytes += accounts;
  sink(bytes);
  state.inventory.write(sink);
}

std::string encode_checkpoint(const State& state) {
  std::string bytes;
  encode_checkpoint(state, [&](std::string_view piece) { bytes += piece; });
  return bytes;
}

Result<State> decode_checkpoint(std::string_view bytes) {
  const auto part = take_part(bytes);
  const auto branches = part ? take_part(bytes) : std::nullopt;
  const auto accounts = branches ? take_part(bytes) : std::nullopt;
  if (!accounts) return fail(ErrorCode::corrupt, "a checkpoint is cut short");
  v1::Checkpoint checkpoint;
  if (part->size() > INT32_MAX || !checkpoint.ParseFromArray(part->data(), static_cast<int>(part->size())))
    return fail(ErrorCode::corrupt, "a checkpoint's first part does not decode");
  State state;
  TANDEM_ASSIGN(state.head, decode_head(checkpoint.head()));
  TANDEM_ASSIGN(state.inventory, inventory::Snapshot::read(bytes));
  TANDEM_ASSIGN(state.branches, inventory::Branches::read(state.inventory, *branches));
  TANDEM_ASSIGN(state.accounts, Accounts::read(*accounts));
  if (checkpoint.has_plan()) state.plan = std::make_shared<const v1::Plan>(std::move(*checkpoint.mutable_plan()));
  state.plan_offset = checkpoint.plan_offset();
  state.plan_at = {checkpoint.plan_at_ns()};
  state.replan_after = checkpoint.replan_after();
  state.plan_not_before = {checkpoint.plan_not_before_ns()};
  state.refused_as_is = checkpoint.refused_as_is();
  if (checkpoint.has_unsearched_since_ns()) state.unsearched_since = Instant{checkpoint.unsearched_since_ns()};
  if (checkpoint.has_schedule())
    state.schedule = std::make_shared<const v1::Schedule>(std::move(*checkpoint.mutable_schedule()));
  state.schedule_offset = checkpoint.schedule_offset();
  state.schedule_stale = checkpoint.schedule_stale();
  state.schedule_not_before = {checkpoint.schedule_not_before_ns()};
  if (checkpoint.has_preparing()) state.preparing = planner::period_of(checkpoint.preparing());
  if (checkpoint.has_pending()) {
    const v1::PendingPlan& pending = checkpoint.pending();
    state.pending = PendingPlan{pending.plan_id(),          pending.base(), pending.seed(),
                                pending.work_limit(),       pending.anew(), pending.reason(),
                                {pending.requested_at_ns()}};
    if (pending.has_hours()) state.pending->hours = planner::period_of(pending.hours());
    state.pending->periods_max = pending.periods_max();
  }
  if (whole_hash(state).view() != checkpoint.state_sha256())
    return fail(ErrorCode::corrupt, "a checkpoint does not give back the state it was made from");
  state.grid = inventory::project(state.inventory, {}, nullptr);
  return state;
}

Result<void> write_checkpoint(const State& state, CheckpointStore& checkpoints) {
  return checkpoints.write(state.inventory.offset(),
                           [&](const CheckpointStore::Sink& sink) { encode_checkpoint(state, sink); });
}

}  // namespace tandem::control
