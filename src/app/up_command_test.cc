// `tandem up` from its command line on, as far as it gets before it serves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/commands.h"
#include "support/temporary_directory.h"

namespace tandem::app {
namespace {

TEST(UpCommand, ASiteThatIsNotOfTheGridIsRefusedByName) {
  const test_support::TemporaryDirectory directory;
  UpOptions options;
  options.grid = std::string(TANDEM_SOURCE_DIR) + "/examples/national.yaml";
  options.data = directory.path();
  options.listen = "127.0.0.1:0";
  options.model_repository.clear();
  options.site = "graz";
  testing::internal::CaptureStderr();
  EXPECT_EQ(run_up(options), 2);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::HasSubstr("--site: the grid has no site 'graz'; did you mean 'grz'?"));
}

}  // namespace
}  // namespace tandem::app
