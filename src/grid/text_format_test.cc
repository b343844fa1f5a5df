#include "grid/text_format.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace tandem::grid {
namespace {

std::string canonical(Format format, std::string_view text) {
  const auto result = canonical_text(format, text);
  return result ? *result : "refused";
}

TEST(TextFormat, AddressesKeepTheLengthOfTheirNetwork) {
  EXPECT_EQ(canonical(Format::address, "10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(canonical(Format::address, "10.0.0.1/24"), "10.0.0.1/24");
  EXPECT_EQ(canonical(Format::address, "2001:DB8:0::1/64"), "2001:db8::1/64");
  for (const char* wrong : {"10.0.0", "10.0.0.1/33", "2001:db8::1/129", "10.0.0.1/", "10.0.0.1/-1", "", "/24"})
    EXPECT_EQ(canonical(Format::address, wrong), "refused") << wrong;
}

TEST(TextFormat, MacAddressesHaveOneForm) {
  for (const char* spelling : {"00:1B:44:11:3A:B7", "00-1b-44-11-3a-b7", "001b.4411.3ab7", "001b44113ab7"})
    EXPECT_EQ(canonical(Format::mac_address, spelling), "00:1b:44:11:3a:b7");
  for (const char* wrong : {"00:1b:44:11:3a", "00:1b:44:11:3a:b7:00", "00:1b:44:11:3a:bg", ""})
    EXPECT_EQ(canonical(Format::mac_address, wrong), "refused") << wrong;
}

TEST(TextFormat, DatesAndInstantsAscendAsText) {
  EXPECT_EQ(canonical(Format::date, "2026-11-21"), "2026-11-21");
  for (const char* wrong : {"2026-13-01", "2026-02-30", "21.11.2026", "2026-11-21T00:00:00Z", "2026-1-1"})
    EXPECT_EQ(canonical(Format::date, wrong), "refused") << wrong;
  const std::string early = canonical(Format::instant, "2026-11-21T08:16:00+01:00");
  EXPECT_EQ(early, "2026-11-21T07:16:00.000000000Z");
  EXPECT_LT(early, canonical(Format::instant, "2026-11-21T07:16:00.5Z"));
  EXPECT_EQ(canonical(Format::instant, "yesterday"), "refused");
}

TEST(TextFormat, TheOthersAreTakenAsTheyStand) {
  EXPECT_EQ(canonical(Format::country, "DE"), "DE");
  EXPECT_EQ(canonical(Format::country, "de"), "refused");
  EXPECT_EQ(canonical(Format::email, "noc@example.org"), "noc@example.org");
  EXPECT_EQ(canonical(Format::email, "noc@"), "refused");
  EXPECT_EQ(canonical(Format::email, "a@b@c"), "refused");
  EXPECT_EQ(canonical(Format::external_id, "netbox:dcim.device:12"), "netbox:dcim.device:12");
  EXPECT_EQ(canonical(Format::external_id, ":12"), "refused");
  EXPECT_EQ(canonical(Format::external_id, "net box:12"), "refused");
  EXPECT_EQ(canonical(Format::external_id, "netbox:"), "refused");
}

// What is canonical stays so, and no text does harm.
TEST(TextFormat, ACanonicalTextIsItsOwnCanonicalForm) {
  Random random(7);
  constexpr std::string_view kLetters = "0123456789abcdefABCDEF:./-@TZ+ g";
  size_t taken = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string text;
    for (uint64_t length = random.below(24); length > 0; --length) text += kLetters[random.below(kLetters.size())];
    for (const Format format :
         {Format::address, Format::mac_address, Format::date, Format::instant, Format::email, Format::external_id}) {
      const auto once = canonical_text(format, text);
      if (!once) continue;
      ++taken;
      EXPECT_EQ(canonical(format, *once), *once) << text;
    }
  }
  EXPECT_GT(taken, 1'000u);
}

}  // namespace
}  // namespace tandem::grid
