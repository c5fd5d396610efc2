#include "host/models/popular_lists.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr double kDay = 86400;
constexpr double kBehind = 1.0 / (1 << 30);  // what newness counts without min_events: below that of any other item
constexpr int64_t kMissingTime = std::numeric_limits<int64_t>::min();
constexpr size_t kMostNameBytes = 200;

template <class... Args>
void Require(bool holds, fmt::format_string<Args...> what, Args&&... args) {
  if (!holds) throw Error(ErrorCode::kInvalidArgument, fmt::format(what, std::forward<Args>(args)...));
}

/// The user counts of some users.
struct Counts {
  std::vector<double> now, before;  // [n_items] c and b; of "latest" `now` are events
  double n_users = 0;               // n
};

/// The groups and the users of each.
struct Groups {
  std::vector<ListGroup> groups;
  std::vector<std::vector<int32_t>> users;
  int64_t n_small = 0, n_left_out = 0;
};

class Fit {
 public:
  Fit(const ListedEvents& data, const PopularListOptions& options)
      : data_(data),
        options_(options),
        kind_(options.kind),
        last_time_(LastTime(data.events, data.keep)),
        weights_(Weighting(), data.events, last_time_),
        weights_before_(Weighting(), data.events, last_time_ ? std::optional(StartOfNow()) : std::nullopt),
        sums_(static_cast<size_t>(data.n_items), 0) {
    if (kind_ == ListKind::kLatest) FindNewness();
  }

  PopularLists Run() {
    std::vector<int32_t> everybody(static_cast<size_t>(n_users()));
    std::iota(everybody.begin(), everybody.end(), 0);
    const Counts all = Count(everybody);
    if (kind_ == ListKind::kTrending) CheckWindows(all);
    const std::vector<double> of_all = Score(all);
    const Groups chosen = ChooseGroups();

    PopularLists lists;
    lists.groups = chosen.groups;
    lists.n_active_users = std::ranges::count_if(everybody, [&](int32_t user) { return IsActive(user); });
    lists.n_small_groups = chosen.n_small;
    lists.n_left_out_groups = chosen.n_left_out;
    lists.last_time = last_time_;
    LinearModel& model = lists.model;
    model.n_factors = 1 + std::ssize(chosen.groups);
    const auto f = static_cast<size_t>(model.n_factors);
    model.item_factors.resize(of_all.size() * f);
    const auto set = [&](size_t factor, size_t item, double score) {
      model.item_factors[item * f + factor] = static_cast<float>(score);
    };
    for (size_t item = 0; item < of_all.size(); ++item) set(0, item, of_all[item]);
    model.base_query.assign(f, 0);
    model.base_query[0] = 1;
    std::vector<size_t> factor_of(static_cast<size_t>(n_users()), 0);
    for (size_t g = 0; g < chosen.groups.size(); ++g) {
      const Counts counts = Count(chosen.users[g]);
      const std::vector<double> own = Score(counts);
      const double n = counts.n_users, prior = options_.group_prior;
      for (size_t item = 0; item < own.size(); ++item)
        set(1 + g, item, (n * own[item] + prior * of_all[item]) / (n + prior));
      for (const int32_t user : chosen.users[g]) factor_of[static_cast<size_t>(user)] = 1 + g;
    }
    model.user_factors.assign(factor_of.size() * f, 0);
    for (size_t user = 0; user < factor_of.size(); ++user) model.user_factors[user * f + factor_of[user]] = 1;
    return lists;
  }

 private:
  int64_t n_users() const { return data_.events.n_users(); }

  EventWeighting Weighting() const {
    EventWeighting weighting = data_.weighting;
    if (kind_ == ListKind::kLatest) weighting.half_life = kNoLimit;
    return weighting;
  }

  int64_t StartOfNow() const { return *last_time_ - static_cast<int64_t>(std::min(options_.window, 1e15)); }

  /// 0: in the window; 1: in the one before; more: in neither.
  double WindowOf(size_t event) const {
    if (!(options_.window < kNoLimit)) return 0;
    const double age = static_cast<double>(*last_time_) - static_cast<double>(data_.events.times[event]);
    return std::floor(age / options_.window);
  }

  /// Calls visit(event, window, what it counts) for each event of a user that counts in one of the windows.
  template <class Visit>
  void EachEvent(int32_t user, const Visit& visit) const {
    const double n_windows = kind_ == ListKind::kTrending ? 2 : 1;
    for (auto e = static_cast<size_t>(data_.events.indptr[user]);
         e < static_cast<size_t>(data_.events.indptr[user + 1]); ++e) {
      if (!data_.keep.empty() && data_.keep[e] == 0) continue;
      const double window = WindowOf(e);
      if (window >= n_windows) continue;
      const double counts = window == 0 ? weights_(e) : weights_before_(e);
      if (counts > 0) visit(e, window == 0, counts);
    }
  }

  bool IsActive(int32_t user) const {
    bool active = false;
    EachEvent(user, [&](size_t, bool, double) { active = true; });
    return active;
  }

  Counts Count(std::span<const int32_t> users) {
    Counts counts;
    counts.now.assign(sums_.size(), 0);
    if (kind_ == ListKind::kTrending) counts.before.assign(sums_.size(), 0);
    for (const int32_t user : users) {
      double sum = AddUser(user, true, counts.now);
      if (kind_ == ListKind::kTrending) sum += AddUser(user, false, counts.before);
      counts.n_users += std::min(1.0, sum);
    }
    return counts;
  }

  /// Adds what the user's events with each item in one window come to; returns what all of them count.
  double AddUser(int32_t user, bool now, std::vector<double>& counts) {
    touched_.clear();
    double sum = 0;
    EachEvent(user, [&](size_t event, bool in_now, double weight) {
      if (in_now != now) return;
      sum += weight;
      const auto item = static_cast<size_t>(data_.events.items[event]);
      if (kind_ == ListKind::kLatest) {
        ++counts[item];
        return;
      }
      if (sums_[item] == 0) touched_.push_back(item);
      sums_[item] += weight;
    });
    for (const size_t item : touched_) {
      counts[item] += std::min({1.0, sums_[item], data_.weighting.confidence_cap});
      sums_[item] = 0;
    }
    return sum;
  }

  void CheckWindows(const Counts& all) const {
    const auto total = [](const std::vector<double>& counts) {
      return std::accumulate(counts.begin(), counts.end(), 0.0);
    };
    Require(total(all.now) > 0, "no event that counts is in the last {:g} days, the window", options_.window / kDay);
    Require(total(all.before) > 0,
            "no event that counts is in the {:g} days before the window, which it is compared with; expected a shorter "
            "window",
            options_.window / kDay);
  }

  std::vector<double> Score(const Counts& counts) const {
    std::vector<double> scores(sums_.size());
    const double before = std::accumulate(counts.before.begin(), counts.before.end(), 0.0);
    const double growth = before > 0 ? std::accumulate(counts.now.begin(), counts.now.end(), 0.0) / before : 0;
    const double prior = options_.trend_prior;
    for (size_t i = 0; i < scores.size(); ++i) switch (kind_) {
        case ListKind::kPopular:
          scores[i] = counts.n_users > 0 ? counts.now[i] / counts.n_users : 0;
          break;
        case ListKind::kLatest:
          scores[i] = newness_[i] * (counts.now[i] >= static_cast<double>(options_.min_events) ? 1 : kBehind);
          break;
        case ListKind::kTrending:
          scores[i] = std::log(GammaLowQuantile(prior + counts.now[i]) / (prior + growth * counts.before[i]));
          break;
      }
    return scores;
  }

  void FindNewness() {
    std::vector<int64_t> first(sums_.size(), kMissingTime);
    if (data_.released != nullptr)
      first.assign(data_.released->times.begin(), data_.released->times.end());
    else
      for (int32_t user = 0; user < n_users(); ++user)
        EachEvent(user, [&](size_t event, bool, double) {
          int64_t& of_item = first[static_cast<size_t>(data_.events.items[event])];
          const int64_t time = data_.events.times[event];
          of_item = of_item == kMissingTime ? time : std::min(of_item, time);
        });
    newness_.assign(first.size(), 0);
    for (size_t i = 0; i < first.size() && last_time_; ++i) {
      const double days = (static_cast<double>(*last_time_) - static_cast<double>(first[i])) / kDay;
      if (first[i] != kMissingTime && days >= -1) newness_[i] = 1 / (1 + std::max(days, 0.0));
    }
  }

  /// Those with users enough, the largest first; of equally large ones as the dictionary has them.
  Groups ChooseGroups() const {
    Groups chosen;
    if (data_.group_by == nullptr) return chosen;
    const TextsView& names = data_.group_by->dictionary;
    std::vector<ListGroup> all(static_cast<size_t>(names.size()));
    std::vector<std::vector<int32_t>> users(all.size());
    for (int32_t user = 0; user < n_users(); ++user) {
      const int32_t code = data_.group_by->codes[static_cast<size_t>(user)];
      if (code < 0) continue;
      ++all[static_cast<size_t>(code)].n_users;
      all[static_cast<size_t>(code)].n_active_users += IsActive(user) ? 1 : 0;
      users[static_cast<size_t>(code)].push_back(user);
    }
    std::vector<size_t> order;
    for (size_t g = 0; g < all.size(); ++g)
      if (all[g].n_active_users >= options_.min_group_users)
        order.push_back(g);
      else
        chosen.n_small += all[g].n_users > 0 ? 1 : 0;
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return all[a].n_active_users > all[b].n_active_users; });
    chosen.n_left_out = std::max<int64_t>(std::ssize(order) - kMostListGroups, 0);
    order.resize(order.size() - static_cast<size_t>(chosen.n_left_out));
    for (const size_t g : order) {
      all[g].name = Printable(names[static_cast<int64_t>(g)], kMostNameBytes);
      chosen.groups.push_back(std::move(all[g]));
      chosen.users.push_back(std::move(users[g]));
    }
    return chosen;
  }

  const ListedEvents& data_;
  const PopularListOptions& options_;
  const ListKind kind_;
  const std::optional<int64_t> last_time_;
  const EventWeights weights_, weights_before_;
  std::vector<double> newness_;  // [n_items] of "latest"
  std::vector<double> sums_;     // [n_items] of one user's events; zeros between users
  std::vector<size_t> touched_;  // where they are not
};

}  // namespace

double GammaLowQuantile(double shape) {
  constexpr double kZ = 1.6448536269514722;  // of the normal distribution, 95 %
  const double root = 1 - 1 / (9 * shape) - kZ / (3 * std::sqrt(shape));
  return shape * root * root * root;
}

void CheckListOptions(const PopularListOptions& options, const EventsView& events) {
  const bool trending = options.kind == ListKind::kTrending, windowed = options.window < kNoLimit;
  Require(options.window > 0, "the window is {}; expected a number of seconds > 0", options.window);
  Require(windowed || !trending, "trends compare two windows; expected a length of these");
  Require(!windowed || options.kind != ListKind::kLatest, "the latest items have no window");
  Require(options.min_events >= 0, "min_events is {}; expected 0 or more", options.min_events);
  Require(options.trend_prior >= 1 && options.trend_prior < kNoLimit, "the trend prior is {}; expected 1 or more",
          options.trend_prior);
  Require(options.group_prior > 0 && options.group_prior < kNoLimit, "the group prior is {}; expected a number > 0",
          options.group_prior);
  Require(options.min_group_users >= 1, "min_group_users is {}; expected 1 or more", options.min_group_users);
  if (!events.times.empty() || events.size() == 0 || (options.kind == ListKind::kPopular && !windowed)) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("{} times, and this dataset has none; prepare it with --time-column",
                          trending                            ? "trends need"
                          : options.kind == ListKind::kLatest ? "what is latest needs"
                                                              : "a window needs"));
}

PopularLists FitPopularLists(const ListedEvents& data, const PopularListOptions& options) {
  CheckListOptions(options, data.events);
  return Fit(data, options).Run();
}

}  // namespace kindred
