// A stream whose tenant pays for a second engine where the first is slow to give a token.
#include <algorithm>

#include "gateway/request_run.h"

namespace tandem::gateway {

namespace asio = boost::asio;

asio::awaitable<RequestRun::TurnEnd> RequestRun::take_hedged_turn(uint32_t target, double quantile) {
  core_.hedges.note_request();
  const Duration began = look();
  Race race(core_.context);
  writer_.on_disconnect([&race] { race.stop(); });
  watch_engine(*turn_, [this, &race] {
    race.drop_first();
    if (race.stopped()) return;
    has_second_ = false;  // it is the only one now
    note_target(race.first().target());
    watch_engine(race.first().turn(), [&race] { race.stop(); });
  });
  enter(race, target, std::move(turn_));
  co_await race.wait(hedge_delay(target, quantile));
  if (race.winner() == nullptr && !race.stopped()) {
    if (const auto second = second_engine(target)) {
      ++record_.attempts;
      const uint32_t other = *second->target;
      excluded_.push_back(other);
      record_.hedge = HedgeRecord{record_.deployment, bound_->table->targets()[other].deployment,
                                  microseconds_of(look() - began), false};
      auto turn = turn_at(*second);
      note_prefix(*second);
      begin_attempt(bound_->table->targets()[other]);
      enter(race, other, std::move(turn));
      has_second_ = true;
    }
    co_await race.wait(std::nullopt);
  }
  waited_ = waited_ + (look() - began);
  const std::shared_ptr<Attempt> winner = race.winner();
  writer_.on_disconnect({});
  silence_.stop();
  has_second_ = false;
  if (record_.hedge) end_race(winner != nullptr && winner->target() != target);
  if (writer_.peer_closed()) co_return leave();
  if (winner == nullptr) {
    turn_ = race.first().take_turn();
    co_return fail_turn(*turn_, {});
  }

  race.end_for(*winner);
  note_target(winner->target());
  if (record_.hedge) {
    record_.hedge->second_won = winner->target() != target;
    core_.metrics.hedged(record_.hedge->second_won);
  }
  turn_ = winner->take_turn();
  http::Cancellation cancellation = winner->cancellation();
  writer_.on_disconnect([cancellation]() mutable { cancellation.cancel(); });
  watch_engine(*turn_, [&cancellation] { cancellation.cancel(); });
  Result<http::Exchange> exchange = winner->take_exchange();
  if (!exchange) co_return fail_turn(*turn_, exchange.error());
  lead_.emplace(Lead{winner->take_reader(), winner->take_lead()});
  co_return co_await answer(*turn_, *exchange);
}

// Where too few first tokens are known of the engine, twice what was predicted for this one.
Duration RequestRun::hedge_delay(uint32_t target, double quantile) const {
  const auto usual = bound_->engines[target]->first_tokens().quantile(quantile);
  const Duration expected = nanoseconds(static_cast<int64_t>(2e3 * record_.predicted_ttft.value()));
  const Duration most = core_.options.timeouts.first_byte;
  return std::min(most, std::max(core_.options.hedge_delay_min, usual.value_or(expected)));
}

std::optional<routing::Decision> RequestRun::second_engine(uint32_t target) {
  routing::RequestFacts facts = facts_;
  facts.model = bound_->table->targets()[target].model;
  facts.paths = bound_->table->paths_of(facts.tenant, facts.region, facts.model);
  facts.fallbacks = false;
  std::vector<uint32_t> excluded = excluded_;
  excluded.push_back(target);
  const routing::Decision decision = weigh(facts, excluded);
  if (!decision.target || core_.queue.waiting_in(group_of(decision)) > 0 || !core_.hedges.take()) return std::nullopt;
  return decision;
}

void RequestRun::enter(Race& race, uint32_t position, std::unique_ptr<Turn> turn) {
  const routing::Target& target = bound_->table->targets()[position];
  http::Endpoint endpoint{target.host, target.port};
  race.enter(std::make_shared<Attempt>(held_, position, std::move(turn), StreamReader(!completion_.include_usage)),
             std::move(endpoint), request_for(target));
}

}  // namespace tandem::gateway
