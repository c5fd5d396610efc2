#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "host/data/attribute_table.h"
#include "host/features/feature_program.h"
#include "host/features/feature_state.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr double kSecondsPerDay = 86400, kSecondsPerHour = 3600;
constexpr int64_t kUsersPerTask = 512;

double Ratio(double part, double of) {
  return of > 0 ? part / of : kMissing;
}

/// The features of one user.
class UserFeatures {
 public:
  UserFeatures(const FeatureState& state, int64_t user, int64_t reference, FeatureScratch& scratch,
               std::span<double> out)
      : state_(state), user_(user), reference_(reference), scratch_(scratch), out_(out) {}

  /// `events` end at the reference.
  void Compute(const UserEvents& events) {
    for (size_t s = 0; s < state_.selections.size(); ++s) {
      Select(events, state_.selections[s]);
      for (const LinkedFeature& feature : state_.features)
        if (feature.selection == static_cast<int64_t>(s)) Set(feature);
    }
    for (const LinkedFeature& feature : state_.features)
      if (feature.selection < 0) SetKnown(feature);
  }

 private:
  void Select(const UserEvents& events, const EventSelection& selection) {
    scratch_.items.clear();
    scratch_.values.clear();
    scratch_.times.clear();
    size_t begin = 0;
    if (selection.window > 0)
      begin = static_cast<size_t>(
          std::upper_bound(events.times.begin(), events.times.end(), reference_ - selection.window) -
          events.times.begin());
    for (size_t e = begin; e < events.items.size(); ++e) {
      const int32_t item = events.items[e] < state_.n_items ? std::max(events.items[e], -1) : -1;
      if (!Selects(state_, selection, item, events.types.empty() ? 0 : events.types[e])) continue;
      scratch_.items.push_back(item);
      scratch_.values.push_back(events.values.empty() ? 1 : events.values[e]);
      if (!events.times.empty()) scratch_.times.push_back(events.times[e]);
    }
    selected_ = {scratch_.items, scratch_.values, scratch_.times};
  }

  void Set(const LinkedFeature& feature) {
    using enum FeatureKind;
    switch (feature.kind) {
      case kCategoryShares:
        return SetShares(feature);
      case kSessions:
      case kSessionLength:
      case kDwell:
      case kVelocity:
      case kRepeatVisits:
        return Put(feature, OfSessions(feature));
      case kSum:
      case kMean:
      case kMax:
        return Put(feature, OfNumbers(feature));
      case kBaskets:
      case kBasketSize:
      case kBasketValue:
        return Put(feature, OfBaskets(feature));
      case kDistinct:
      case kEntropy: {
        const Variety variety = VarietyOf(Codes(feature));
        return Put(feature, feature.kind == kEntropy ? variety.entropy : static_cast<double>(variety.n_different));
      }
      case kShare:
        return Put(feature, Ratio(static_cast<double>(Holding(feature.condition)), Count()));
      default:
        return Put(feature, OfTimes(feature));
    }
  }

  /// A sum that no double holds is the largest.
  void Put(const LinkedFeature& feature, double value) {
    constexpr double kMost = std::numeric_limits<double>::max();
    out_[static_cast<size_t>(feature.first_column)] = std::clamp(value, -kMost, kMost);  // NaN stays
  }
  double Count() const { return static_cast<double>(selected_.size()); }

  double OfTimes(const LinkedFeature& feature) {
    using enum FeatureKind;
    const std::span<const int64_t> times = selected_.times;
    if (feature.kind == kCount) return Count();
    if (feature.kind == kGap) return MedianGapDays(times, scratch_.selection);
    if (feature.kind == kRate) {
      if (times.empty()) return 0;
      const int64_t seconds = feature.window > 0 ? feature.window : std::max(reference_ - times.front(), feature.per);
      return Count() * static_cast<double>(feature.per) / static_cast<double>(seconds);
    }
    if (times.empty()) return kMissing;
    const int64_t from = feature.kind == kRecency ? times.back() : times.front();
    return static_cast<double>(reference_ - from) / kSecondsPerDay;
  }

  /// A number of each event: its value, or its item's.
  std::span<const double> Numbers(const LinkedFeature& feature) {
    if (feature.of < 0) return selected_.values;
    const FeatureArray<double>& numbers = state_.numbers[static_cast<size_t>(feature.of)].numbers;
    scratch_.selection.numbers.clear();
    for (const int32_t item : selected_.items)
      scratch_.selection.numbers.push_back(item < 0 ? kMissing : numbers[item]);
    return scratch_.selection.numbers;
  }

  double OfNumbers(const LinkedFeature& feature) {
    double sum = 0, most = kMissing;
    int64_t n = 0;
    for (const double number : Numbers(feature)) {
      if (std::isnan(number)) continue;
      ++n;
      sum += number;
      most = n == 1 ? number : std::max(most, number);
    }
    if (feature.kind == FeatureKind::kSum) return sum;
    return feature.kind == FeatureKind::kMax ? most : Ratio(sum, static_cast<double>(n));
  }

  double OfBaskets(const LinkedFeature& feature) {
    const BasketFigures baskets = Baskets(selected_, Numbers(feature));
    if (feature.kind == FeatureKind::kBaskets) return static_cast<double>(baskets.n);
    if (feature.kind == FeatureKind::kBasketSize) return Ratio(Count(), static_cast<double>(baskets.n));
    return Ratio(baskets.sum, static_cast<double>(baskets.n_valued));
  }

  double OfSessions(const LinkedFeature& feature) {
    using enum FeatureKind;
    const SessionFigures sessions =
        Sessions(selected_, feature.session_gap, feature.kind == kRepeatVisits, scratch_.selection);
    const auto n = static_cast<double>(sessions.n), seconds = static_cast<double>(sessions.seconds);
    if (feature.kind == kSessions) return n;
    if (feature.kind == kSessionLength) return Ratio(seconds, n);
    if (feature.kind == kDwell) return Ratio(seconds, static_cast<double>(sessions.n_steps));
    if (feature.kind == kVelocity) return Ratio(static_cast<double>(sessions.n_long_events), seconds / kSecondsPerHour);
    return Ratio(static_cast<double>(sessions.n_returns), n);
  }

  /// Of each event: its item, or the values that this has.
  std::vector<int64_t>& Codes(const LinkedFeature& feature) {
    std::vector<int64_t>& codes = scratch_.selection.codes;
    codes.clear();
    for (const int32_t item : selected_.items) {
      if (feature.of < 0) {
        codes.push_back(item);
        continue;
      }
      const std::span<const int32_t> values = CodesOf(state_.values[static_cast<size_t>(feature.of)], item);
      codes.insert(codes.end(), values.begin(), values.end());
    }
    return codes;
  }

  int64_t Holding(int64_t condition) const {
    const FeatureArray<uint8_t>& holds = state_.conditions[static_cast<size_t>(condition)].holds;
    return std::ranges::count_if(selected_.items, [&](int32_t item) { return item >= 0 && holds[item] != 0; });
  }

  void SetShares(const LinkedFeature& feature) {
    const std::span<double> shares =
        out_.subspan(static_cast<size_t>(feature.first_column), static_cast<size_t>(feature.n_columns));
    std::ranges::fill(shares, 0);
    int64_t n_known = 0;
    for (const int32_t item : selected_.items) {
      const std::span<const int32_t> codes = CodesOf(state_.values[static_cast<size_t>(feature.of)], item);
      n_known += codes.empty() ? 0 : 1;
      for (const int32_t code : codes) {
        const auto slot = std::ranges::lower_bound(feature.slots, code, {}, &std::pair<int32_t, int32_t>::first);
        if (slot != feature.slots.end() && slot->first == code) ++shares[static_cast<size_t>(slot->second)];
      }
    }
    for (double& share : shares) share = Ratio(share, static_cast<double>(n_known));
  }

  /// What is known of the user without events.
  void SetKnown(const LinkedFeature& feature) {
    const bool known = user_ >= 0 && user_ < state_.n_users;
    if (feature.kind == FeatureKind::kAttribute) {
      const UserNumbers& of = state_.user_numbers[static_cast<size_t>(feature.of)];
      const double number = known ? of.numbers[user_] : kMissing;
      return Put(feature, of.is_time ? (static_cast<double>(reference_) - number) / kSecondsPerDay : number);
    }
    const FeatureArray<float>& factors = state_.factors[static_cast<size_t>(feature.of)].factors;
    for (int64_t f = 0; f < feature.n_columns; ++f)
      out_[static_cast<size_t>(feature.first_column + f)] =
          known ? double{factors[user_ * feature.n_columns + f]} : kMissing;
  }

  const FeatureState& state_;
  const int64_t user_, reference_;
  FeatureScratch& scratch_;
  std::span<double> out_;
  SelectedEvents selected_;
};

/// Refuses what cannot be computed with.
void Check(const FeatureState& state, const UserEvents& events) {
  const auto refuse = [](const char* what) { throw Error(ErrorCode::kInvalidArgument, what); };
  const size_t n = events.items.size();
  const auto fits = [&](size_t size) { return size == 0 || size == n; };
  if (!fits(events.values.size()) || !fits(events.times.size()) || !fits(events.types.size()))
    refuse("an event lacks its value, time or type");
  if (n == 0) return;
  if (state.has_times && events.times.empty())
    refuse("events need times, as those have that the features are fitted on");
  if (!std::ranges::is_sorted(events.times)) refuse("events are not in order of time");
  if (!events.times.empty() && (events.times.front() < kFirstTime || events.times.back() > kLastTime))
    refuse("an event is not of the years 1 to 9999");
  if (!state.type_names.empty() && events.types.empty())
    refuse("events need types, as those have that the features are fitted on");
  if (std::ranges::any_of(events.types, [&](uint8_t type) { return type >= state.type_names.size(); }))
    refuse("an event is of a type that is not known");
}

UserEvents First(const UserEvents& events, size_t n) {
  const auto first = [n](auto column) { return column.first(std::min(n, column.size())); };
  return {first(events.items), first(events.values), first(events.times), first(events.types)};
}

/// The events up to the reference.
size_t NumberUpTo(const UserEvents& events, int64_t reference) {
  if (events.times.empty()) return events.items.size();
  return static_cast<size_t>(std::upper_bound(events.times.begin(), events.times.end(), reference) -
                             events.times.begin());
}

}  // namespace

UserEvents EventsOf(const EventsView& events, int64_t user) {
  const auto begin = static_cast<size_t>(events.indptr[static_cast<size_t>(user)]);
  const auto n = static_cast<size_t>(events.indptr[static_cast<size_t>(user) + 1]) - begin;
  const auto part = [&](auto column) { return column.empty() ? column : column.subspan(begin, n); };
  return {part(events.items), part(events.values), part(events.times), part(events.types)};
}

void FeatureProgram::Compute(const UserEvents& events, int64_t user, int64_t reference, std::span<double> out) const {
  FeatureScratch scratch;
  Compute(events, user, reference, scratch, out);
}

void FeatureProgram::Compute(const UserEvents& events, int64_t user, int64_t reference, FeatureScratch& scratch,
                             std::span<double> out) const {
  if (out.size() != columns().size() || reference < kFirstTime || reference > kLastTime)
    throw Error(ErrorCode::kInvalidArgument, out.size() != columns().size()
                                                 ? "the row has another number of features than the program"
                                                 : "the reference is not of the years 1 to 9999");
  Check(*state_, events);
  UserEvents used = events;
  if (!state_->has_times) used.times = {};
  UserFeatures(*state_, user, reference, scratch, out).Compute(First(used, NumberUpTo(used, reference)));
}

FeatureTable FeatureProgram::Compute(const EventsView& events, int64_t reference, ThreadPool& pool) const {
  FeatureTable table;
  table.names = names();
  table.n_users = events.n_users();
  table.values.resize(static_cast<size_t>(table.n_users * table.n_features()));
  table.n_events.resize(static_cast<size_t>(table.n_users));
  std::atomic<int64_t> n_future = 0;
  std::vector<FeatureScratch> scratch(static_cast<size_t>(pool.n_threads()));
  pool.Run((table.n_users + kUsersPerTask - 1) / kUsersPerTask, pool.n_threads(), [&](int64_t task, int worker) {
    const int64_t end = std::min(table.n_users, (task + 1) * kUsersPerTask);
    for (int64_t user = task * kUsersPerTask; user < end; ++user) {
      const UserEvents own = EventsOf(events, user);
      const auto n = static_cast<int64_t>(NumberUpTo(own, reference));
      table.n_events[static_cast<size_t>(user)] = n;
      n_future += static_cast<int64_t>(own.items.size()) - n;
      Compute(own, user, reference, scratch[static_cast<size_t>(worker)], table.row(user));
    }
  });
  table.n_future_events = n_future;
  return table;
}

}  // namespace kindred
