// What the gateway itself costs: its parsers by request and by token, and its own time in a whole request over loopback
// sockets (client, gateway and engine in one thread, so requests/s are those of a third of a core).
#include <benchmark/benchmark.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <unistd.h>

#include <fstream>

#include "base/digest.h"
#include "base/histogram.h"
#include "gateway/fair_queue.h"
#include "gateway/gateway.h"
#include "gateway/live_board.h"
#include "gateway/openai_reply.h"
#include "gateway/openai_request.h"
#include "routing/drawn_table.h"

namespace tandem::gateway {
namespace {

namespace asio = boost::asio;

std::string chat_body(size_t prompt_bytes, bool stream) {
  return R"({"model":"tiny","stream":)" + std::string(stream ? "true" : "false") +
         R"(,"max_tokens":100,"messages":[{"role":"user","content":")" + std::string(prompt_bytes, 'a') + R"("}]})";
}

void read_and_rewrite(benchmark::State& state) {
  const std::string body = chat_body(static_cast<size_t>(state.range(0)), true);
  RequestReader reader;
  for (auto _ : state) {
    const auto request = reader.read(Surface::chat_completions, body);
    benchmark::DoNotOptimize(rewrite(body, *request, "small"));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(body.size()));
}
BENCHMARK(read_and_rewrite)->Arg(200)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);

void read_stream_by_token(benchmark::State& state) {
  const std::string event =
      R"(data: {"id":"chatcmpl-123456789","object":"chat.completion.chunk","created":1700000000,"model":"llama-3.1-8b-instruct",)"
      R"("choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}]})"
      "\n\n";
  StreamReader reader(true);
  for (auto _ : state) benchmark::DoNotOptimize(reader.feed(event));
}
BENCHMARK(read_stream_by_token);

// One request's look at its limits: what each request of a tenant with limits pays.
void take_of_a_limit(benchmark::State& state) {
  static RateMeter meter;
  const SystemClock clock;
  for (auto _ : state) benchmark::DoNotOptimize(meter.take(1'000'000'000, 1, clock.monotonic()));
}
BENCHMARK(take_of_a_limit)->Threads(1)->Threads(2);

// A request counted in and out at an engine that has so many in flight already: far from full; where each that comes
// fills it and each that goes makes room, which is shown to decisions.
void begin_and_end(benchmark::State& state) {
  static LiveBoard board({});
  static const auto publish = [] {
    board.publish(std::make_shared<routing::RoutingTable>(
        routing::draw_table("jurisdiction DE\nsite s DE\nmodel m\ntarget a s m concurrency=64")));
    return board.current()->engines[0];
  };
  static const std::shared_ptr<EngineState> engine = publish();
  if (state.thread_index() == 0)
    for (int64_t i = 0; i < state.range(0); ++i) engine->begin();
  for (auto _ : state) {
    engine->begin();
    engine->end(AttemptEnd::success, {});
  }
  if (state.thread_index() == 0)
    for (int64_t i = 0; i < state.range(0); ++i) engine->end(AttemptEnd::success, {});
}
BENCHMARK(begin_and_end)->Arg(0)->Arg(71)->ThreadRange(1, 2);

void arrive_and_be_charged(benchmark::State& state) {
  FairQueue queue(1'024);
  std::vector<std::string> tenants;
  for (int i = 0; i < 50'000; ++i) tenants.push_back("tenant-" + std::to_string(i));
  size_t next = 0;
  for (auto _ : state) {
    const std::string& tenant = tenants[next++ * 7'919 % tenants.size()];
    queue.arrive(tenant, 0, 1);
    queue.charge(tenant, 1'000, 200);
    queue.charge(tenant, 0, -50);
  }
}
BENCHMARK(arrive_and_be_charged);

// Of this process, resident.
size_t memory_bytes() {
  size_t program_pages = 0;
  size_t resident_pages = 0;
  std::ifstream("/proc/self/statm") >> program_pages >> resident_pages;
  return resident_pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// A table with 50,000 tenants, each with a key of its own and all limits, taken in beside the one in force. What they
// take of memory is measured once: a second table would find the room that the first has left.
void publish_to_50000_tenants(benchmark::State& state) {
  constexpr int kTenants = 50'000;
  struct Published {
    Published() {
      const size_t before = memory_bytes();
      routing::TableRows rows = routing::draw_table("jurisdiction DE\nregion r\nsite s DE\nmodel m");
      for (int i = 0; i < kTenants; ++i) {
        routing::Tenant tenant;
        tenant.id = "tenant-" + std::to_string(i);
        rows.keys.push_back({sha256(tenant.id), static_cast<uint32_t>(rows.tenants.size()), false});
        tenant.limits = {600, 100'000, Euros(100)};
        rows.tenants.push_back(std::move(tenant));
      }
      table = std::make_shared<routing::RoutingTable>(std::move(rows));
      table_bytes = memory_bytes() - before;
      board.publish(table);
      board_bytes = memory_bytes() - before - table_bytes;
    }
    std::shared_ptr<const routing::RoutingTable> table;
    LiveBoard board{{}};
    size_t table_bytes = 0;
    size_t board_bytes = 0;
  };
  static Published published;
  state.counters["table_bytes_a_tenant"] = static_cast<double>(published.table_bytes) / kTenants;
  state.counters["limits_bytes_a_tenant"] = static_cast<double>(published.board_bytes) / kTenants;
  for (auto _ : state) published.board.publish(published.table);
}
BENCHMARK(publish_to_50000_tenants)->Unit(benchmark::kMillisecond);

class Overheads final : public RecordSink {
 public:
  void on_request(const SharedRecord& record) override {
    overhead_ns.record(static_cast<uint64_t>(record->overhead.value() * 1e3));
  }
  Histogram overhead_ns;
};

struct Rig {
  explicit Rig(bool streamed) : client(context), engine_client(context) {
    engine = *http::Server::listen(
        context, {}, [this](const http::Request&, http::ResponseWriter& writer) { return answer(writer); });
    shared.publish(std::make_shared<routing::RoutingTable>(
        routing::draw_table("jurisdiction DE\nregion r\nsite s DE\nmodel small tiny\ntenant t key=k\nleg r s "
                            "rtt=1\ntarget d s small concurrency=1000 port=" +
                            std::to_string(engine->port()))));
    gateway = std::make_unique<Gateway>(context, shared, engine_client, metrics, clock, overheads);
    front = *http::Server::listen(context, {}, [this](const http::Request& asked, http::ResponseWriter& writer) {
      return gateway->handle(asked, writer);
    });
    request.method = "POST";
    request.target = "/v1/chat/completions";
    request.headers.add("authorization", "Bearer k");
    request.body = chat_body(800, streamed);
    is_streamed = streamed;
  }

  asio::awaitable<void> answer(http::ResponseWriter& writer) {
    if (!is_streamed) {
      co_await writer.respond_json(
          200, R"({"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}})");
      co_return;
    }
    http::Headers headers = http::content_type("text/event-stream");
    co_await writer.start(200, std::move(headers));
    for (int i = 0; i < 20; ++i) co_await writer.write("data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n");
    co_await writer.write("data: [DONE]\n\n");
    co_await writer.finish();
  }

  asio::awaitable<void> ask(uint16_t port, bool& done) {
    http::Endpoint endpoint{"127.0.0.1", port};
    http::ClientRequest copy = request;
    auto exchange = co_await client.send(std::move(endpoint), std::move(copy), {});
    if (exchange) co_await exchange->read_all(1'000'000);
    done = true;
  }
  void ask_and_wait(uint16_t port) {
    bool done = false;
    asio::co_spawn(context, ask(port, done), asio::detached);
    context.restart();
    while (!done) context.run_one();
  }

  asio::io_context context;
  http::Client client, engine_client;
  SharedState shared;
  Metrics metrics;
  SystemClock clock;
  Overheads overheads;
  std::unique_ptr<http::Server> engine, front;
  std::unique_ptr<Gateway> gateway;
  http::ClientRequest request;
  bool is_streamed = false;
};

void straight_to_the_engine(benchmark::State& state) {
  Rig rig(state.range(0) != 0);
  for (auto _ : state) rig.ask_and_wait(rig.engine->port());
}
BENCHMARK(straight_to_the_engine)->ArgName("streamed")->Arg(0)->Arg(1);

void through_the_gateway(benchmark::State& state) {
  Rig rig(state.range(0) != 0);
  for (auto _ : state) rig.ask_and_wait(rig.front->port());
  state.counters["overhead_p50_us"] = static_cast<double>(rig.overheads.overhead_ns.percentile(0.5)) * 1e-3;
  state.counters["overhead_p99_us"] = static_cast<double>(rig.overheads.overhead_ns.percentile(0.99)) * 1e-3;
}
BENCHMARK(through_the_gateway)->ArgName("streamed")->Arg(0)->Arg(1);

}  // namespace
}  // namespace tandem::gateway
