#include "serving/recommender.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "host/text/text.h"
#include "serving/cursor.h"
#include "serving/query_plan.h"

namespace kindred {
namespace {

struct Plan : QueryPlan {
  bool with_cost = false;
  Queries fold_query = {};  // what its history folds into
};

/// Fills the queries of the folded-in plans. A plan that cannot be folded in gets an error, alone.
void FoldIn(Context& context, const Ranker& ranker, std::span<Plan> plans, std::span<const size_t> rows,
            std::span<RecommendOutcome> outcomes) {
  if (rows.empty()) return;
  std::vector<int64_t> indptr = {0};
  std::vector<int32_t> items;
  std::vector<float> values;
  for (size_t row : rows) {
    items.insert(items.end(), plans[row].fold_items.begin(), plans[row].fold_items.end());
    values.insert(values.end(), plans[row].fold_values.begin(), plans[row].fold_values.end());
    indptr.push_back(static_cast<int64_t>(items.size()));
  }
  Queries queries;
  try {
    queries =
        ranker.FoldIn(context, {static_cast<int64_t>(rows.size()), ranker.model().n_items(), indptr, items, values});
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNumeric) throw;
    if (rows.size() == 1)
      outcomes[rows[0]] =
          Error(ErrorCode::kInvalidArgument, std::string("history: cannot be folded in: ") + error.what());
    else
      for (size_t i = 0; i < rows.size(); ++i) FoldIn(context, ranker, plans, rows.subspan(i, 1), outcomes);
    return;
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::span<const float> row = queries.Factors(static_cast<int64_t>(i));
    plans[rows[i]].fold_query.Add(queries, static_cast<int64_t>(i));
    if (!std::all_of(row.begin(), row.end(), [](float x) { return std::isfinite(x); }))
      outcomes[rows[i]] =
          Error(ErrorCode::kInvalidArgument, "history: cannot be folded in: its values are too far apart");
  }
}

void AddItem(const ModelView& model, int32_t item, float score, Recommendation& result) {
  result.items.push_back({model.items.Id(item), score, {}});
  const bool by_model = result.served_by == ServedBy::kPersonal || result.served_by == ServedBy::kFoldedIn;
  if (by_model && !model.calibration.empty()) result.items.back().probability = model.calibration.Probability(score);
}

/// n items of a list, from a place on.
void FillItems(const ModelView& model, const RankedLists& lists, int64_t query, int32_t first, int32_t n,
               Recommendation& result) {
  const auto skipped = std::min(lists.Items(query).size(), static_cast<size_t>(first));
  const std::span<const int32_t> items = lists.Items(query).subspan(skipped);
  const std::span<const float> scores = lists.Scores(query).subspan(skipped);
  const size_t count = std::min(items.size(), static_cast<size_t>(n));
  result.items.reserve(count);
  for (size_t i = 0; i < count; ++i) AddItem(model, items[i], scores[i], result);
}

/// The same of a list under rules.
void FillItems(const ModelView& model, const RuledList& list, const Plan& plan, Recommendation& result) {
  result.rules = {list.n_eligible, list.n_excluded, list.n_passed_over, 0, list.diversified};
  const auto skipped = std::min(list.items.size(), static_cast<size_t>(plan.n_before));
  for (const RuledItem& item : std::span(list.items).subspan(skipped)) {
    AddItem(model, item.item, item.score, result);
    if (item.promotion < 0) continue;
    result.items.back().promotion = plan.rules.requested->promotions[static_cast<size_t>(item.promotion)].name;
    ++result.rules->n_promoted;
  }
}

std::string WhyShort(const ModelView& model, const Plan& plan, int32_t returned, const ItemBits* eligible) {
  if (returned == plan.n) return fmt::format("lists end at place {}", kMaxDepth);
  const int64_t n_excluded = std::ranges::count_if(
      plan.excluded, [eligible](int32_t item) { return eligible == nullptr || eligible->Has(item); });
  std::string why = fmt::format("{}, and {} of {} {} {}", WhatIsEligible(model, plan.eligibility, eligible), n_excluded,
                                eligible == nullptr ? "them" : "those", n_excluded == 1 ? "is" : "are",
                                plan.excludes_history ? "in the user's history" : "excluded");
  if (plan.n_before > 0) why += fmt::format(", {} on earlier pages", plan.n_before);
  return why;
}

template <class T>
std::string ChecksumOfAll(std::span<const T> values) {
  return ChecksumOf({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

/// What is eligible to all of some queries alike.
struct EligibleAlike {
  std::shared_ptr<const ItemBits> items;
  std::string checksum;  // of them, and of what else decides lists that have pages
  bool once = false;     // no other request has the very set
};

/// Where nothing but the user's history is left out, the version and the request say it.
std::string ItemsChecksum(const Plan& plan, const EligibleAlike& eligible) {
  std::string parts = eligible.checksum;
  if (!plan.excludes_history) parts += ChecksumOfAll(std::span<const int32_t>(plan.excluded));
  return ChecksumOf(parts);
}

/// All but its items.
Recommendation Begin(Plan& plan) {
  Recommendation result;
  result.served_by = plan.served_by;
  result.why = std::move(plan.why);
  result.unknown_history_items = std::move(plan.unknown);
  return result;
}

/// What goes by the items, which are there. `list` is theirs where there are rules.
void Finish(const ModelView& model, const Plan& plan, const EligibleAlike& eligible, const RuledList* list,
            const TopNCost* cost, Recommendation& result) {
  const auto returned = static_cast<int32_t>(result.items.size());
  if (returned < plan.asked) {
    result.shortfall = {plan.asked, returned, WhyShort(model, plan, returned, eligible.items.get())};
    if (list != nullptr && returned < plan.n)
      result.shortfall->reason += WhyRulesLeaveOut(*plan.rules.requested, *list);
  }
  result.items_checksum = ItemsChecksum(plan, eligible);
  if (!plan.with_cost) return;
  const int64_t n_eligible = eligible.items ? eligible.items->n_set : model.n_items();
  result.cost = {model.n_items(), n_eligible, cost->scanned, cost->rescored, 0};
}

/// What is asked for the plans of some rows at once.
struct Asked {
  Queries queries;  // none by popularity
  Exclusions excluded;
  int32_t n = 0;  // the most that any of them asks for
  bool with_costs = false;
};

Asked AskFor(const Ranker& ranker, std::span<Plan> plans, std::span<const size_t> rows, bool by_model) {
  Asked asked;
  for (size_t row : rows) {
    const Plan& plan = plans[row];
    asked.excluded.Add(plan.excluded);
    asked.n = std::max(asked.n, plan.n_before + plan.n);
    asked.with_costs |= plan.with_cost;
    if (!by_model) continue;
    if (plan.served_by == ServedBy::kFoldedIn)
      asked.queries.Add(plan.fold_query, 0);
    else if (plan.user < 0)
      asked.queries.Add(ranker.model().base_query);
    else
      ranker.AddUser(plan.user, &asked.queries);
  }
  return asked;
}

/// Ranks the plans of `rows` by one call; each list is then cut to its own n: the n best are the first of the m best.
/// The same items are eligible for all of them.
void RankAlike(Context& context, const Ranker& ranker, std::span<Plan> plans, std::span<const size_t> rows,
               bool by_model, const EligibleAlike& eligible, std::span<RecommendOutcome> outcomes) {
  const Asked asked = AskFor(ranker, plans, rows, by_model);
  const RankOptions options = {
      .eligible = eligible.items, .with_costs = asked.with_costs, .eligible_once = eligible.once};
  const RankedLists lists = by_model ? ranker.ByModel(context, asked.queries, asked.excluded, asked.n, options)
                                     : ranker.ByPopularity(context, std::ssize(rows), asked.excluded, asked.n, options);
  for (size_t i = 0; i < rows.size(); ++i) {
    Plan& plan = plans[rows[i]];
    Recommendation result = Begin(plan);
    FillItems(ranker.model(), lists, static_cast<int64_t>(i), plan.n_before, plan.n, result);
    Finish(ranker.model(), plan, eligible, nullptr, plan.with_cost ? &lists.costs[i] : nullptr, result);
    outcomes[rows[i]] = std::move(result);
  }
}

/// The same under the same rules, which go by one n.
void RankUnderRules(Context& context, const Ranker& ranker, std::span<Plan> plans, std::span<const size_t> rows,
                    bool by_model, EligibleAlike eligible, const ItemsNow& now, std::span<RecommendOutcome> outcomes) {
  const Asked asked = AskFor(ranker, plans, rows, by_model);
  const BoundRules bound = BindRules(plans[rows[0]].rules, eligible.items, now);
  for (const Boost& boost : bound.rules.boosts)
    eligible.checksum += ChecksumOfAll(std::span<const uint64_t>(boost.items->words));
  for (const Cap& cap : bound.rules.caps) eligible.checksum += ChecksumOfAll(cap.values);
  const RuledOptions options = {asked.with_costs, now.rules && !eligible.once ? &now.rules->parts : nullptr};
  const std::vector<RuledList> lists =
      by_model ? RankByModel(context, ranker, asked.queries, asked.excluded, asked.n, bound.rules, options)
               : RankByPopularity(context, ranker, std::ssize(rows), asked.excluded, asked.n, bound.rules, options);
  for (size_t i = 0; i < rows.size(); ++i) {
    Plan& plan = plans[rows[i]];
    Recommendation result = Begin(plan);
    FillItems(ranker.model(), lists[i], plan, result);
    Finish(ranker.model(), plan, eligible, &lists[i], &lists[i].cost, result);
    outcomes[rows[i]] = std::move(result);
  }
}

/// One set of eligible items is there at a time: a batch may have a thousand, of a catalogue of millions.
void Rank(Context& context, const Ranker& ranker, std::span<Plan> plans, std::span<const size_t> rows, bool by_model,
          const ItemsNow& now, std::span<RecommendOutcome> outcomes) {
  std::map<std::pair<std::string_view, std::string_view>, std::vector<size_t>> groups;
  for (const size_t row : rows) groups[{plans[row].eligibility.group, plans[row].rules.group}].push_back(row);
  for (const auto& [group, alike] : groups) {
    const Plan& first = plans[alike[0]];
    EligibleAlike eligible = {
        EligibleItems(ranker.model(), first.eligibility, now), {}, first.eligibility.candidates.has_value()};
    if (eligible.items) eligible.checksum = ChecksumOfAll(std::span<const uint64_t>(eligible.items->words));
    if (first.rules.none())
      RankAlike(context, ranker, plans, alike, by_model, eligible, outcomes);
    else
      RankUnderRules(context, ranker, plans, alike, by_model, std::move(eligible), now, outcomes);
  }
}

/// First pages by one call; others one by one, as each list would be as long as the deepest.
void RankPages(Context& context, const Ranker& ranker, std::span<Plan> plans, std::vector<size_t> rows, bool by_model,
               const ItemsNow& now, std::span<RecommendOutcome> outcomes) {
  const auto later = std::ranges::stable_partition(rows, [&](size_t row) { return plans[row].n_before == 0; });
  for (const size_t& row : later) Rank(context, ranker, plans, {&row, 1}, by_model, now, outcomes);
  Rank(context, ranker, plans, {rows.begin(), later.begin()}, by_model, now, outcomes);
}

}  // namespace

std::vector<RecommendOutcome> RecommendAll(Context& context, const Ranker& ranker,
                                           std::span<const RecommendQuery> queries, const ItemsNow& now) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<RecommendOutcome> outcomes(queries.size());
  std::vector<Plan> plans(queries.size());
  std::vector<size_t> folded, by_model, popular;
  for (size_t i = 0; i < queries.size(); ++i) {
    try {
      plans[i] = {PlanQuery(ranker.model(), queries[i], now), queries[i].with_cost};
      if (plans[i].served_by == ServedBy::kFoldedIn) folded.push_back(i);
      const bool by_popularity = plans[i].served_by == ServedBy::kPopular && !ranker.model().has_lists();
      (by_popularity ? popular : by_model).push_back(i);
    } catch (const Error& error) {
      outcomes[i] = error;
    }
  }
  FoldIn(context, ranker, plans, folded, outcomes);
  std::erase_if(by_model, [&](size_t i) { return std::holds_alternative<Error>(outcomes[i]); });
  RankPages(context, ranker, plans, std::move(by_model), true, now, outcomes);
  RankPages(context, ranker, plans, std::move(popular), false, now, outcomes);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  for (RecommendOutcome& outcome : outcomes)
    if (auto* found = std::get_if<Recommendation>(&outcome); found != nullptr && found->cost)
      found->cost->seconds = took.count();
  return outcomes;
}

Recommendation Recommend(Context& context, const Ranker& ranker, const RecommendQuery& query, const ItemsNow& now) {
  RecommendOutcome outcome = std::move(RecommendAll(context, ranker, {&query, 1}, now)[0]);
  if (const Error* error = std::get_if<Error>(&outcome)) throw *error;
  return std::get<Recommendation>(std::move(outcome));
}

Recommendation SimilarItems(Context& context, const Ranker& ranker, std::string_view item_id,
                            std::optional<int32_t> requested_n, std::string_view filter, const ItemsNow& now) {
  const ModelView& model = ranker.model();
  const int32_t n = CheckedN(requested_n);
  if (item_id.empty()) throw Error(ErrorCode::kInvalidArgument, "item_id: is empty, expected an item id");
  const int32_t item = model.items.Find(item_id);
  if (item < 0) throw Error(ErrorCode::kNotFound, "item_id: the model has no item " + Quoted(item_id));

  QueryConditions conditions;
  conditions.filter = filter;
  const Eligibility eligibility = PlanEligibility(model, conditions, -1, now);
  const auto eligible = EligibleItems(model, eligibility, now);
  Recommendation result;
  const bool similar = model.has_factors() && !model.has_lists();
  result.served_by = similar ? ServedBy::kSimilar : ServedBy::kPopular;
  if (model.has_lists())
    result.why =
        fmt::format("the model's lists ('{}') compare no items: this is the list of all users", model.algorithm);
  else if (!similar)
    result.why = "the model ranks by popularity";
  FillItems(model, ranker.Similar(context, {&item, 1}, n, {.eligible = eligible}), 0, 0, n, result);
  const auto returned = static_cast<int32_t>(result.items.size());
  if (returned < n)
    result.shortfall = {
        n, returned,
        fmt::format("{}, and one of {} was asked about", WhatIsEligible(model, eligibility, eligible.get()),
                    !eligible             ? "them"
                    : eligible->Has(item) ? "those"
                                          : "the others")};
  return result;
}

Recommendation Popular(Context& context, const Ranker& ranker, std::string_view group,
                       std::optional<int32_t> requested_n, std::string_view filter, const ItemsNow& now) {
  const ModelView& model = ranker.model();
  const int32_t n = CheckedN(requested_n);
  int64_t list = -1;
  if (!group.empty()) {
    const auto& [attribute, names] = model.list_groups;
    if (attribute.empty()) throw Error(ErrorCode::kNotFound, "group: the model has no lists of groups");
    list = std::ranges::find(names, group) - names.begin();
    if (list == std::ssize(names))
      throw Error(ErrorCode::kNotFound, fmt::format("group: users whose {} is {} have no list of their own",
                                                    Printable(attribute), Quoted(group)));
  }

  QueryConditions conditions;
  conditions.filter = filter;
  const Eligibility eligibility = PlanEligibility(model, conditions, -1, now);
  const auto eligible = EligibleItems(model, eligibility, now);
  Recommendation result;
  result.served_by = ServedBy::kPopular;
  if (model.has_lists()) {
    std::vector<float> factors(model.base_query.begin(), model.base_query.end());
    if (list >= 0) std::ranges::fill(factors, 0.0f), factors[static_cast<size_t>(1 + list)] = 1;
    Queries query;
    query.Add(factors);
    result.why = ListText(model, list);
    FillItems(model, ranker.ByModel(context, query, {}, n, {.eligible = eligible}), 0, 0, n, result);
  } else {
    result.why = "by the number of users who have an item in their history";
    FillItems(model, ranker.ByPopularity(context, 1, {}, n, {.eligible = eligible}), 0, 0, n, result);
  }
  const auto returned = static_cast<int32_t>(result.items.size());
  if (returned < n) result.shortfall = {n, returned, WhatIsEligible(model, eligibility, eligible.get())};
  return result;
}

void CheckServable(const ModelView& model) {
  for (int64_t i = 0; i < model.n_items(); ++i)
    if (!IsUtf8(model.items.Id(i)))
      throw Error(ErrorCode::kUnsupported, fmt::format("item {}: its id {} is not UTF-8, which ids in replies must be; "
                                                       "convert the export",
                                                       i, Quoted(model.items.Id(i))));
}

}  // namespace kindred
