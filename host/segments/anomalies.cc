#include "host/segments/anomalies.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/data_report/calendar.h"
#include "host/text/text.h"

namespace kindred {
namespace {

constexpr double kUnusualZ = 5;
constexpr double kDeviationOfMad = 1.4826;  // of a normal distribution
constexpr int64_t kWeeksAround = 4, kDaysAround = 14;
constexpr size_t kFewDays = 4;

/// The lower of two in the middle.
double MedianOf(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<int64_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

class Series {
 public:
  explicit Series(const DailyCounts& of) : of_(of) {
    for (const int64_t n : of.counts) logs_.push_back(std::log1p(static_cast<double>(n)));
  }

  void Find(std::vector<Anomaly>& found) const {
    for (int64_t day = 0; day < n_days(); ++day) {
      const std::vector<double> around = Around(day);
      if (around.size() < kFewDays) continue;
      const double median = MedianOf(around), log = logs_[static_cast<size_t>(day)];
      std::vector<double> off;
      for (const double other : around) off.push_back(std::fabs(other - median));
      const double spread = std::max({kDeviationOfMad * MedianOf(std::move(off)), std::exp(-median / 2), kLeastSpread});
      const auto n = static_cast<double>(of_.counts[static_cast<size_t>(day)]);
      const double expected = std::expm1(median), z = (log - median) / spread;
      const bool may_be_part = day == 0 || day + 1 == n_days();
      if (std::fabs(z) < kUnusualZ || std::fabs(n - expected) < static_cast<double>(kUnusualEvents)) continue;
      if (n < expected && may_be_part) continue;
      found.push_back({of_.source, of_.first_day + day, of_.counts[static_cast<size_t>(day)], expected, z});
    }
  }

 private:
  int64_t n_days() const { return std::ssize(logs_); }

  std::vector<double> Around(int64_t day) const {
    std::vector<double> around;
    const auto add = [&](int64_t at) {
      if (at >= 0 && at < n_days() && at != day) around.push_back(logs_[static_cast<size_t>(at)]);
    };
    for (int64_t week = -kWeeksAround; week <= kWeeksAround; ++week) add(day + 7 * week);
    if (around.size() >= kFewDays) return around;
    around.clear();
    for (int64_t at = day - kDaysAround; at <= day + kDaysAround; ++at) add(at);
    return around;
  }

  const DailyCounts& of_;
  std::vector<double> logs_;
};

}  // namespace

std::vector<DailyCounts> CountDays(const EventsView& events, int64_t reference) {
  const int64_t last = DayOf(std::clamp(reference, kYear1, kYear10000 - 1));
  int64_t first = last + 1;
  for (const int64_t time : events.times)
    if (HasDate(time)) first = std::min(first, DayOf(time));
  first = std::max(first, last - kMostDays + 1);
  if (first > last) return {};
  const auto n_days = static_cast<size_t>(last - first + 1);
  const size_t n_types = events.types.empty() ? 0 : events.type_names.size();
  std::vector<DailyCounts> all = {{"all events", first, std::vector<int64_t>(n_days, 0)}};
  for (size_t type = 0; n_types > 1 && type < n_types; ++type)
    all.push_back({events.type_names[type], first, std::vector<int64_t>(n_days, 0)});
  for (size_t at = 0; at < events.times.size(); ++at) {
    const int64_t time = events.times[at];
    if (!HasDate(time) || time > reference || DayOf(time) < first) continue;
    const auto day = static_cast<size_t>(DayOf(time) - first);
    ++all[0].counts[day];
    if (all.size() > 1 && events.types[at] < n_types) ++all[1 + size_t{events.types[at]}].counts[day];
  }
  return all;
}

std::vector<Anomaly> FindAnomalies(std::span<const DailyCounts> sources, size_t most) {
  std::vector<Anomaly> found;
  for (const DailyCounts& source : sources) Series(source).Find(found);
  std::stable_sort(found.begin(), found.end(),
                   [](const Anomaly& a, const Anomaly& b) { return std::fabs(a.z) > std::fabs(b.z); });
  if (found.size() > most) found.resize(most);
  return found;
}

nlohmann::json AnomaliesJson(std::span<const Anomaly> anomalies) {
  nlohmann::json list = nlohmann::json::array();
  for (const Anomaly& anomaly : anomalies)
    list.push_back({{"source", Printable(anomaly.source)},
                    {"day", DateText(anomaly.day)},
                    {"n_events", anomaly.n_events},
                    {"expected", anomaly.expected},
                    {"z", anomaly.z}});
  return list;
}

}  // namespace kindred
