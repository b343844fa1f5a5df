#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string_view>
#include <system_error>
#include <vector>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/help.h"
#include "app/output.h"
#include "app/unknown_name.h"
#include "app/wrong_usage.h"
#ifdef TANDEM_MIMALLOC
#include <mimalloc.h>
#endif

// What help calls a value that is a file or a directory.
template <>
constexpr const char* CLI::detail::type_name<std::filesystem::path>() {
  return "PATH";
}

namespace {

using namespace tandem::app;

// Runs when the command line named this command; its status is the program's.
template <class Options>
void run_with(CLI::App* command, const std::shared_ptr<Options>& options, int (*run)(const Options&), int& status) {
  command->callback([options, run, &status] { status = run(*options); });
}

void add_up(CLI::App& app, int& status) {
  auto options = std::make_shared<UpOptions>();
  CLI::App* command = app.add_subcommand("up", "Run a grid: everything, in one process");
  command->add_option("--grid", options->grid, "Grid file to start from, and to take changes of at a later start");
  command->add_option("--data", options->data, "Directory of the log, checkpoints and series")->capture_default_str();
  command->add_option("--listen", options->listen, "Address and port")->capture_default_str();
  command->add_option("--threads", options->threads, "Gateway threads; 0: one a core")->capture_default_str();
  command->add_option("--webhook-ca", options->webhook_ca,
                      "PEM file of certificate authorities that webhooks' receivers may have besides the system's");
  command
      ->add_option("--model-repository", options->model_repository,
                   "Folder of predictive models, <model>/<version>/model.onnx, served at /v2")
      ->capture_default_str();
  command->add_option("--onnxruntime", options->onnxruntime,
                      "ONNX Runtime's shared library, where it is not the build's");
  command->add_option("--prediction-threads", options->prediction_threads, "Cores given to predictions")
      ->capture_default_str()
      ->check(CLI::Range(1u, 256u));
  command->add_option("--prediction-memory", options->prediction_memory_mb, "MiB that loaded models may have")
      ->capture_default_str()
      ->check(CLI::Range(1u, 1u << 20));
  command->add_option("--site", options->site,
                      "Of the grid, where this process stands: for predictions of tenants bound to jurisdictions");
  command
      ->add_option("--trusted-proxy", options->trusted_proxies,
                   "Address or prefix of proxies in front: clients are where their x-forwarded-for says")
      ->delimiter(',');
  command
      ->add_option("--local-user", options->local_users,
                   "User of this machine, beside root and the one that runs this, who may change the grid and use keys "
                   "that are loopback_only: name or number; never a proxy's")
      ->delimiter(',');
  auto* tls_listen = command->add_option("--tls-listen", options->tls_listen,
                                         "Address and port of a second listener, for clients that speak TLS");
  auto* tls_cert = command->add_option("--tls-cert", options->tls_cert,
                                       "Its certificate chain, PEM; read anew when it changes and at SIGHUP");
  auto* tls_key = command->add_option("--tls-key", options->tls_key, "Its private key, PEM");
  tls_listen->needs(tls_cert);
  tls_cert->needs(tls_key);
  tls_key->needs(tls_listen);
  command->add_option("--access-log", options->access_log,
                      "File for a line of JSON for each request, opened anew at SIGHUP; -: standard output");
  command->add_option("--otlp-endpoint", options->otlp_endpoint,
                      "Where traces of requests go, by OTLP/HTTP: http://HOST:4318");
  command
      ->add_option("--trace-ratio", options->trace_ratio,
                   "Share of requests traced, of those that bring no trace of their own")
      ->check(CLI::Range(0.0, 1.0))
      ->needs("--otlp-endpoint")
      ->capture_default_str();
  command
      ->add_option("--periods", options->periods,
                   "Where demand or radio reserve changes over the day: plan it in so many periods at most, each with "
                   "its own replicas; 0: one plan, for the busiest hours")
      ->capture_default_str()
      ->check(CLI::Range(0u, 24u));
  command
      ->add_option("--policy", options->policy,
                   "Where requests go: tandem, or to measure against it nearest, cheapest, least-load, round-robin, "
                   "prefix-hash")
      ->capture_default_str();
  command->footer(
      "Example:\n  tandem up --grid examples/national.yaml\n"
      "then open http://127.0.0.1:8080, or point an OpenAI client at http://127.0.0.1:8080/v1 with the key sk-demo.");
  run_with(command, options, run_up, status);
}

void add_import(CLI::App& app, int& status) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App* command = app.add_subcommand("import", "Make a grid file of a public or foreign topology");
  command->add_option("path", options->input, "File to import")->required();
  command->add_option("-o,--output", options->output, "Grid file to write; -: standard output")->required();
  command->add_option("--format", options->format, "auto, topology-zoo (GML), graphml, sndlib, repetita or site-list")
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Of the rule that assigns tiers, pools and demands")
      ->capture_default_str();
  command->add_option("--route-factor", options->route_factor, "Fibre length over great-circle length");
  command->add_option("--jurisdiction", options->jurisdiction,
                      "Of nodes whose country the file does not name, such as DE");
  command->add_flag("--json", options->json, "Report as JSON");
  command->footer("Example:\n  tandem import germany50.txt -o germany50.yaml && tandem up --grid germany50.yaml");
  run_with(command, options, run_import, status);
}

void add_check(CLI::App& app, int& status) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App* command = app.add_subcommand("check", "List all that is wrong with a grid file, each with file:line");
  command->add_option("file", options->grid, "Grid file")->required();
  command->add_flag("--json", options->json, "As JSON");
  command->footer("Example:\n  tandem check examples/national.yaml\nExit status 2 when there are errors.");
  run_with(command, options, run_check, status);
}

void add_generate(CLI::App& app, int& status) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App* command = app.add_subcommand("generate", "Make up a national grid of any size, as a grid file");
  command->add_option("--sites", options->sites, "Sites, over all tiers")->capture_default_str();
  command->add_option("--demands", options->demands, "Demands, each of a tenant, region and model of its own")
      ->capture_default_str();
  command->add_option("--models", options->models, "Models")->capture_default_str();
  command->add_option("--seed", options->seed, "The same gives the same bytes")->capture_default_str();
  command
      ->add_option("--load", options->load,
                   "How full the demands make the accelerators: 1 is all they could serve, a pilot is 0.02")
      ->capture_default_str();
  command->add_flag("--days", options->days, "Demands rise and fall over the day; all else is as without");
  auto* output =
      command->add_option("-o,--output", options->output, "Grid file to write; standard output when not given");
  command->add_flag("--json", options->json, "Report as JSON")->needs(output);
  command->footer(
      "Example:\n  tandem generate --sites 1000 --demands 10000 --models 50 --seed 1 -o large.yaml && tandem check "
      "large.yaml");
  run_with(command, options, run_generate, status);
}

void add_plan(CLI::App& app, int& status) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* command = app.add_subcommand("plan", "Plan a grid file: deployments, splits, cost, bound, blocked demands");
  command->add_option("--grid", options->grid, "Grid file")->required();
  command->add_option("--seed", options->seed, "Of the search")->capture_default_str();
  command
      ->add_option("--work", options->work,
                   "How hard it is searched: iterations of improvement for each 1,000 demands, and as many again for "
                   "each plan of a model by itself. No total: the bound takes its own time, and --time-limit ends all. "
                   "0: a draft, whose bound is weak")
      ->capture_default_str();
  command
      ->add_option("--time-limit", options->time_limit_s, "Seconds; the best plan until then. Ctrl-C asks for it too")
      ->check(CLI::Range(0.0, 86'400.0));
  command
      ->add_option("--periods", options->periods,
                   "Plan a day in at most so many periods, by the day profiles of demands and the radio reserve of "
                   "pools: which replicas to keep, start and stop, with what moves cost in the sum")
      ->check(CLI::Range(1, 24));
  command->add_option("--check-certificate", options->check,
                      "A plan or a day of plans as JSON: check constraints, cost and bound from the grid alone");
  command->add_flag("--json", options->json, "As JSON");
  command->footer(
      "Example:\n  tandem plan --grid examples/national.yaml --json > plan.json\n  tandem plan --grid "
      "examples/national.yaml --check-certificate plan.json\n  tandem plan --grid examples/national.yaml --periods 6");
  run_with(command, options, run_plan, status);
}

void add_replay(CLI::App& app, int& status) {
  auto options = std::make_shared<ReplayCommandOptions>();
  CLI::App* command =
      app.add_subcommand("replay", "Simulate requests over a grid file: goodput, delays, cost, energy by policy");
  command->add_option("--grid", options->grid, "Grid file")->required();
  auto* trace = command->add_option("--trace", options->trace,
                                    "Azure LLM CSV or Mooncake JSONL, spread over the demands at their rates");
  command->add_flag("--synthetic", options->synthetic, "Poisson arrivals of each demand at its rate; the default")
      ->excludes(trace);
  command
      ->add_option("--policy", options->policies,
                   "tandem, nearest, least-load, round-robin, cheapest, prefix-hash, compute-then-network, centralise, "
                   "or all; several are compared")
      ->delimiter(',')
      ->type_name("NAME,...")
      ->capture_default_str();
  command
      ->add_option("--sizes", options->sizes,
                   "How synthetic prompts and outputs vary about their means: exponential or fixed")
      ->capture_default_str();
  command
      ->add_option("--rate-factor", options->rate_factor,
                   "Requests come at so many times the rates that the plans were made for: 1.5 is an overload of "
                   "half as much again")
      ->capture_default_str();
  command->add_option("--duration", options->duration_s, "Simulated seconds of arrivals")->capture_default_str();
  command->add_option("--warm-up", options->warm_up_s, "Of them, the first seconds that are not counted")
      ->capture_default_str();
  command->add_option("--requests", options->requests_max, "Arrivals end after so many")->capture_default_str();
  command->add_option("--seed", options->seed, "The same gives the same bytes")->capture_default_str();
  command->add_option("--work", options->work, "Of the plans that are made, as `tandem plan --work`")
      ->capture_default_str();
  command->add_flag("--json", options->json, "As JSON");
  command->add_option("-o,--output", options->output, "File for the JSON, in place of standard output")
      ->needs("--json");
  command->footer(
      "Examples:\n  tandem replay --grid examples/national.yaml --policy all\n"
      "  tandem replay --grid examples/national.yaml --trace azure-llm-2023-conv.csv --policy tandem --json");
  run_with(command, options, run_replay, status);
}

void add_whatif(CLI::App& app, int& status) {
  auto options = std::make_shared<WhatIfOptions>();
  CLI::App* command = app.add_subcommand(
      "whatif", "What breaks when things fail: each failure of a class, the worst first, or some together, closely");
  auto* grid = command->add_option("--grid", options->grid, "Grid file; a plan is made for it");
  command
      ->add_option("--url", options->url,
                   "A running grid instead, as it is and with the plan it has accepted: http://127.0.0.1:8080")
      ->excludes(grid);
  auto* all = command
                  ->add_option("--fail", options->fail,
                               "Each of a class, or each pair: links:1, links:2, nodes:1, nodes:2, srlgs:1, srlgs:2 "
                               "(shared-risk groups), sites:1, sites:2, or members:1 (one physical link of each "
                               "bundle)")
                  ->capture_default_str();
  const auto together = [&](const char* name, std::vector<std::string>& ids, const char* description) {
    command->add_option(name, ids, description)->delimiter(',')->type_name("ID,...")->excludes(all);
  };
  together("--links", options->links,
           "These links together, and closely: local repair, convergence, cascade, whose promises break");
  together("--nodes", options->nodes, "With them, or alone, these nodes");
  together("--srlgs,--srgs", options->groups, "These shared-risk groups, by id or name");
  together("--sites", options->sites, "These sites, by id or name");
  together("--members", options->members, "One physical link of each of these links");
  command->add_option("--trip", options->trip, "How full a link is when it fails as well, in a cascade")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 1e6));
  command
      ->add_option(
          "--traffic", options->traffic,
          "What the links carry beside the demands as planned: own (the grid's background traffic), gravity or "
          "uniform (between all pairs of nodes), or auto: own where there is any, else gravity")
      ->capture_default_str();
  command->add_option("--fill", options->fill, "How full gravity or uniform traffic makes the busiest link")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 10.0));
  command->add_option("--top", options->worst, "How many of the worst to show")
      ->capture_default_str()
      ->check(CLI::Range(0, 1'000));
  command
      ->add_option("--verify", options->verify,
                   "Compute this many scenarios from scratch as well, and compare; exit status 1 where any differs")
      ->check(CLI::Range(0, 100'000));
  command->add_option("--seed", options->seed, "Of the plan, and of which scenarios are verified")
      ->capture_default_str();
  command->add_option("--work", options->work, "Of the plan, as `tandem plan --work`")->capture_default_str();
  command->add_option("--threads", options->threads, "0: one a core")->capture_default_str();
  command->add_flag("--json", options->json, "As JSON");
  command->footer(
      "Examples:\n"
      "  tandem whatif --grid examples/national.yaml --fail sites:1\n"
      "  tandem whatif --grid examples/national.yaml --links ham-kie,kie-fle\n"
      "  tandem whatif --url http://127.0.0.1:8080 --fail nodes:1\n"
      "  tandem import Cogentco.gml -o cogentco.yaml && tandem whatif --grid cogentco.yaml --fail links:2 --verify "
      "100");
  run_with(command, options, run_whatif, status);
}

void add_te(CLI::App& app, int& status) {
  auto options = std::make_shared<TeOptions>();
  CLI::App* command = app.add_subcommand(
      "te", "Traffic engineering: few segment-routing policies, the fullest link close to a proven bound");
  auto* graph = command->add_option("--graph,--topology", options->graph, "REPETITA .graph file");
  auto* demands = command->add_option("--demands", options->demands, "REPETITA .demands file of that graph");
  auto* grid = command->add_option("--grid", options->grid,
                                   "Grid file instead: its links, its background traffic and its demands as planned, "
                                   "those of a flex algorithm within its topology");
  graph->needs(demands);
  demands->needs(graph);
  grid->excludes(graph);
  auto* plan = command->add_option("--plan", options->plan,
                                   "Plan of that grid, as `tandem plan --json` writes it; one is made when not given");
  plan->needs(grid);
  command
      ->add_option("--time-limit", options->time_limit_s, "Seconds; what stands then is feasible and its bound holds")
      ->check(CLI::Range(0.01, 86'400.0));
  command->add_option("--policies-max", options->policies_max,
                      "Demands that may leave the shortest paths; all when not given");
  command->add_option("--segments-max", options->segments_max, "Legs of a policy: 2 is one waypoint, 3 is two")
      ->capture_default_str()
      ->check(CLI::Range(2, 3));
  command->add_flag("--adjacency", options->adjacency,
                    "Segments may name links too (SRv6 End.X), where nodes alone do not come close to the bound");
  command->add_option("--tolerance", options->tolerance, "How far above the least it may end, for fewer policies")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  command->add_flag("--failures", options->failures,
                    "Also repair every single link failure, changing at most --changes-max demands");
  command->add_option("--changes-max", options->changes_max, "Of a repair")
      ->capture_default_str()
      ->check(CLI::Range(0, 100));
  command->add_option("--seed", options->seed, "Of the plan of a grid's demands")
      ->capture_default_str()
      ->excludes(plan);
  command->add_option("--work", options->work, "Of that plan, as `tandem plan --work`")
      ->capture_default_str()
      ->excludes(plan);
  command->add_option("-o,--output", options->output, "File to write the JSON to as well");
  command->add_flag("--json", options->json, "JSON instead of a table");
  command->footer(
      "Examples:\n  tandem te --grid examples/national.yaml --policies-max 5\n  tandem te --grid examples/planes.yaml\n"
      "  tandem plan --grid examples/national.yaml --json > plan.json && tandem te --grid examples/national.yaml "
      "--plan plan.json\n"
      "  tandem te --graph Abilene.graph --demands Abilene.0000.demands --failures --json\n"
      "docs/TRAFFIC_ENGINEERING.md says what the figures mean. Exit status 2 when the input is wrong.");
  run_with(command, options, run_te, status);
}

void add_log(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("log", "Read the log of a grid and check its chain");
  command->require_subcommand(1);
  const auto add = [&](const char* name, const char* description, int (*run)(const LogOptions&),
                       const char* json = "As JSON") {
    auto options = std::make_shared<LogOptions>();
    CLI::App* subcommand = command->add_subcommand(name, description);
    subcommand->add_option("--data", options->data, "Directory of the log")->capture_default_str();
    subcommand->add_flag("--json", options->json, json);
    run_with(subcommand, options, run, status);
    return std::pair(subcommand, options);
  };
  auto [tail, tail_options] = add("tail", "The last events", run_log_tail, "As JSON, a line each");
  tail->add_option("-n,--count", tail_options->count, "How many")->capture_default_str();
  tail->add_option("--from", tail_options->from, "From this offset on");
  tail->add_flag("-f,--follow", tail_options->follow, "Keep printing what is appended");
  auto [show, show_options] = add("show", "One event, whole", run_log_show);
  show->add_option("offset", show_options->offset, "Its offset")->required();
  auto [verify, verify_options] =
      add("verify", "Check every byte and the hash chain; exit status 1 on damage", run_log_verify);
  auto [backup, backup_options] =
      add("backup", "Copy the log, in use or not, to a new directory, and check the copy", run_log_backup);
  backup->add_option("directory", backup_options->to, "Made; the copy lies in its folder log")->required();
  auto [hash, hash_options] = add("hash", "Replay the log and print the state's hash", run_log_hash);
  command->footer(
      "Examples:\n  tandem log tail --data data -f\n  tandem log show 42 --data data\n  tandem log verify --data data\n"
      "  tandem log backup copy-of-today --data data && tandem log verify --data copy-of-today");
}

void add_inventory_import(CLI::App& inventory, int& status) {
  auto options = std::make_shared<InventoryImportOptions>();
  CLI::App* command = inventory.add_subcommand(
      "import", "Take in CSV, YAML, NetBox or TMF639 files: all of it, or nothing where any of it is wrong");
  command->add_option("files", options->files, "Files of one feed")->required();
  command->add_option("--format", options->format, "auto, csv, yaml, netbox or tmf639")->capture_default_str();
  command->add_option("--source", options->source, "Who says so; import:FORMAT when not given");
  command->add_option("--standing", options->standing, "observed, discovered or intended")->capture_default_str();
  command->add_option("--system", options->system,
                      "In front of foreign ids: netbox:dcim.device/12; the format when not given");
  command->add_option("--kind", options->kind, "Of every row of a CSV file without a column 'kind'");
  command->add_option("--default", options->defaults,
                      "KIND.ATTRIBUTE=VALUE of new entities whose row does not say; may be repeated");
  command->add_flag("--full", options->full,
                    "The feed is complete: what this source said before and no longer lists is unseen");
  command->add_flag("--dry-run", options->dry_run,
                    "Say what would change and change nothing; works beside a running grid");
  command->add_flag("--partial", options->partial, "Take in the good rows though others are wrong");
  auto* data = command->add_option("--data", options->data, "Directory of the log; not in use by a running grid")
                   ->capture_default_str();
  command
      ->add_option("--url", options->url,
                   "A running grid that takes the rows in, 2,000 at a time, such as http://127.0.0.1:8080")
      ->excludes(data);
  command->add_flag("--json", options->json, "Report as JSON");
  command->footer(
      "Examples:\n  tandem inventory import racks.csv --kind rack --dry-run\n"
      "  tandem inventory import netbox/*.json --source netbox --standing discovered --full --default site.tier=core\n"
      "  tandem inventory import racks.csv --url http://127.0.0.1:8080 --source planning --standing intended --full\n"
      "docs/IMPORT.md states what each field becomes. Exit status 2 when a row is refused.");
  run_with(command, options, run_inventory_import, status);
}

void add_inventory_export(CLI::App& inventory, int& status) {
  auto options = std::make_shared<InventoryExportOptions>();
  CLI::App* command = inventory.add_subcommand("export", "Write entities so that importing them again changes nothing");
  command->add_option("--format", options->format, "csv, yaml, netbox or tmf639")->capture_default_str();
  command->add_option("--kind", options->kinds, "Kinds; all when not given");
  command->add_option("--system", options->system, "Whose ids are the numbers of NetBox objects")
      ->capture_default_str();
  command->add_option("--data", options->data, "Directory of the log; may be in use")->capture_default_str();
  command->add_option("-o,--output", options->output, "File to write; standard output when not given");
  command->footer("Example:\n  tandem inventory export --format csv --kind rack -o racks.csv");
  run_with(command, options, run_inventory_export, status);
}

void add_inventory_generate(CLI::App& inventory, int& status) {
  auto options = std::make_shared<InventoryGenerateOptions>();
  CLI::App* command = inventory.add_subcommand("generate", "Make up a large inventory as CSV files, for load tests");
  command->add_option("--devices", options->devices, "Devices")->capture_default_str();
  command->add_option("--interfaces", options->interfaces, "Interfaces, over all devices")->capture_default_str();
  command->add_option("--seed", options->seed, "The same gives the same bytes")->capture_default_str();
  command->add_option("-o,--output", options->output, "Directory")->required();
  command->footer(
      "Example:\n  tandem inventory generate --devices 1000 --interfaces 50000 -o big && tandem inventory import "
      "big/*.csv --data data");
  run_with(command, options, run_inventory_generate, status);
}

void add_inventory_erase(CLI::App& inventory, int& status) {
  auto options = std::make_shared<InventoryEraseOptions>();
  CLI::App* command = inventory.add_subcommand(
      "erase", "Erase what was ever said of a person: the personal attributes of one entity, for good");
  command->add_option("kind", options->kind, "Such as contact or customer")->required();
  command->add_option("id", options->id, "Its id")->required();
  command->add_option("--reason", options->reason, "Why; stays on the log, so a request's number and never a name");
  auto* data = command->add_option("--data", options->data, "Directory of the log; not in use by a running grid")
                   ->capture_default_str();
  command->add_option("--url", options->url, "A running grid that erases it, such as http://127.0.0.1:8080")
      ->excludes(data);
  command->add_flag("--json", options->json, "Report as JSON");
  command->footer(
      "Example:\n  tandem inventory erase contact c-4711 --reason 'request 2026-118' --url http://127.0.0.1:8080");
  run_with(command, options, run_inventory_erase, status);
}

void add_inventory(CLI::App& app, int& status) {
  CLI::App* command = app.add_subcommand("inventory", "Take entities in from files, and write them out");
  command->require_subcommand(1);
  add_inventory_import(*command, status);
  add_inventory_export(*command, status);
  add_inventory_generate(*command, status);
  add_inventory_erase(*command, status);
}

void add_ontology(CLI::App& app, int& status) {
  auto options = std::make_shared<OntologyOptions>();
  CLI::App* command =
      app.add_subcommand("ontology", "What a grid may hold: kinds, attributes, relations, constraints, mappings");
  command->add_option("kind", options->kind, "One kind, whole; a list of all when not given");
  command->add_flag("--json", options->json, "As JSON");
  command->footer("Examples:\n  tandem ontology\n  tandem ontology device");
  run_with(command, options, run_ontology, status);
}

void add_query(CLI::App& app, int& status) {
  auto options = std::make_shared<QueryOptions>();
  CLI::App* command = app.add_subcommand("query", "Ask the inventory in SQL: now, as of any time");
  command->add_option("sql", options->sql,
                      "One SELECT; the tables there are when not given; '.schema link' shows columns");
  auto* grid = command->add_option("--grid", options->grid, "Grid file to read, alone");
  command->add_option("--data", options->data, "Directory of the log; may be in use")
      ->capture_default_str()
      ->excludes(grid);
  command->add_option("--as-of", options->as_of, "An offset (1200), a time (2026-11-21T08:30Z) or '2 h ago'")
      ->excludes(grid);
  command->add_option("--branch", options->branch, "A branch's head, with its edits")->excludes(grid);
  command->add_option("--limit", options->rows_max, "Rows at most")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000'000));
  command->add_option("--time-limit", options->time_limit_s, "Seconds")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 86'400.0));
  auto* json = command->add_flag("--json", options->json, "As {columns, rows, offset, truncated}");
  command->add_flag("--csv", options->csv, "As CSV with a heading")->excludes(json);
  command->footer(
      "Examples:\n"
      "  tandem query --grid examples/national.yaml\n"
      "  tandem query --grid examples/national.yaml '.schema link'\n"
      "  tandem query --grid examples/national.yaml \"SELECT id, capacity_gbps, length_km FROM link ORDER BY length_km "
      "DESC LIMIT 5\"\n"
      "  tandem query \"SELECT kind, id, distance FROM impact_of('site', 'ber')\"\n"
      "  tandem query --as-of '2 h ago' --csv \"SELECT id, state FROM link WHERE state = 'down'\"\n"
      "  tandem query \"SELECT link.id, a.site, b.site FROM link JOIN node a ON a.id = link.a JOIN node b ON b.id = "
      "link.b\"");
  run_with(command, options, run_query, status);
}

void add_engine(CLI::App& app, int& status) {
  auto options = std::make_shared<EngineOptions>();
  CLI::App* command =
      app.add_subcommand("engine", "Run an emulated LLM server, calibrated by a profile, with the OpenAI API");
  command->add_option("--model", options->model, "Model id")->capture_default_str();
  command->add_option("--grid", options->grid, "Grid file with the model and its profiles")->required();
  command->add_option("--accelerator", options->accelerator, "Whose profile; the first of the model when not given");
  command->add_option("--replicas", options->replicas, "Replicas")->capture_default_str();
  command->add_option("--listen", options->listen, "Address and port")->capture_default_str();
  command->footer(
      "Example:\n  tandem engine --grid examples/national.yaml --model llama-3.1-8b --listen 127.0.0.1:8000");
  run_with(command, options, run_engine, status);
}

void add_load(CLI::App& app, int& status) {
  auto options = std::make_shared<LoadCommandOptions>();
  CLI::App* command =
      app.add_subcommand("load", "Drive a gateway as its customers would, and report goodput and delays");
  command->add_option("--url", options->url, "Base URL, http or https")->capture_default_str();
  command->add_option("--authorities", options->authorities,
                      "PEM file of authorities to trust beside the system's, for an https URL");
  command->add_option("--key", options->key, "API key")->capture_default_str();
  command->add_option("--model", options->models, "Models to ask; all the key may use when not given");
  command->add_option("--region", options->regions, "Regions to come from; the gateway's choice when not given");
  command->add_option("--process", options->process, "steady, diurnal, burst or trace")->capture_default_str();
  command->add_option("--trace", options->trace, "Azure LLM CSV or Mooncake JSONL; implies --process trace");
  command->add_option("--speed-up", options->speed_up, "Replay the trace this much faster")->capture_default_str();
  command->add_option("--rate", options->rate_per_s, "Requests a second, mean")->capture_default_str();
  command->add_option("--duration", options->duration_s, "Seconds")->capture_default_str();
  command->add_option("--requests", options->requests_max, "Stop after so many, if the duration is not over first");
  command->add_option("--concurrency", options->concurrency, "Closed loop with so many at once, instead of --rate")
      ->check(CLI::Range(1u, 1'000'000u));
  command->add_option(
      "--ttft-ms", options->ttft_ms,
      "Promise on the first token, sent with each request; when not given, what the server promises, else 1,000 ms");
  command->add_option(
      "--tpot-ms", options->tpot_ms,
      "Promise per token, sent with each request; when not given, what the server promises, else 50 ms");
  command->add_option("--expect", options->expected,
                      "FIGURE=NUMBER, repeatable; missing one is exit status 1. At least: goodput, ok (shares), "
                      "goodput_per_s, output_tokens_per_s. At most: rejected, failed (shares), "
                      "{ttft,tpot,whole}_ms_{p50,p90,p95,p99}. A share is from 0 to 1");
  command->add_option("--prompt-tokens", options->prompt_tokens, "Mean")->capture_default_str();
  command->add_option("--output-tokens", options->output_tokens, "Mean")->capture_default_str();
  command->add_option("--seed", options->seed, "Of arrivals and sizes")->capture_default_str();
  command->add_flag("--json", options->json, "Report as JSON");
  command->footer(
      "Rates of the report are over the time in which requests were sent; how much longer the last answers took is "
      "stated beside it.\n\n"
      "Exit status: 0; 1 where no server is reached, nothing was answered or an expectation was missed; 2 where an "
      "option is wrong.\n\n"
      "Examples:\n"
      "  tandem load --rate 20 --duration 30\n"
      "  tandem load --trace azure-llm-2023-conv.csv --speed-up 4\n"
      "  tandem load --concurrency 64 --model llama-3.1-8b --prompt-tokens 2000 --output-tokens 50 --json\n"
      "  tandem load --rate 50 --ttft-ms 400 --expect goodput=0.99 --expect ttft_ms_p95=400 --expect failed=0\n"
      "  tandem load --url https://ai.example.net --authorities ca.pem --key \"$KEY\"");
  run_with(command, options, run_load, status);
}

// "tandem help plan" is "tandem plan --help".
std::vector<const char*> with_help_as_option(std::span<char* const> line) {
  std::vector<const char*> arguments(line.begin(), line.end());
  if (arguments.size() < 2 || std::string_view(arguments[1]) != "help") return arguments;
  arguments.erase(arguments.begin() + 1);
  arguments.push_back("--help");
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
#ifdef TANDEM_MIMALLOC
  // Millions of entities in memory: docs/decisions/0006-allocator.md.
  if (argc > 1 && std::string_view(argv[1]) == "inventory") mi_option_enable(mi_option_large_os_pages);
#endif
  CLI::App app("Tandem: the AI-grid control plane for telecom operators.\nCompute and connectivity, decided in tandem.",
               "tandem");
  app.formatter(help_formatter());
  app.failure_message([&app](const CLI::App*, const CLI::Error& error) { return wrong_usage(app, error); });
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("tandem ") + TANDEM_VERSION);
  int status = 0;
  add_up(app, status);
  add_import(app, status);
  add_check(app, status);
  add_generate(app, status);
  add_plan(app, status);
  add_te(app, status);
  add_replay(app, status);
  add_whatif(app, status);
  add_log(app, status);
  add_inventory(app, status);
  add_ontology(app, status);
  add_query(app, status);
  add_engine(app, status);
  add_load(app, status);
  app.footer(
      "`tandem COMMAND --help` has the options of a command, and examples.\n"
      "Exit status: 0 done; 1 the answer is no, or it failed; 2 the command line, or a file that it names, is wrong; "
      "130 ended by Ctrl-C.");
  check_numbers(app);
  const std::vector<const char*> line = with_help_as_option({argv, static_cast<size_t>(argc)});
  if (const auto unknown = unknown_name(app, std::span(line).subspan(line.empty() ? 0 : 1))) {
    std::fprintf(stderr, "tandem: %s\n`%s --help` lists what there is, with examples.\n", unknown->sentence.c_str(),
                 unknown->command.c_str());
    return 2;
  }
  try {
    app.parse(static_cast<int>(line.size()), line.data());
  } catch (const CLI::ParseError& error) {  // the library's way to say --help, --version and wrong usage
    status = app.exit(error) == 0 ? 0 : 2;
  } catch (const std::system_error& error) {  // how fmt says that nothing more can be printed
    return tandem::app::report({tandem::ErrorCode::io, error.what()});
  }
  if (const auto printed = flush_standard_output(); !printed) return tandem::app::report(printed.error());
  return status;
}
