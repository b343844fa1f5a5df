#include "log/batch.h"

#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "log/testing.h"

namespace tandem::log {
namespace {

TEST(Batch, EventsReadBackAsTheyWereWritten) {
  const std::vector<Event> events = some_events(7, 20);
  const std::string bytes = encode_events(events);
  const auto back = decode_events(bytes, 20);
  ASSERT_TRUE(back) << to_string(back.error());
  EXPECT_EQ(encode_events(*back), bytes);
  EXPECT_EQ(decode_events(bytes, 19).error().code, ErrorCode::corrupt);
  EXPECT_EQ(decode_events(bytes, 21).error().code, ErrorCode::corrupt);
  EXPECT_EQ(decode_events(bytes.substr(0, bytes.size() - 1), 20).error().code, ErrorCode::corrupt);
  EXPECT_EQ(decode_events("", 0)->size(), 0u);
}

// Any bytes give events or an error, never a crash.
TEST(Batch, MutatedBodiesAreReadOrRefused) {
  google::protobuf::SetLogHandler(nullptr);  // it would say so 20,000 times
  Random random(11);
  const std::string good = encode_events(some_events(3, 8));
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (uint64_t edits = 1 + random.below(4); edits > 0; --edits) {
      const size_t at = random.below(bytes.size());
      if (random.chance(0.5))
        bytes[at] = static_cast<char>(random.next());
      else if (random.chance(0.5))
        bytes.erase(at, 1 + random.below(8));
      else
        bytes.insert(at, bytes.substr(random.below(bytes.size()), random.below(16)));
      if (bytes.empty()) bytes = "\x01";
    }
    const auto events = decode_events(bytes, 8);
    if (events)
      EXPECT_EQ(events->size(), 8u);
    else
      EXPECT_EQ(events.error().code, ErrorCode::corrupt);
  }
}

// Pinned, so that a log written by this version is still proven by every later one.
TEST(Batch, TheHashOfAHeaderNeverChanges) {
  BatchHeader header;
  header.epoch = 3;
  header.first = 42;
  header.count = 7;
  header.at = Instant{1'763'714'450'000'000'000};
  header.body_sha256 = sha256("body");
  header.previous = sha256("previous");
  EXPECT_EQ(to_hex(hash_of(header)), to_hex(Hasher()
                                                .update(uint64_t{3})
                                                .update(uint64_t{42})
                                                .update(uint64_t{7})
                                                .update(uint64_t{1'763'714'450'000'000'000})
                                                .update(sha256("body").view())
                                                .update(sha256("previous").view())
                                                .finish()));
  EXPECT_EQ(to_hex(hash_of(header)), "4a9355f7a83e5e660100f2de972304d66ca043749d55a773f27995f4f056d8be");
}

TEST(Batch, OnlyTheNextOneFollows) {
  const EncodedBatch first = encode_batch({}, 2, Instant{100}, some_events(1, 3));
  EXPECT_EQ(first.header.first, 1u);
  EXPECT_EQ(first.header.last(), 3u);
  const EncodedBatch second = encode_batch(first.header, 2, Instant{100}, some_events(2, 2));
  EXPECT_EQ(second.header.first, 4u);
  EXPECT_TRUE(check_next({}, first));
  EXPECT_TRUE(check_next(first.header, second));
  EXPECT_EQ(check_next({}, second).error().code, ErrorCode::conflict);
  EXPECT_EQ(check_next(second.header, second).error().code, ErrorCode::conflict);
  EXPECT_EQ(check_next(first.header, encode_batch(first.header, 1, Instant{100}, some_events(2, 2))).error().code,
            ErrorCode::fenced);
  EXPECT_EQ(check_next(first.header, encode_batch(first.header, 2, Instant{99}, some_events(2, 2))).error().code,
            ErrorCode::conflict);
  EncodedBatch changed = second;
  changed.body.back() ^= 1;
  EXPECT_EQ(check_next(first.header, changed).error().code, ErrorCode::conflict);
  changed = second;
  changed.header.count += 1;
  changed.header.hash = hash_of(changed.header);
  EXPECT_EQ(check_next(first.header, changed).error().code, ErrorCode::conflict);
  changed.header.count -= 2;
  changed.header.hash = hash_of(changed.header);
  EXPECT_EQ(check_next(first.header, changed).error().code, ErrorCode::conflict);
  changed = second;
  changed.header.at.ns += 1;
  EXPECT_EQ(check_next(first.header, changed).error().code, ErrorCode::conflict);
}

// Protobuf would write these and never read them again. What is admitted is what it reads.
TEST(Batch, WhatCouldNotBeReadBackIsRefused) {
  google::protobuf::SetLogHandler(nullptr);
  std::vector<Event> events = some_events(1, 2);
  events[1].set_actor("\xff");
  const auto refused = check_next({}, encode_batch({}, 1, Instant{}, events));
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(refused.error().context, "event 1 of the batch");
  for (int depth = 40; depth < 60; ++depth) {
    Event event;
    v1::Value* value = event.mutable_facts_recorded()->add_attributes()->mutable_value();
    for (int i = 0; i < depth; ++i) value = value->mutable_list()->add_items();
    const EncodedBatch batch = encode_batch({}, 1, Instant{}, {event});
    const bool taken = check_next({}, batch).has_value();
    EXPECT_EQ(taken, depth <= 46) << depth;
    EXPECT_TRUE(!taken || decode_events(batch.body, 1)) << depth;
  }
}

TEST(Batch, WhatIsAdmittedIsWhatProtobufReads) {
  google::protobuf::SetLogHandler(nullptr);
  Random random(4);
  const std::vector<std::string> texts = {"plain",
                                          "Köln",
                                          "\xed\xa0\x80",
                                          "\xc0\x80",
                                          "\xf4\x90\x80\x80",
                                          "\xf0\x9f\x99\x82",
                                          "cut \xe2\x82",
                                          std::string("\0", 1)};
  size_t admitted = 0;
  for (int round = 0; round < 3'000; ++round) {
    std::vector<Event> events = some_events(static_cast<uint64_t>(round), 1);
    auto& facts = *events[0].mutable_facts_recorded();
    const auto text = [&] { return random.chance(0.7) ? "plain" : texts[random.below(texts.size())]; };
    facts.set_source(text());
    facts.mutable_attributes(0)->set_name(text());
    facts.mutable_attributes(1)->mutable_value()->mutable_list()->add_items()->set_text(text());
    const std::string body = encode_events(events);
    const bool taken = check_next({}, encode_batch({}, 1, Instant{}, events)).has_value();
    EXPECT_EQ(taken, decode_events(body, 1).has_value());
    admitted += taken ? 1 : 0;
  }
  EXPECT_GT(admitted, 500u);
  EXPECT_LT(admitted, 2'900u);
}

TEST(Batch, LimitsHoldAtTheirEdge) {
  EXPECT_TRUE(check_next({}, encode_batch({}, 1, Instant{}, some_events(1, kBatchEventsMax))));
  EXPECT_EQ(check_next({}, encode_batch({}, 1, Instant{}, some_events(1, kBatchEventsMax + 1))).error().code,
            ErrorCode::too_large);
  std::vector<Event> events(1);
  events[0].set_actor(std::string(kEventBytesMax - 5, 'a'));  // the field's tag and length take five
  ASSERT_EQ(events[0].ByteSizeLong(), kEventBytesMax);
  EXPECT_TRUE(check_next({}, encode_batch({}, 1, Instant{}, events)));
  events.resize(4, events[0]);
  EXPECT_EQ(check_next({}, encode_batch({}, 1, Instant{}, events)).error().code, ErrorCode::too_large);
  events.resize(1);
  events[0].mutable_actor()->push_back('a');
  EXPECT_EQ(check_next({}, encode_batch({}, 1, Instant{}, events)).error().code, ErrorCode::too_large);
}

}  // namespace
}  // namespace tandem::log
