#include "log/batch.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "base/check.h"
#include "log/readable.h"

namespace tandem::log {

namespace pb = google::protobuf;

Digest hash_of(const BatchHeader& header) {
  Hasher hasher;
  hasher.update(header.epoch).update(header.first).update(uint64_t{header.count});
  hasher.update(static_cast<uint64_t>(header.at.ns));
  hasher.update(header.body_sha256.view()).update(header.previous.view());
  return hasher.finish();
}

std::string encode_events(const std::vector<Event>& events) {
  std::string bytes;
  {
    pb::io::StringOutputStream stream(&bytes);
    pb::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    for (const Event& event : events) {
      out.WriteVarint64(event.ByteSizeLong());
      event.SerializeWithCachedSizes(&out);
    }
  }
  return bytes;
}

Result<std::vector<Event>> decode_events(std::string_view bytes, uint32_t count) {
  if (bytes.size() > kBatchBytesMax || count > kBatchEventsMax) {
    return fail(ErrorCode::corrupt,
                fmt::format("a batch of {} events in {} bytes is over the limit", count, bytes.size()));
  }
  pb::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
  std::vector<Event> events;
  events.reserve(std::min<size_t>(count, bytes.size()));  // an event takes at least one byte
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t size = 0;
    const bool sized = in.ReadVarint32(&size);
    const size_t position = static_cast<size_t>(in.CurrentPosition());
    if (!sized || size > kEventBytesMax || size > bytes.size() - position) {
      return fail(ErrorCode::corrupt, fmt::format("event {} of {} has no valid length (byte {})", i, count, position));
    }
    if (!events.emplace_back().ParseFromArray(bytes.data() + position, static_cast<int>(size))) {
      return fail(ErrorCode::corrupt, fmt::format("event {} of {} is not an event (byte {})", i, count, position));
    }
    in.Skip(static_cast<int>(size));
  }
  if (static_cast<size_t>(in.CurrentPosition()) != bytes.size()) {
    return fail(ErrorCode::corrupt, fmt::format("bytes follow the last of {} events", count));
  }
  return events;
}

EncodedBatch encode_batch(const BatchHeader& previous, Epoch epoch, Instant at, const std::vector<Event>& events) {
  CHECK(!events.empty());
  EncodedBatch batch;
  batch.body = encode_events(events);
  batch.header.epoch = epoch;
  batch.header.first = previous.last() + 1;
  batch.header.count = static_cast<uint32_t>(events.size());
  batch.header.at = at;
  batch.header.body_sha256 = sha256(batch.body);
  batch.header.previous = previous.hash;
  batch.header.hash = hash_of(batch.header);
  return batch;
}

namespace {

Result<void> check_all_readable(std::string_view body, uint32_t count) {
  pb::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(body.data()), static_cast<int>(body.size()));
  const auto position = [&] { return static_cast<size_t>(in.CurrentPosition()); };
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t size = 0;
    const bool sized = in.ReadVarint32(&size);
    if (sized && size > kEventBytesMax)
      return fail(ErrorCode::too_large, fmt::format("an event of {} bytes; at most {}", size, kEventBytesMax));
    if (!sized || size > body.size() - position())
      return fail(ErrorCode::conflict, fmt::format("the header counts {} events, there are {}", count, i));
    if (auto readable = check_readable(body.substr(position(), size)); !readable) {
      readable.error().context = fmt::format("event {} of the batch", i);
      return readable;
    }
    in.Skip(static_cast<int>(size));
  }
  if (position() == body.size()) return {};
  return fail(ErrorCode::conflict, fmt::format("bytes follow the last of {} events", count));
}

}  // namespace

Result<void> check_next(const BatchHeader& head, const EncodedBatch& batch) {
  const BatchHeader& header = batch.header;
  if (header.epoch < head.epoch) {
    return fail(ErrorCode::fenced, fmt::format("epoch {} has written; this writer's is {}", head.epoch, header.epoch),
                fmt::format("offset {}", head.last()));
  }
  if (header.count > kBatchEventsMax)
    return fail(ErrorCode::too_large, fmt::format("{} events in a batch; at most {}", header.count, kBatchEventsMax));
  if (batch.body.size() > kBatchBytesMax)
    return fail(ErrorCode::too_large,
                fmt::format("a batch of {} bytes; at most {}", batch.body.size(), kBatchBytesMax));
  TANDEM_TRY(check_follows(head, header));
  if (sha256(batch.body) != header.body_sha256 || hash_of(header) != header.hash)
    return fail(ErrorCode::conflict, "the batch's digests are not those of its events and header");
  return check_all_readable(batch.body, header.count);
}

Result<void> check_follows(const BatchHeader& head, const BatchHeader& next) {
  std::string problem;
  if (next.first != head.last() + 1) {
    problem = fmt::format("the batch begins at offset {}, the log ends at {}", next.first, head.last());
  } else if (next.count == 0 || next.count > kBatchEventsMax || next.last() > kOffsetMax) {
    problem = fmt::format("the batch counts {} events", next.count);
  } else if (next.previous != head.hash) {
    problem = fmt::format("the batch at {} is chained to another header than that of the log's last batch", next.first);
  } else if (next.epoch < head.epoch) {
    problem = fmt::format("the batch at {} has epoch {}, the one before {}", next.first, next.epoch, head.epoch);
  } else if (next.at < head.at && head.count != 0) {
    problem = fmt::format("the batch at {} is stamped {}, the one before {}", next.first, format_rfc3339(next.at),
                          format_rfc3339(head.at));
  } else {
    return {};
  }
  return fail(ErrorCode::conflict, std::move(problem), fmt::format("offset {}", next.first));
}

Result<void> check_stored(const BatchHeader& header, const std::string_view* body) {
  const auto context = [&] { return fmt::format("offset {}", header.first); };
  if (hash_of(header) != header.hash) {
    return fail(ErrorCode::corrupt,
                fmt::format("the header of the batch at offset {} does not match its hash", header.first), context());
  }
  if (body != nullptr && sha256(*body) != header.body_sha256) {
    return fail(ErrorCode::corrupt,
                fmt::format("the events of the batch at offset {} do not match their digest", header.first), context());
  }
  return {};
}

}  // namespace tandem::log
