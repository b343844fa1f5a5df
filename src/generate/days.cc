#include "generate/days.h"

#include <array>
#include <cmath>
#include <string>
#include <string_view>

namespace tandem::generate {
namespace {

// In percent of the busiest hour. Invented, in the shapes that offices, shifts and evenings have: those of
// examples/make_national.py.
struct Rhythm {
  const char* id;
  const char* name;
  std::array<int, grid::kHoursOfDay> percent;
};
constexpr std::array<Rhythm, 5> kRhythms{{
    {"office", "Office hours", {6,  5,  5,  5,  6,  10, 25, 55, 85, 100, 100, 97,
                                85, 92, 97, 95, 85, 65, 42, 30, 22, 16,  11,  8}},
    {"ward", "Day and night shift of a hospital", {30, 28, 27, 27, 30, 40, 65, 90, 100, 100, 98, 95,
                                                   88, 90, 92, 88, 80, 72, 65, 60, 52,  45,  38, 33}},
    {"shifts", "Two shifts of a factory", {25, 25, 25,  25,  40,  80, 100, 100, 100, 95, 100, 100,
                                           90, 85, 100, 100, 100, 95, 90,  100, 95,  70, 40,  25}},
    {"evening", "After work", {35, 22, 14, 10, 8,  8,  10, 14, 16,  18, 22, 28,
                               34, 36, 40, 48, 58, 70, 82, 93, 100, 98, 82, 58}},
    {"night", "Batches at night", {100, 100, 100, 100, 95, 80, 50, 25, 20, 20, 20,  20,
                                   20,  20,  20,  20,  20, 20, 25, 35, 60, 85, 100, 100}},
}};

// By the trade that a tenant's id begins with; a trade that is not here asks the same all day.
constexpr std::array<std::pair<std::string_view, const char*>, 7> kRhythmOf{{{"bank", "office"},
                                                                             {"office", "office"},
                                                                             {"college", "office"},
                                                                             {"clinic", "ward"},
                                                                             {"factory", "shifts"},
                                                                             {"games", "evening"},
                                                                             {"analytics", "night"}}};

}  // namespace

void give_days(std::vector<grid::Entity>& entities) {
  for (grid::Entity& entity : entities) {
    if (entity.kind == "region")
      entity.attributes["utc_offset_hour"] = std::round(entity.attributes["longitude_deg"].number() / 15);
    if (entity.kind != "demand") continue;
    const std::string tenant(entity.attributes["tenant"].text());
    for (const auto& [trade, rhythm] : kRhythmOf)
      if (tenant.starts_with(std::string(trade) + "-")) entity.attributes["day_profile"] = rhythm;
  }
  for (const Rhythm& rhythm : kRhythms) {
    Json::Array hours;
    for (const int percent : rhythm.percent) hours.emplace_back(percent / 100.0);
    entities.push_back({"day_profile", rhythm.id, {{"name", rhythm.name}, {"rate_fraction", std::move(hours)}}});
  }
}

}  // namespace tandem::generate
