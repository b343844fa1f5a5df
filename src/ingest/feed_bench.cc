// Interfaces as they come from NetBox, and as CSV: decoding alone, and with the check against an inventory.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "base/json_element.h"
#include "ingest/feed_testing.h"

namespace tandem::ingest {
namespace {

constexpr size_t kInterfaces = 20'000;

std::string netbox_interface(size_t i) {
  return fmt::format(
      R"({{"id":{0},"url":"https://netbox.example/api/dcim/interfaces/{0}/","display_url":"https://netbox.example/dcim/interfaces/{0}/","display":"et-0/0/{1}",)"
      R"("device":{{"id":12,"url":"https://netbox.example/api/dcim/devices/12/","display":"par-r1","name":"par-r1","description":""}},"vdcs":[],"module":null,)"
      R"("name":"et-0/0/{1}","label":"","type":{{"value":"100gbase-x-qsfp28","label":"QSFP28 100GE"}},"enabled":true,"parent":null,"bridge":null,"lag":null,)"
      R"("mtu":9192,"mac_address":"00:11:22:33:44:55","speed":100000000,"duplex":null,"wwn":null,"mgmt_only":false,"description":"to the core","mode":null,)"
      R"("rf_role":null,"rf_channel":null,"poe_mode":null,"poe_type":null,"untagged_vlan":null,"tagged_vlans":[],"mark_connected":false,)"
      R"("cable":{{"id":{0},"url":"https://netbox.example/api/dcim/cables/{0}/","display":"#{0}","label":""}},"cable_end":"A","wireless_link":null,)"
      R"("link_peers":[],"link_peers_type":null,"wireless_lans":[],"vrf":null,"l2vpn_termination":null,"connected_endpoints":null,"tags":[],"custom_fields":{{}},)"
      R"("created":"2024-01-01T00:00:00Z","last_updated":"2024-01-01T00:00:00Z","count_ipaddresses":0,"count_fhrp_groups":0,"_occupied":true}})",
      1'000 + i, i);
}

const inventory::Snapshot& inventory_with_the_device() {
  static const inventory::Snapshot snapshot =
      read_feed(FeedFormat::netbox, R"({"dcim/devices":[{"id":12,"url":"/api/dcim/devices/12/","name":"par-r1"}]})")
          .after;
  return snapshot;
}

std::string netbox_page() {
  std::string text = R"({"count":20000,"next":null,"previous":null,"results":[)";
  for (size_t i = 0; i < kInterfaces; ++i) text += (i > 0 ? "," : "") + netbox_interface(i);
  return text + "]}";
}

std::string csv_file() {
  std::string text = "kind,id,name,device,type,speed_gbps,mtu_bytes,mac_address,enabled\n";
  for (size_t i = 0; i < kInterfaces; ++i)
    text += fmt::format("interface,par-r1:{0},et-0/0/{0},par-r1,physical,100,9192,00:11:22:33:44:55,true\n", i);
  return text;
}

struct Dropped final : FeedSink {
  size_t rows = 0;
  void row(inventory::Row, const FeedPlace&) override { ++rows; }
  void fault(FeedFault, bool) override {}
};

void decode(benchmark::State& state, FeedFormat format, const std::string& text) {
  for (auto _ : state) {
    Dropped sink;
    const auto reader = make_feed_reader(format, "feed", {}, sink);
    reader->push(text);
    reader->finish();
    if (sink.rows != kInterfaces) state.SkipWithError("rows are missing");
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kInterfaces));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
void DecodeNetbox(benchmark::State& state) { decode(state, FeedFormat::netbox, netbox_page()); }
void DecodeCsv(benchmark::State& state) { decode(state, FeedFormat::csv, csv_file()); }
BENCHMARK(DecodeNetbox)->Unit(benchmark::kMillisecond);
BENCHMARK(DecodeCsv)->Unit(benchmark::kMillisecond);

// The lower bound: simdjson over the page as one document.
void ParseNetboxPageAlone(benchmark::State& state) {
  const std::string text = netbox_page();
  simdjson::dom::parser parser;
  for (auto _ : state) {
    simdjson::dom::element page;
    if (parser.parse(text).get(page)) state.SkipWithError("not JSON");
    benchmark::DoNotOptimize(page);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kInterfaces));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(ParseNetboxPageAlone)->Unit(benchmark::kMillisecond);

void UpsertCsv(benchmark::State& state) {
  const std::string text = csv_file();
  for (auto _ : state) {
    inventory::Upsert upsert(inventory_with_the_device(), {.source = "bench", .actor = "operator:bench"});
    FeedResult result;
    FeedIntoUpsert sink(upsert, result);
    const auto reader = make_feed_reader(FeedFormat::csv, "feed", {}, sink);
    reader->push(text);
    reader->finish();
    upsert.finish();
    if (upsert.counts().created != kInterfaces) state.SkipWithError("rows were refused");
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kInterfaces));
}
BENCHMARK(UpsertCsv)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tandem::ingest
