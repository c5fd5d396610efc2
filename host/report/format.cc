#include "host/report/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace kindred {
namespace {

constexpr double kRounding = 1e-9;  // what logarithms of exact powers may be off

std::string WithoutZeros(std::string text) {
  if (text.find('.') == text.npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

/// Three significant digits, never an exponent.
std::string Significant(double value) {
  if (value == 0) return "0";
  const int magnitude = static_cast<int>(std::floor(std::log10(std::fabs(value)) + kRounding));
  return WithoutZeros(fmt::format("{:.{}f}", value, std::clamp(2 - magnitude, 0, 300)));
}

/// 1, 2 or 5 times a power of ten: the least that is not below `raw` > 0.
double RoundStep(double raw) {
  const double power = std::pow(10.0, std::floor(std::log10(raw) + kRounding));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0})
    if (factor * power >= raw * (1 - kRounding)) step = factor * power;
  return step;
}

}  // namespace

std::string CountText(int64_t n) {
  std::string text = fmt::format("{}", n);
  const int64_t first = n < 0 ? 1 : 0;
  for (int64_t at = static_cast<int64_t>(text.size()) - 3; at > first; at -= 3)
    text.insert(static_cast<size_t>(at), ",");
  return text;
}

std::string NumberText(double value) {
  const double size = std::fabs(value);
  if (!std::isfinite(value) || size >= 1e15 || (size > 0 && size < 1e-5)) return fmt::format("{:.3g}", value);
  return size >= 100 ? CountText(std::llround(value)) : Significant(value);
}

std::string PercentText(double part) {
  return std::isfinite(part) ? Significant(100 * part) + " %" : fmt::format("{}", part);
}

std::string ShortText(double value) {
  struct Unit {
    double size;
    const char* name;
  };
  for (const Unit& unit : std::array<Unit, 4>{{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}}})
    if (std::fabs(value) >= unit.size) return fmt::format("{:.4g}{}", value / unit.size, unit.name);
  return fmt::format("{:.4g}", value);
}

std::string BytesText(int64_t bytes) {
  double value = static_cast<double>(bytes);
  if (bytes < 1024) return fmt::format("{} bytes", bytes);
  const char* unit = "";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return fmt::format("{:.1f} {}", value, unit);
}

std::vector<double> LinearTicks(double max, int n, bool whole) {
  if (!(max > 0)) max = 1;
  double step = RoundStep(max / n);
  if (whole) step = std::max(step, 1.0);
  std::vector<double> ticks = {0};
  for (int i = 1; ticks.back() < max * (1 - kRounding); ++i) ticks.push_back(i * step);
  return ticks;
}

std::vector<double> RangeTicks(double min, double max, int n) {
  // A span that digits could not tell apart, or none, gets ticks as far apart as they can.
  const double largest = std::max(std::fabs(min), std::fabs(max));
  const double step = RoundStep(std::max(max - min, largest > 0 ? largest * 1e-6 : 1) / n);
  const double first = std::floor(min / step + kRounding);
  std::vector<double> ticks = {first * step};
  for (int i = 1; ticks.size() < 2 || ticks.back() < max - step * kRounding; ++i) ticks.push_back((first + i) * step);
  return ticks;
}

std::vector<double> LogTicks(double min, double max) {
  const int first = static_cast<int>(std::floor(std::log10(min) + kRounding));
  const int last = std::max(first + 1, static_cast<int>(std::ceil(std::log10(max) - kRounding)));
  std::vector<double> ticks;
  for (int power = first; power <= last; ++power) ticks.push_back(std::pow(10.0, power));
  return ticks;
}

}  // namespace kindred
