#include "base/file.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace tandem {
namespace {

TEST(File, ReadsWhatWasWrittenDurably) {
  std::string name = (std::filesystem::temp_directory_path() / "tandem-file-XXXXXX").string();
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  const std::filesystem::path directory = name;
  const auto path = directory / "a";
  EXPECT_EQ(read_file(path, 100).error().code, ErrorCode::not_found);
  ASSERT_TRUE(write_file_durably(path, "a longer text"));
  ASSERT_TRUE(write_file_durably(path, "short"));
  EXPECT_EQ(*read_file(path, 5), "short");
  EXPECT_EQ(read_file(path, 4).error().code, ErrorCode::too_large);
  EXPECT_EQ(write_file_durably(directory / "none" / "a", "x").error().code, ErrorCode::not_found);
  auto file = File::open(path, File::Mode::write);
  ASSERT_TRUE(file && file->write_at(3, "!!!!"));
  EXPECT_EQ(*file->size(), 7u);
  EXPECT_EQ(*file->read_at(1, 100), "ho!!!!");
  ASSERT_TRUE(file->truncate(2) && file->sync());
  EXPECT_EQ(*read_file(path, 100), "sh");
  EXPECT_EQ(read_file(directory, 1 << 20).error().code, ErrorCode::invalid_argument);
  EXPECT_NE(read_file(directory, 1 << 20).error().message.find(name), std::string::npos);
  EXPECT_EQ(read_file(path / "below-a-file", 100).error().code, ErrorCode::invalid_argument);
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory);
  EXPECT_TRUE(write_file_durably("bare", "a name without a directory"));
  std::filesystem::current_path(before);
  std::filesystem::remove_all(directory);
}

// As a shell's <(command) gives one.
TEST(File, ReadsAPipeToItsEnd) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::string text(20'000, 'x');  // less than a pipe holds
  ASSERT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  const auto read = read_file("/proc/self/fd/" + std::to_string(ends[0]), 1 << 20);
  ::close(ends[0]);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(*read, text);
  EXPECT_FALSE(read_file("/proc/self/status", 1 << 20)->empty());
  EXPECT_EQ(read_file("/dev/zero", 1 << 16).error().code, ErrorCode::too_large);
}

}  // namespace
}  // namespace tandem
