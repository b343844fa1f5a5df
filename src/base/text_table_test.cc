#include "base/text_table.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace tandem {
namespace {

using Align = TextTable::Align;

TEST(Wrapped, BreaksAtSpacesAndKeepsWhatIsLonger) {
  EXPECT_EQ(wrapped("one two three", 0), "one two three");
  EXPECT_EQ(wrapped("one two three", 7), "one two\nthree");
  EXPECT_EQ(wrapped("one two three", 9, 2), "one two\n  three") << "the margin counts in the first line too";
  EXPECT_EQ(wrapped("one unbreakable two", 5), "one\nunbreakable\ntwo");
  EXPECT_EQ(wrapped("a b\nc d", 80, 2), "a b\n  c d");
  EXPECT_EQ(wrapped("Zürich Köln", 6), "Zürich\nKöln") << "letters, not bytes";
}

TextTable deployments() {
  TextTable table({{"DEPLOYMENT", Align::left}, {"REPLICAS"}, {"EUR\nAN HOUR"}});
  table.add({"bloom-176b@hannover-a100-80gb/tp8", "2", "9.47"});
  table.add({"m@z", "1234", "10.00"});
  return table;
}

TEST(TextTable, IsAsWideAsWhatStandsInIt) {
  EXPECT_EQ(deployments().text(0),
            "DEPLOYMENT                         REPLICAS      EUR\n"
            "                                             AN HOUR\n"
            "bloom-176b@hannover-a100-80gb/tp8         2     9.47\n"
            "m@z                                    1234    10.00\n");
}

TEST(TextTable, NamesLoseTheirMiddleWhereTheWidthIsShort) {
  EXPECT_EQ(deployments().text(40),
            "DEPLOYMENT             REPLICAS      EUR\n"
            "                                 AN HOUR\n"
            "bloom-176b…0-80gb/tp8         2     9.47\n"
            "m@z                        1234    10.00\n");
  for (const std::string_view line : split(deployments().text(20), '\n'))
    EXPECT_LE(display_width(line), 31u) << "figures are whole, whatever was asked";
}

TEST(TextTable, ASentenceGoesOnBelowItself) {
  TextTable table({{"DEMAND", Align::left}, {"WHY", Align::sentence}});
  table.add({"bank", "no pool has an accelerator left that would keep the promise"});
  EXPECT_EQ(table.text(40),
            "DEMAND  WHY\n"
            "bank    no pool has an accelerator left\n"
            "        that would keep the promise\n");
  EXPECT_EQ(table.text(0), "DEMAND  WHY\nbank    no pool has an accelerator left that would keep the promise\n");
}

}  // namespace
}  // namespace tandem
