#include "host/segments/behaviour_json.h"

#include "host/store/json_reader.h"
#include "kernels/error.h"

namespace kindred {

using nlohmann::json;

json RulesJson(const BehaviourRules& rules, const RuleMembers& members, std::span<const Threshold> thresholds) {
  json made = json::array();
  for (int64_t i = 0; i < rules.n_rules(); ++i) {
    const UserBits& bits = members.rules[static_cast<size_t>(i)];
    json of = json::object();
    for (const size_t k : rules.Thresholds(i)) of[thresholds[k].name] = thresholds[k].value;
    const double share =
        bits.n_users == 0 ? 0 : static_cast<double>(bits.n_members) / static_cast<double>(bits.n_users);
    made.push_back({{"name", rules.Name(i)},
                    {"when", rules.When(i)},
                    {"size", bits.n_members},
                    {"share", share},
                    {"thresholds", of}});
  }
  return made;
}

json StagesJson(const BehaviourRules& rules, const RuleMembers& members, std::span<const int64_t> transitions,
                const BehaviourRules* last) {
  const auto n_stages = static_cast<size_t>(rules.n_stages());
  std::vector<int64_t> sizes(n_stages + 1);
  for (const int32_t stage : members.stages) ++sizes[stage < 0 ? n_stages : static_cast<size_t>(stage)];
  json made = {{"names", json::array()},       {"when", json::array()},  {"sizes", std::span(sizes).first(n_stages)},
               {"n_in_none", sizes[n_stages]}, {"transitions", nullptr}, {"last_names", nullptr}};
  for (int64_t i = rules.n_rules(); i < rules.n_rules() + rules.n_stages(); ++i) {
    made["names"].push_back(rules.Name(i));
    made["when"].push_back(rules.When(i));
  }
  for (size_t at = 0; at < transitions.size(); at += n_stages + 1)
    made["transitions"].push_back(transitions.subspan(at, n_stages + 1));
  for (int64_t i = 0; last != nullptr && i < last->n_stages(); ++i)
    made["last_names"].push_back(last->Name(last->n_rules() + i));
  return made;
}

std::vector<RuleSpec> ParseRules(const json& rules, const std::string& where) {
  if (!rules.is_array()) throw Error(ErrorCode::kCorrupt, where + ": rules are no list");
  std::vector<RuleSpec> specs;
  for (const json& rule : rules) {
    const JsonReader reader(rule, where + ": rules");
    specs.push_back({reader.Text("name"), reader.Text("when")});
  }
  return specs;
}

std::vector<RuleSpec> ParseStages(const json& stages, const std::string& where) {
  const JsonReader reader(stages, where + ": stages");
  const std::vector<std::string> names = reader.Texts("names"), when = reader.Texts("when");
  if (names.size() != when.size()) reader.Refuse("when", "as many conditions as names");
  std::vector<RuleSpec> specs;
  for (size_t i = 0; i < names.size(); ++i) specs.push_back({names[i], when[i]});
  return specs;
}

}  // namespace kindred
