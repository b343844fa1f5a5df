#include "app/wrong_usage.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <vector>

namespace tandem::app {
namespace {

// What a person reads who has typed that.
std::string told(std::vector<const char*> arguments) {
  CLI::App program("", "tandem");
  program.require_subcommand(1);
  std::string grid;
  uint64_t work = 0;
  uint32_t periods = 0;
  double limit_s = 0;
  CLI::App* plan = program.add_subcommand("plan", "Plan a grid file");
  plan->add_option("--grid", grid)->required();
  plan->add_option("--work", work);
  plan->add_option("--periods", periods)->check(CLI::Range(1, 24));
  plan->add_option("--time-limit", limit_s);
  CLI::App* log = program.add_subcommand("log", "Read the log");
  log->require_subcommand(1);
  log->add_subcommand("tail", "The last events")->add_option("-n,--count", work);
  check_numbers(program);
  arguments.insert(arguments.begin(), "tandem");
  try {
    program.parse(static_cast<int>(arguments.size()), arguments.data());
  } catch (const CLI::ParseError& error) {
    return wrong_usage(program, error);
  }
  return {};
}

TEST(WrongUsage, NamesTheCommandAndItsHelp) {
  EXPECT_EQ(told({"plan"}), "tandem plan: --grid is required\n`tandem plan --help` has its options and examples.\n");
  EXPECT_EQ(told({"log", "tail", "-n", "x"}),
            "tandem log tail: --count: 'x' is no whole number from 0 on\n`tandem log tail --help` has its options and "
            "examples.\n");
}

TEST(WrongUsage, ACommandLeftOutIsAnsweredWithThoseThereAre) {
  EXPECT_NE(told({}).find("Plan a grid file"), std::string::npos);
  EXPECT_NE(told({"log"}).find("The last events"), std::string::npos);
  EXPECT_EQ(told({"log"}).find("Plan a grid file"), std::string::npos);
}

TEST(WrongUsage, OptionsThatTakeNumbersTakeNothingElse) {
  for (const char* work : {"-1", "1.5", "1e3", "x", "", "18446744073709551616", " 1"})
    EXPECT_NE(told({"plan", "--grid", "a", "--work", work}).find("is no whole number"), std::string::npos) << work;
  for (const char* limit : {"nan", "inf", "x", "1s", "-"})
    EXPECT_NE(told({"plan", "--grid", "a", "--time-limit", limit}).find("is no number"), std::string::npos) << limit;
  EXPECT_NE(told({"plan", "--grid", "a", "--periods", "25"}).find("not in range"), std::string::npos);
  EXPECT_EQ(told({"plan", "--grid", "a", "--work", "18446744073709551615", "--time-limit", "-1.5e3"}), "");
  EXPECT_EQ(told({"plan", "--grid", "-1", "--periods=24"}), "") << "a file is called what it is called";
}

}  // namespace
}  // namespace tandem::app
