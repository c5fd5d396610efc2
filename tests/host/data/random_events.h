// Events of random users, for tests of what reads them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "host/data/events.h"

namespace kindred {

/// Owns the columns of an EventsView, values too.
struct RandomEvents {
  /// User u has n_events[u] events, one in five of value 0, in order of time; times reach `seconds` back from `last`.
  RandomEvents(uint32_t seed, const std::vector<int64_t>& n_events, int64_t n_items, int64_t seconds = 1'000'000,
               int64_t last = 1'600'000'000) {
    std::mt19937 random(seed);
    const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
    for (const int64_t n : n_events) {
      for (int64_t e = 0; e < n; ++e) {
        items.push_back(static_cast<int32_t>(below(n_items)));
        values.push_back(static_cast<float>(below(5)) * 0.7f);
        times.push_back(last - below(seconds));
        types.push_back(static_cast<uint8_t>(below(static_cast<int64_t>(type_names.size()))));
      }
      std::sort(times.begin() + indptr.back(), times.end());
      indptr.push_back(static_cast<int64_t>(items.size()));
    }
  }

  EventsView view() const { return {indptr, items, values, times, types, type_names}; }

  std::vector<int64_t> indptr = {0};
  std::vector<int32_t> items;
  std::vector<float> values;
  std::vector<int64_t> times;
  std::vector<uint8_t> types;
  std::vector<std::string> type_names = {"view", "cart", "buy"};
};

}  // namespace kindred
