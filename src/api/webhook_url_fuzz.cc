// Any bytes as a webhook's address: what is not encrypted stays on this machine.
#include "api/webhook_url.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  const auto address = api::parse_webhook_url({reinterpret_cast<const char*>(data), size});
  if (!address) return 0;
  CHECK(address->port > 0 && address->target.starts_with('/'));
  CHECK(address->is_tls || address->host == "::1" || address->host.starts_with("127.") || address->host.size() == 9 ||
        address->host.find(':') != std::string::npos);
  return 0;
}
