#include "host/ranking/ranker.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "host/models/explicit_als.h"
#include "host/models/pure_svd.h"

namespace kindred {
namespace {

// A catalogue on a backend: factors and the index over them.
struct Catalogue {
  Catalogue() = default;
  Catalogue(Backend& backend, HostMatrix<const float> item_factors, std::shared_ptr<const void> keep)
      : factors(kindred::Resident<float>::Import(backend, item_factors, std::move(keep))) {
    const auto context = backend.NewContext();
    index = backend.NewItemIndex(*context, factors.matrix());
    context->Wait();
  }

  kindred::Resident<float> factors;
  std::unique_ptr<ItemIndex> index;
};

RankedLists Ask(Backend& backend, Context& context, const ItemIndex& index, HostMatrix<const float> queries,
                const Exclusions& excluded, int64_t n) {
  using kindred::Resident;
  const Resident<float> resident_queries(backend, queries.n_rows, queries.n_cols);
  const Resident<int64_t> indptr(backend, static_cast<int64_t>(excluded.indptr.size()));
  const Resident<int32_t> items(backend, static_cast<int64_t>(excluded.items.size()));
  const Resident<int32_t> out_items(backend, queries.n_rows, n);
  const Resident<float> out_scores(backend, queries.n_rows, n);
  resident_queries.Upload(backend, context, queries.all());
  indptr.Upload(backend, context, excluded.indptr);
  items.Upload(backend, context, excluded.items);
  backend.TopN(context, index,
               {resident_queries.matrix(), indptr.view(), items.view(), out_items.matrix(), out_scores.matrix()});
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

void AppendRatingQuery(const ModelView& model, std::span<const float> factors, float bias,
                       std::vector<float>* queries) {
  queries->insert(queries->end(), factors.begin(), factors.end());
  queries->insert(queries->end(), {1.0f, model.rating_mean + bias});
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

struct Ranker::Resident {
  std::shared_ptr<const void> keep;
  kindred::Resident<float> item_factors;  // what users are folded in against
  std::vector<float> rating_items;
  Catalogue by_factors;
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
  resident_->by_popularity = Catalogue(backend, popularity, keep);
  if (!model.has_factors()) return;
  if (model.has_ratings()) {
    resident_->item_factors = kindred::Resident<float>::Import(backend, model.item_factors, keep);
    resident_->rating_items = RatingItems(model);
    resident_->by_factors =
        Catalogue(backend, {resident_->rating_items.data(), model.n_items(), query_length()}, nullptr);
  } else {
    resident_->by_factors = Catalogue(backend, model.item_factors, keep);
  }
  if (model.eigenvalues.empty()) return;
  resident_->eigenvalues =
      kindred::Resident<float>::Import(backend, {model.eigenvalues.data(), model.n_factors(), 1}, keep);
}

Ranker::~Ranker() = default;

int64_t Ranker::query_length() const {
  return model_.n_factors() + (model_.has_ratings() ? kBiasColumns : 0);
}

void Ranker::AppendQuery(int64_t user, std::vector<float>* queries) const {
  const std::span<const float> factors = model_.user_factors.row(user);
  if (model_.has_ratings())
    AppendRatingQuery(model_, factors, model_.user_biases[static_cast<size_t>(user)], queries);
  else
    queries->insert(queries->end(), factors.begin(), factors.end());
}

RankedLists Ranker::ByFactors(Context& context, HostMatrix<const float> queries, const Exclusions& excluded,
                              int64_t n) const {
  return Ask(backend_, context, *resident_->by_factors.index, queries, excluded, n);
}

RankedLists Ranker::ByPopularity(Context& context, int64_t n_queries, const Exclusions& excluded, int64_t n) const {
  const std::vector<float> queries(static_cast<size_t>(n_queries), 1.0f);
  return Ask(backend_, context, *resident_->by_popularity.index, {queries.data(), n_queries, 1}, excluded, n);
}

RankedLists Ranker::Similar(Context& context, std::span<const int32_t> items, int64_t n) const {
  Exclusions excluded;
  for (const int32_t& item : items) excluded.Add({&item, 1});
  const auto n_queries = static_cast<int64_t>(items.size());
  if (!model_.has_factors()) return ByPopularity(context, n_queries, excluded, n);
  std::call_once(resident_->similar_once, [&] {
    resident_->normalized = NormalizedRows(model_.item_factors);
    resident_->by_cosine =
        Catalogue(backend_, {resident_->normalized.data(), model_.n_items(), model_.n_factors()}, nullptr);
  });
  const HostMatrix<const float> all = {resident_->normalized.data(), model_.n_items(), model_.n_factors()};
  std::vector<float> queries;
  for (int32_t item : items) queries.insert(queries.end(), all.row(item).begin(), all.row(item).end());
  return Ask(backend_, context, *resident_->by_cosine.index, {queries.data(), n_queries, model_.n_factors()}, excluded,
             n);
}

std::vector<float> Ranker::FoldIn(Context& context, const CsrView& histories) const {
  if (model_.algorithm == "svd")
    return FoldInBySvd(backend_, context, histories, resident_->by_factors.factors.matrix());
  const int64_t f = model_.n_factors();
  if (model_.has_ratings()) {
    const RatingUsers users = SolveRatingUsers(backend_, context,
                                               {model_.item_factors, resident_->item_factors.matrix(),
                                                resident_->eigenvalues.view(), model_.item_biases, model_.rating_mean},
                                               histories, model_.objective);
    std::vector<float> queries;
    for (int64_t row = 0; row < histories.n_rows; ++row)
      AppendRatingQuery(model_, {users.factors.data() + row * f, static_cast<size_t>(f)},
                        users.biases[static_cast<size_t>(row)], &queries);
    return queries;
  }
  std::vector<float> regularization;
  for (int64_t r = 0; r < histories.n_rows; ++r)
    regularization.push_back(
        model_.objective.RowRegularization(static_cast<int64_t>(histories.row(r).size()), model_.n_items()));
  const auto observed = backend_.NewSparseRows(histories, {}, nullptr);
  const kindred::Resident<float> resident_regularization(backend_, histories.n_rows);
  const kindred::Resident<float> solved(backend_, histories.n_rows, f);
  std::vector<float> factors(static_cast<size_t>(histories.n_rows * f));
  resident_regularization.Upload(backend_, context, regularization);
  backend_.SolveAls(context, {observed.get(),
                              resident_->by_factors.factors.matrix(),
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
