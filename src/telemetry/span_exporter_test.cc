// Spans against a receiver over a real socket, read back with protobuf's own parser.
#include "telemetry/span_exporter.h"

#include <google/protobuf/unknown_field_set.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <map>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "http/http.h"
#include "telemetry/testing.h"

namespace tandem::telemetry {
namespace {

namespace asio = boost::asio;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

// A message read without its schema.
class Message {
 public:
  explicit Message(const std::string& bytes) { EXPECT_TRUE(fields_->ParseFromString(bytes)); }

  std::vector<std::string> texts(int number) const {
    std::vector<std::string> found;
    for (int i = 0; i < fields_->field_count(); ++i)
      if (fields_->field(i).number() == number && fields_->field(i).type() == UnknownField::TYPE_LENGTH_DELIMITED)
        found.push_back(fields_->field(i).length_delimited());
    return found;
  }
  std::string text(int number) const {
    const auto found = texts(number);
    return found.empty() ? std::string() : found.front();
  }
  Message message(int number) const { return Message(text(number)); }
  uint64_t number(int wanted) const {
    for (int i = 0; i < fields_->field_count(); ++i) {
      const UnknownField& field = fields_->field(i);
      if (field.number() != wanted) continue;
      if (field.type() == UnknownField::TYPE_VARINT) return field.varint();
      if (field.type() == UnknownField::TYPE_FIXED64) return field.fixed64();
    }
    return 0;
  }
  bool has_varint() const {
    return fields_->field_count() > 0 && fields_->field(0).type() == UnknownField::TYPE_VARINT;
  }

 private:
  std::shared_ptr<UnknownFieldSet> fields_ = std::make_shared<UnknownFieldSet>();
};

struct Span {
  std::string trace_id, span_id, parent_id, name;
  uint64_t kind = 0, start = 0, end = 0, status = 0;
  std::map<std::string, std::string> texts;
  std::map<std::string, uint64_t> counts;
};

struct Export {
  std::map<std::string, std::string> resource;
  std::vector<Span> spans;
};

Export read_export(const std::string& body) {
  Export read;
  const Message resource_spans = Message(body).message(1);
  for (const std::string& bytes : resource_spans.message(1).texts(1)) {
    const Message pair(bytes);
    read.resource[pair.text(1)] = pair.message(2).text(1);
  }
  for (const std::string& bytes : resource_spans.message(2).texts(2)) {
    const Message fields(bytes);
    Span span;
    span.trace_id = fields.text(1);
    span.span_id = fields.text(2);
    span.parent_id = fields.text(4);
    span.name = fields.text(5);
    span.kind = fields.number(6);
    span.start = fields.number(7);
    span.end = fields.number(8);
    span.status = fields.message(15).number(3);
    for (const std::string& attribute : fields.texts(9)) {
      const Message pair(attribute);
      const Message value = pair.message(2);
      if (value.has_varint())
        span.counts[pair.text(1)] = value.number(3);
      else
        span.texts[pair.text(1)] = value.text(1);
    }
    read.spans.push_back(std::move(span));
  }
  return read;
}

// An OTLP receiver on a thread of its own, that answers with `statuses` in turn, then 200.
class Receiver {
 public:
  explicit Receiver(std::vector<int> statuses = {}) : statuses_(std::move(statuses)) {
    auto listening = http::Server::listen(
        context_, {},
        [this](const http::Request& request, http::ResponseWriter& writer) { return take(request, writer); });
    CHECK(listening.has_value());
    server_ = std::move(*listening);
    thread_ = std::thread([this] { context_.run(); });
  }
  ~Receiver() {
    asio::post(context_, [this] {
      server_.reset();
      work_.reset();
    });
    thread_.join();
  }

  SpanExporterOptions options() const {
    SpanExporterOptions options;
    options.endpoint = parse_otlp_endpoint("http://127.0.0.1:" + std::to_string(server_->port())).value();
    options.instance = "one";
    options.round = options.pause_first = milliseconds(1);
    return options;
  }
  void wait_for(size_t requests) {
    while (received < requests) std::this_thread::yield();
  }
  http::Request request(size_t i) {
    const std::lock_guard lock(mutex_);
    return requests_.at(i);
  }

  std::atomic<size_t> received{0};

 private:
  asio::awaitable<void> take(const http::Request& request, http::ResponseWriter& writer) {
    int status = 200;
    {
      const std::lock_guard lock(mutex_);
      if (requests_.size() < statuses_.size()) status = statuses_[requests_.size()];
      requests_.push_back(request);
    }
    ++received;
    http::Headers headers = http::content_type("application/x-protobuf");
    headers.add("retry-after", "0");
    std::string body;
    co_await writer.respond(status, std::move(headers), std::move(body));
  }

  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
  std::unique_ptr<http::Server> server_;
  std::vector<int> statuses_;
  std::mutex mutex_;
  std::vector<http::Request> requests_;
  std::thread thread_;
};

TEST(SpanExporter, ARequestIsAServersSpanWithAClientsForEachAttempt) {
  Receiver receiver;
  Metrics metrics;
  {
    SpanExporter exporter(receiver.options(), metrics);
    exporter.lane().on_request(shared_record());
    receiver.wait_for(1);
    while (metrics.counter("tandem_trace_spans_exported_total", "").value() == 0) std::this_thread::yield();
  }
  const http::Request request = receiver.request(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/v1/traces");
  EXPECT_EQ(request.headers.value_or("content-type", ""), "application/x-protobuf");
  const Export sent = read_export(request.body);
  EXPECT_EQ(sent.resource.at("service.name"), "tandem-gateway");
  EXPECT_EQ(sent.resource.at("service.instance.id"), "one");
  ASSERT_EQ(sent.spans.size(), 3u);
  const Span& server = sent.spans[0];
  EXPECT_EQ(server.kind, 2u);
  EXPECT_EQ(server.name, "chat small");
  EXPECT_EQ(server.trace_id.size(), 16u);
  EXPECT_EQ(server.trace_id[0], 0x0a);
  EXPECT_EQ(server.parent_id, std::string("\x11\x22\x33\x44\x55\x66\x77\x88", 8));
  EXPECT_EQ(server.end - server.start, 5'000'000u);
  EXPECT_EQ(server.texts.at("gen_ai.request.model"), "small");
  EXPECT_EQ(server.texts.at("gen_ai.provider.name"), "tandem");
  EXPECT_EQ(server.counts.at("gen_ai.usage.input_tokens"), 7u);
  EXPECT_EQ(server.counts.at("gen_ai.usage.output_tokens"), 3u);
  EXPECT_EQ(server.counts.at("gen_ai.request.max_tokens"), 64u);
  EXPECT_EQ(server.counts.at("http.response.status_code"), 200u);
  EXPECT_EQ(server.texts.at("tandem.site"), "ber");
  EXPECT_EQ(server.status, 0u);
  const Span& failed = sent.spans[1];
  EXPECT_EQ(failed.kind, 3u);
  EXPECT_EQ(failed.parent_id, server.span_id);
  EXPECT_EQ(failed.trace_id, server.trace_id);
  EXPECT_EQ(failed.texts.at("error.type"), "503");
  EXPECT_EQ(failed.status, 2u);
  EXPECT_FALSE(failed.counts.contains("gen_ai.usage.output_tokens"));
  EXPECT_EQ(sent.spans[2].texts.at("server.address"), "192.0.2.1");
  EXPECT_EQ(sent.spans[2].counts.at("server.port"), 8'000u);
  EXPECT_EQ(sent.spans[2].counts.at("gen_ai.usage.output_tokens"), 3u);
  EXPECT_EQ(metrics.counter("tandem_trace_spans_exported_total", "").value(), 3u);
}

TEST(SpanExporter, ABusyReceiverIsAskedAgainWithTheSameSpans) {
  Receiver receiver({503, 429});
  Metrics metrics;
  SpanExporter exporter(receiver.options(), metrics);
  exporter.lane().on_request(shared_record());
  receiver.wait_for(3);
  EXPECT_EQ(receiver.request(2).body, receiver.request(0).body);
}

TEST(SpanExporter, WhatIsRefusedIsDroppedAndCounted) {
  Receiver receiver({400});
  Metrics metrics;
  SpanExporter exporter(receiver.options(), metrics);
  gateway::RecordSink& lane = exporter.lane();
  lane.on_request(shared_record());
  Counter& dropped = metrics.counter("tandem_trace_spans_dropped_total", "");
  while (dropped.value() < 3) std::this_thread::yield();
  EXPECT_EQ(receiver.received, 1u);
  lane.on_request(shared_record());
  receiver.wait_for(2);
}

TEST(SpanExporter, AnAbsentReceiverCostsBatchesNotRequests) {
  SpanExporterOptions options;
  {
    Receiver gone;
    options = gone.options();
  }
  options.attempts_max = 2;
  Metrics metrics;
  SpanExporter exporter(options, metrics);
  exporter.lane().on_request(shared_record());
  Counter& dropped = metrics.counter("tandem_trace_spans_dropped_total", "");
  while (dropped.value() < 3) std::this_thread::yield();
}

TEST(SpanExporter, RequestsGoInBatchesAndTheLastWithTheExporter) {
  Receiver receiver;
  Metrics metrics;
  SpanExporterOptions options = receiver.options();
  options.round = hours(1);
  options.batch_max = 10;
  {
    SpanExporter exporter(options, metrics);
    gateway::RecordSink& lane = exporter.lane();
    auto not_sampled = std::make_shared<gateway::RequestRecord>(served_record());
    not_sampled->trace = nullptr;
    lane.on_request(std::move(not_sampled));
    for (int i = 0; i < 4; ++i) lane.on_request(shared_record());
  }
  ASSERT_EQ(receiver.received, 1u);
  EXPECT_EQ(read_export(receiver.request(0).body).spans.size(), 12u);
}

TEST(SpanExporter, AtTheEndEverySpanIsSentOrCounted) {
  for (const bool is_there : {true, false}) {
    auto receiver = std::make_unique<Receiver>();
    Metrics metrics;
    SpanExporterOptions options = receiver->options();
    options.round = hours(1);
    options.batch_max = 10;
    if (!is_there) receiver.reset();
    {
      SpanExporter exporter(options, metrics);
      gateway::RecordSink& lane = exporter.lane();
      for (int i = 0; i < 35; ++i) lane.on_request(shared_record());
    }
    EXPECT_EQ(metrics.counter("tandem_trace_spans_exported_total", "").value(), is_there ? 105u : 0u);
    EXPECT_EQ(metrics.counter("tandem_trace_spans_dropped_total", "").value(), is_there ? 0u : 105u);
  }
}

TEST(OtlpEndpoint, IsReadAsTheSpecificationHasIt) {
  const auto endpoint = parse_otlp_endpoint("http://collector");
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->server, http::Endpoint("collector", 4318));
  EXPECT_EQ(endpoint->target, "/v1/traces");
  EXPECT_EQ(parse_otlp_endpoint("https://[::1]:9/otlp/")->target, "/otlp/v1/traces");
  EXPECT_EQ(parse_otlp_endpoint("https://[::1]:9/otlp/")->server, http::Endpoint("::1", 9));
  EXPECT_TRUE(parse_otlp_endpoint("https://x/v1/traces")->is_tls);
  EXPECT_EQ(parse_otlp_endpoint("https://x/v1/traces")->target, "/v1/traces");
  for (const char* bad : {"", "collector:4318", "grpc://x", "http://", "http://x:0", "http://x:99999"})
    EXPECT_FALSE(parse_otlp_endpoint(bad)) << bad;
}

}  // namespace
}  // namespace tandem::telemetry
