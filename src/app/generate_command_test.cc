#include <gtest/gtest.h>

#include "app/commands.h"
#include "base/file.h"
#include "support/temporary_directory.h"

namespace tandem::app {
namespace {

TEST(GenerateCommand, WritesAFileThatTheCheckFindsGood) {
  const test_support::TemporaryDirectory directory;
  GenerateOptions options{.sites = 30, .demands = 100, .output = directory.path() / "made.yaml"};
  ASSERT_EQ(run_generate(options), 0);
  EXPECT_EQ(run_check({.grid = options.output}), 0);
  const auto first = read_file(options.output, 1 << 24);
  ASSERT_EQ(run_generate(options), 0);
  EXPECT_EQ(*first, *read_file(options.output, 1 << 24));
}

TEST(GenerateCommand, RefusesWhatIsOutOfRange) {
  EXPECT_EQ(run_generate({.sites = 1, .output = {}}), 2);
  EXPECT_EQ(run_generate({.load = 2, .output = {}}), 2);
}

}  // namespace
}  // namespace tandem::app
