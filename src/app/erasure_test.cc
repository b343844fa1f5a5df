// A running grid that is told of a person, and asked to forget.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "app/grid_server.h"
#include "app/inventory_data.h"
#include "app/inventory_remote.h"
#include "base/file.h"
#include "log/log.h"
#include "support/temporary_directory.h"

namespace tandem::app {
namespace {

class RunningWorld {
 public:
  RunningWorld() { start(); }

  void start() {
    GridServerOptions options;
    options.data = path();
    options.port = 0;
    auto server = GridServer::start(options);
    ASSERT_TRUE(server) << to_string(server.error());
    server_ = std::move(*server);
  }
  void stop() { server_.reset(); }
  Json ask(const std::string& method, const std::string& target, const std::string& body = {}) const {
    const auto answer = ask_grid(fmt::format("http://127.0.0.1:{}", server_->port()), method, target, body);
    EXPECT_TRUE(answer) << target << ": " << to_string(answer.error());
    return answer.value_or(Json());
  }
  bool stands_anywhere(std::string_view text) const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path()))
      if (entry.is_regular_file() && read_file(entry.path(), 1u << 30)->find(text) != std::string::npos) return true;
    return false;
  }
  const std::filesystem::path& path() const { return directory_.path(); }

 private:
  test_support::TemporaryDirectory directory_;
  std::unique_ptr<GridServer> server_;
};

constexpr const char* kContact = "/api/v1/inventory/contact/c-1";
constexpr const char* kBody =
    R"({"attributes":{"name":"Ada-in-clear","email":"ada@in-clear.example","role":"night shift"}})";

TEST(Erasure, APersonIsForgottenByARunningGrid) {
  RunningWorld world;
  world.ask("PUT", kContact, kBody);
  world.ask("POST", "/api/v1/branches", R"({"name":"b"})");
  world.ask("POST", "/api/v1/branches/b/edits",
            R"({"items":[{"kind":"contact","id":"c-1","attributes":{"phone":"+49-in-clear"}}]})");
  EXPECT_EQ(world.ask("GET", kContact)["attributes"]["name"], Json("Ada-in-clear"));
  EXPECT_EQ(world.ask("GET", std::string(kContact) + "?branch=b")["attributes"]["phone"], Json("+49-in-clear"));
  EXPECT_EQ(
      world.ask("GET", "/api/v1/branches/b/diff")["differences"].array().front()["attributes"].array().front()["after"],
      Json("+49-in-clear"));
  EXPECT_TRUE(world.ask("GET", "/api/v1/search?q=Ada-in-clear")["results"].array().empty()) << "people are not indexed";
  EXPECT_FALSE(world.stands_anywhere("in-clear"));

  // A feed that says the same again says nothing new.
  const std::string row =
      R"({"source":"crm","upsert":true,"items":[{"kind":"contact","id":"c-1","attributes":{"name":"Ada-in-clear"}}]})";
  EXPECT_EQ(world.ask("POST", "/api/v1/inventory", row)["accepted"], Json(true));
  EXPECT_EQ(world.ask("POST", "/api/v1/inventory", row)["rows"].array().front()["outcome"], Json("unchanged"));

  const Json erased = world.ask("DELETE", "/api/v1/personal-data/contact/c-1?reason=request+12");
  EXPECT_EQ(erased["known"], Json(true));
  const Json left = world.ask("GET", kContact)["attributes"];
  EXPECT_TRUE(left["name"].is_null());
  EXPECT_EQ(left["role"], Json("night shift"));
  EXPECT_TRUE(world.ask("GET", std::string(kContact) + "?branch=b")["attributes"]["phone"].is_null());
  const Json timeline = world.ask("GET", std::string(kContact) + "/timeline")["events"];
  EXPECT_EQ(timeline.array().front()["what"], Json("erased"));
  EXPECT_EQ(timeline.array().front()["offset"], erased["offset"]);
  EXPECT_EQ(timeline.array().back()["attributes"]["name"]["erased"], Json(true));
  EXPECT_EQ(world.ask("DELETE", "/api/v1/personal-data/contact/nobody")["known"], Json(false));
  EXPECT_EQ(world.ask("DELETE", "/api/v1/personal-data/rack/r")["error"]["code"], Json("invalid_argument"));

  world.stop();
  const auto verified = log::verify_sqlite_log(world.path() / "log");
  ASSERT_TRUE(verified);
  EXPECT_TRUE(verified->damage.empty());
  world.start();
  EXPECT_TRUE(world.ask("GET", kContact)["attributes"]["name"].is_null());
  world.ask("PUT", kContact, R"({"attributes":{"name":"Back-in-clear"}})");
  EXPECT_EQ(world.ask("GET", kContact)["attributes"]["name"], Json("Back-in-clear"));
  EXPECT_FALSE(world.stands_anywhere("in-clear"));
}

TEST(Erasure, CommandsOnADataDirectoryReadWhatIsPersonalOnlyWithTheKeys) {
  RunningWorld world;
  world.ask("PUT", kContact, kBody);
  const auto name = [&] {
    return open_data(world.path(), /*read_only=*/true)->believed().attributes("contact", "c-1")["name"];
  };
  EXPECT_EQ(name(), Json("Ada-in-clear")) << "beside the grid that runs";
  world.stop();
  std::filesystem::rename(world.path() / "keys", world.path() / "elsewhere");
  EXPECT_TRUE(name()["sealed"].is_string());
}

}  // namespace
}  // namespace tandem::app
