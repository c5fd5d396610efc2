// Figures of one user's selected events: the formulas of host/features/feature_spec.h.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace kindred {

struct SelectedEvents {
  std::span<const int32_t> items;
  std::span<const double> values;
  std::span<const int64_t> times;  // not falling; empty: none

  int64_t size() const { return static_cast<int64_t>(items.size()); }
};

/// Memory that is used again.
struct SelectionScratch {
  std::vector<int64_t> gaps;
  std::vector<int64_t> codes;
  std::vector<std::pair<int32_t, int64_t>> visits;
  std::vector<uint8_t> returns;
  std::vector<double> numbers;
};

/// Median of the days between consecutive different times; NaN where there are fewer than two.
double MedianGapDays(std::span<const int64_t> times, SelectionScratch& scratch);

/// Events of one time are a basket. `numbers`: of each event; NaN ones have no part.
struct BasketFigures {
  int64_t n = 0;         // baskets
  int64_t n_valued = 0;  // with a number
  double sum = 0;        // of the numbers
};
BasketFigures Baskets(const SelectedEvents& events, std::span<const double> numbers);

struct SessionFigures {
  int64_t n = 0;
  int64_t seconds = 0;        // from first to last event, of all
  int64_t n_steps = 0;        // pairs of consecutive events in one session
  int64_t n_long_events = 0;  // of sessions of some length
  int64_t n_returns = 0;      // sessions with an item of an earlier one
};
/// A session ends where the next event is more than `gap` seconds later. `with_returns`: n_returns is asked for.
SessionFigures Sessions(const SelectedEvents& events, int64_t gap, bool with_returns, SelectionScratch& scratch);

/// How many different codes, and their entropy in bits (NaN where there are none). Sorts them.
struct Variety {
  int64_t n_different = 0;
  double entropy = 0;
};
Variety VarietyOf(std::vector<int64_t>& codes);

}  // namespace kindred
