#include "serving/recommender.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/text/text.h"
#include "serving/query_plan.h"

namespace kindred {
namespace {

struct Plan : QueryPlan {
  Queries fold_query;  // what its history folds into
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

void FillItems(const ModelView& model, const RankedLists& lists, int64_t query, int32_t n, Recommendation& result) {
  const std::span<const int32_t> items = lists.Items(query);
  const std::span<const float> scores = lists.Scores(query);
  const size_t count = std::min(items.size(), static_cast<size_t>(n));
  result.items.reserve(count);
  const bool by_model = result.served_by == ServedBy::kPersonal || result.served_by == ServedBy::kFoldedIn;
  for (size_t i = 0; i < count; ++i) {
    result.items.push_back({model.items.Id(items[i]), scores[i], {}});
    if (by_model && !model.calibration.empty())
      result.items.back().probability = model.calibration.Probability(scores[i]);
  }
}

Recommendation Answer(const ModelView& model, const RankedLists& lists, int64_t query, Plan& plan) {
  Recommendation result;
  result.served_by = plan.served_by;
  result.why = std::move(plan.why);
  result.unknown_history_items = std::move(plan.unknown);
  FillItems(model, lists, query, plan.n, result);
  const auto returned = static_cast<int32_t>(result.items.size());
  if (returned < plan.n)
    result.shortfall = {plan.n, returned,
                        fmt::format("the model has {} items, and {} of them are in the user's history", model.n_items(),
                                    plan.excluded.size())};
  return result;
}

/// Ranks the plans of `rows` by one call, for the most that any of them asks for; each list is then cut to its
/// own n: the n best are the first of the m best.
void Rank(Context& context, const Ranker& ranker, std::span<Plan> plans, std::span<const size_t> rows, bool by_model,
          std::span<RecommendOutcome> outcomes) {
  if (rows.empty()) return;
  const auto n_rows = static_cast<int64_t>(rows.size());
  Exclusions excluded;
  Queries queries;
  int32_t n = 0;
  for (size_t row : rows) {
    const Plan& plan = plans[row];
    excluded.Add(plan.excluded);
    n = std::max(n, plan.n);
    if (!by_model) continue;
    if (plan.served_by == ServedBy::kFoldedIn)
      queries.Add(plan.fold_query, 0);
    else if (plan.user < 0)
      queries.Add(ranker.model().base_query);
    else
      ranker.AddUser(plan.user, &queries);
  }
  const RankedLists lists =
      by_model ? ranker.ByModel(context, queries, excluded, n) : ranker.ByPopularity(context, n_rows, excluded, n);
  for (int64_t i = 0; i < n_rows; ++i) outcomes[rows[i]] = Answer(ranker.model(), lists, i, plans[rows[i]]);
}

}  // namespace

std::vector<RecommendOutcome> RecommendAll(Context& context, const Ranker& ranker,
                                           std::span<const RecommendQuery> queries) {
  std::vector<RecommendOutcome> outcomes(queries.size());
  std::vector<Plan> plans(queries.size());
  std::vector<size_t> folded, by_model, popular;
  for (size_t i = 0; i < queries.size(); ++i) {
    try {
      plans[i] = {PlanQuery(ranker.model(), queries[i]), {}};
      if (plans[i].served_by == ServedBy::kFoldedIn) folded.push_back(i);
      const bool by_popularity = plans[i].served_by == ServedBy::kPopular && !ranker.model().has_lists();
      (by_popularity ? popular : by_model).push_back(i);
    } catch (const Error& error) {
      outcomes[i] = error;
    }
  }
  FoldIn(context, ranker, plans, folded, outcomes);
  std::erase_if(by_model, [&](size_t i) { return std::holds_alternative<Error>(outcomes[i]); });
  Rank(context, ranker, plans, by_model, true, outcomes);
  Rank(context, ranker, plans, popular, false, outcomes);
  return outcomes;
}

Recommendation Recommend(Context& context, const Ranker& ranker, const RecommendQuery& query) {
  RecommendOutcome outcome = std::move(RecommendAll(context, ranker, {&query, 1})[0]);
  if (const Error* error = std::get_if<Error>(&outcome)) throw *error;
  return std::get<Recommendation>(std::move(outcome));
}

Recommendation SimilarItems(Context& context, const Ranker& ranker, std::string_view item_id,
                            std::optional<int32_t> requested_n) {
  const ModelView& model = ranker.model();
  const int32_t n = CheckedN(requested_n);
  if (item_id.empty()) throw Error(ErrorCode::kInvalidArgument, "item_id: is empty, expected an item id");
  const int32_t item = model.items.Find(item_id);
  if (item < 0) throw Error(ErrorCode::kNotFound, "item_id: the model has no item " + Quoted(item_id));

  Recommendation result;
  const bool similar = model.has_factors() && !model.has_lists();
  result.served_by = similar ? ServedBy::kSimilar : ServedBy::kPopular;
  if (model.has_lists())
    result.why =
        fmt::format("the model's lists ('{}') compare no items: this is the list of all users", model.algorithm);
  else if (!similar)
    result.why = "the model ranks by popularity";
  FillItems(model, ranker.Similar(context, {&item, 1}, n), 0, n, result);
  const auto returned = static_cast<int32_t>(result.items.size());
  if (returned < n)
    result.shortfall = {n, returned,
                        fmt::format("the model has {} items, and one of them was asked about", model.n_items())};
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
