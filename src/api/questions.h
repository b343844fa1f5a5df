// The questions that desks answer: each is read from its request, and holds what its work needs. Internal to the
// module.
#pragma once

#include "api/call.h"
#include "api/desk.h"

namespace tandem::api {

// POST /api/v1/whatif: planner::sweep_failures, or planner::fail_together where `failures` are named, on the accepted
// plan. A sweep that its time limit ends says so: "complete" is false. Progress: {"done","all","breaking",
// "overloading","worst"} so far. Errors: invalid_argument, not_found, too_large, unavailable (no plan yet).
Result<DeskQuestion> read_whatif(const Call& call);

// POST /api/v1/te: the policies for the background traffic and the demands as the accepted plan has them: te::to_json,
// and with it "offset", "complete" (false where a limit or the caller ended it), "warnings", "routers" (where each
// stands), "links" (each direction's load before and after), "planes", "ways" (which links the largest steered demands
// take, and took), and with "failures" what losing each link does and the few changes that help most, which may take
// the limit once more. Nothing is changed. Progress: {"doing":"search","mlu"} or {"doing":"failures","done","all"}.
// Errors: invalid_argument, too_large, unavailable (no plan yet).
Result<DeskQuestion> read_te(const Call& call);

// POST /api/v1/schedule: {"offset","complete", …} as planner::schedule_to_json has it; "complete" is false where the
// time limit ended it. Progress: {"doing","plans","eur_per_day"}. Errors: invalid_argument, too_large (plans asked for
// of more demands than an answer should hold).
Result<DeskQuestion> read_schedule(const Call& call);

// POST /api/v1/replay: {"offset","policies":[…],"verdict"}, requests simulated on the grid as it is. The joint plan is
// the accepted one, where there is one. Progress: {"policy","simulated"}, the share of the arrivals, null while a plan
// is made. Errors: invalid_argument, not_found (no demand asks anything), unavailable.
Result<DeskQuestion> read_replay(const Call& call);

}  // namespace tandem::api
