#include "host/intake/cell_text.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <iterator>

namespace kindred {
namespace {

std::string RealText(double value) {
  constexpr double kAllDigits = 1e16;  // beyond it, Python and pandas write exponents
  if (std::isnan(value)) return {};
  if (value == std::trunc(value) && std::abs(value) < kAllDigits) return fmt::format("{:.1f}", value);
  return fmt::format("{}", value);
}

std::string TimeText(double seconds) {
  constexpr double kYear10000 = 253402300800;
  if (std::isnan(seconds)) return {};
  if (!(std::abs(seconds) < kYear10000)) return fmt::format("{:g} s", seconds);
  const double whole = std::floor(seconds);
  const auto micros = static_cast<int64_t>(std::llround((seconds - whole) * 1e6));
  const std::chrono::sys_seconds moment{std::chrono::seconds(static_cast<int64_t>(whole))};
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(moment - day);
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                                 clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  if (micros > 0) text += fmt::format(".{:06}", micros);
  return text + "Z";
}

}  // namespace

std::string_view CellText(const Column& column, int64_t row, std::string& buffer) {
  const auto r = static_cast<size_t>(row);
  if (!column.texts.empty()) return column.texts[r];
  if (!column.codes.empty()) return column.codes[r] < 0 ? "" : column.dictionary[static_cast<size_t>(column.codes[r])];
  buffer.clear();
  if (!column.booleans.empty()) {
    buffer = column.booleans[r] == kMissingBoolean ? "" : column.booleans[r] != 0 ? "true" : "false";
  } else if (!column.integers.empty()) {
    const int64_t value = column.integers[r];
    if (value == kMissingInteger) return buffer;
    buffer = column.type == ColumnType::kTime ? TimeText(static_cast<double>(value)) : fmt::to_string(value);
  } else {
    const double value = !column.reals.empty() ? column.reals[r] : double{column.floats[r]};
    buffer = column.type == ColumnType::kTime ? TimeText(value) : RealText(value);
  }
  return buffer;
}

}  // namespace kindred
