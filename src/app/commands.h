// The commands of the tool. Each returns the exit status: 0 done, 1 failed, 2 the input is wrong.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tandem::app {

inline constexpr const char* kExampleModels = "examples/predict/models";

struct UpOptions {
  std::filesystem::path grid;  // empty: what the log holds
  std::filesystem::path data = "data";
  std::string listen = "127.0.0.1:8080";
  unsigned threads = 0;              // of the gateway; 0: one a core
  std::filesystem::path webhook_ca;  // PEM file of authorities trusted beside the system's; empty: none
  std::filesystem::path model_repository = kExampleModels;  // predictive models; the example's only where it is there
  std::filesystem::path onnxruntime;                        // its library; empty: where the build has put it
  unsigned prediction_threads = 1;
  uint64_t prediction_memory_mb = 1'024;
  std::string site;                          // of the grid, where predictions are made; empty: not said
  std::vector<std::string> trusted_proxies;  // addresses or prefixes: their `x-forwarded-for` is believed
  std::vector<std::string> local_users;      // names or numbers: trusted as the one that runs this
  std::string tls_listen;                    // address and port for clients that speak TLS; empty: none do
  std::filesystem::path tls_cert;            // PEM: the certificate and what leads to its authority
  std::filesystem::path tls_key;             // PEM
  std::filesystem::path access_log;          // "-": standard output; empty: none
  std::string otlp_endpoint;                 // empty: requests are not traced
  double trace_ratio = 0.01;                 // of traces that begin here
  uint32_t periods = 6;                      // of a day that is planned in periods; 0: none is
  std::string policy = "tandem";             // where requests go, or a baseline's name
};
int run_up(const UpOptions& options);

struct ImportOptions {
  std::filesystem::path input;
  std::string format = "auto";
  std::filesystem::path output;
  uint64_t seed = 1;
  double route_factor = 0;   // 0: the importer's own
  std::string jurisdiction;  // where the file names no country; empty: the importer's own
  bool json = false;
};
int run_import(const ImportOptions& options);

struct CheckOptions {
  std::filesystem::path grid;
  bool json = false;
};
int run_check(const CheckOptions& options);

struct GenerateOptions {
  uint64_t sites = 100;
  uint64_t demands = 1'000;
  uint64_t models = 9;
  uint64_t seed = 1;
  double load = 0.6;             // of what the accelerators could serve
  bool days = false;             // demands that rise and fall over the day
  std::filesystem::path output;  // empty: standard output
  bool json = false;
};
int run_generate(const GenerateOptions& options);

struct PlanOptions {
  std::filesystem::path grid;
  uint64_t seed = 1;
  uint64_t work = 10'000;
  double time_limit_s = 0;      // 0: none; the plan is then the same wherever it is made
  uint32_t periods = 0;         // at most so many plans over a day; 0: one plan
  std::filesystem::path check;  // a plan's JSON: checked instead of planning
  bool json = false;
};
int run_plan(const PlanOptions& options);

struct ReplayCommandOptions {
  std::filesystem::path grid;
  std::filesystem::path trace;                  // empty: Poisson arrivals at the demands' rates
  bool synthetic = false;                       // says so in words; no trace may be given
  std::vector<std::string> policies{"tandem"};  // several are compared; "all"
  std::string sizes = "exponential";
  double rate_factor = 1;
  double duration_s = 600;
  double warm_up_s = 30;
  uint64_t requests_max = 10'000'000;
  uint64_t seed = 1;
  uint64_t work = 10'000;
  bool json = false;
  std::filesystem::path output;  // of the JSON; empty: standard output
};
int run_replay(const ReplayCommandOptions& options);

struct WhatIfOptions {
  std::filesystem::path grid;  // or
  std::string url;             // of a running grid, which answers on its accepted plan
  std::string fail = "links:1";
  std::vector<std::string> links, nodes, groups, sites, members;  // these at once, in place of `fail`
  double trip = 1.5;                                              // of capacity: where an overloaded link fails as well
  std::string traffic = "auto";
  double fill = 0.4;  // of the busiest link, where traffic is made up
  uint64_t worst = 20;
  uint64_t verify = 0;
  uint64_t seed = 1;
  uint64_t work = 10'000;  // of the plan whose promises are at stake
  unsigned threads = 0;    // 0: one a core
  bool json = false;
};
int run_whatif(const WhatIfOptions& options);

struct TeOptions {
  std::filesystem::path graph, demands;  // REPETITA's two files; or
  std::filesystem::path grid;
  std::filesystem::path plan;  // of that grid, as JSON; empty: one is made
  double time_limit_s = 0;     // 0: none
  uint32_t policies_max = UINT32_MAX;
  uint32_t segments_max = 3;
  bool adjacency = false;
  double tolerance = 0.002;
  bool failures = false;
  uint32_t changes_max = 5;      // of a repair
  uint64_t seed = 1;             // of the plan of a grid's demands
  uint64_t work = 10'000;        // of that plan
  std::filesystem::path output;  // of the JSON; empty: none
  bool json = false;
};
int run_te(const TeOptions& options);

struct LogOptions {
  std::filesystem::path data = "data";
  uint64_t from = 0;  // 0: the last `count`
  uint64_t count = 20;
  uint64_t offset = 0;  // of `show`
  bool follow = false;
  bool json = false;
  std::filesystem::path to;  // of `backup`: the directory that it makes
};
int run_log_backup(const LogOptions& options);
int run_log_tail(const LogOptions& options);
int run_log_show(const LogOptions& options);
int run_log_verify(const LogOptions& options);
int run_log_hash(const LogOptions& options);

struct InventoryImportOptions {
  std::vector<std::filesystem::path> files;
  std::string format = "auto";
  std::string source;  // empty: "import:<format>"
  std::string standing = "observed";
  std::string system;                 // in front of foreign ids; empty: the format's name
  std::string kind;                   // of every row of a CSV file without a column `kind`
  std::vector<std::string> defaults;  // "site.tier=core": what new entities have where their row does not say
  bool full = false;
  bool dry_run = false;
  bool partial = false;
  std::filesystem::path data = "data";
  std::string url;  // of a running grid that takes the rows in; empty: the log in `data`
  bool json = false;
};
int run_inventory_import(const InventoryImportOptions& options);

struct InventoryExportOptions {
  std::string format = "csv";
  std::vector<std::string> kinds;  // empty: all
  std::string system;
  std::filesystem::path data = "data";
  std::filesystem::path output;  // empty: standard output
};
int run_inventory_export(const InventoryExportOptions& options);

struct InventoryGenerateOptions {
  uint64_t devices = 1'000;
  uint64_t interfaces = 50'000;
  uint64_t seed = 1;
  std::filesystem::path output;  // a directory of CSV files, one a kind
};
int run_inventory_generate(const InventoryGenerateOptions& options);

struct InventoryEraseOptions {
  std::string kind;
  std::string id;
  std::string reason;  // for people; on the log
  std::filesystem::path data = "data";
  std::string url;  // of a running grid; empty: the log in `data`
  bool json = false;
};
int run_inventory_erase(const InventoryEraseOptions& options);

struct OntologyOptions {
  std::string kind;  // empty: all
  bool json = false;
};
int run_ontology(const OntologyOptions& options);

struct QueryOptions {
  std::string sql;             // empty: which tables there are
  std::filesystem::path grid;  // a grid file alone; empty: `data`
  std::filesystem::path data = "data";
  std::string as_of;   // an offset, a time, "2 h ago"; empty: now
  std::string branch;  // empty: main
  uint64_t rows_max = 10'000;
  double time_limit_s = 60;
  bool json = false;
  bool csv = false;
};
int run_query(const QueryOptions& options);

struct EngineOptions {
  std::string model = "llama-3.1-8b";
  std::filesystem::path grid;  // where its profiles are
  std::string accelerator;
  std::string listen = "127.0.0.1:8000";
  unsigned replicas = 1;
};
int run_engine(const EngineOptions& options);

struct LoadCommandOptions {
  std::string url = "http://127.0.0.1:8080";
  std::string key = "sk-demo";
  std::vector<std::string> models;
  std::vector<std::string> regions;
  std::string process = "steady";
  std::filesystem::path trace;
  double speed_up = 1;
  double rate_per_s = 10;
  double duration_s = 30;
  uint32_t concurrency = 0;           // > 0: closed loop
  uint64_t requests_max = 0;          // 0: as many as the duration brings
  std::vector<std::string> expected;  // "goodput=0.99"
  std::filesystem::path authorities;
  double ttft_ms = 0;  // 0: the tenant's own promise
  double tpot_ms = 0;
  double prompt_tokens = 300;
  double output_tokens = 100;
  uint64_t seed = 1;
  bool json = false;
};
int run_load(const LoadCommandOptions& options);

}  // namespace tandem::app
