#include "api/delivery_position.h"

#include <fmt/format.h>

#include <optional>

#include "base/digest.h"
#include "base/text.h"

namespace tandem::api {
namespace {

constexpr size_t kSlotBytes = 512;  // a sector each
constexpr size_t kTextBytes = 20 + 1 + 20 + 1;
constexpr size_t kCheckBytes = 16;
constexpr Duration kSyncEvery = seconds(1);

std::string slot_of(const DeliveryPosition::Place& place) {
  const std::string text = fmt::format("{:020} {:020} ", place.placed, place.delivered);
  return text + to_hex(sha256(text)).substr(0, kCheckBytes) + "\n";
}

std::optional<DeliveryPosition::Place> read_slot(std::string_view slot) {
  if (slot.size() < kTextBytes + kCheckBytes) return std::nullopt;
  const std::string_view text = slot.substr(0, kTextBytes);
  if (slot.substr(kTextBytes, kCheckBytes) != to_hex(sha256(text)).substr(0, kCheckBytes)) return std::nullopt;
  const auto placed = parse_integer(text.substr(0, 20));
  const auto delivered = parse_integer(text.substr(21, 20));
  if (!placed || !delivered) return std::nullopt;
  return DeliveryPosition::Place{static_cast<log::Offset>(*placed), static_cast<log::Offset>(*delivered)};
}

}  // namespace

Result<DeliveryPosition> DeliveryPosition::open(const std::filesystem::path& path) {
  DeliveryPosition position;
  TANDEM_ASSIGN(position.file_, File::open(path, File::Mode::write));
  TANDEM_ASSIGN(const std::string bytes, position.file_.read_at(0, 2 * kSlotBytes));
  for (size_t i = 0; i < 2 && i * kSlotBytes < bytes.size(); ++i) {
    const auto place = read_slot(std::string_view(bytes).substr(i * kSlotBytes, kSlotBytes));
    if (!place || *place < position.place_) continue;
    position.place_ = *place;
    position.next_slot_ = 1 - i;
  }
  return position;
}

Result<void> DeliveryPosition::move_to(Place place, Duration now) {
  TANDEM_TRY(file_.write_at(next_slot_ * kSlotBytes, slot_of(place)));
  place_ = place;
  next_slot_ = 1 - next_slot_;
  if (now - synced_ < kSyncEvery) return {};
  synced_ = now;
  return sync();
}

Result<void> DeliveryPosition::sync() { return file_.sync(); }

}  // namespace tandem::api
