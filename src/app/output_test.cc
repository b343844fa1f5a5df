#include "app/output.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.h"
#include "support/temporary_directory.h"

namespace tandem::app {
namespace {

TEST(Output, ReplacesAFileAndTheOneBehindALink) {
  const test_support::TemporaryDirectory directory;
  const auto file = directory.path() / "file", link = directory.path() / "link";
  ASSERT_TRUE(write_output(file, "first"));
  std::filesystem::create_symlink(file, link);
  ASSERT_TRUE(write_output(link, "second"));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(*read_file(file, 100), "second");
}

// A pipe or a device is somebody else's: it is written to, and stays what it is.
TEST(Output, WritesIntoWhatIsNoRegularFile) {
  const test_support::TemporaryDirectory directory;
  const auto null = directory.path() / "null";
  std::filesystem::create_symlink("/dev/null", null);
  ASSERT_TRUE(write_output(null, "gone"));
  EXPECT_TRUE(std::filesystem::is_symlink(null));
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  const auto full = write_output("/dev/full", "text");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().message, "cannot write to /dev/full: No space left on device");
}

TEST(Output, OfManyFaultsTheFirstAreShown) {
  std::vector<Diagnostic> faults(2, {Diagnostic::Severity::warning, "f.graph", 1, "odd", ""});
  EXPECT_EQ(first_of(faults), "f.graph:1: warning: odd\nf.graph:1: warning: odd\n");
  for (int line = 2; line < 300; ++line)
    faults.push_back({Diagnostic::Severity::error, "f.graph", line, "no node", ""});
  const std::string text = first_of(faults);
  EXPECT_EQ(text.find("warning"), std::string::npos) << "errors come first";
  EXPECT_TRUE(text.starts_with("f.graph:2: error: no node\n"));
  EXPECT_TRUE(text.ends_with("f.graph:21: error: no node\n… and 280 more\n")) << text;
}

TEST(Output, SaysWhereItCannotWrite) {
  const test_support::TemporaryDirectory directory;
  const auto into_directory = write_output(directory.path(), "text");
  ASSERT_FALSE(into_directory);
  EXPECT_EQ(into_directory.error().code, ErrorCode::invalid_argument);
  EXPECT_NE(into_directory.error().message.find(directory.path().string()), std::string::npos);
  EXPECT_EQ(write_output(directory.path() / "none" / "file", "text").error().code, ErrorCode::not_found);
}

TEST(Output, StandardOutputHasADash) {
  testing::internal::CaptureStdout();
  ASSERT_TRUE(write_output("-", "printed"));
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "printed");
  EXPECT_TRUE(flush_standard_output());
}

}  // namespace
}  // namespace tandem::app
