#include "app/listen.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

namespace tandem::app {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Listen, TakesAddressesWithAPort) {
  EXPECT_EQ(*parse_listen("127.0.0.1:8080"), (http::Endpoint{"127.0.0.1", 8080}));
  EXPECT_EQ(*parse_listen("[::1]:0"), (http::Endpoint{"::1", 0}));
}

TEST(Listen, RefusesTheRest) {
  for (const char* text :
       {"", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1"})
    EXPECT_FALSE(parse_listen(text)) << text;
}

TEST(Listen, SaysWhoHasAPortThatIsTaken) {
  boost::asio::io_context context;
  const auto holding = http::Server::listen(context, {}, {});
  ASSERT_TRUE(holding);
  const uint16_t port = (*holding)->port();
  const auto taken = check_port_is_free({"127.0.0.1", port}, "--listen");
  ASSERT_FALSE(taken);
  EXPECT_THAT(taken.error().message, HasSubstr("in use"));
  EXPECT_THAT(taken.error().message, HasSubstr(fmt::format("(process {}) has it", ::getpid())));
  EXPECT_THAT(taken.error().message, HasSubstr("choose another port with --listen 127.0.0.1:0"));
  EXPECT_TRUE(check_port_is_free({"127.0.0.1", 0}, "--listen")) << "any that is free";
  EXPECT_EQ(port_holder(1), std::nullopt);
  const auto elsewhere = check_port_is_free({"192.0.2.1", port}, "--listen");
  ASSERT_FALSE(elsewhere) << "no address of this machine";
  EXPECT_THAT(elsewhere.error().message, Not(HasSubstr("has it")));
}

}  // namespace
}  // namespace tandem::app
