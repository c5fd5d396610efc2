#include "host/evaluation/split.h"

#include <algorithm>
#include <string>

#include "host/data/random.h"

namespace kindred {
namespace {

Error Refused(const std::string& message) {
  return {ErrorCode::kInvalidArgument, "split: " + message};
}

void CheckFraction(double fraction) {
  if (!(fraction > 0 && fraction < 1))
    throw Refused("the holdout fraction is " + std::to_string(fraction) + "; expected more than 0 and less than 1");
}

void CheckTimes(const EventsView& events, const char* kind) {
  if (events.times.empty())
    throw Refused(std::string(kind) + " needs times, and this dataset has none; prepare it with --time-column");
}

void HoldOutRandomPairs(const EventsView& events, const SplitOptions& options, std::vector<uint8_t>& keep) {
  CheckFraction(options.fraction);
  for (int64_t user = 0; user < events.n_users(); ++user)
    for (int64_t e = events.indptr[static_cast<size_t>(user)]; e < events.indptr[static_cast<size_t>(user) + 1]; ++e) {
      const uint64_t pair =
          static_cast<uint64_t>(user) << 32 | static_cast<uint32_t>(events.items[static_cast<size_t>(e)]);
      keep[static_cast<size_t>(e)] = RandomUniform(options.seed, pair) >= options.fraction;
    }
}

void HoldOutItems(const EventsView& events, const SplitOptions& options, std::vector<uint8_t>& keep) {
  CheckFraction(options.fraction);
  for (size_t e = 0; e < keep.size(); ++e)
    keep[e] = RandomUniform(options.seed, static_cast<uint32_t>(events.items[e])) >= options.fraction;
}

// A user's events are in order of time, so an item's first event comes before the others'.
void HoldOutLast(const EventsView& events, const SplitOptions& options, const EventWeights& weights,
                 std::vector<uint8_t>& keep) {
  CheckTimes(events, "leave-last-n");
  if (options.n < 1) throw Refused("n is " + std::to_string(options.n) + "; expected 1 or more");
  std::vector<int32_t> met;
  for (int64_t user = 0; user < events.n_users(); ++user) {
    const auto begin = static_cast<size_t>(events.indptr[static_cast<size_t>(user)]);
    const auto end = static_cast<size_t>(events.indptr[static_cast<size_t>(user) + 1]);
    met.clear();
    std::vector<int32_t> sorted;
    for (size_t e = begin; e < end; ++e) {
      if (weights(e) == 0) continue;
      const auto place = std::lower_bound(sorted.begin(), sorted.end(), events.items[e]);
      if (place != sorted.end() && *place == events.items[e]) continue;
      sorted.insert(place, events.items[e]);
      met.push_back(events.items[e]);
    }
    if (static_cast<int64_t>(met.size()) <= options.n) continue;
    std::vector<int32_t> last(met.end() - static_cast<std::ptrdiff_t>(options.n), met.end());
    std::sort(last.begin(), last.end());
    for (size_t e = begin; e < end; ++e) keep[e] = !std::binary_search(last.begin(), last.end(), events.items[e]);
  }
}

int64_t HoldOutFrom(const EventsView& events, const SplitOptions& options, std::vector<uint8_t>& keep) {
  CheckTimes(events, "time");
  int64_t moment = options.moment;
  if (!options.has_moment) {
    CheckFraction(options.fraction);
    std::vector<int64_t> times(events.times.begin(), events.times.end());
    const auto place =
        times.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(times.size()) * (1 - options.fraction));
    if (place == times.end()) throw Refused("there are no events");
    std::nth_element(times.begin(), place, times.end());
    moment = *place;
  }
  for (size_t e = 0; e < keep.size(); ++e) keep[e] = events.times[e] < moment;
  return moment;
}

// Pairs that are held out and not in training.
Holdout NewPairs(const Csr& training, const Csr& held_out) {
  Holdout holdout = BeginHoldout(training.n_rows, training.n_cols);
  Csr& relevant = holdout.relevant;
  for (int64_t user = 0; user < training.n_rows; ++user) {
    const auto seen = training.view().row(user), held = held_out.view().row(user);
    std::set_difference(held.begin(), held.end(), seen.begin(), seen.end(), std::back_inserter(relevant.indices));
    relevant.indptr.push_back(static_cast<int64_t>(relevant.indices.size()));
  }
  relevant.values.assign(relevant.indices.size(), 1.0f);
  return holdout;
}

}  // namespace

SplitKind ParseSplitKind(std::string_view name) {
  if (name == "none") return SplitKind::kNone;
  if (name == "random") return SplitKind::kRandom;
  if (name == "leave-last-n") return SplitKind::kLeaveLastN;
  if (name == "time") return SplitKind::kTime;
  if (name == "items") return SplitKind::kItems;
  throw Error(ErrorCode::kUsage,
              "--split '" + std::string(name) + "': expected none, random, leave-last-n, time or items");
}

Split SplitEvents(const EventsView& events, int64_t n_items, const SplitOptions& options,
                  const EventWeighting& weighting, ThreadPool* pool) {
  SumOptions pairs = {.weighting = weighting, .pool = pool};
  pairs.weighting.half_life = kNoLimit;
  pairs.weighting.confidence_cap = 1;  // only whether a pair is there counts
  const EventWeights weights(pairs.weighting, events, std::nullopt);
  Split split;
  if (options.kind == SplitKind::kNone) {
    split.holdout.relevant = {events.n_users(), n_items, std::vector<int64_t>(events.n_users() + 1, 0), {}, {}};
    split.holdout.n_missing_items.assign(static_cast<size_t>(events.n_users()), 0);
    return split;
  }
  split.keep.assign(static_cast<size_t>(events.size()), 1);
  if (options.kind == SplitKind::kRandom) HoldOutRandomPairs(events, options, split.keep);
  if (options.kind == SplitKind::kLeaveLastN) HoldOutLast(events, options, weights, split.keep);
  if (options.kind == SplitKind::kItems) HoldOutItems(events, options, split.keep);
  if (options.kind == SplitKind::kTime) split.moment = HoldOutFrom(events, options, split.keep);
  pairs.keep = split.keep;
  const Csr training = SumEvents(events, n_items, pairs);
  std::vector<uint8_t> held(split.keep.size());
  std::transform(split.keep.begin(), split.keep.end(), held.begin(), [](uint8_t kept) { return kept == 0; });
  pairs.keep = held;
  split.holdout = NewPairs(training, SumEvents(events, n_items, pairs));
  const bool no_pairs = training.indices.empty() && split.holdout.relevant.indices.empty();
  if (no_pairs) throw Refused("there is nothing to split: all events count 0");
  if (training.indices.empty()) throw Refused("everything would be held out, and nothing trained on");
  if (split.holdout.relevant.indices.empty()) throw Refused("nothing would be held out: no user has an item to spare");
  return split;
}

}  // namespace kindred
