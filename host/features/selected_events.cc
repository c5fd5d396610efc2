#include "host/features/selected_events.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kindred {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr double kSecondsPerDay = 86400;

/// Sessions with an item that an earlier one has.
int64_t CountReturns(const SelectedEvents& events, int64_t gap, int64_t n_sessions, SelectionScratch& scratch) {
  scratch.visits.clear();
  int64_t session = 0;
  for (size_t e = 0; e < events.items.size(); ++e) {
    if (e > 0 && events.times[e] - events.times[e - 1] > gap) ++session;
    scratch.visits.emplace_back(events.items[e], session);
  }
  std::sort(scratch.visits.begin(), scratch.visits.end());
  scratch.returns.assign(static_cast<size_t>(n_sessions), 0);
  for (size_t v = 1; v < scratch.visits.size(); ++v) {
    const auto& [before, earlier] = scratch.visits[v - 1];
    const auto& [item, later] = scratch.visits[v];
    if (before == item && earlier < later) scratch.returns[static_cast<size_t>(later)] = 1;
  }
  return std::count(scratch.returns.begin(), scratch.returns.end(), 1);
}

}  // namespace

double MedianGapDays(std::span<const int64_t> times, SelectionScratch& scratch) {
  scratch.gaps.clear();
  for (size_t e = 1; e < times.size(); ++e)
    if (times[e] != times[e - 1]) scratch.gaps.push_back(times[e] - times[e - 1]);
  if (scratch.gaps.empty()) return kMissing;
  std::vector<int64_t>& gaps = scratch.gaps;
  const auto middle = gaps.begin() + static_cast<int64_t>(gaps.size() / 2);
  std::nth_element(gaps.begin(), middle, gaps.end());
  if (gaps.size() % 2 == 1) return static_cast<double>(*middle) / kSecondsPerDay;
  const int64_t below = *std::max_element(gaps.begin(), middle);
  return (static_cast<double>(below) + static_cast<double>(*middle)) / 2 / kSecondsPerDay;
}

BasketFigures Baskets(const SelectedEvents& events, std::span<const double> numbers) {
  BasketFigures figures;
  bool valued = false;
  for (size_t e = 0; e < events.times.size(); ++e) {
    if (e == 0 || events.times[e] != events.times[e - 1]) {
      ++figures.n;
      valued = false;
    }
    if (std::isnan(numbers[e])) continue;
    figures.sum += numbers[e];
    figures.n_valued += valued ? 0 : 1;
    valued = true;
  }
  return figures;
}

SessionFigures Sessions(const SelectedEvents& events, int64_t gap, bool with_returns, SelectionScratch& scratch) {
  SessionFigures figures;
  const std::span<const int64_t> times = events.times;
  for (size_t begin = 0, end = 0; begin < times.size(); begin = end) {
    for (end = begin + 1; end < times.size() && times[end] - times[end - 1] <= gap;) ++end;
    const int64_t length = times[end - 1] - times[begin];
    ++figures.n;
    figures.seconds += length;
    figures.n_steps += static_cast<int64_t>(end - begin) - 1;
    if (length > 0) figures.n_long_events += static_cast<int64_t>(end - begin);
  }
  if (with_returns) figures.n_returns = CountReturns(events, gap, figures.n, scratch);
  return figures;
}

Variety VarietyOf(std::vector<int64_t>& codes) {
  if (codes.empty()) return {0, kMissing};
  std::sort(codes.begin(), codes.end());
  Variety variety;
  for (auto begin = codes.begin(), end = begin; begin != codes.end(); begin = end) {
    end = std::find_if(begin, codes.end(), [&](int64_t code) { return code != *begin; });
    const double part = static_cast<double>(end - begin) / static_cast<double>(codes.size());
    ++variety.n_different;
    variety.entropy -= part * std::log2(part);
  }
  return variety;
}

}  // namespace kindred
