// When things happen in the make-believe shop: how busy it is, seasons and sales.
#pragma once

#include <cstdint>
#include <vector>

#include "host/shop/shop_words.h"
#include "host/shop/weighted_choice.h"

namespace kindred {

/// Days count from 0, which is 2025-01-01 UTC, a Wednesday. Days follow a weekly rhythm and slow growth, hours a daily
/// one. Demand for a category is its season's height of the day, and half as much again while it is on sale; sales last
/// a week and keep out of the season. Memory: about 500 bytes a day.
class ShopCalendar {
 public:
  static constexpr int64_t kFirstSecond = 1735689600;  // of day 0, in unix time
  static constexpr int64_t kDaySeconds = 86400;

  ShopCalendar(int64_t n_days, uint64_t seed);

  struct Sale {
    int8_t category = 0;
    int8_t percent = 0;
    int32_t first_day = 0;
    int32_t last_day = 0;
  };

  int64_t n_days() const { return n_days_; }
  int64_t n_seconds() const { return n_days_ * kDaySeconds; }
  /// The second, counted from day 0, by which this part of all events has happened. `part` in [0, 1].
  double TimeAt(double part) const;
  /// Times the usual.
  double Demand(int64_t day, size_t category) const { return demand_[At(day, category)]; }
  /// Percent off every price.
  int Discount(int64_t day, size_t category) const { return discounts_[At(day, category)]; }
  /// By category, then by time.
  const std::vector<Sale>& sales() const { return sales_; }

 private:
  static size_t At(int64_t day, size_t category) { return static_cast<size_t>(day) * kShopCategories + category; }
  void PlanSales(size_t category, uint64_t seed);

  int64_t n_days_;
  WeightedChoice hours_;
  std::vector<double> demand_;     // [n_days, n_categories]
  std::vector<int8_t> discounts_;  // [n_days, n_categories]
  std::vector<Sale> sales_;
};

}  // namespace kindred
