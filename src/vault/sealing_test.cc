#include "vault/sealing.h"

#include <gtest/gtest.h>

namespace tandem::vault {
namespace {

TEST(Sealing, OpensForItsKeyAndPlaceAlone) {
  const Key key = *random_key(), other = *random_key();
  EXPECT_FALSE(key == other);
  const std::string sealed = seal(key, "contact/c/name", "Ada Lovelace");
  EXPECT_EQ(sealed.find("Ada"), std::string::npos);
  EXPECT_EQ(open(key, "contact/c/name", sealed), "Ada Lovelace");
  EXPECT_FALSE(open(key, "contact/d/name", sealed));
  EXPECT_FALSE(open(other, "contact/c/name", sealed));
}

// RFC 5297, appendix A.1, is of the mode with keys of half this size; what it says of repetition holds for this one.
TEST(Sealing, TheSameGivesTheSame) {
  const Key key = *random_key();
  EXPECT_EQ(seal(key, "a", "x"), seal(key, "a", "x"));
  EXPECT_NE(seal(key, "a", "x"), seal(key, "b", "x"));
  EXPECT_NE(seal(key, "a", "x"), seal(key, "a", "y"));
}

TEST(Sealing, NoChangedBitPasses) {
  const Key key = *random_key();
  const std::string sealed = seal(key, "place", "some text of more than one block");
  for (size_t i = 0; i < 8 * sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i / 8] = static_cast<char>(changed[i / 8] ^ (1 << (i % 8)));
    EXPECT_FALSE(open(key, "place", changed)) << i;
  }
  for (size_t size = 0; size < sealed.size(); ++size) EXPECT_FALSE(open(key, "place", sealed.substr(0, size))) << size;
  EXPECT_FALSE(open(key, "place", sealed + "x"));
}

}  // namespace
}  // namespace tandem::vault
