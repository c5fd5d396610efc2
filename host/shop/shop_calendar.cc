#include "host/shop/shop_calendar.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iterator>

#include "host/data/random.h"

namespace kindred {
namespace {

constexpr double kWeekdays[] = {1.05, 0.95, 0.95, 1.0, 0.9, 1.15, 1.3};  // from Monday
constexpr int64_t kFirstWeekday = 2;
constexpr double kHours[] = {2, 1, 1, 1, 1, 2, 4, 7, 9, 10, 11, 12, 14, 12, 10, 10, 11, 13, 15, 18, 20, 19, 12, 6};
constexpr double kGrowth = 0.6;  // from the first day to the last

constexpr double kSaleChance = 0.125;  // of a week
constexpr int kSalePercents[] = {10, 15, 20, 30};
constexpr double kSaleDemand = 1.5;

int64_t DayOf(std::chrono::year_month_day date) {
  constexpr int64_t kFirstDay = ShopCalendar::kFirstSecond / ShopCalendar::kDaySeconds;
  return std::chrono::sys_days(date).time_since_epoch().count() - kFirstDay;
}

double SeasonalDemand(const Season& season, int64_t day) {
  // Years of all lengths: the nearest peak is in the year before, this one or the next.
  const int year = 2025 + static_cast<int>(day / 365);
  int64_t distance = 366;
  for (int y = year - 1; y <= year + 1; ++y) {
    const int64_t peak = DayOf(std::chrono::year(y) / season.month / season.day);
    distance = std::min<int64_t>(distance, std::abs(day - peak));
  }
  const double widths = static_cast<double>(distance) / season.width_days;
  return 1 + (season.height - 1) * std::exp(-0.5 * widths * widths);
}

}  // namespace

ShopCalendar::ShopCalendar(int64_t n_days, uint64_t seed)
    : n_days_(n_days), demand_(At(n_days, 0)), discounts_(At(n_days, 0)) {
  std::vector<double> hours;
  for (int64_t day = 0; day < n_days; ++day) {
    const double growth = 1 + kGrowth * static_cast<double>(day) / static_cast<double>(n_days);
    for (const double hour : kHours) hours.push_back(hour * kWeekdays[(day + kFirstWeekday) % 7] * growth);
  }
  hours_ = WeightedChoice(hours);
  for (size_t category = 0; category < kShopCategories; ++category) {
    for (int64_t day = 0; day < n_days; ++day)
      demand_[At(day, category)] = SeasonalDemand(kCategories[category].season, day);
    PlanSales(category, seed);
  }
}

double ShopCalendar::TimeAt(double part) const {
  return part < 1 ? 3600 * hours_.DrawPoint(part) : static_cast<double>(n_seconds());
}

void ShopCalendar::PlanSales(size_t category, uint64_t seed) {
  const double season = 0.5 * (1 + kCategories[category].season.height);
  for (int64_t first = 0; first < n_days_; first += 7) {
    const int64_t last = std::min(first + 7, n_days_) - 1;
    const uint64_t bits = RandomBits(seed, static_cast<uint64_t>(first) * kShopCategories + category);
    const bool in_season = std::max(Demand(first, category), Demand(last, category)) > std::max(season, 1.0);
    if (in_season || static_cast<double>(bits >> 11) * 0x1p-53 >= kSaleChance) continue;
    const int percent = kSalePercents[bits % std::size(kSalePercents)];
    sales_.push_back({static_cast<int8_t>(category), static_cast<int8_t>(percent), static_cast<int32_t>(first),
                      static_cast<int32_t>(last)});
    for (int64_t day = first; day <= last; ++day) {
      demand_[At(day, category)] *= kSaleDemand;
      discounts_[At(day, category)] = static_cast<int8_t>(percent);
    }
  }
}

}  // namespace kindred
