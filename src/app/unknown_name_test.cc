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
  CLI::App* log = program.add_subcommand("log");
  log->add_subcommand("tail")->add_flag("-f,--follow");
  const auto said = [&](std::vector<const char*> arguments) { return unknown_name(program, arguments).value_or(""); };
  EXPECT_EQ(said({"plan", "--gird", "a.yaml"}), "no option '--gird' of plan; did you mean '--grid'?");
  EXPECT_EQ(said({"plan", "--gird=a.yaml"}), "no option '--gird' of plan; did you mean '--grid'?");
  EXPECT_EQ(said({"plan", "--colour"}), "no option '--colour' of plan");
  EXPECT_EQ(said({"plann"}), "no command 'plann'; did you mean 'plan'?");
  EXPECT_EQ(said({"log", "tial"}), "no command 'tial' of log; did you mean 'tail'?");
  EXPECT_EQ(said({"log", "tail", "-f", "--follow"}), "");
  EXPECT_EQ(said({"plan", "--grid", "plann", "whatever"}), "") << "values are anything";
  EXPECT_EQ(said({"plan", "--", "--gird"}), "");
  EXPECT_EQ(said({"--help"}), "");
  EXPECT_EQ(said({}), "");
}

}  // namespace
}  // namespace tandem::app
