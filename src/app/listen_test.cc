#include "app/listen.h"

#include <gtest/gtest.h>

namespace tandem::app {
namespace {

TEST(Listen, TakesAddressesWithAPort) {
  EXPECT_EQ(*parse_listen("127.0.0.1:8080"), (http::Endpoint{"127.0.0.1", 8080}));
  EXPECT_EQ(*parse_listen("[::1]:0"), (http::Endpoint{"::1", 0}));
}

TEST(Listen, RefusesTheRest) {
  for (const char* text :
       {"", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1"})
    EXPECT_FALSE(parse_listen(text)) << text;
}

}  // namespace
}  // namespace tandem::app
