#include "serving/scenarios.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "host/expression/diagnostic.h"
#include "host/ranking/ruled_ranking.h"
#include "host/store/files.h"
#include "host/text/text.h"
#include "kernels/error.h"
#include "serving/eligibility.h"
#include "serving/handlers.h"
#include "serving/query_plan.h"
#include "serving/recommender.h"
#include "serving/toml_message.h"

namespace kindred {
namespace {

using google::protobuf::FieldDescriptor;

constexpr int64_t kMaxFileBytes = int64_t{1} << 20;
constexpr std::string_view kOfTheRequest[] = {"user_id", "history", "tenant", "scenario", "dry_run", "cursor"};

/// Refuses what a scenario cannot say.
void CheckField(const FieldDescriptor& field, const toml::node& node, const TomlPlace& place,
                const v1::RecommendRequest& request) {
  if (field.containing_type() == v1::RecommendRequest::descriptor() &&
      std::ranges::find(kOfTheRequest, field.name()) != std::end(kOfTheRequest))
    place.Refuse(node.source(), "is for requests to say, not for scenarios");
  if (const grpc::Status served = CheckServed(request); !served.ok())
    place.Refuse(node.source(), served.error_message());
}

template <class Request>
Request Merged(Request scenario, const Request& request) {
  const auto* reflection = request.GetReflection();
  std::vector<const FieldDescriptor*> own;
  reflection->ListFields(request, &own);
  for (const FieldDescriptor* field : own)
    if (!field->is_map()) reflection->ClearField(&scenario, field);
  scenario.MergeFrom(request);
  scenario.clear_scenario();
  return scenario;
}

}  // namespace

Scenarios Scenarios::Read(const std::string& path) {
  return Parse(ReadFile(path, kMaxFileBytes), path);
}

Scenarios Scenarios::Parse(std::string_view text, const std::string& path) {
  const TomlPlace file = {path, {}};
  const toml::table parsed = ParseToml(text, path);
  Scenarios scenarios;
  for (const auto& [key, node] : parsed) {
    if (key.str() != "scenarios" || !node.is_table())
      file.Refuse(key.source(),
                  fmt::format("found '{}'; expected tables [scenarios.NAME] and nothing else", Printable(key.str())));
    for (const auto& [name, table] : *node.as_table()) {
      const TomlPlace place = {path, "scenarios." + std::string(name.str())};
      if (!table.is_table()) place.Refuse(table.source(), fmt::format("expected a table [{}]", Printable(place.name)));
      Scenario& scenario = scenarios.scenarios_[std::string(name.str())];
      ReadTomlMessage(*table.as_table(), place, &scenario.request,
                      [&](const FieldDescriptor& field, const toml::node& at, const TomlPlace& inner) {
                        CheckField(field, at, inner, scenario.request);
                        if (field.name() == "filter")
                          scenario.filters.push_back({inner.Prefix(at.source()), at.as_string()->get()});
                        if (field.containing_type() == v1::RecommendRequest::descriptor())
                          scenario.places[field.name()] = place.Prefix(at.source());
                      });
    }
  }
  return scenarios;
}

const std::string& Scenarios::Scenario::PlaceOf(std::string_view message) const {
  static const std::string kNone;
  const auto found = places.find(message.substr(0, message.find_first_of("[.:")));
  return found == places.end() ? kNone : found->second;
}

void Scenarios::Check(const Scenario& scenario, const ServedModel& model) {
  const ModelView& view = model.ranker->model();
  for (const auto& [place, text] : scenario.filters) {
    try {
      if (text.size() > kMaxFilterBytes)
        throw Error(ErrorCode::kUsage, fmt::format("has {} bytes, expected at most {}", text.size(), kMaxFilterBytes));
      Filter::CompileForAnyContext(text, model.items->own(), view.user_columns);
    } catch (const Error& error) {
      throw Error(ErrorCode::kUsage, place + FirstLine(error.what()));
    }
  }
  const v1::RecommendRequest& request = scenario.request;
  const v1::RecommendRequest& nothing = v1::RecommendRequest::default_instance();
  try {
    const int32_t n = CheckedN(request.has_n() ? std::optional(request.n()) : std::nullopt);
    QueryConditions conditions = ToConditions(request, nothing);
    conditions.filter = {};
    PlanEligibility(view, conditions, -1, {});
    ExcludedItems(view, conditions, -1, {}, 0);
    const ValueCodesCache codes;
    const auto filter = [](std::string_view) { return nullptr; };
    CheckRulesFor(view, BindRules(ToRules(request, nothing), nullptr, model.items->own(), codes, filter).rules, n);
  } catch (const Error& error) {
    throw Error(ErrorCode::kUsage, scenario.PlaceOf(error.what()) + FirstLine(error.what()));
  }
}

void Scenarios::Check(const ServedModel& model) const {
  for (const auto& [name, scenario] : scenarios_) Check(scenario, model);
}

const v1::RecommendRequest& Scenarios::Find(const std::string& name) const {
  if (const auto found = scenarios_.find(name); found != scenarios_.end()) return found->second.request;
  std::string known;
  for (const auto& [one, scenario] : scenarios_)
    known += fmt::format("{}'{}'", known.empty() ? "" : ", ", Printable(one));
  throw Error(
      ErrorCode::kNotFound,
      scenarios_.empty()
          ? fmt::format("scenario: there is no '{}', as the server was started without --scenarios", Printable(name))
          : fmt::format("scenario: there is no '{}'; there are {}", Printable(name), known));
}

const v1::RecommendRequest& Scenarios::Of(const v1::RecommendRequest& request) const {
  return request.scenario().empty() ? v1::RecommendRequest::default_instance() : Find(request.scenario());
}

v1::RecommendRequest Scenarios::Apply(const v1::RecommendRequest& request) const {
  return request.scenario().empty() ? request : Merged(Find(request.scenario()), request);
}

v1::SimilarItemsRequest Scenarios::Apply(const v1::SimilarItemsRequest& request) const {
  if (request.scenario().empty()) return request;
  const v1::RecommendRequest& from = Find(request.scenario());
  v1::SimilarItemsRequest scenario;
  if (from.has_n()) scenario.set_n(from.n());
  scenario.set_filter(from.filter());
  return Merged(std::move(scenario), request);
}

}  // namespace kindred
