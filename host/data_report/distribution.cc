#include "host/data_report/distribution.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace kindred {
namespace {

constexpr int64_t kTableSize = int64_t{1} << 16;  // larger numbers are rare: they sum to the number of events
constexpr int kTailStepsOfDecade = 16;

}  // namespace

Distribution::Distribution(std::span<const int64_t> numbers) : n_(static_cast<int64_t>(numbers.size())) {
  std::vector<int64_t> table(static_cast<size_t>(kTableSize), 0);
  std::map<int64_t, int64_t> rest;
  for (const int64_t number : numbers) {
    ++(number < kTableSize ? table[static_cast<size_t>(number)] : rest[number]);
    total_ += number;
  }
  for (int64_t number = 0; number < kTableSize; ++number)
    if (table[static_cast<size_t>(number)] > 0) groups_.emplace_back(number, table[static_cast<size_t>(number)]);
  groups_.insert(groups_.end(), rest.begin(), rest.end());
}

int64_t Distribution::AtLeast(int64_t least) const {
  int64_t n = 0;
  for (auto group = groups_.rbegin(); group != groups_.rend() && group->first >= least; ++group) n += group->second;
  return n;
}

int64_t Distribution::Percentile(int percent) const {
  int64_t left = NearestRank(n_, percent);
  for (const auto& [number, times] : groups_)
    if ((left -= times) <= 0) return number;
  return 0;
}

int64_t Distribution::NumberWithHalf() const {
  int64_t left = total_ - total_ / 2, n = 0;
  for (auto group = groups_.rbegin(); group != groups_.rend() && left > 0; ++group) {
    const auto& [number, times] = *group;
    const int64_t taken = std::min(times, (left + number - 1) / number);
    n += taken;
    left -= taken * number;
  }
  return n;
}

double Distribution::TopShare(int percent) const {
  if (total_ == 0) return 0;
  int64_t left = NearestRank(n_, percent), sum = 0;
  for (auto group = groups_.rbegin(); group != groups_.rend() && left > 0; ++group) {
    const int64_t taken = std::min(group->second, left);
    sum += taken * group->first;
    left -= taken;
  }
  return static_cast<double>(sum) / static_cast<double>(total_);
}

double Distribution::Gini() const {
  if (total_ == 0) return 0;
  // sum over positions i = 1..n of (2 i - n - 1) x_i, a group at a time
  double sum = 0;
  int64_t before = 0;
  for (const auto& [number, times] : groups_) {
    sum += static_cast<double>(number) * static_cast<double>(times) * static_cast<double>(2 * before + times - n_);
    before += times;
  }
  return std::max(0.0, sum / static_cast<double>(n_) / static_cast<double>(total_));
}

nlohmann::json Distribution::Quantiles() const {
  if (n_ == 0) return nullptr;
  nlohmann::json out = {{"mean", static_cast<double>(total_) / static_cast<double>(n_)}};
  for (const NamedPercentile& at : kPercentiles) out[at.name] = Percentile(at.percent);
  return out;
}

nlohmann::json Distribution::Tail() const {
  nlohmann::json out = nlohmann::json::array();
  if (n_ == 0) return out;
  const int64_t largest = groups_.back().first;
  int64_t last = 0;
  for (int step = 0;; ++step) {
    const auto number =
        std::min(largest, static_cast<int64_t>(std::llround(std::pow(10.0, step / double{kTailStepsOfDecade}))));
    if (number > last) out.push_back({number, AtLeast(number)});
    if (number == largest) return out;
    last = number;
  }
}

}  // namespace kindred
