// The HTTP server and client that every surface of Tandem shares.
#pragma once

#include "http/client.h"   // IWYU pragma: export
#include "http/message.h"  // IWYU pragma: export
#include "http/server.h"   // IWYU pragma: export
#include "http/sse.h"      // IWYU pragma: export
