#include "serving/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/error.h"
#include "serving/query_plan.h"

namespace kindred {
namespace {

[[noreturn]] void Refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, what);
}

int32_t Checked(const char* field, std::optional<int32_t> value, int32_t least, int32_t most, int32_t unset) {
  const int32_t checked = value.value_or(unset);
  if (checked < least || checked > most)
    Refuse(fmt::format("{}: is {}, expected {} to {}", field, checked, least, most));
  return checked;
}

std::vector<int32_t> ItemsOf(const ModelView& model, const ExplainQuery& query, std::span<const int32_t> history) {
  if (std::ssize(query.item_ids) > kMaxExplained)
    Refuse(fmt::format("item_ids: has {} entries, expected at most {}", query.item_ids.size(), kMaxExplained));
  if (query.n) Refuse("n: is set beside item_ids, expected one of them");
  std::vector<int32_t> items;
  for (size_t i = 0; i < query.item_ids.size(); ++i) {
    if (query.item_ids[i].empty()) Refuse(fmt::format("item_ids[{}]: is empty, expected an item id", i));
    const int32_t item = model.items.Find(query.item_ids[i]);
    if (item < 0)
      throw Error(ErrorCode::kNotFound,
                  fmt::format("item_ids[{}]: the model has no item {}", i, Quoted(query.item_ids[i])));
    if (std::binary_search(history.begin(), history.end(), item))
      Refuse(
          fmt::format("item_ids[{}]: {} is in the user's history, which is left out of every answer; expected an "
                      "item that is not",
                      i, Quoted(query.item_ids[i])));
    items.push_back(item);
  }
  return items;
}

StoredEvents EventsOf(const ModelView& model, int32_t user, int32_t item) {
  if (user < 0) return {};
  StoredEvents events = {EventsWith(model, user, item), 0};
  events.n = std::ssize(events.last);
  events.last.resize(std::min(events.last.size(), kMaxEventsShown));
  return events;
}

std::vector<ItemExplanation> Explained(Context& context, const Ranker& ranker, const QueryPlan& plan,
                                       std::span<const int32_t> items, int32_t n_contributions) {
  const ModelView& model = ranker.model();
  HistoryView history = {plan.fold_items, plan.fold_values};
  if (plan.fold_items.empty() && plan.user >= 0)
    history = {model.history.row(plan.user), model.history.row_values(plan.user)};
  const bool folded = plan.served_by == ServedBy::kFoldedIn;
  try {
    std::vector<ItemExplanation> found =
        Explain(context, ranker, history, folded ? -1 : plan.user, items, {.n_contributions = n_contributions});
    for (const ItemExplanation& one : found)
      if (folded && one.position == 0)
        throw Error(ErrorCode::kNumeric, "its values are too far apart");  // a score that is not finite
    return found;
  } catch (const Error& error) {
    if (!folded || error.code() != ErrorCode::kNumeric) throw;
    Refuse(std::string("history: cannot be folded in: ") + error.what());
  }
}

}  // namespace

Explanation ExplainItems(Context& context, const Ranker& ranker, const ExplainQuery& query) {
  const ModelView& model = ranker.model();
  const int32_t n_contributions =
      Checked("max_contributions", query.max_contributions, 0, kMaxContributions, kDefaultContributions);
  RecommendQuery asked = {query.user_id, query.history, {}};
  Explanation result;
  std::vector<int32_t> items;
  if (query.item_ids.empty()) asked.n = Checked("n", query.n, 1, kMaxExplained, kDefaultExplained);
  QueryPlan plan = PlanQuery(model, asked);
  if (query.item_ids.empty()) {
    Recommendation best = Recommend(context, ranker, asked);
    for (const ScoredItem& item : best.items) items.push_back(model.items.Find(item.item_id));
    result.shortfall = std::move(best.shortfall);
  } else {
    items = ItemsOf(model, query, plan.excluded);
  }
  for (ItemExplanation& one : Explained(context, ranker, plan, items, n_contributions)) {
    ExplainedItem& item = result.items.emplace_back();
    for (const Contribution& by : one.contributions) item.events.push_back(EventsOf(model, plan.user, by.item));
    item.explanation = std::move(one);
  }
  result.served_by = plan.served_by;
  result.why = std::move(plan.why);
  result.unknown_history_items = std::move(plan.unknown);
  return result;
}

}  // namespace kindred
