#include "serving/ranked_users.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/ranking/user_ranking.h"
#include "host/text/text.h"
#include "serving/query_plan.h"

namespace kindred {
namespace {

/// The first list, with its users' ids.
RankedUsers Listed(const ModelView& model, const RankedLists& lists) {
  RankedUsers result;
  for (size_t i = 0; i < lists.Items(0).size(); ++i) {
    const std::string_view id = model.users.Id(lists.Items(0)[i]);
    if (!IsUtf8(id))
      throw Error(ErrorCode::kUnsupported, fmt::format("user {}: its id {} is not UTF-8, which ids in replies must be; "
                                                       "convert the export",
                                                       lists.Items(0)[i], Quoted(id)));
    result.users.push_back({id, lists.Scores(0)[i], {}});
  }
  return result;
}

void ExplainShortfall(int32_t n, std::string reason, RankedUsers* list) {
  const auto returned = static_cast<int32_t>(list->users.size());
  if (returned < n) list->shortfall = {n, returned, std::move(reason)};
}

}  // namespace

RankedUsers SimilarUsers(Context& context, const Ranker& ranker, std::string_view user_id,
                         std::optional<int32_t> asked) {
  const ModelView& model = ranker.model();
  const int32_t n = CheckedN(asked);
  if (user_id.empty()) throw Error(ErrorCode::kInvalidArgument, "user_id: is empty, expected a user id");
  const int32_t user = model.users.Find(user_id);
  if (user < 0) throw Error(ErrorCode::kNotFound, "user_id: the model has no user " + Quoted(user_id));

  const UserRanking& users = ranker.users();
  RankedUsers result = Listed(model, users.Similar(context, {&user, 1}, n));
  if (users.compares_histories())
    result.why = "by the cosine of histories: the model's factors alone do not say what it knows of a user";
  if (!users.Compares(user))
    ExplainShortfall(n, fmt::format("user {} has no history in the model", Quoted(user_id)), &result);
  else if (users.compares_histories())
    ExplainShortfall(n, "no other user has an item in common with this one", &result);
  else
    ExplainShortfall(n, "the model knows no other user", &result);
  return result;
}

RankedUsers UsersForItem(Context& context, const Ranker& ranker, const UsersForItemQuery& query, int32_t most) {
  const ModelView& model = ranker.model();
  const int32_t n = CheckedN(query.n, most);
  if (query.item_id.empty()) throw Error(ErrorCode::kInvalidArgument, "item_id: is empty, expected an item id");
  if (!ranker.users().ranks_by_items())
    throw Error(ErrorCode::kUnsupported,
                fmt::format("users for an item: an item has the same score for all users, or all of a group, of a "
                            "model of the algorithm '{}'",
                            model.algorithm));
  const int32_t item = model.items.Find(query.item_id);
  if (item < 0) throw Error(ErrorCode::kNotFound, "item_id: the model has no item " + Quoted(query.item_id));

  const int64_t places = std::min<int64_t>(n, std::max<int64_t>(model.n_users(), 1));
  RankedUsers result =
      Listed(model, ranker.users().ForItems(context, {&item, 1}, places, query.include_users_with_item));
  if (!model.calibration.empty())
    for (ScoredUser& user : result.users) user.probability = model.calibration.Probability(user.score);
  ExplainShortfall(n,
                   query.include_users_with_item ? "the model knows no other user"
                                                 : "the model knows no other user who does not have the item",
                   &result);
  return result;
}

}  // namespace kindred
