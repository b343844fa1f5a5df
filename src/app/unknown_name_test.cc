#include "app/unknown_name.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <vector>

namespace tandem::app {
namespace {

TEST(UnknownName, IsToldWithWhatWasMeant) {
  CLI::App program("", "tandem");
  std::string grid;
  program.add_subcommand("plan")->add_option("--grid", grid)->required();
  std::string file;
  int count = 0;
  CLI::App* check = program.add_subcommand("check");
  check->add_option("file", file);
  check->add_option("-n", count);
  CLI::App* log = program.add_subcommand("log");
  log->add_subcommand("tail")->add_flag("-f,--follow");
  const auto said = [&](std::vector<const char*> arguments) {
    return unknown_name(program, arguments).value_or(UnknownName{}).sentence;
  };
  EXPECT_EQ(said({"plan", "--gird", "a.yaml"}), "no option '--gird' of plan; did you mean '--grid'?");
  EXPECT_EQ(said({"plan", "--gird=a.yaml"}), "no option '--gird' of plan; did you mean '--grid'?");
  EXPECT_EQ(said({"plan", "--colour"}), "no option '--colour' of plan");
  EXPECT_EQ(said({"plann"}), "no command 'plann'; did you mean 'plan'?");
  EXPECT_EQ(said({"log", "tial"}), "no command 'tial' of log; did you mean 'tail'?");
  EXPECT_EQ(said({"log", "tail", "-f", "--follow"}), "");
  EXPECT_EQ(said({"plan", "--grid", "plann"}), "") << "values are anything";
  EXPECT_EQ(said({"plan", "a.yaml"}), "plan takes no 'a.yaml' alone; did you mean '--grid a.yaml'?");
  EXPECT_EQ(said({"plan", "--grid=a.yaml", "b.yaml"}), "plan takes no 'b.yaml' alone; did you mean '--grid b.yaml'?");
  EXPECT_EQ(said({"log", "tail", "-f", "data"}), "tail takes no 'data' alone");
  EXPECT_EQ(said({"check", "a.yaml", "-n", "5"}), "");
  EXPECT_EQ(said({"plan", "--", "--gird"}), "");
  EXPECT_EQ(said({"--help"}), "");
  EXPECT_EQ(said({}), "");
  EXPECT_EQ(unknown_name(program, std::vector<const char*>{"plann"})->command, "tandem");
  EXPECT_EQ(unknown_name(program, std::vector<const char*>{"log", "tail", "--form"})->command, "tandem log tail");
}

}  // namespace
}  // namespace tandem::app
