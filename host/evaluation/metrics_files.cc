#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <iterator>
#include <system_error>

#include "host/evaluation/evaluation_details.h"
#include "host/store/files.h"
#include "host/text/text.h"

namespace kindred {
namespace fs = std::filesystem;
namespace {

constexpr const char* kUserFile = "user_metrics.csv";
constexpr const char* kGroupFile = "group_metrics.csv";

/// As a field behind a comma; nothing for what is not there.
template <class Number>
void PutField(std::string& to, Number value) {
  to += ',';
  if (!std::isnan(value)) fmt::format_to(std::back_inserter(to), "{}", value);
}

std::string UserLines(const ModelView& model, const Evaluation& evaluation) {
  std::string lines = "user_id,n_train,n_holdout";
  for (size_t m = 0; m < kNumberOfUserMetrics; ++m) lines += "," + UserMetricName(m, evaluation.k);
  lines += ",history_popularity";
  for (size_t m = 0; m < kNumberOfUserMetrics; ++m) lines += ",popularity_" + UserMetricName(m, evaluation.k);
  lines += '\n';
  for (size_t i = 0; i < evaluation.users.size(); ++i) {
    const int32_t user = evaluation.users[i];
    lines += CsvField(model.users.Id(user));
    fmt::format_to(std::back_inserter(lines), ",{},{}", model.history.row(user).size(), evaluation.n_relevant[i]);
    for (const float value : evaluation.of_model.row(i)) PutField(lines, value);
    PutField(lines, evaluation.history_popularity[i]);
    for (const float value : evaluation.of_popularity.row(i)) PutField(lines, value);
    lines += '\n';
  }
  return lines;
}

std::string GroupLines(const EvaluationDetails& details, int64_t k) {
  std::string lines = "side,attribute,group,n,metric,value,low,high,popularity\n";
  const auto add = [&](const char* side, const std::string& attribute, const std::string& group, int64_t n,
                       const std::string& metric, const MeanInterval& value, double popularity) {
    fmt::format_to(std::back_inserter(lines), "{},{},{},{},{}", side, CsvField(attribute), CsvField(group), n, metric);
    for (const double number : {value.mean, value.low, value.high, popularity}) PutField(lines, number);
    lines += '\n';
  };
  const auto alone = [](double value) { return MeanInterval{0, value, NAN, NAN}; };
  for (const UserGroups& of : details.user_groups)
    for (const UserGroup& group : of.groups) {
      for (size_t m = 0; m < kNumberOfUserMetrics; ++m)
        add("users", of.attribute, group.name, group.n_users, UserMetricName(m, k), group.model[m],
            group.popularity[m].mean);
      add("users", of.attribute, group.name, group.n_users, fmt::format("popularity_lift_at_{}", k),
          alone(group.popularity_lift), NAN);
    }
  for (const ItemGroups& of : details.item_groups)
    for (const ItemGroup& group : of.groups) {
      add("items", of.attribute, group.name, group.n_items, "share_of_items", alone(group.of_items), NAN);
      add("items", of.attribute, group.name, group.n_items, "share_of_holdout", alone(group.of_holdout), NAN);
      add("items", of.attribute, group.name, group.n_items, "share_of_recommended", alone(group.of_recommended),
          group.of_popular);
      add("items", of.attribute, group.name, group.n_items, "share_of_hits", alone(group.of_hits), NAN);
    }
  return lines;
}

}  // namespace

void CheckMetricsFolder(const fs::path& folder, bool overwrite) {
  for (const char* name : {kUserFile, kGroupFile}) CheckNewFile(folder / name, overwrite);
}

void WriteMetricsFiles(const fs::path& folder, const ModelView& model, const Evaluation& evaluation,
                       const EvaluationDetails& details, bool overwrite) {
  WriteNewFile(folder / kUserFile, UserLines(model, evaluation), overwrite);
  WriteNewFile(folder / kGroupFile, GroupLines(details, evaluation.k), overwrite);
}

}  // namespace kindred
