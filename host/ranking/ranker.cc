#include "host/ranking/ranker.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>

#include "host/models/explicit_als.h"
#include "host/models/linear_model.h"

namespace kindred {
namespace {

/// A sparse matrix on a backend.
struct ResidentCsr {
  ResidentCsr() = default;
  ResidentCsr(Backend& backend, const CsrView& from, const std::shared_ptr<const void>& keep)
      : indptr(Import(backend, from.indptr, keep)),
        items(Import(backend, from.indices, keep)),
        values(Import(backend, from.values, keep)) {}

  template <class T>
  static kindred::Resident<T> Import(Backend& backend, std::span<const T> from,
                                     const std::shared_ptr<const void>& keep) {
    return kindred::Resident<T>::Import(backend, {from.data(), std::ssize(from), 1}, keep);
  }

  kindred::Resident<int64_t> indptr;
  kindred::Resident<int32_t> items;
  kindred::Resident<float> values;
};

/// A catalogue on a backend: a scorer's two parts and the index over them.
struct Catalogue {
  Catalogue() = default;
  Catalogue(Backend& backend, HostMatrix<const float> item_factors, const CsrView& item_item,
            const std::shared_ptr<const void>& keep)
      : factors(kindred::Resident<float>::Import(backend, item_factors, keep)) {
    const auto context = backend.NewContext();
    if (item_item.indptr.empty()) {
      index = backend.NewItemIndex(*context, factors.matrix());
    } else {
      others = ResidentCsr(backend, item_item, keep);
      index = backend.NewItemIndex(*context, factors.matrix(),
                                   {others.indptr.view(), others.items.view(), others.values.view()});
    }
    context->Wait();
  }

  kindred::Resident<float> factors;
  ResidentCsr others;
  std::unique_ptr<ItemIndex> index;
};

RankedLists Ask(Backend& backend, Context& context, const ItemIndex& index, HostMatrix<const float> queries,
                const CsrView& histories, const Exclusions& excluded, int64_t n) {
  using kindred::Resident;
  const auto upload = [&]<class T>(std::span<const T> from) {
    Resident<T> resident(backend, std::ssize(from));
    resident.Upload(backend, context, from);
    return resident;
  };
  const bool has_histories = histories.nnz() > 0;
  const auto factors = upload(std::span<const float>(queries.all()));
  const auto indptr = upload(std::span<const int64_t>(excluded.indptr));
  const auto items = upload(std::span<const int32_t>(excluded.items));
  const auto history_indptr = upload(has_histories ? histories.indptr : std::span<const int64_t>());
  const auto history_items = upload(histories.indices);
  const auto history_weights = upload(histories.values);
  const Resident<int32_t> out_items(backend, queries.n_rows, n);
  const Resident<float> out_scores(backend, queries.n_rows, n);
  backend.TopN(context, index,
               {.queries = {factors.view().data, queries.n_rows, queries.n_cols},
                .excluded_indptr = indptr.view(),
                .excluded_items = items.view(),
                .items = out_items.matrix(),
                .scores = out_scores.matrix(),
                .history_indptr = history_indptr.view(),
                .history_items = history_items.view(),
                .history_weights = history_weights.view()});
  RankedLists lists;
  lists.n = n;
  lists.items.resize(static_cast<size_t>(queries.n_rows * n));
  lists.scores.resize(static_cast<size_t>(queries.n_rows * n));
  out_items.Download(backend, context, std::span<int32_t>(lists.items));
  out_scores.Download(backend, context, std::span<float>(lists.scores));
  context.Wait();
  return lists;
}

std::vector<float> NormalizedRows(HostMatrix<const float> matrix) {
  std::vector<float> rows(matrix.all().begin(), matrix.all().end());
  for (int64_t r = 0; r < matrix.n_rows; ++r) {
    double squared = 0;
    for (float v : matrix.row(r)) squared += static_cast<double>(v) * v;
    const double scale = squared > 0 ? 1 / std::sqrt(squared) : 0;
    for (int64_t k = 0; k < matrix.n_cols; ++k) {
      float& v = rows[static_cast<size_t>(r * matrix.n_cols + k)];
      v = static_cast<float>(v * scale);
    }
  }
  return rows;
}

constexpr int64_t kBiasColumns = 2;

void AddRatingQuery(const ModelView& model, std::span<const float> factors, float bias, Queries* queries) {
  std::vector<float> query(factors.begin(), factors.end());
  query.insert(query.end(), {1.0f, model.rating_mean + bias});
  queries->Add(query);
}

/// [y, b_i, 1], an item a row.
std::vector<float> RatingItems(const ModelView& model) {
  std::vector<float> rows;
  rows.reserve(static_cast<size_t>(model.n_items() * (model.n_factors() + kBiasColumns)));
  for (int64_t item = 0; item < model.n_items(); ++item) {
    const std::span<const float> factors = model.item_factors.row(item);
    rows.insert(rows.end(), factors.begin(), factors.end());
    rows.insert(rows.end(), {model.item_biases[static_cast<size_t>(item)], 1.0f});
  }
  return rows;
}

}  // namespace

std::span<const int32_t> RankedLists::Items(int64_t query) const {
  const auto begin = items.begin() + query * n, end = begin + n;
  return {begin, std::find(begin, end, -1)};
}

std::span<const float> RankedLists::Scores(int64_t query) const {
  return {scores.data() + query * n, Items(query).size()};
}

void Exclusions::Add(std::span<const int32_t> list) {
  if (indptr.empty()) indptr.push_back(0);
  const auto begin = static_cast<std::ptrdiff_t>(items.size());
  items.insert(items.end(), list.begin(), list.end());
  std::sort(items.begin() + begin, items.end());
  items.erase(std::unique(items.begin() + begin, items.end()), items.end());
  indptr.push_back(static_cast<int64_t>(items.size()));
}

void Queries::Add(std::span<const float> factors, std::span<const int32_t> items, std::span<const float> weights) {
  factors_.insert(factors_.end(), factors.begin(), factors.end());
  history_items_.insert(history_items_.end(), items.begin(), items.end());
  history_weights_.insert(history_weights_.end(), weights.begin(), weights.end());
  history_indptr_.push_back(std::ssize(history_items_));
}

void Queries::Add(const Queries& from, int64_t query) {
  const CsrView histories = from.histories(0);
  Add(from.Factors(query), histories.row(query), histories.row_values(query));
}

std::span<const float> Queries::Factors(int64_t query) const {
  return factors().row(query);
}

HostMatrix<const float> Queries::factors() const {
  return {factors_.data(), size(), size() > 0 ? std::ssize(factors_) / size() : 0};
}

CsrView Queries::histories(int64_t n_items) const {
  return {size(), n_items, history_indptr_, history_items_, history_weights_};
}

struct Ranker::Resident {
  std::shared_ptr<const void> keep;
  kindred::Resident<float> folding_factors;  // what users are folded in against, where they are not the catalogue's
  std::vector<float> rating_items;
  Catalogue by_model;
  Catalogue by_popularity;
  kindred::Resident<float> eigenvalues;

  std::once_flag similar_once;
  std::vector<float> normalized;
  Catalogue by_cosine;
};

Ranker::Ranker(Backend& backend, const ModelView& model, std::shared_ptr<const void> keep)
    : backend_(backend), model_(model), resident_(std::make_unique<Resident>()) {
  resident_->keep = keep;
  const HostMatrix<const float> popularity = {model.popularity.data(), model.n_items(), 1};
  resident_->by_popularity = Catalogue(backend, popularity, {}, keep);
  if (!model.has_factors()) return;
  if (model.has_ratings()) {
    resident_->folding_factors = kindred::Resident<float>::Import(backend, model.item_factors, keep);
    resident_->rating_items = RatingItems(model);
    const HostMatrix<const float> items = {resident_->rating_items.data(), model.n_items(),
                                           model.n_factors() + kBiasColumns};
    resident_->by_model = Catalogue(backend, items, {}, nullptr);
  } else {
    resident_->by_model = Catalogue(backend, model.item_factors, model.item_item, keep);
  }
  if (model.history_factors.n_rows > 0 && model.history_factors.data != model.item_factors.data)
    resident_->folding_factors = kindred::Resident<float>::Import(backend, model.history_factors, keep);
  if (model.eigenvalues.empty()) return;
  resident_->eigenvalues =
      kindred::Resident<float>::Import(backend, {model.eigenvalues.data(), model.n_factors(), 1}, keep);
}

Ranker::~Ranker() = default;

void Ranker::AddUser(int64_t user, Queries* queries) const {
  const std::span<const float> factors = model_.user_factors.row(user);
  if (model_.has_ratings())
    AddRatingQuery(model_, factors, model_.user_biases[static_cast<size_t>(user)], queries);
  else if (model_.has_item_item())
    queries->Add(factors, model_.history.row(user), model_.history.row_values(user));
  else
    queries->Add(factors);
}

RankedLists Ranker::ByModel(Context& context, const Queries& queries, const Exclusions& excluded, int64_t n) const {
  return Ask(backend_, context, *resident_->by_model.index, queries.factors(), queries.histories(model_.n_items()),
             excluded, n);
}

RankedLists Ranker::ByPopularity(Context& context, int64_t n_queries, const Exclusions& excluded, int64_t n) const {
  const std::vector<float> queries(static_cast<size_t>(n_queries), 1.0f);
  return Ask(backend_, context, *resident_->by_popularity.index, {queries.data(), n_queries, 1}, {}, excluded, n);
}

RankedLists Ranker::Similar(Context& context, std::span<const int32_t> items, int64_t n) const {
  Exclusions excluded;
  for (const int32_t& item : items) excluded.Add({&item, 1});
  const auto n_queries = static_cast<int64_t>(items.size());
  if (!model_.has_factors()) return ByPopularity(context, n_queries, excluded, n);
  if (model_.has_lists()) {
    Queries queries;
    for (int64_t query = 0; query < n_queries; ++query) queries.Add(model_.base_query);
    return ByModel(context, queries, excluded, n);
  }
  if (model_.has_item_item()) {
    std::vector<int64_t> indptr(static_cast<size_t>(n_queries + 1));
    std::iota(indptr.begin(), indptr.end(), 0);
    const std::vector<float> weights(items.size(), 1.0f);
    const CsrView histories = {n_queries, model_.n_items(), indptr, items, weights};
    return ByModel(context, FoldIn(context, histories), excluded, n);
  }
  std::call_once(resident_->similar_once, [&] {
    resident_->normalized = NormalizedRows(model_.item_factors);
    resident_->by_cosine =
        Catalogue(backend_, {resident_->normalized.data(), model_.n_items(), model_.n_factors()}, {}, nullptr);
  });
  const HostMatrix<const float> all = {resident_->normalized.data(), model_.n_items(), model_.n_factors()};
  std::vector<float> queries;
  for (int32_t item : items) queries.insert(queries.end(), all.row(item).begin(), all.row(item).end());
  return Ask(backend_, context, *resident_->by_cosine.index, {queries.data(), n_queries, model_.n_factors()}, {},
             excluded, n);
}

Queries Ranker::FoldIn(Context& context, const CsrView& histories) const {
  Queries queries;
  const int64_t f = model_.n_factors();
  if (model_.has_ratings()) {
    const RatingUsers users = SolveRatingUsers(backend_, context,
                                               {model_.item_factors, resident_->folding_factors.matrix(),
                                                resident_->eigenvalues.view(), model_.item_biases, model_.rating_mean},
                                               histories, model_.objective);
    const HostMatrix<const float> factors = {users.factors.data(), histories.n_rows, f};
    for (int64_t row = 0; row < histories.n_rows; ++row)
      AddRatingQuery(model_, factors.row(row), users.biases[static_cast<size_t>(row)], &queries);
    return queries;
  }
  const std::vector<float> factors = model_.is_linear() ? SumHistories(context, histories) : Solve(context, histories);
  const HostMatrix<const float> rows = {factors.data(), histories.n_rows, f};
  for (int64_t row = 0; row < histories.n_rows; ++row)
    if (model_.has_item_item())
      queries.Add(rows.row(row), histories.row(row), histories.row_values(row));
    else
      queries.Add(rows.row(row));
  return queries;
}

std::vector<float> Ranker::SumHistories(Context& context, const CsrView& histories) const {
  const bool has_factors = model_.history_factors.n_rows > 0;
  const bool own = has_factors && model_.history_factors.data != model_.item_factors.data;
  const kindred::Resident<float>& factors = own ? resident_->folding_factors : resident_->by_model.factors;
  return FoldInLinearly(backend_, context, histories, has_factors ? factors.matrix() : MatrixView<const float>(),
                        model_.base_query);
}

std::vector<float> Ranker::Solve(Context& context, const CsrView& histories) const {
  std::vector<float> regularization;
  for (int64_t r = 0; r < histories.n_rows; ++r)
    regularization.push_back(
        model_.objective.RowRegularization(static_cast<int64_t>(histories.row(r).size()), model_.n_items()));
  const auto observed = backend_.NewSparseRows(histories, {}, nullptr);
  const kindred::Resident<float> resident_regularization(backend_, histories.n_rows);
  const kindred::Resident<float> solved(backend_, histories.n_rows, model_.n_factors());
  std::vector<float> factors(static_cast<size_t>(histories.n_rows * model_.n_factors()));
  resident_regularization.Upload(backend_, context, regularization);
  backend_.SolveAls(context, {observed.get(),
                              resident_->by_model.factors.matrix(),
                              resident_->eigenvalues.view(),
                              model_.objective.unobserved_weight,
                              resident_regularization.view(),
                              solved.matrix(),
                              {},
                              {}});
  solved.Download(backend_, context, std::span<float>(factors));
  context.Wait();
  return factors;
}

}  // namespace kindred
