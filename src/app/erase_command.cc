// `tandem inventory erase`: personal data of an entity, for good.
#include <fmt/format.h>

#include "app/commands.h"
#include "app/grid_file.h"
#include "app/inventory_data.h"
#include "app/inventory_remote.h"
#include "base/time.h"
#include "http/http.h"

namespace tandem::app {
namespace {

struct Erased {
  log::Offset offset = 0;
  bool known = true;
};

Result<Erased> erase_in_data(const InventoryEraseOptions& options) {
  if (!std::filesystem::exists(options.data / "log"))
    return fail(ErrorCode::not_found, fmt::format("there is no log in '{}'", options.data.string()));
  TANDEM_ASSIGN(const OpenedData opened, open_data(options.data, /*read_only=*/false));
  Erased erased;
  erased.known = !opened.core->state().inventory.lives(options.kind, options.id).empty();
  std::vector<std::vector<log::Event>> groups(1);
  log::Event& event = groups.front().emplace_back();
  event.set_actor("operator:erase");
  event.mutable_personal_data_erased()->set_kind(options.kind);
  event.mutable_personal_data_erased()->set_id(options.id);
  event.mutable_personal_data_erased()->set_reason(options.reason);
  TANDEM_ASSIGN(auto outcomes, opened.core->submit(std::move(groups), SystemClock().now()));
  TANDEM_ASSIGN(erased.offset, outcomes.front());
  return erased;
}

Result<Erased> erase_in_grid(const InventoryEraseOptions& options) {
  const std::string target = fmt::format("/api/v1/personal-data/{}/{}?reason={}", http::percent_encode(options.kind),
                                         http::percent_encode(options.id), http::percent_encode(options.reason));
  TANDEM_ASSIGN(const Json answer, ask_grid(options.url, "DELETE", target, {}));
  if (const Json& error = answer["error"]; !error.is_null())
    return fail(ErrorCode::invalid_argument, std::string(error["message"].text("the grid refused it")), options.url);
  return Erased{static_cast<log::Offset>(answer["offset"].integer()), answer["known"].boolean()};
}

}  // namespace

int run_inventory_erase(const InventoryEraseOptions& options) {
  const auto erased = options.url.empty() ? erase_in_data(options) : erase_in_grid(options);
  if (!erased) return report(erased.error());
  if (options.json) {
    fmt::print("{}\n", to_json(Json::Object{{"offset", erased->offset}, {"known", erased->known}}));
    return 0;
  }
  fmt::print("erased at offset {}: what was personal of {} '{}' can be read no more\n", erased->offset, options.kind,
             options.id);
  if (!erased->known) fmt::print("note: nothing is known of it, and nothing was; is the id right?\n");
  return 0;
}

}  // namespace tandem::app
