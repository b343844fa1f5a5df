#include "app/help.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "base/text_table.h"

namespace tandem::app {
namespace {

std::string joined_again(std::string text) {
  constexpr std::string_view kBreak = " \\\n   ";
  for (size_t at = 0; (at = text.find(kBreak)) != std::string::npos;) text.erase(at, kBreak.size());
  return text;
}

TEST(Help, ACommandIsContinuedSoThatAShellTakesItAsOne) {
  const std::string command =
      "  tandem query --as-of '2 h ago and a little more than that' --csv \"SELECT id, state FROM link WHERE state = "
      "'down and out'\" && tandem check a.yaml";
  for (const size_t width : {60, 80, 120}) {
    const std::string text = continued(command, width);
    for (const std::string_view line : split(text, '\n')) EXPECT_LE(display_width(line), width) << text;
    EXPECT_EQ(joined_again(text), command);
    EXPECT_NE(text.find("'2 h ago and a little more than that'"), std::string::npos) << text;
    EXPECT_NE(text.find("'down and out'"), std::string::npos) << text;
  }
  EXPECT_EQ(continued(command, 0), command);
  EXPECT_EQ(continued("  tandem check a.yaml", 80), "  tandem check a.yaml");
}

}  // namespace
}  // namespace tandem::app
