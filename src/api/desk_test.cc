#include "api/desk.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <semaphore>

#include "http/http.h"

namespace tandem::api {
namespace {

namespace asio = boost::asio;

// Does not come back before it is asked to.
void wait_for(std::stop_token asked) {
  std::binary_semaphore stopped(0);
  const std::stop_callback stop(std::move(asked), [&] { stopped.release(); });
  stopped.acquire();
}

// A desk behind a server, and clients of it, on one thread.
struct DeskWorld {
  struct Answer {
    bool ended = false;
    int status = 0;
    std::string text;
  };

  Answer ask(Result<DeskQuestion> asked, http::Cancellation cancellation = {}) {
    question = std::move(asked);
    Answer answer;
    asio::co_spawn(context, exchange(answer, std::move(cancellation)), asio::detached);
    while (!answer.ended) context.run_one();
    return answer;
  }

  asio::awaitable<void> exchange(Answer& answer, http::Cancellation cancellation) {
    http::Endpoint endpoint{"127.0.0.1", server->port()};
    http::ClientRequest request{"POST", "/", {}, {}};
    auto sent = co_await client.send(std::move(endpoint), std::move(request), {}, std::move(cancellation));
    if (sent) {
      answer.status = sent->status();
      auto text = co_await sent->read_all(1 << 20);
      if (text) answer.text = std::move(*text);
    }
    answer.ended = true;
  }

  SystemClock clock;
  Desk desk{clock, 1, "all chairs are taken; come again"};
  Result<DeskQuestion> question = DeskQuestion{};
  asio::io_context context;
  http::Client client{context};
  std::unique_ptr<http::Server> server =
      std::move(*http::Server::listen(context, {}, [this](const http::Request&, http::ResponseWriter& writer) {
        return desk.answer(question, writer);
      }));
};

TEST(Desk, AnswersWithWhatTheWorkFinds) {
  DeskWorld world;
  const auto found = world.ask(DeskQuestion{[](DeskTask& task) -> Result<Json> {
    EXPECT_FALSE(task.over.stop_requested());
    task.tell([]() -> Json { throw std::logic_error("nobody listens"); });
    return Json(Json::Object{{"sites", int64_t{3}}});
  }});
  EXPECT_EQ(found.status, 200);
  EXPECT_EQ(found.text, R"({"sites":3})");

  const auto wrong = world.ask(
      DeskQuestion{[](DeskTask&) -> Result<Json> { return fail(ErrorCode::not_found, "no such site", "site"); }});
  EXPECT_EQ(wrong.status, 404);
  EXPECT_NE(wrong.text.find("no such site"), std::string::npos);

  const auto unread = world.ask(fail(ErrorCode::invalid_argument, "'seed' must be a whole number", "seed"));
  EXPECT_EQ(unread.status, 400);
}

TEST(Desk, TellsProgressNowAndThenAndThenTheReport) {
  DeskWorld world;
  const auto work = [](DeskTask& task) -> Result<Json> {
    int told = 0;
    for (int i = 0; i < 1'000; ++i)
      task.tell([&] {
        ++told;
        return Json::Object{{"done", i}};
      });
    EXPECT_GE(told, 1);
    EXPECT_LT(told, 1'000) << "a person cannot read faster";
    return Json("found");
  };
  const auto found = world.ask(DeskQuestion{work, {}, true});
  EXPECT_EQ(found.status, 200);
  const size_t progress = found.text.find("event: progress"), report = found.text.find("event: report");
  ASSERT_NE(progress, std::string::npos) << found.text;
  ASSERT_NE(report, std::string::npos) << found.text;
  EXPECT_LT(progress, report);

  const auto wrong = world.ask(
      DeskQuestion{[](DeskTask&) -> Result<Json> { return fail(ErrorCode::too_large, "too many"); }, {}, true});
  EXPECT_EQ(wrong.status, 200) << "its head had gone out";
  EXPECT_NE(wrong.text.find("event: error"), std::string::npos);
}

TEST(Desk, ALimitEndsTheWorkAndWhatIsKnownIsTheAnswer) {
  DeskWorld world;
  const auto work = [](DeskTask& task) -> Result<Json> {
    wait_for(task.over);
    EXPECT_FALSE(task.left.stop_requested());
    return Json("so far");
  };
  for (const bool stream : {false, true}) {
    const auto found = world.ask(DeskQuestion{work, milliseconds(5), stream});
    EXPECT_EQ(found.status, 200);
    EXPECT_NE(found.text.find("so far"), std::string::npos) << found.text;
  }
  world.ask(DeskQuestion{[](DeskTask& task) -> Result<Json> {
                           EXPECT_TRUE(task.over.stop_requested()) << "no time is over at once";
                           return Json();
                         },
                         milliseconds(0)});
}

TEST(Desk, ACallerWhoLeavesEndsTheWork) {
  for (const bool stream : {false, true}) {
    DeskWorld world;
    http::Cancellation cancellation;
    std::atomic<bool> ended = false;
    const auto work = [&](DeskTask& task) -> Result<Json> {
      asio::post(world.context, [&] { cancellation.cancel(); });
      wait_for(task.left);
      EXPECT_TRUE(task.over.stop_requested());
      ended = true;
      return Json();
    };
    const auto answer = world.ask(DeskQuestion{work, seconds(3'600), stream}, cancellation);
    EXPECT_TRUE(answer.text.empty());
    while (!ended) world.context.run_one();
    world.server.reset();
    world.context.run();  // the desk comes back to a connection that has gone
  }
}

TEST(Desk, HasSoManyChairs) {
  DeskWorld world;
  std::binary_semaphore go(0);
  bool begun = false;
  const auto work = [&](DeskTask&) -> Result<Json> {
    asio::post(world.context, [&] { begun = true; });
    go.acquire();
    return Json("first");
  };
  world.question = DeskQuestion{work};
  DeskWorld::Answer first;
  asio::co_spawn(world.context, world.exchange(first, {}), asio::detached);
  while (!begun) world.context.run_one();
  const auto second = world.ask(world.question);
  EXPECT_EQ(second.status, 503);
  EXPECT_NE(second.text.find("all chairs are taken"), std::string::npos);
  go.release();
  while (!first.ended) world.context.run_one();
  EXPECT_EQ(first.text, R"("first")");
}

TEST(DeskPlace, IsFreeForSoManyAtOnceAndAgainOnceOneIsGone) {
  std::atomic<int> held = 0;
  const DeskPlace first(held, 2);
  {
    const DeskPlace second(held, 2), third(held, 2);
    EXPECT_TRUE(first.is_free() && second.is_free());
    EXPECT_FALSE(third.is_free());
  }
  EXPECT_TRUE(DeskPlace(held, 2).is_free());
}

TEST(Desk, ReadsNumbersWithinTheirLimits) {
  const Json body = Json::Object{{"rows", int64_t{7}}, {"none", int64_t{0}}, {"share", 0.5}, {"text", "7"}};
  EXPECT_EQ(*read_whole(body, "rows", 1, 1, 7), 7);
  EXPECT_EQ(*read_whole(body, "absent", 3, 1, 7), 3);
  EXPECT_EQ(*read_whole(body, "none", 1, 0, 7), 0);
  EXPECT_EQ(*read_positive(body, "share", 1, 0.5), 0.5);
  EXPECT_EQ(*read_positive(body, "rows", 1, 10), 7);
  for (const char* wrong : {"none", "text", "share"}) {
    const auto read = read_whole(body, wrong, 1, 1, 7);
    ASSERT_FALSE(read) << wrong;
    EXPECT_EQ(read.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(read.error().context, wrong);
  }
  EXPECT_FALSE(read_whole(body, "rows", 1, 1, 6));
  EXPECT_FALSE(read_positive(body, "none", 1, 10));
  EXPECT_FALSE(read_positive(body, "share", 1, 0.4));
}

}  // namespace
}  // namespace tandem::api
