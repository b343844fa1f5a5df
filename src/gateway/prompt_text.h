// The text of a prompt, as far as it decides what an engine's prefix cache can share. Internal.
#pragma once

#include <simdjson.h>

#include "routing/prefix.h"

namespace tandem::gateway {

// Adds all that the members of the body which make the prompt say, in the order in which chat templates have them:
// tools and instructions before messages, whatever their order in the body.
void add_prompt(simdjson::dom::object body, routing::PrefixHasher& prefix);

}  // namespace tandem::gateway
