// Answers under rules as host/ranking/rules.h defines them: all items sorted, and the steps taken one after the other.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "host/models/calibration.h"
#include "host/ranking/ruled_ranking.h"
#include "tests/reference/reference.h"

namespace kindred::reference {

struct Candidate {
  int32_t item = 0;
  float score = 0;
  double value = 0;
  int32_t promotion = -1;
};

class RuledAnswer {
 public:
  /// `sorted`: all items that are not excluded, by score. `vectors`: a row for each item; may have no columns.
  RuledAnswer(std::span<const Ranked> sorted, const CalibrationView& calibration, HostMatrix<const float> vectors,
              int64_t n, const RankingRules& rules)
      : rules_(rules), vectors_(vectors) {
    Order(sorted, calibration);
    const std::vector<int64_t> places = PromotedPlaces(rules, n);
    const auto most = static_cast<int64_t>(rules.diversity > 0 ? 10 * n : n);
    for (size_t p = 0; p < places.size(); ++p) {
      int64_t left = places[p];
      for (const Candidate& one : order_)
        if (left > 0 && rules.promotions[p].items->Has(one.item)) left -= Take(one, static_cast<int32_t>(p));
    }
    const std::map<int32_t, int32_t> promoted = taken_;
    int64_t n_places = most - std::ssize(promoted);  // of the best others
    for (const Candidate& one : order_) {
      if (promoted.contains(one.item) || std::ssize(taken_) >= most) continue;
      n_passed_over_ += Take(one, -1) == 0 && n_places > 0 ? 1 : 0;
      --n_places;
    }
    for (const Ranked& one : sorted)
      has_open_below_ |= rules.min_score && one.score < *rules.min_score && IsEligible(one.item) && IsOpen(one.item);
    std::vector<Candidate> pool;
    for (const bool slots : {true, false})
      for (int32_t p = slots ? 0 : -1; p < (slots ? static_cast<int32_t>(places.size()) : 0); ++p)
        for (const Candidate& one : order_)
          if (taken_.contains(one.item) && (slots ? HasSlot(one.item) && taken_[one.item] == p : !HasSlot(one.item)))
            pool.push_back({one.item, one.score, one.value, taken_[one.item]});
    answer_ = rules.diversity > 0 ? Diverse(pool, n) : pool;
  }

  const std::vector<Candidate>& answer() const { return answer_; }
  int64_t n_eligible() const { return n_eligible_; }
  int64_t n_excluded() const { return n_excluded_; }
  int64_t n_passed_over() const { return n_passed_over_; }
  /// Whether an item's score is below the minimum, and whether one of these is not passed over in the end.
  bool has_below() const { return has_below_; }
  bool has_open_below() const { return has_open_below_; }

 private:
  void Order(std::span<const Ranked> sorted, const CalibrationView& calibration) {
    for (int32_t item = 0; item < vectors_.n_rows; ++item) n_eligible_ += IsEligible(item) ? 1 : 0;
    n_excluded_ = n_eligible_;
    for (const Ranked& one : sorted) {
      if (!IsEligible(one.item)) continue;
      --n_excluded_;
      if (rules_.min_score && one.score < *rules_.min_score) {
        has_below_ = true;
        continue;
      }
      double value = one.score;
      if (!rules_.boosts.empty()) {
        double product = 1;
        for (const Boost& boost : rules_.boosts)
          if (boost.items->Has(one.item)) product *= boost.factor;
        value = calibration.Probability(one.score) * product;
      }
      order_.push_back({one.item, one.score, value});
    }
    std::ranges::stable_sort(order_, [](const Candidate& a, const Candidate& b) { return a.value > b.value; });
  }

  bool IsEligible(int32_t item) const { return rules_.eligible == nullptr || rules_.eligible->Has(item); }

  bool HasSlot(int32_t item) {
    return taken_[item] >= 0 && rules_.promotions[static_cast<size_t>(taken_[item])].slots.has_value();
  }

  /// Whether no cap passes it over.
  bool IsOpen(int32_t item) const {
    return std::ranges::all_of(rules_.caps, [&](const Cap& cap) {
      const int32_t value = cap.values[static_cast<size_t>(item)];
      return value < 0 || std::ranges::count_if(taken_, [&](const auto& taken) {
                            return cap.values[static_cast<size_t>(taken.first)] == value;
                          }) < cap.most;
    });
  }

  int64_t Take(const Candidate& one, int32_t promotion) {
    if (taken_.contains(one.item) || !IsOpen(one.item)) return 0;
    taken_[one.item] = promotion;
    return 1;
  }

  double Cosine(int32_t a, int32_t b) const {
    double product = 0, size_a = 0, size_b = 0;
    const auto add = [&](double x, double y) { product += x * y, size_a += x * x, size_b += y * y; };
    for (int64_t k = 0; k < vectors_.n_cols; ++k)
      add(vectors_.row(a)[static_cast<size_t>(k)], vectors_.row(b)[static_cast<size_t>(k)]);
    if (vectors_.n_cols == 0)
      for (const auto& values : rules_.attributes)
        for (int32_t v = 0; v <= *std::ranges::max_element(values); ++v)
          add(values[static_cast<size_t>(a)] == v, values[static_cast<size_t>(b)] == v);
    const double size = std::sqrt(size_a) * std::sqrt(size_b);
    return size > 0 ? product / size : 0;
  }

  std::vector<Candidate> Diverse(const std::vector<Candidate>& pool, int64_t n) {
    double least = 0, most = 0;
    for (size_t i = 0; i < pool.size(); ++i) {
      least = i == 0 ? pool[i].value : std::min(least, pool[i].value);
      most = i == 0 ? pool[i].value : std::max(most, pool[i].value);
    }
    std::vector<Candidate> picked;
    std::set<int32_t> left;  // places in the pool
    for (size_t i = 0; i < pool.size(); ++i) left.insert(static_cast<int32_t>(i));
    while (std::ssize(picked) < n && !left.empty()) {
      int64_t n_reserved = 0;
      for (const int32_t i : left) {
        const int32_t item = pool[static_cast<size_t>(i)].item;
        n_reserved += taken_[item] >= 0 && !HasSlot(item) ? 1 : 0;
      }
      const int64_t n_places = std::min<int64_t>(n, std::ssize(pool)) - std::ssize(picked);
      int32_t best = -1;
      double best_gain = 0;
      for (const int32_t i : left) {
        const Candidate& one = pool[static_cast<size_t>(i)];
        double alike = picked.empty() ? 0 : -2;
        for (const Candidate& other : picked) alike = std::max(alike, Cosine(other.item, one.item));
        const double relevance = most > least ? (one.value - least) / (most - least) : 0;
        double gain = (1 - double{rules_.diversity}) * relevance - double{rules_.diversity} * alike;
        if (HasSlot(one.item)) gain = 1e9 - i;
        if (n_places == n_reserved && taken_[one.item] < 0) continue;
        if (best < 0 || gain > best_gain) best = i, best_gain = gain;
      }
      picked.push_back(pool[static_cast<size_t>(best)]);
      left.erase(best);
    }
    return picked;
  }

  const RankingRules& rules_;
  HostMatrix<const float> vectors_;
  std::vector<Candidate> order_;
  std::map<int32_t, int32_t> taken_;  // item: its promotion
  std::vector<Candidate> answer_;
  int64_t n_eligible_ = 0, n_excluded_ = 0, n_passed_over_ = 0;
  bool has_below_ = false, has_open_below_ = false;
};

}  // namespace kindred::reference
