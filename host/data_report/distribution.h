// How unevenly something is spread: quantiles, concentration and tails of many whole numbers.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>
#include <vector>

namespace kindred {

/// The quantiles of reports. Percentile p of n numbers is the least of them that at least p % of them do not exceed
/// (the nearest rank): always one of the numbers, and of two in the middle the lower.
struct NamedPercentile {
  const char* name;
  int percent;
};
inline constexpr std::array<NamedPercentile, 8> kPercentiles = {
    {{"min", 0}, {"p10", 10}, {"p25", 25}, {"median", 50}, {"p75", 75}, {"p90", 90}, {"p99", 99}, {"max", 100}}};

/// Where percentile `percent` is among n > 0 numbers in order, counted from 1.
constexpr int64_t NearestRank(int64_t n, int percent) {
  const int64_t rank = n / 100 * percent + (n % 100 * percent + 99) / 100;
  return rank > 0 ? rank : 1;
}

/// Whole numbers >= 0, how often each occurs. Memory: the different numbers, and half a MiB while it is made.
class Distribution {
 public:
  explicit Distribution(std::span<const int64_t> numbers);

  int64_t n() const { return n_; }
  /// How many are `least` or more.
  int64_t AtLeast(int64_t least) const;
  int64_t Percentile(int percent) const;
  /// The least number of the largest ones that together have at least half of the total.
  int64_t NumberWithHalf() const;
  /// What part of the total the largest `percent` % (rounded up) have; 0 where the total is 0.
  double TopShare(int percent) const;
  /// The Gini coefficient: 0 where all are equal, towards 1 where one has everything; 0 where the total is 0.
  double Gini() const;

  /// {"min", "p10", ..., "max", "mean"}; null without numbers.
  nlohmann::json Quantiles() const;
  /// [[number, AtLeast(number)], ...] for 1, 2, 3, ... in steps that grow with the number (16 in a decade), to the
  /// largest.
  nlohmann::json Tail() const;

 private:
  std::vector<std::pair<int64_t, int64_t>> groups_;  // a number and how often it occurs, ascending
  int64_t n_ = 0;
  int64_t total_ = 0;
};

}  // namespace kindred
