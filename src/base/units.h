// Physical and money quantities as types, so that a delay cannot be added to a capacity. At every boundary (files,
// JSON, columns) a number's unit is the end of its name instead: `delay_us`, `capacity_gbps`.
#pragma once

#include <compare>

namespace tandem {

template <class Unit>
class Quantity {
 public:
  constexpr Quantity() = default;
  constexpr explicit Quantity(double value) : value_(value) {}
  constexpr double value() const { return value_; }

  constexpr Quantity operator+(Quantity other) const { return Quantity(value_ + other.value_); }
  constexpr Quantity operator-(Quantity other) const { return Quantity(value_ - other.value_); }
  constexpr Quantity operator*(double factor) const { return Quantity(value_ * factor); }
  constexpr Quantity operator/(double divisor) const { return Quantity(value_ / divisor); }
  constexpr double operator/(Quantity other) const { return value_ / other.value_; }
  constexpr Quantity& operator+=(Quantity other) { return value_ += other.value_, *this; }
  constexpr Quantity& operator-=(Quantity other) { return value_ -= other.value_, *this; }
  constexpr auto operator<=>(const Quantity&) const = default;

 private:
  double value_ = 0;
};

template <class Unit>
constexpr Quantity<Unit> operator*(double factor, Quantity<Unit> quantity) {
  return quantity * factor;
}

using Microseconds = Quantity<struct MicrosecondsUnit>;
using Milliseconds = Quantity<struct MillisecondsUnit>;
using Kilometres = Quantity<struct KilometresUnit>;
using Gbps = Quantity<struct GbpsUnit>;            // 10⁹ bits per second
using Gigabytes = Quantity<struct GigabytesUnit>;  // 10⁹ bytes
using Watts = Quantity<struct WattsUnit>;
using Kilowatts = Quantity<struct KilowattsUnit>;
using Euros = Quantity<struct EurosUnit>;
using EurosPerHour = Quantity<struct EurosPerHourUnit>;
using EurosPerGigabyte = Quantity<struct EurosPerGigabyteUnit>;
using EurosPerKilowattHour = Quantity<struct EurosPerKilowattHourUnit>;
using GramsPerKilowattHour = Quantity<struct GramsPerKilowattHourUnit>;  // CO₂ equivalent
using Degrees = Quantity<struct DegreesUnit>;

constexpr Microseconds to_microseconds(Milliseconds t) { return Microseconds(t.value() * 1e3); }
constexpr Milliseconds to_milliseconds(Microseconds t) { return Milliseconds(t.value() * 1e-3); }

}  // namespace tandem
