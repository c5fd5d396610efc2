#include "host/evaluation/groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "host/data_report/calendar.h"
#include "host/data_report/distribution.h"

namespace kindred {
namespace {

constexpr size_t kMostCategories = 12;
constexpr size_t kFewValues = 6;
constexpr double kNormal = 1.959963984540054;  // 97.5 %
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kAny = std::numeric_limits<double>::infinity();

/// A row of the table for each user or item, or none.
class Rows {
 public:
  Rows(std::span<const int32_t> rows, int64_t n_rows) : rows_(rows), n_(rows.empty() ? n_rows : std::ssize(rows)) {}

  int64_t size() const { return n_; }
  int64_t operator[](int64_t i) const { return rows_.empty() ? i : rows_[static_cast<size_t>(i)]; }

 private:
  std::span<const int32_t> rows_;
  int64_t n_;
};

/// Adds a group of those in none, if there are any, and drops groups without members; nullopt where less than two stay.
std::optional<Grouping> Finish(Grouping grouping, const char* missing) {
  const auto n_named = static_cast<int32_t>(grouping.names.size());
  grouping.names.emplace_back(missing);
  std::vector<int64_t> n(grouping.names.size(), 0);
  for (int32_t& group : grouping.group_of) {
    if (group < 0) group = n_named;
    ++n[static_cast<size_t>(group)];
  }
  std::vector<int32_t> place(n.size(), -1);
  std::vector<std::string> names;
  for (size_t g = 0; g < n.size(); ++g) {
    if (n[g] == 0) continue;
    place[g] = static_cast<int32_t>(names.size());
    names.push_back(std::move(grouping.names[g]));
  }
  grouping.names = std::move(names);
  for (int32_t& group : grouping.group_of) group = place[static_cast<size_t>(group)];
  return grouping.names.size() < 2 ? std::nullopt : std::optional(std::move(grouping));
}

/// The most frequent categories, each a group, and the others together.
Grouping ByCategory(const AttributeColumn& column, const Rows& rows) {
  std::vector<int64_t> n(static_cast<size_t>(column.dictionary.size()), 0);
  const auto code_of = [&](int64_t i) { return rows[i] < 0 ? -1 : column.codes[static_cast<size_t>(rows[i])]; };
  for (int64_t i = 0; i < rows.size(); ++i)
    if (const int32_t code = code_of(i); code >= 0) ++n[static_cast<size_t>(code)];
  std::vector<size_t> order(n.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return n[a] > n[b]; });
  const size_t n_shown = order.size() <= kMostCategories + 1 ? order.size() : kMostCategories;

  Grouping grouping = {column.name, {}, {}};
  std::vector<int32_t> group_of_code(n.size(), static_cast<int32_t>(n_shown));
  for (size_t g = 0; g < n_shown; ++g) {
    grouping.names.emplace_back(column.dictionary[static_cast<int64_t>(order[g])]);
    group_of_code[order[g]] = static_cast<int32_t>(g);
  }
  grouping.names.emplace_back("(other)");
  for (int64_t i = 0; i < rows.size(); ++i) {
    const int32_t code = code_of(i);
    grouping.group_of.push_back(code < 0 ? -1 : group_of_code[static_cast<size_t>(code)]);
  }
  return grouping;
}

Grouping ByBoolean(const AttributeColumn& column, const Rows& rows) {
  Grouping grouping = {column.name, {"false", "true"}, {}};
  for (int64_t i = 0; i < rows.size(); ++i) {
    const int value = rows[i] < 0 ? 2 : column.booleans[static_cast<size_t>(rows[i])];
    grouping.group_of.push_back(value > 1 ? -1 : value);
  }
  return grouping;
}

/// A few values as they are, more in quarters that part no equal values. `value_of` gives NaN for none.
Grouping ByNumber(const std::string& name, int64_t n, const std::function<double(int64_t)>& value_of,
                  const std::function<std::string(double)>& text_of) {
  std::vector<double> values;
  for (int64_t i = 0; i < n; ++i)
    if (const double value = value_of(i); !std::isnan(value)) values.push_back(value);
  std::sort(values.begin(), values.end());
  std::vector<double> last;  // of each group
  for (const double value : values)
    if (last.empty() || (value > last.back() && last.size() <= kFewValues)) last.push_back(value);
  if (last.size() > kFewValues) {
    last.clear();
    for (const int percent : {25, 50, 75, 100}) {
      const double edge = values[static_cast<size_t>(NearestRank(std::ssize(values), percent) - 1)];
      if (last.empty() || edge > last.back()) last.push_back(edge);
    }
  }
  Grouping grouping = {name, {}, {}};
  for (size_t g = 0; g < last.size(); ++g) {
    const double first = g == 0 ? values.front() : *std::upper_bound(values.begin(), values.end(), last[g - 1]);
    grouping.names.push_back(first == last[g] ? text_of(first)
                                              : fmt::format("{} to {}", text_of(first), text_of(last[g])));
  }
  for (int64_t i = 0; i < n; ++i) {
    const double value = value_of(i);
    const auto group = std::lower_bound(last.begin(), last.end(), value) - last.begin();
    grouping.group_of.push_back(std::isnan(value) ? -1 : static_cast<int32_t>(group));
  }
  return grouping;
}

std::string ValueText(double value) {
  return fmt::format("{:.6g}", value);
}

std::optional<Grouping> ByAttribute(const AttributeColumn& column, const Rows& rows) {
  switch (column.type) {
    case AttributeType::kCategory:
      return ByCategory(column, rows);
    case AttributeType::kBoolean:
      return ByBoolean(column, rows);
    case AttributeType::kNumber:
      return ByNumber(
          column.name, rows.size(),
          [&](int64_t i) { return rows[i] < 0 ? kNone : column.numbers[static_cast<size_t>(rows[i])]; }, &ValueText);
    case AttributeType::kTime:
      return ByNumber(
          column.name, rows.size(),
          [&](int64_t i) {
            const int64_t time =
                rows[i] < 0 ? std::numeric_limits<int64_t>::min() : column.times[static_cast<size_t>(rows[i])];
            return HasDate(time) ? static_cast<double>(DayOf(time)) : kNone;
          },
          [](double day) { return DateText(static_cast<int64_t>(day)); });
    case AttributeType::kTags:
    case AttributeType::kText:
      break;
  }
  return std::nullopt;
}

double Part(int64_t n, int64_t of) {
  return of > 0 ? static_cast<double>(n) / static_cast<double>(of) : kNone;
}

/// What the metric can be.
std::pair<double, double> Bounds(size_t metric) {
  if (metric < kNumberOfHitMetrics || metric == kListPopularity) return {0, 1};
  return metric == kDiversity ? std::pair(0.0, 2.0) : std::pair(0.0, kAny);
}

UserGroup MeasureUsers(const Evaluation& evaluation, std::span<const size_t> users) {
  UserGroup group;
  group.n_users = std::ssize(users);
  for (const auto& [table, metrics] :
       {std::pair(&evaluation.of_model, &group.model), {&evaluation.of_popularity, &group.popularity}}) {
    std::vector<double> values(users.size());
    for (size_t m = 0; m < kNumberOfUserMetrics; ++m) {
      for (size_t i = 0; i < users.size(); ++i) values[i] = table->row(users[i])[m];
      const auto [least, most] = Bounds(m);
      (*metrics)[m] = MeanOf(values, least, most);
    }
  }
  double shown = 0, had = 0;
  for (const size_t user : users) {
    const float of_list = evaluation.of_model.row(user)[kListPopularity], before = evaluation.history_popularity[user];
    if (std::isnan(of_list) || std::isnan(before)) continue;
    shown += of_list;
    had += before;
  }
  group.popularity_lift = had > 0 ? shown / had : kNone;
  return group;
}

}  // namespace

std::vector<Grouping> AttributeGroupings(const AttributeTable& table, std::span<const int32_t> rows) {
  std::vector<Grouping> groupings;
  for (const AttributeColumn& column : table.columns()) {
    std::optional<Grouping> grouping = ByAttribute(column, Rows(rows, table.n_rows()));
    if (grouping) grouping = Finish(std::move(*grouping), "(missing)");
    if (grouping) groupings.push_back(std::move(*grouping));
  }
  return groupings;
}

Grouping HistoryGrouping(const CsrView& history) {
  Grouping grouping = ByNumber(
      "history length", history.n_rows,
      [&](int64_t user) {
        const size_t n = history.row(user).size();
        return n == 0 ? kNone : static_cast<double>(n);
      },
      &ValueText);
  grouping.names.emplace_back("none");
  for (int32_t& group : grouping.group_of)
    if (group < 0) group = static_cast<int32_t>(grouping.names.size()) - 1;
  return grouping;
}

Csr ItemFeatures(const AttributeTable& table, std::span<const int32_t> rows) {
  const Rows row_of(rows, table.n_rows());
  Csr features;
  features.n_rows = row_of.size();
  std::vector<std::pair<const AttributeColumn*, int64_t>> columns;  // with their first feature
  for (const AttributeColumn& column : table.columns()) {
    columns.emplace_back(&column, features.n_cols);
    const bool coded = column.type == AttributeType::kCategory || column.type == AttributeType::kTags;
    features.n_cols += coded ? column.dictionary.size() : column.type == AttributeType::kBoolean ? 2 : 0;
  }
  if (features.n_cols > std::numeric_limits<int32_t>::max()) return {features.n_rows, 0, {0}, {}, {}};
  for (int64_t i = 0; i < row_of.size(); ++i) {
    const int64_t row = row_of[i];
    std::vector<int32_t> own;
    for (const auto& [column, first] : columns) {
      if (row < 0) break;
      const auto r = static_cast<size_t>(row);
      if (column->type == AttributeType::kBoolean && column->booleans[r] < 2)
        own.push_back(static_cast<int32_t>(first + column->booleans[r]));
      if (column->type == AttributeType::kCategory && column->codes[r] >= 0)
        own.push_back(static_cast<int32_t>(first + column->codes[r]));
      if (column->type == AttributeType::kTags)
        for (int64_t t = column->indptr[r]; t < column->indptr[r + 1]; ++t)
          own.push_back(static_cast<int32_t>(first + column->codes[static_cast<size_t>(t)]));
    }
    std::sort(own.begin(), own.end());
    features.indices.insert(features.indices.end(), own.begin(), own.end());
    features.indptr.push_back(std::ssize(features.indices));
  }
  return features;
}

MeanInterval MeanOf(std::span<const double> values, double least, double most) {
  MeanInterval result = {0, 0, kNone, kNone};
  double squares = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    ++result.n;
    result.mean += value;
  }
  const auto n = static_cast<double>(result.n);
  result.mean = result.n > 0 ? result.mean / n : kNone;
  if (result.n < 2) return result;
  for (const double value : values)
    if (!std::isnan(value)) squares += (value - result.mean) * (value - result.mean);
  const double half = kNormal * std::sqrt(squares / (n - 1) / n);
  result.low = std::max(least, result.mean - half);
  result.high = std::min(most, result.mean + half);
  return result;
}

UserGroups MeasureUserGroups(const Evaluation& evaluation, const Grouping& of) {
  std::vector<std::vector<size_t>> members(of.names.size());
  for (size_t i = 0; i < evaluation.users.size(); ++i) {
    const int32_t group = of.group_of[static_cast<size_t>(evaluation.users[i])];
    members[static_cast<size_t>(group)].push_back(i);
  }
  UserGroups result = {of.name, {}};
  for (size_t g = 0; g < members.size(); ++g) {
    if (members[g].empty()) continue;
    result.groups.push_back(MeasureUsers(evaluation, members[g]));
    result.groups.back().name = of.names[g];
  }
  return result;
}

ItemGroups MeasureItemGroups(const Evaluation& evaluation, const CsrView& held_out, const Grouping& of) {
  struct Counts {
    int64_t items = 0, held = 0, shown = 0, hits = 0, popular = 0;
  };
  std::vector<Counts> counts(of.names.size());
  Counts all;
  const auto add = [&](int64_t Counts::*what, size_t item, int64_t n) {
    counts[static_cast<size_t>(of.group_of[item])].*what += n;
    all.*what += n;
  };
  for (size_t item = 0; item < of.group_of.size(); ++item) {
    add(&Counts::items, item, 1);
    add(&Counts::shown, item, evaluation.of_model.n_shown[item]);
    add(&Counts::hits, item, evaluation.of_model.n_hits[item]);
    add(&Counts::popular, item, evaluation.of_popularity.n_shown[item]);
  }
  for (const int32_t item : held_out.indices) add(&Counts::held, static_cast<size_t>(item), 1);
  ItemGroups result = {of.name, {}};
  for (size_t g = 0; g < counts.size(); ++g)
    result.groups.push_back({of.names[g], counts[g].items, Part(counts[g].items, all.items),
                             Part(counts[g].held, all.held), Part(counts[g].shown, all.shown),
                             Part(counts[g].hits, all.hits), Part(counts[g].popular, all.popular)});
  return result;
}

std::array<MeanInterval, kNumberOfHitMetrics> AgainstPopularity(const Evaluation& evaluation) {
  std::array<MeanInterval, kNumberOfHitMetrics> result;
  // Users the model lacks are missed by both: they differ by nothing.
  std::vector<double> differences(evaluation.users.size() + static_cast<size_t>(evaluation.n_missing_users), 0);
  for (size_t m = 0; m < kNumberOfHitMetrics; ++m) {
    for (size_t i = 0; i < evaluation.users.size(); ++i)
      differences[i] = double{evaluation.of_model.row(i)[m]} - double{evaluation.of_popularity.row(i)[m]};
    result[m] = MeanOf(differences, -1, 1);
  }
  return result;
}

}  // namespace kindred
