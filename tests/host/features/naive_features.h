// The features of a user again, by their definitions and nothing else (host/features/feature_spec.h).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "host/data/dataset.h"
#include "host/features/feature_spec.h"

namespace kindred {

class NaiveFeatures {
 public:
  struct Event {
    int32_t item;
    double value;
    int64_t time;
    std::string type;
  };
  static constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

  /// `holds`: whether a condition is true of an item, which the test says in C++.
  NaiveFeatures(const Dataset& dataset, int64_t reference, std::function<bool(const std::string&, int32_t)> holds)
      : dataset_(dataset), reference_(reference), holds_(std::move(holds)) {}

  std::vector<double> Of(const FeatureDeclaration& feature, int64_t user) const {
    using enum FeatureKind;
    if (feature.kind == kAttribute) return {OfUser(feature, user)};
    const std::vector<Event> events = Events(feature, user);
    if (feature.kind == kCategoryShares) {
      std::vector<double> shares;
      for (const std::string& value : feature.values) {
        double with = 0, known = 0;
        for (const Event& event : events) {
          const std::vector<std::string> values = ValuesOf(feature.of, event.item);
          known += values.empty() ? 0 : 1;
          with += std::count(values.begin(), values.end(), value) > 0 ? 1 : 0;
        }
        shares.push_back(known > 0 ? with / known : kMissing);
      }
      return shares;
    }
    return {OfEvents(feature, events)};
  }

 private:
  std::vector<Event> Events(const FeatureDeclaration& feature, int64_t user) const {
    const EventsView& all = dataset_.events();
    std::vector<Event> events;
    for (int64_t at = all.indptr[user]; at < all.indptr[user + 1]; ++at) {
      const Event event = {all.items[at], all.values[at], all.times.empty() ? 0 : all.times[at],
                           all.types.empty() ? "" : all.type_names[all.types[at]]};
      if (event.time > reference_) continue;
      if (feature.window && event.time + *feature.window <= reference_) continue;
      bool named = feature.events.empty();
      for (const std::string& name : feature.events)
        named |= event.type == name || (name == "purchases" && event.type == "buy") ||
                 (name == "interest" && (event.type == "view" || event.type == "cart"));
      if (!named) continue;
      if (!feature.where.empty() && feature.kind != FeatureKind::kShare && !holds_(feature.where, event.item)) continue;
      events.push_back(event);
    }
    return events;
  }

  double OfUser(const FeatureDeclaration& feature, int64_t user) const {
    const AttributeTable& table = dataset_.user_attributes();
    const AttributeColumn& column = table.columns()[static_cast<size_t>(table.Find(feature.of))];
    const auto row = static_cast<size_t>(user);
    if (column.type == AttributeType::kNumber) return column.numbers[row];
    if (column.type == AttributeType::kBoolean) return column.booleans[row] == 2 ? kMissing : column.booleans[row];
    if (column.times[row] == std::numeric_limits<int64_t>::min()) return kMissing;
    return static_cast<double>(reference_ - column.times[row]) / 86400;
  }

  double NumberOf(const FeatureDeclaration& feature, const Event& event) const {
    if (feature.of.empty()) return event.value;
    const AttributeTable& table = dataset_.item_attributes();
    const AttributeColumn& column = table.columns()[static_cast<size_t>(table.Find(feature.of))];
    const auto row = static_cast<size_t>(event.item);
    if (column.type == AttributeType::kNumber) return column.numbers[row];
    return column.booleans[row] == 2 ? kMissing : column.booleans[row];
  }

  std::vector<std::string> ValuesOf(const std::string& of, int32_t item) const {
    if (of.empty()) return {std::to_string(item)};
    const AttributeTable& table = dataset_.item_attributes();
    const AttributeColumn& column = table.columns()[static_cast<size_t>(table.Find(of))];
    std::vector<std::string> values;
    if (column.type == AttributeType::kCategory) {
      if (column.codes[static_cast<size_t>(item)] >= 0)
        values.emplace_back(column.dictionary[column.codes[static_cast<size_t>(item)]]);
      return values;
    }
    for (int64_t at = column.indptr[static_cast<size_t>(item)]; at < column.indptr[static_cast<size_t>(item) + 1]; ++at)
      values.emplace_back(column.dictionary[column.codes[static_cast<size_t>(at)]]);
    return values;
  }

  double OfEvents(const FeatureDeclaration& feature, const std::vector<Event>& events) const {
    using enum FeatureKind;
    const auto n = static_cast<double>(events.size());
    const auto days = [&](int64_t time) { return static_cast<double>(reference_ - time) / 86400; };
    switch (feature.kind) {
      case kRecency:
        return events.empty() ? kMissing : days(events.back().time);
      case kTenure:
        return events.empty() ? kMissing : days(events.front().time);
      case kCount:
        return n;
      case kRate: {
        if (events.empty()) return 0;
        const double per = static_cast<double>(feature.per);
        const double of = feature.window ? static_cast<double>(*feature.window)
                                         : std::max(static_cast<double>(reference_ - events.front().time), per);
        return n / (of / per);
      }
      case kSum:
      case kMean:
      case kMax:
        return OfNumbers(feature, events);
      case kGap: {
        std::set<int64_t> times;
        for (const Event& event : events) times.insert(event.time);
        std::vector<double> gaps;
        for (auto at = times.begin(); at != times.end() && std::next(at) != times.end(); ++at)
          gaps.push_back(static_cast<double>(*std::next(at) - *at) / 86400);
        std::sort(gaps.begin(), gaps.end());
        return gaps.empty() ? kMissing : (gaps[(gaps.size() - 1) / 2] + gaps[gaps.size() / 2]) / 2;
      }
      case kBaskets:
      case kBasketSize:
      case kBasketValue:
        return OfBaskets(feature, events);
      case kShare: {
        double with = 0;
        for (const Event& event : events) with += holds_(feature.where, event.item) ? 1 : 0;
        return events.empty() ? kMissing : with / n;
      }
      case kDistinct:
      case kEntropy:
        return OfVariety(feature, events);
      default:
        return OfSessions(feature, events);
    }
  }

  double OfNumbers(const FeatureDeclaration& feature, const std::vector<Event>& events) const {
    std::vector<double> numbers;
    for (const Event& event : events)
      if (!std::isnan(NumberOf(feature, event))) numbers.push_back(NumberOf(feature, event));
    double sum = 0;
    for (const double number : numbers) sum += number;
    if (feature.kind == FeatureKind::kSum) return sum;
    if (numbers.empty()) return kMissing;
    if (feature.kind == FeatureKind::kMax) return *std::max_element(numbers.begin(), numbers.end());
    return sum / static_cast<double>(numbers.size());
  }

  double OfBaskets(const FeatureDeclaration& feature, const std::vector<Event>& events) const {
    std::map<int64_t, std::vector<double>> baskets;
    for (const Event& event : events) baskets[event.time].push_back(NumberOf(feature, event));
    if (feature.kind == FeatureKind::kBaskets) return static_cast<double>(baskets.size());
    if (baskets.empty()) return kMissing;
    if (feature.kind == FeatureKind::kBasketSize)
      return static_cast<double>(events.size()) / static_cast<double>(baskets.size());
    double sum = 0, n = 0;
    for (auto& [time, numbers] : baskets) {
      std::erase_if(numbers, [](double number) { return std::isnan(number); });
      for (const double number : numbers) sum += number;
      n += numbers.empty() ? 0 : 1;
    }
    return n == 0 ? kMissing : sum / n;
  }

  double OfVariety(const FeatureDeclaration& feature, const std::vector<Event>& events) const {
    std::map<std::string, double> counts;
    double all = 0;
    for (const Event& event : events)
      for (const std::string& value : ValuesOf(feature.of, event.item)) ++counts[value], ++all;
    if (feature.kind == FeatureKind::kDistinct) return static_cast<double>(counts.size());
    double entropy = 0;
    for (const auto& [value, count] : counts) entropy -= count / all * std::log2(count / all);
    return counts.empty() ? kMissing : entropy;
  }

  static double OfSessions(const FeatureDeclaration& feature, const std::vector<Event>& events) {
    std::vector<std::vector<Event>> sessions;
    for (const Event& event : events) {
      if (sessions.empty() || event.time - sessions.back().back().time > feature.session_gap) sessions.emplace_back();
      sessions.back().push_back(event);
    }
    std::set<int32_t> seen;
    double seconds = 0, steps = 0, long_events = 0, returns = 0;
    for (const std::vector<Event>& session : sessions) {
      const auto length = static_cast<double>(session.back().time - session.front().time);
      seconds += length;
      steps += static_cast<double>(session.size() - 1);
      if (length > 0) long_events += static_cast<double>(session.size());
      bool again = false;
      for (const Event& event : session) again |= seen.contains(event.item);
      for (const Event& event : session) seen.insert(event.item);
      returns += again ? 1 : 0;
    }
    const auto n = static_cast<double>(sessions.size());
    const auto ratio = [](double a, double b) { return b > 0 ? a / b : kMissing; };
    if (feature.kind == FeatureKind::kSessions) return n;
    if (feature.kind == FeatureKind::kSessionLength) return ratio(seconds, n);
    if (feature.kind == FeatureKind::kDwell) return ratio(seconds, steps);
    if (feature.kind == FeatureKind::kVelocity) return ratio(long_events, seconds / 3600);
    return ratio(returns, n);
  }

  const Dataset& dataset_;
  int64_t reference_;
  std::function<bool(const std::string&, int32_t)> holds_;
};

}  // namespace kindred
