#include "training/training_report_models.h"

#include "host/report/format.h"
#include "host/report/page.h"
#include "training/report_values.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr TableColumn::Kind kNumber = TableColumn::kNumber;

std::string Lists(const json& lists) {
  const json& groups = Member(lists, "groups");
  if (!groups.is_array()) return "";
  Table table = {"", {{TextOf(lists, "group_by")}, {"users", kNumber}, {"of them active", kNumber}}, {}};
  for (const json& group : groups)
    table.rows.push_back({TextOf(group, "group"), CountOf(group, "n_users"), CountOf(group, "n_active_users")});
  return SectionHtml("Whose lists there are",
                     "Groups with a list of their own; all other users get that of all. Users are active who have an "
                     "event that counts, in the window if there is one.",
                     TableHtml(table));
}

std::string Blend(const json& blend) {
  const json &bands = Member(blend, "bands"), &parts = Member(blend, "parts"), &alone = Member(blend, "part_ndcg");
  if (!bands.is_array() || !parts.is_array() || !alone.is_array()) return "";
  Table table = {"", {{"items in the history, from", kNumber}, {"users", kNumber}, {"NDCG", kNumber}}, {}};
  std::vector<TableCell> single = {"each part alone", "", ""};
  for (size_t p = 0; p < parts.size(); ++p) {
    table.columns.push_back({TextOf(parts[p], "algorithm"), kNumber});
    single.emplace_back(p < alone.size() && alone[p].is_number() ? MetricText(alone[p].get<double>()) : "");
  }
  for (const json& band : bands) {
    table.rows.push_back({CountOf(band, "from_length"), CountOf(band, "n_users"), MetricText(NumberOf(band, "ndcg"))});
    for (const json& weight : Member(band, "weights"))
      table.rows.back().emplace_back(NumberText(weight.is_number() ? weight.get<double>() : NAN));
  }
  table.rows.push_back(std::move(single));
  return SectionHtml(
      "What each part counts",
      "Weights of scores brought to one scale, by how much a user has done, and the NDCG they have on the "
      "slice of the training data they were learned on; below, that of each part without the others.",
      TableHtml(table));
}

std::string Content(const json& content) {
  const json& tried = Member(Member(content, "chosen_on"), "tried");
  if (!tried.is_array()) return "";
  const std::pair<const char*, const char*> members[] = {{"n_factors", "factors"},
                                                         {"item_ridge", "ridge of items"},
                                                         {"prior_strength", "strength of attributes"},
                                                         {"user_ridge", "ridge of users"},
                                                         {"cold_ndcg", "NDCG of new items"},
                                                         {"known_ndcg", "of the others"},
                                                         {"new_user_ndcg", "of new users"}};
  Table settings;
  for (const auto& [member, label] : members) settings.columns.push_back({label, kNumber});
  for (const json& one : tried) {
    settings.rows.emplace_back();
    for (const auto& [member, label] : members) {
      const bool is_metric = std::string_view(member).ends_with("ndcg");
      const double value = NumberOf(one, member);
      settings.rows.back().emplace_back(is_metric ? MetricText(value) : std::isnan(value) ? "" : NumberText(value));
    }
  }
  Table columns = {
      "", {{"column"}, {"of"}, {"type"}, {"with a value", kNumber}, {"features", kNumber}, {"left out", kNumber}}, {}};
  for (const auto& [member, side] : {std::pair("item_columns", "items"), {"user_columns", "users"}})
    for (const json& column : Member(content, member))
      columns.rows.push_back({TextOf(column, "name"), side, TextOf(column, "type"), CountOf(column, "n_rows"),
                              CountOf(column, "n_features"), CountOf(column, "n_left_out")});
  return SectionHtml("What attributes do",
                     "What was tried on a slice of the training data, whose new items were held out entirely, and what "
                     "became of each column.",
                     TableHtml(settings) + TableHtml(columns));
}

}  // namespace

std::string ModelSections(const json& report) {
  const json& of_algorithm = Member(report, TextOf(report, "algorithm"));
  return Lists(of_algorithm) + Blend(of_algorithm) + Content(of_algorithm);
}

json WithoutSections(json of_algorithm) {
  if (!of_algorithm.is_object()) return of_algorithm;
  for (const char* shown : {"groups", "bands", "part_ndcg", "item_columns", "user_columns"}) of_algorithm.erase(shown);
  if (of_algorithm.contains("chosen_on") && of_algorithm["chosen_on"].is_object())
    of_algorithm["chosen_on"].erase("tried");
  return of_algorithm;
}

}  // namespace kindred
