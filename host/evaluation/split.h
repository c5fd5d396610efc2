// Which events of a dataset are held out for evaluation.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "host/data/event_weighting.h"
#include "host/data/events.h"
#include "host/evaluation/metrics.h"
#include "kernels/cpu/parallel.h"

namespace kindred {

enum class SplitKind {
  kNone,
  kRandom,      // each (user, item) pair, with all its events, with a given probability
  kLeaveLastN,  // of each user with more than n items, the n items first met last; all their events
  kTime,        // every event at or after one moment, the same for all users
  kItems,       // all events of each item with a given probability
};

/// "none", "random", "leave-last-n", "time" or "items". Throws kUsage naming these.
SplitKind ParseSplitKind(std::string_view name);

struct SplitOptions {
  SplitKind kind = SplitKind::kNone;
  double fraction = 0.2;    // random: of the pairs; items: of these; time: of the events, where no moment is given
  int64_t n = 1;            // leave-last-n
  bool has_moment = false;  // time
  int64_t moment = 0;       // unix seconds
  uint64_t seed = 1;        // random, items
};

struct Split {
  std::vector<uint8_t> keep;  // [n_events] 1: in training; empty: all are
  Holdout holdout;            // pairs held out and not in training
  int64_t moment = 0;         // time: what was used
};

/// Splits. What counts 0 by its type or value is no pair, and no reason to hold one out. Decay has no say: whatever the
/// half-life, the same pairs are held out, and metrics compare. Throws kInvalidArgument for options out of range, for a
/// dataset without times where they are needed, where nothing or everything would be held out, and as CheckWeighting
/// does. Deterministic, whatever the threads of `pool`, which may be null.
Split SplitEvents(const EventsView& events, int64_t n_items, const SplitOptions& options,
                  const EventWeighting& weighting = {}, ThreadPool* pool = nullptr);

}  // namespace kindred
