#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "ontology/embedded.h"
#include "ontology/ontology.h"
#include "support/mutate_yaml.h"

namespace tandem::ontology {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kRack = R"(group: place
description: Holds boxes.
attributes:
  height_u: {type: number, minimum: 1, maximum: 60, description: Units.}
)";
constexpr std::string_view kBox = R"(group: hardware
description: A box.
attributes:
  position_u: {type: number, minimum: 1, maximum: 60, description: Lowest unit.}
  height_u: {type: number, minimum: 1, maximum: 60, absent: 1, description: Units.}
relations:
  rack: {to: rack, as: mounted_in, inverse: holds, located_in: true, description: Where.}
constraints:
  - no_overlap: rack
    first: position_u
    size: height_u
    limit: height_u
)";

std::vector<std::string> problems_of(std::string_view rack, std::string_view box) {
  std::vector<Diagnostic> diagnostics;
  const File files[] = {{"box.yaml", box}, {"rack.yaml", rack}};
  const auto loaded = Ontology::load(files, {}, diagnostics);
  EXPECT_EQ(loaded.has_value(), !has_errors(diagnostics));
  std::vector<std::string> texts;
  for (const Diagnostic& diagnostic : diagnostics) texts.push_back(to_string(diagnostic));
  return texts;
}

std::string with(std::string_view text, std::string_view old, std::string_view replacement) {
  std::string changed(text);
  const size_t at = changed.find(old);
  EXPECT_NE(at, std::string::npos) << old;
  return changed.replace(at, old.size(), replacement);
}

TEST(Load, TakesWhatIsRight) { EXPECT_THAT(problems_of(kRack, kBox), IsEmpty()); }

TEST(Load, AnUnknownKeyIsAnErrorWithItsPlaceAndTheNearest) {
  EXPECT_THAT(
      problems_of(kRack, with(kBox, "absent: 1", "absnet: 1")),
      ElementsAre(AllOf(HasSubstr("box.yaml:5"), HasSubstr("no key 'absnet'"), HasSubstr("did you mean 'absent'?"))));
  EXPECT_THAT(problems_of(kRack, with(kBox, "group: hardware", "grup: hardware")), testing::SizeIs(2));
  EXPECT_THAT(problems_of(kRack, with(kBox, "size:", "sise:")), testing::Contains(HasSubstr("did you mean 'size'?")));
}

TEST(Load, EverythingNamedExists) {
  EXPECT_THAT(problems_of(kRack, with(kBox, "to: rack", "to: rak")), ElementsAre(HasSubstr("did you mean 'rack'?")));
  EXPECT_THAT(problems_of(kRack, with(kBox, "first: position_u", "first: position")),
              ElementsAre(HasSubstr("box has no attribute 'position'")));
  EXPECT_THAT(problems_of(with(kRack, "height_u", "depth_mm"), kBox),
              ElementsAre(HasSubstr("rack has no attribute 'height_u'")));
  EXPECT_THAT(problems_of(kRack, with(kBox, "no_overlap: rack", "no_overlap: room")),
              testing::Contains(HasSubstr("no relation 'room'")));
  EXPECT_THAT(problems_of(kRack, with(kBox, "no_overlap", "no_overlaps")),
              ElementsAre(HasSubstr("no such constraint")));
}

TEST(Load, ANumberHasAUnitAndARange) {
  EXPECT_THAT(problems_of(with(kRack, "height_u", "height"), kBox), testing::Contains(HasSubstr("without a unit")));
  EXPECT_THAT(problems_of(with(kRack, "minimum: 1, ", ""), kBox), ElementsAre(HasSubstr("has no range")));
  EXPECT_THAT(problems_of(with(kRack, "minimum: 1", "minimum: 61"), kBox),
              ElementsAre(HasSubstr("range that is empty")));
  EXPECT_THAT(problems_of(kRack, with(kBox, "absent: 1", "absent: 0")),
              ElementsAre(HasSubstr("absent: height_u is 0")));
}

TEST(Load, ARelationIsNamedFromBothEnds) {
  EXPECT_THAT(problems_of(kRack, with(kBox, ", inverse: holds", "")), testing::Contains(HasSubstr("lacks inverse")));
  EXPECT_THAT(problems_of(kRack, with(kBox, "as: mounted_in", "as: Mounted in")),
              ElementsAre(HasSubstr("not named from both ends")));
}

TEST(Load, ANounKeepsItsSchemaAndEachOfItsReferencesNeedsNames) {
  const grid::Kind* nouns[] = {grid::find_kind("site"), grid::find_kind("node")};
  const std::vector<grid::Kind> two{*nouns[0], *nouns[1]};
  const auto load = [&](std::string_view node) {
    std::vector<Diagnostic> diagnostics;
    const File files[] = {{"node.yaml", node}};
    const auto loaded = Ontology::load(files, two, diagnostics);
    EXPECT_EQ(loaded.has_value(), diagnostics.empty());
    return diagnostics.empty() ? std::string() : to_string(diagnostics.front());
  };
  EXPECT_EQ(load("group: a\nrelations:\n  site: {as: stands_at, inverse: has_node}\n"), "");
  EXPECT_THAT(load("group: a\n"), HasSubstr("node refers by 'site' without a relation"));
  EXPECT_THAT(load("group: a\nrelations:\n  site: {to: site, as: stands_at, inverse: has_node}\n"),
              HasSubstr("no key 'to'"));
  EXPECT_THAT(
      load("group: a\nattributes:\n  role: {description: x}\nrelations:\n  site: {as: stands_at, inverse: has_node}\n"),
      HasSubstr("has the attribute 'role' already"));
}

// Whatever is done to the files, they are taken whole or refused with a place and a reason.
TEST(Load, MutatedFilesAreTakenWholeOrExplained) {
  Random random(20'261'121);
  size_t clean = 0;
  for (int i = 0; i < 3'000; ++i) {
    const std::string box = test_support::mutate_yaml(std::string(kBox), random);
    const std::string rack =
        random.chance(0.3) ? test_support::mutate_yaml(std::string(kRack), random) : std::string(kRack);
    std::vector<Diagnostic> diagnostics;
    const File files[] = {{"box.yaml", box}, {"rack.yaml", rack}};
    const auto loaded = Ontology::load(files, {}, diagnostics);
    ASSERT_EQ(loaded.has_value(), !has_errors(diagnostics)) << box;
    if (loaded) {
      ++clean;
      EXPECT_FALSE(to_json(to_json(*loaded)).empty());
    }
    for (const Diagnostic& diagnostic : diagnostics)
      ASSERT_FALSE(diagnostic.message.empty() || diagnostic.file.empty());
  }
  EXPECT_GT(clean, 20u);
  EXPECT_LT(clean, 2'900u);
}

}  // namespace
}  // namespace tandem::ontology
