#include "host/ranking/user_ranking.h"

#include <algorithm>
#include <cmath>

#include "host/ranking/ranker.h"

namespace kindred {
namespace {

bool ComparesHistories(const ModelView& model) {
  return model.item_vectors().n_cols == 0 || model.has_item_item() || !model.parts.empty();
}

/// The values of a sparse matrix, its rows at length 1; those of zeros stay.
std::vector<float> NormalizedValues(const CsrView& matrix) {
  std::vector<float> values(matrix.values.begin(), matrix.values.end());
  for (int64_t row = 0; row < matrix.n_rows; ++row) {
    const auto begin = static_cast<size_t>(matrix.indptr[static_cast<size_t>(row)]);
    const std::vector<float> normalized =
        NormalizedRows({matrix.values.data() + begin, 1, std::ssize(matrix.row(row))});
    std::ranges::copy(normalized, values.begin() + static_cast<std::ptrdiff_t>(begin));
  }
  return values;
}

/// Column `item` of a sparse matrix, as the next row of a history. Cost: a binary search a row.
void AddColumn(const CsrView& matrix, int32_t item, Csr* columns) {
  for (int64_t row = 0; row < matrix.n_rows; ++row) {
    const std::span<const int32_t> items = matrix.row(row);
    const auto found = std::ranges::lower_bound(items, item);
    if (found == items.end() || *found != item) continue;
    columns->indices.push_back(static_cast<int32_t>(row));
    columns->values.push_back(matrix.row_values(row)[static_cast<size_t>(found - items.begin())]);
  }
  ++columns->n_rows;
  columns->indptr.push_back(std::ssize(columns->indices));
}

/// Leaves nothing of a list from the first score on that is not above 0.
void CutAtZero(RankedLists* lists) {
  for (size_t place = 0; place < lists->items.size(); ++place)
    if (!(lists->scores[place] > 0)) lists->items[place] = -1, lists->scores[place] = 0;
}

}  // namespace

UserRanking::UserRanking(const Ranker& ranker)
    : ranker_(ranker),
      compares_histories_(ComparesHistories(ranker.model())),
      by_score_(std::make_unique<ByScore>()),
      by_cosine_(std::make_unique<ByCosine>()) {}

bool UserRanking::ranks_by_items() const {
  return ranker_.model().has_factors() && !ranker_.model().has_lists();
}

bool UserRanking::Compares(int64_t user) const {
  return compares_histories_ ? !ranker_.model().history.row(user).empty() : ranker_.model().Knows(user);
}

template <class Holds>
std::shared_ptr<const ItemBits> UserRanking::BitsOf(const Holds& holds) const {
  const int64_t n_users = ranker_.model().n_users();
  std::vector<int32_t> users;
  for (int64_t user = 0; user < n_users; ++user)
    if (holds(user)) users.push_back(static_cast<int32_t>(user));
  return std::make_shared<const ItemBits>(n_users, users);
}

void UserRanking::MakeByScore() const {
  const ModelView& model = ranker_.model();
  ByScore& made = *by_score_;
  made.queries = {};
  HostMatrix<const float> factors = model.user_factors;
  CsrView histories = model.history;
  if (model.has_ratings() || !model.parts.empty()) {
    for (int64_t user = 0; user < model.n_users(); ++user) ranker_.AddUser(user, &made.queries);
    factors = made.queries.factors();
    histories = made.queries.histories(ranker_.item_item().n_rows);
  }
  const bool has_item_item = !ranker_.item_item().indptr.empty();
  if (has_item_item) made.histories = Transpose(histories);
  made.users = Catalogue(ranker_.backend(), factors, has_item_item ? made.histories.view() : CsrView(), nullptr);
  made.known = BitsOf([&](int64_t user) { return model.Knows(user); });
}

RankedLists UserRanking::ForItems(Context& context, std::span<const int32_t> items, int64_t n,
                                  bool with_those_who_have_it) const {
  std::call_once(by_score_->once, [&] { MakeByScore(); });
  const ModelView& model = ranker_.model();
  const HostMatrix<const float> factors = ranker_.scored_items();
  std::vector<float> queries;
  Csr columns;
  Exclusions excluded;
  for (const int32_t item : items) {
    const std::span<const float> row = factors.row(item);
    queries.insert(queries.end(), row.begin(), row.end());
    AddColumn(ranker_.item_item(), item, &columns);
    std::vector<int32_t> owners;
    for (int64_t user = 0; user < model.n_users() && !with_those_who_have_it; ++user)
      if (std::ranges::binary_search(model.history.row(user), item)) owners.push_back(static_cast<int32_t>(user));
    excluded.Add(owners);
  }
  return by_score_->users.Best(ranker_.backend(), context, {queries.data(), std::ssize(items), factors.n_cols},
                               columns.view(), excluded, n, {.eligible = by_score_->known});
}

void UserRanking::MakeByCosine() const {
  const ModelView& model = ranker_.model();
  ByCosine& made = *by_cosine_;
  if (compares_histories_) {
    made.normalized = NormalizedValues(model.history);
    CsrView rows = model.history;
    rows.values = made.normalized;
    made.histories = Transpose(rows);
    made.zeros.assign(static_cast<size_t>(model.n_users()), 0);
    made.users = Catalogue(ranker_.backend(), {made.zeros.data(), model.n_users(), 1}, made.histories.view(), nullptr);
  } else {
    made.normalized = NormalizedRows(model.user_factors);
    made.users =
        Catalogue(ranker_.backend(), {made.normalized.data(), model.n_users(), model.n_factors()}, {}, nullptr);
  }
  made.compared = BitsOf([&](int64_t user) { return Compares(user); });
}

RankedLists UserRanking::Similar(Context& context, std::span<const int32_t> users, int64_t n) const {
  std::call_once(by_cosine_->once, [&] { MakeByCosine(); });
  const ModelView& model = ranker_.model();
  CsrView history = model.history;
  history.values = by_cosine_->normalized;
  const int64_t n_columns = compares_histories_ ? 1 : model.n_factors();
  Queries queries;
  Exclusions excluded;
  for (const int32_t& user : users) {
    excluded.Add({&user, 1});
    if (compares_histories_)
      queries.Add({by_cosine_->zeros.data(), 1}, history.row(user), history.row_values(user));
    else
      queries.Add({by_cosine_->normalized.data() + user * n_columns, static_cast<size_t>(n_columns)});
  }
  RankedLists lists =
      by_cosine_->users.Best(ranker_.backend(), context, queries.factors(), queries.histories(model.n_items()),
                             excluded, n, {.eligible = by_cosine_->compared});
  if (compares_histories_) CutAtZero(&lists);
  for (size_t query = 0; query < users.size(); ++query)
    if (!Compares(users[query])) {
      const auto first = lists.items.begin() + static_cast<std::ptrdiff_t>(query) * n;
      std::fill(first, first + n, -1);
    }
  return lists;
}

}  // namespace kindred
