#include "inventory/constraints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/small_world.h"

namespace tandem::inventory {
namespace {

using test_support::fact;
using test_support::retraction;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class Constraints : public testing::Test {
 protected:
  Constraints() {
    for (const log::Event& event : test_support::small_world(3)) fold(event);
    fold(fact("rack", "r1", {{"site", "site-1"}, {"name", "R1"}, {"height_u", 10.0}, {"power_limit_w", 1'000.0}}));
    fold(fact("rack", "r2", {{"site", "site-1"}, {"name", "R2"}}));
  }
  void fold(const log::Event& event) {
    snapshot_.fold(event, snapshot_.offset() + 1, {static_cast<int64_t>(snapshot_.offset()) + 1});
  }
  void device(const std::string& id, Json::Object attributes) {
    attributes.emplace("rack", "r1");
    fold(fact("device", id, attributes));
  }
  std::vector<Violation> of(std::vector<EntityKey> touched) const { return violations(snapshot_, touched, 100); }
  Violation only(std::vector<EntityKey> touched) const {
    const auto found = of(std::move(touched));
    EXPECT_THAT(found, SizeIs(1));
    return found.empty() ? Violation() : found.front();
  }

  Snapshot snapshot_;
};

TEST_F(Constraints, TwoDevicesInOneRackUnit) {
  device("a", {{"position_u", 3.0}, {"height_u", 2.0}});
  device("b", {{"position_u", 5.0}});
  EXPECT_THAT(of({{"device", "a"}, {"device", "b"}}), IsEmpty());
  device("c", {{"position_u", 4.0}, {"height_u", 1.0}});
  const Violation found = only({{"device", "c"}});
  EXPECT_EQ(found.kind, "device");
  EXPECT_EQ(found.id, "a");
  EXPECT_THAT(found.others, ElementsAre(EntityKey{"device", "c"}));
  EXPECT_THAT(found.message, HasSubstr("device 'a' and device 'c' overlap in rack 'r1', at position_u 4"));
  EXPECT_THAT(found.fix, HasSubstr("position_u"));
  EXPECT_THAT(of({{"device", "b"}}), IsEmpty());  // it has no part in it
  fold(fact("device", "c", {{"rack", "r2"}}));
  EXPECT_THAT(of({{"device", "c"}}), IsEmpty());
}

TEST_F(Constraints, FrontAndRearMeetOnlyThroughBoth) {
  device("front", {{"position_u", 3.0}, {"face", "front"}});
  device("rear", {{"position_u", 3.0}, {"face", "rear"}});
  EXPECT_THAT(of({{"device", "front"}, {"device", "rear"}}), IsEmpty());
  device("whole", {{"position_u", 3.0}});
  EXPECT_THAT(of({{"device", "whole"}}), SizeIs(2));
}

TEST_F(Constraints, ADeviceStaysWithinItsRackAlsoWhereTheRackShrinks) {
  device("a", {{"position_u", 10.0}});
  EXPECT_THAT(of({{"device", "a"}}), IsEmpty());
  device("a", {{"height_u", 2.0}});
  EXPECT_EQ(only({{"device", "a"}}).excess, 1);
  device("a", {{"height_u", 1.0}});
  fold(fact("rack", "r1", {{"height_u", 6.0}}));
  EXPECT_EQ(only({{"rack", "r1"}}).excess, 4);
}

TEST_F(Constraints, PowerIsNotOversubscribed) {
  device("a", {{"power_max_w", 600.0}});
  device("b", {{"power_max_w", 400.0}});
  EXPECT_THAT(of({{"device", "b"}}), IsEmpty());
  device("c", {{"power_max_w", 1.0}});
  const Violation found = only({{"device", "c"}, {"device", "a"}, {"rack", "r1"}});
  EXPECT_EQ(found.kind, "rack");
  EXPECT_EQ(found.excess, 1);
  EXPECT_THAT(found.message, HasSubstr("1001 power_max_w"));
  EXPECT_THAT(found.message, HasSubstr("device 'a', device 'b'"));
}

TEST_F(Constraints, LessOfAnExcessThatWasThereIsNoNewViolation) {
  device("a", {{"power_max_w", 1'200.0}});
  const Snapshot before = snapshot_;
  const std::vector<EntityKey> touched{{"device", "a"}};
  device("a", {{"power_max_w", 1'100.0}});
  EXPECT_THAT(new_violations(before, snapshot_, touched, 10), IsEmpty());
  device("a", {{"power_max_w", 1'300.0}});
  EXPECT_THAT(new_violations(before, snapshot_, touched, 10), SizeIs(1));
}

TEST_F(Constraints, APortIsUsedOnce) {
  device("a", {});
  for (const char* port : {"p1", "p2"}) fold(fact("port", port, {{"device", "a"}, {"name", port}}));
  fold(fact("cable", "c1", {{"a_end", "port/p1"}, {"b_end", "port/p2"}}));
  EXPECT_THAT(of({{"cable", "c1"}}), IsEmpty());
  fold(fact("cable", "c2", {{"a_end", "port/p2"}}));
  const Violation found = only({{"cable", "c2"}});
  EXPECT_THAT(found.message, HasSubstr("port 'p2' is used 2 times: by cable 'c1', cable 'c2'"));
  fold(fact("cable", "c2", {{"a_end", nullptr}}));
  fold(fact("cable", "c1", {{"b_end", "port/p1"}}));  // both its own ends
  EXPECT_THAT(only({{"cable", "c1"}}).message, HasSubstr("used 2 times"));
}

TEST_F(Constraints, AnAddressIsAssignedOnceWithinItsTable) {
  fold(fact("vrf", "blue", {{"name", "blue"}}));
  fold(fact("address", "x", {{"address", "10.0.0.1/24"}}));
  fold(fact("address", "y", {{"address", "10.0.0.1/30"}, {"vrf", "blue"}}));
  EXPECT_THAT(of({{"address", "x"}, {"address", "y"}}), IsEmpty());
  fold(fact("address", "z", {{"address", "10.0.0.1"}}));
  const Violation found = only({{"address", "z"}});
  EXPECT_EQ(found.id, "x");
  EXPECT_THAT(found.others, ElementsAre(EntityKey{"address", "z"}));
  EXPECT_THAT(found.message, HasSubstr("address 'x', address 'z' have the same address"));
}

TEST_F(Constraints, AnAddressIsOfItsPrefix) {
  fold(fact("prefix", "p", {{"prefix", "10.1.0.0/16"}}));
  fold(fact("address", "x", {{"address", "10.1.255.1/24"}, {"prefix", "p"}}));
  EXPECT_THAT(of({{"address", "x"}}), IsEmpty());
  fold(fact("address", "x", {{"address", "10.2.0.1/24"}}));
  EXPECT_THAT(only({{"address", "x"}}).message, HasSubstr("not within prefix 'p', 10.1.0.0/16"));
  fold(fact("address", "x", {{"address", "10.1.0.1"}}));
  fold(fact("prefix", "p", {{"prefix", "10.2.0.0/16"}}));
  EXPECT_THAT(of({{"prefix", "p"}}), SizeIs(1));
}

TEST_F(Constraints, WhatIsNamedIsThere) {
  device("a", {});
  fold(fact("interface", "i", {{"device", "a"}, {"name", "eth0"}}));
  fold(retraction("device", "a"));
  const Violation found = only({{"device", "a"}});
  EXPECT_EQ(found.id, "i");
  EXPECT_EQ(found.constraint, "reference");
  EXPECT_THAT(found.others, ElementsAre(EntityKey{"device", "a"}));
  EXPECT_EQ(only({{"interface", "i"}}), found);
}

TEST_F(Constraints, NothingStandsWithinItself) {
  device("a", {{"chassis", "b"}});
  device("b", {{"chassis", "c"}});
  device("c", {});
  EXPECT_THAT(of({{"device", "a"}, {"device", "b"}, {"device", "c"}}), IsEmpty());
  device("c", {{"chassis", "a"}});
  EXPECT_THAT(of({{"device", "c"}}), testing::Not(IsEmpty()));
  EXPECT_THAT(of({{"device", "c"}})[0].message, HasSubstr("within itself"));
}

TEST_F(Constraints, OneEntityAloneIsChecked) {
  fold(fact("device", "a", {{"power_typical_w", 9.0}, {"power_max_w", 5.0}}));
  EXPECT_EQ(only({{"device", "a"}}).constraint, "schema");
}

TEST_F(Constraints, TheLimitIsKept) {
  std::vector<EntityKey> touched;
  for (int i = 0; i < 10; ++i) {
    device("d" + std::to_string(i), {{"position_u", 1.0}});
    touched.push_back({"device", "d" + std::to_string(i)});
  }
  EXPECT_THAT(violations(snapshot_, touched, 100), SizeIs(45));
  EXPECT_THAT(violations(snapshot_, touched, 7), SizeIs(7));
}

}  // namespace
}  // namespace tandem::inventory
