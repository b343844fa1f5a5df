// A routing table drawn as text, for tests of whatever uses one:
//
//   valid_until_s 100
//   jurisdiction DE FR US
//   region north 10.1.0.0/16 2001:db8::/32
//   site   ber DE
//   model  small tiny fallback=smaller context=8192
//   tenant acme key=sk-acme residency=DE,FR ttft=200 tpot=50 models=small priority=1 weight=2 rpm=60 tpm=9000 budget=5
//          fallbacks hedge=0.95
//   target ber-small ber small concurrency=8 prefill=10000 overhead=5 tpot=20 prompt_cost=1 output_cost=2
//          kv=100000
//   leg    north ber rtt=2 via=DE,FR cost=0
//   split  acme north small ber-small=0.5 par-small=0.3 turned_away=0.2
//   admission_by_plan
//   trial  try shadow small to_model=smaller to_site=par share=0.1
//
// Times are in milliseconds, a target's prices in euros per million tokens, a leg's in euros per gigabyte; a target's
// prompt_joules and output_joules are of a token, its carbon in grams per kilowatt-hour, a budget in euros. What stands
// behind a model's id are its aliases. A leg's `via` adds to its site's own jurisdiction; legs not drawn are
// unreachable; a table without `valid_until_s` stays valid. `down`, `loopback_only` and `emulated` are words of their
// own. A malformed drawing is a bug of the test.
#pragma once

#include <string_view>

#include "routing/routing.h"

namespace tandem::routing {

TableRows draw_table(std::string_view drawing);

}  // namespace tandem::routing
