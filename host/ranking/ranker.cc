#include "host/ranking/ranker.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>

#include "host/ranking/blending.h"

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
    Resident<T> resident;
    if (from.empty()) return resident;
    resident = Resident<T>(backend, std::ssize(from));
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
  std::vector<Folding> folding;     // of the model, or of each part of a blend
  std::vector<float> scored_items;  // what is ranked, where those are not the model's item factors
  Csr stacked;
  Catalogue by_model;
  Catalogue by_popularity;

  std::once_flag similar_once;
  std::vector<float> normalized;
  Catalogue by_cosine;
};

Ranker::Ranker(Backend& backend, const ModelView& model, std::shared_ptr<const void> keep)
    : backend_(backend), model_(model), resident_(std::make_unique<Resident>()) {
  resident_->keep = keep;
  const int64_t n_items = model.n_items();
  resident_->by_popularity = Catalogue(backend, {model.popularity.data(), n_items, 1}, {}, keep);
  if (!model.has_factors()) return;
  for (const ModelView& part : model.parts) resident_->folding.emplace_back(backend, part, keep);
  if (model.parts.empty()) resident_->folding.emplace_back(backend, model, keep);
  std::vector<float>& items = resident_->scored_items;
  if (model.has_ratings())
    items = RatingItems(model);
  else if (!model.parts.empty())
    items = BlendedItems(model);
  resident_->stacked = BlendedItemItem(model);
  const int64_t n_columns = n_items > 0 ? std::ssize(items) / n_items : 0;
  if (items.empty())
    resident_->by_model = Catalogue(backend, model.item_factors, model.item_item, keep);
  else
    resident_->by_model = Catalogue(backend, {items.data(), n_items, n_columns},
                                    resident_->stacked.n_rows > 0 ? resident_->stacked.view() : CsrView(), nullptr);
}

Ranker::~Ranker() = default;

void Ranker::AddUser(int64_t user, Queries* queries) const {
  if (model_.parts.empty()) return resident_->folding[0].AddUser(user, queries);
  std::vector<Queries> parts(model_.parts.size());
  for (size_t p = 0; p < parts.size(); ++p) resident_->folding[p].AddUser(user, &parts[p]);
  AddBlended(model_, parts, 0, std::ssize(model_.history.row(user)), queries);
}

RankedLists Ranker::ByModel(Context& context, const Queries& queries, const Exclusions& excluded, int64_t n) const {
  return Ask(backend_, context, *resident_->by_model.index, queries.factors(), queries.histories(0), excluded, n);
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
  if (model_.has_item_item() || !model_.parts.empty()) {
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
  if (model_.parts.empty()) return resident_->folding[0].FoldIn(context, histories);
  std::vector<Queries> parts;
  for (const Folding& folding : resident_->folding) parts.push_back(folding.FoldIn(context, histories));
  Queries queries;
  for (int64_t row = 0; row < histories.n_rows; ++row)
    AddBlended(model_, parts, row, std::ssize(histories.row(row)), &queries);
  return queries;
}

}  // namespace kindred
