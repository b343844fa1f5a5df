#include "generate/land.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <set>

#include "base/random.h"

namespace tandem::generate {
namespace {

constexpr double kMiddleLatitude = 49, kMiddleLongitude = 10;
constexpr double kHalfWidthKm = 330, kHalfHeightKm = 420;  // an ellipse of 435,000 km²: Germany and Austria together
constexpr double kNeighbourFromKm = 190;                   // east of here is the neighbour: a sixth of the land
constexpr double kKmPerDegree = 111.2;
constexpr double kPeople = 50e6;
constexpr double kRankShift = 1.5;       // Mandelbrot's: the largest cities are less unequal than pure Zipf says
constexpr double kSizeNoise = 0.15;      // lognormal, of the rule
constexpr double kGatheredChance = 0.5;  // of a small city: near a larger one
constexpr double kCityGapKm = 9;
constexpr int kTries = 40;

struct Point {
  double x = 0, y = 0;  // km east and north of the middle
};

double distance(Point a, Point b) { return std::hypot(a.x - b.x, a.y - b.y); }
bool on_land(Point p) { return std::hypot(p.x / kHalfWidthKm, p.y / kHalfHeightKm) <= 1; }

grid::Place to_place(Point p) {
  const double latitude = kMiddleLatitude + p.y / kKmPerDegree;
  const double longitude = kMiddleLongitude + p.x / (kKmPerDegree * std::cos(latitude * std::numbers::pi / 180));
  return {Degrees(rounded_by(latitude, 1e-4)), Degrees(rounded_by(longitude, 1e-4))};
}

std::string draw_name(Random& random) {
  static constexpr std::array kFirst{"Al",   "Ber",  "Dor", "Eck",  "Fal",  "Gren",  "Hol",  "Ing",
                                     "Kal",  "Lind", "Mar", "Nor",  "Ost",  "Pel",   "Ros",  "Sal",
                                     "Tann", "Ul",   "Vel", "Wald", "Birk", "Stein", "Brun", "Hag"};
  static constexpr std::array kSecond{"en", "er", "in", "el", "a", "o", "un", "is", "ar"};
  static constexpr std::array kThird{"burg",  "stadt", "heim", "furt",  "au",   "bach", "feld", "dorf",
                                     "hafen", "berg",  "tal",  "brück", "moor", "see",  "ried", "kirch"};
  std::string name = kFirst[random.below(kFirst.size())];
  if (random.chance(0.5)) name += kSecond[random.below(kSecond.size())];
  return name + kThird[random.below(kThird.size())];
}

class LandMaker {
 public:
  LandMaker(uint64_t sites, uint64_t seed) : random_(seed, kLandStream), count_(sites) {}

  Land make() {
    const auto share = [&](double fraction) {
      return static_cast<size_t>(std::llround(fraction * static_cast<double>(count_)));
    };
    land_.cloud = count_ >= 20 ? 2 : count_ >= 6 ? 1 : 0;
    land_.core = std::max<size_t>(3, static_cast<size_t>(std::llround(0.8 * std::sqrt(static_cast<double>(count_)))));
    land_.core = std::min(land_.core, static_cast<size_t>(count_) - land_.cloud);
    const size_t rest = static_cast<size_t>(count_) - land_.core - land_.cloud;
    land_.cities = land_.core + std::min(rest, share(0.2));
    add_cities();
    add_far_edge(rest - (land_.cities - land_.core));
    add_clouds();
    return std::move(land_);
  }

 private:
  Point draw_point() {
    for (;;) {
      const Point p{(2 * random_.uniform() - 1) * kHalfWidthKm, (2 * random_.uniform() - 1) * kHalfHeightKm};
      if (on_land(p)) return p;
    }
  }

  Point draw_around(Point middle, double least_km, double mean_km) {
    for (int i = 0; i < kTries; ++i) {
      const double km = least_km + random_.exponential(mean_km), angle = 2 * std::numbers::pi * random_.uniform();
      if (const Point p{middle.x + km * std::cos(angle), middle.y + km * std::sin(angle)}; on_land(p)) return p;
    }
    return middle;
  }

  double nearest_city_km(Point p) const {
    double km = 1e9;
    for (const Point& other : points_) km = std::min(km, distance(p, other));
    return km;
  }

  // The largest keep apart: of some draws the one furthest from all (Mitchell's best candidate, SIGGRAPH 1991).
  Point draw_core() {
    Point best = draw_point();
    for (int i = 0; i < 12; ++i)
      if (const Point p = draw_point(); nearest_city_km(p) > nearest_city_km(best)) best = p;
    return best;
  }

  Point draw_city() {
    Point p;
    for (int i = 0; i < kTries; ++i) {
      p = random_.chance(kGatheredChance) ? draw_around(points_[draw_by_population()], 12, 35) : draw_point();
      if (nearest_city_km(p) >= kCityGapKm) break;
    }
    return p;
  }

  // A city among those that are there, by their people.
  size_t draw_by_population() {
    const double target = random_.uniform() * cumulative_.back();
    const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end(), target);
    return std::min(static_cast<size_t>(found - cumulative_.begin()), cumulative_.size() - 1);
  }

  void add_cities() {
    std::vector<double> people(land_.cities);
    double sum = 0;
    for (size_t rank = 0; rank < people.size(); ++rank) {
      people[rank] = std::exp(random_.normal(0, kSizeNoise)) / (static_cast<double>(rank + 1) + kRankShift);
      sum += people[rank];
    }
    std::sort(people.begin(), people.end(), std::greater<>());
    for (size_t i = 0; i < land_.cities; ++i) {
      const bool core = i < land_.core;
      const Point p = core ? draw_core() : draw_city();
      points_.push_back(p);
      const double population = rounded_to(people[i] / sum * kPeople, 3);
      cumulative_.push_back((i == 0 ? 0 : cumulative_.back()) + population);
      land_.sites.push_back({.id = core ? fmt::format("c{:03}", i + 1) : fmt::format("n{:04}", i - land_.core + 1),
                             .name = unused_name(),
                             .tier = core ? grid::Tier::core : grid::Tier::near_edge,
                             .place = to_place(p),
                             .jurisdiction = p.x > kNeighbourFromKm ? kNeighbour : kHome,
                             .city = i,
                             .population = population});
    }
  }

  void add_far_edge(size_t count) {
    std::vector<size_t> districts(land_.cities, 0);
    for (size_t i = 0; i < count; ++i) {
      const size_t city = draw_by_population();
      const Point p = draw_around(points_[city], 2.5, 11);
      land_.sites.push_back({.id = fmt::format("f{:05}", i + 1),
                             .name = fmt::format("{} {}", land_.sites[city].name, ++districts[city]),
                             .tier = grid::Tier::far_edge,
                             .place = to_place(p),
                             .jurisdiction = land_.sites[city].jurisdiction,
                             .city = city});
    }
  }

  void add_clouds() {
    static constexpr std::array<const char*, 2> kNames{"Cloud region across the sea", "Cloud region across the ocean"};
    static constexpr std::array<const char*, 2> kCodes{"XC", "XD"};
    static constexpr std::array<grid::Place, 2> kPlaces{grid::Place{Degrees(53.35), Degrees(-6.26)},
                                                        grid::Place{Degrees(39.04), Degrees(-77.49)}};
    for (size_t i = 0; i < land_.cloud; ++i)
      land_.sites.push_back({.id = fmt::format("cloud-{}", i + 1),
                             .name = kNames[i],
                             .tier = grid::Tier::cloud,
                             .place = kPlaces[i],
                             .jurisdiction = kCodes[i],
                             .city = land_.sites.size()});
  }

  std::string unused_name() {
    std::string name;
    for (int i = 0; i < kTries; ++i)
      if (name = draw_name(random_); names_.insert(name).second) return name;
    name += fmt::format(" {}", points_.size());
    names_.insert(name);
    return name;
  }

  Random random_;
  uint64_t count_;
  Land land_;
  std::vector<Point> points_;       // of the cities
  std::vector<double> cumulative_;  // people in the cities so far
  std::set<std::string> names_;
};

}  // namespace

Land make_land(uint64_t sites, uint64_t seed) { return LandMaker(sites, seed).make(); }

double kilometres_between(const LandSite& a, const LandSite& b) { return grid::great_circle(a.place, b.place).value(); }

double rounded_by(double value, double step) {
  // Multiplying by 0.1 leaves noise in the last digits, dividing by the whole number 10 does not.
  return step < 1 ? std::round(value / step) / std::round(1 / step) : std::round(value / step) * step;
}

double rounded_to(double value, int significant_digits) {
  if (value == 0) return 0;
  const int exponent = static_cast<int>(std::floor(std::log10(std::fabs(value)))) - significant_digits + 1;
  const double scale = std::pow(10.0, std::abs(exponent));
  return exponent < 0 ? std::round(value * scale) / scale : std::round(value / scale) * scale;
}

}  // namespace tandem::generate
