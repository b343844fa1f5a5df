// Views: JSON documents of a published state. Pure functions; each names the offset it was read at.
#pragma once

#include <string_view>

#include "api/api.h"
#include "base/json.h"
#include "planner/planner.h"

namespace tandem::api {

Json grid_view(const Published& published);
Result<Json> site_view(const Published& published, const Activity& activity, std::string_view id);
Result<Json> link_view(const Published& published, std::string_view id);
// With where the schedule in force stands at `now`, by the clock.
Json plan_view(const Published& published, Instant now);
// The schedule in force whole, as planner::schedule_to_json has it without the periods' plans; without one, no periods.
Json schedule_view(const Published& published, Instant now, uint32_t periods_wanted);

enum class Thing : uint8_t { site, link };
// What the twin predicts if that site or link went to that state now and nothing were planned anew.
// Errors: not_found.
Result<Json> state_preview(const Published& published, Thing thing, std::string_view id, grid::State state);

// A promise that was kept and is not any more: {demand, tenant, region, model, reason, fraction}.
Json broken_json(const planner::Verdict::Broken& promise);
// The hours that are spoken of where a plan is: its own; null where it is for any.
Json hours_json(const v1::Plan& plan);

// Every kind there is, or the one. Errors: not_found.
Result<Json> ontology_view(std::string_view kind);

// At most `limit` events from `from` on, `brief`: without their bodies; `next` is the offset to go on from.
Json events_view(const std::vector<log::Batch>& batches, log::Offset from, size_t limit, bool brief);

}  // namespace tandem::api
