// How far a delivery has come, in a file that survives the program at any moment. Internal to the module.
#pragma once

#include <filesystem>

#include "base/file.h"
#include "base/result.h"
#include "base/time.h"
#include "log/log.h"

namespace tandem::api {

// Two slots written in turn, each with its own check: a torn write leaves the other. Written through to the kernel each
// time, so that it outlives the process, and to the disk at most once a second, so that a receiver is not held up by
// it.
class DeliveryPosition {
 public:
  struct Place {
    log::Offset placed = 0;  // of the registration that it counts from: a newer one starts anew
    log::Offset delivered = 0;
    auto operator<=>(const Place&) const = default;
  };

  // Makes the file when it is not there. Errors: io, resource_exhausted.
  static Result<DeliveryPosition> open(const std::filesystem::path& path);

  const Place& place() const { return place_; }
  Result<void> move_to(Place place, Duration now);
  Result<void> sync();

 private:
  File file_;
  Place place_;
  size_t next_slot_ = 0;
  Duration synced_;
};

}  // namespace tandem::api
