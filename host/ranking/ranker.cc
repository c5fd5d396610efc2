#include "host/ranking/ranker.h"

#include <mutex>
#include <numeric>

#include "host/ranking/blending.h"
#include "host/ranking/user_ranking.h"

namespace kindred {
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

  std::once_flag users_once;
  std::unique_ptr<const UserRanking> users;
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
  resident_->by_model = Catalogue(backend, scored_items(), item_item(), items.empty() ? keep : nullptr);
}

Ranker::~Ranker() = default;

void Ranker::AddUser(int64_t user, Queries* queries) const {
  if (model_.parts.empty()) return resident_->folding[0].AddUser(user, queries);
  std::vector<Queries> parts(model_.parts.size());
  for (size_t p = 0; p < parts.size(); ++p) resident_->folding[p].AddUser(user, &parts[p]);
  AddBlended(model_, parts, 0, std::ssize(model_.history.row(user)), queries);
}

RankedLists Ranker::ByModel(Context& context, const Queries& queries, const Exclusions& excluded, int64_t n,
                            const RankOptions& options) const {
  return resident_->by_model.Best(backend_, context, queries.factors(), queries.histories(0), excluded, n, options);
}

RankedLists Ranker::ByPopularity(Context& context, int64_t n_queries, const Exclusions& excluded, int64_t n,
                                 const RankOptions& options) const {
  const std::vector<float> queries(static_cast<size_t>(n_queries), 1.0f);
  return resident_->by_popularity.Best(backend_, context, {queries.data(), n_queries, 1}, {}, excluded, n, options);
}

RankedLists Ranker::Similar(Context& context, std::span<const int32_t> items, int64_t n,
                            const RankOptions& options) const {
  Exclusions excluded;
  for (const int32_t& item : items) excluded.Add({&item, 1});
  const auto n_queries = static_cast<int64_t>(items.size());
  if (!model_.has_factors()) return ByPopularity(context, n_queries, excluded, n, options);
  if (model_.has_lists()) {
    Queries queries;
    for (int64_t query = 0; query < n_queries; ++query) queries.Add(model_.base_query);
    return ByModel(context, queries, excluded, n, options);
  }
  if (model_.has_item_item() || !model_.parts.empty()) {
    std::vector<int64_t> indptr(static_cast<size_t>(n_queries + 1));
    std::iota(indptr.begin(), indptr.end(), 0);
    const std::vector<float> weights(items.size(), 1.0f);
    const CsrView histories = {n_queries, model_.n_items(), indptr, items, weights};
    return ByModel(context, FoldIn(context, histories), excluded, n, options);
  }
  std::call_once(resident_->similar_once, [&] {
    resident_->normalized = NormalizedRows(model_.item_factors);
    resident_->by_cosine =
        Catalogue(backend_, {resident_->normalized.data(), model_.n_items(), model_.n_factors()}, {}, nullptr);
  });
  const HostMatrix<const float> all = {resident_->normalized.data(), model_.n_items(), model_.n_factors()};
  std::vector<float> queries;
  for (int32_t item : items) queries.insert(queries.end(), all.row(item).begin(), all.row(item).end());
  return resident_->by_cosine.Best(backend_, context, {queries.data(), n_queries, model_.n_factors()}, {}, excluded, n,
                                   options);
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

const UserRanking& Ranker::users() const {
  std::call_once(resident_->users_once, [&] { resident_->users = std::make_unique<const UserRanking>(*this); });
  return *resident_->users;
}

HostMatrix<const float> Ranker::scored_items() const {
  const std::vector<float>& made = resident_->scored_items;
  if (made.empty()) return model_.item_factors;
  return {made.data(), model_.n_items(), std::ssize(made) / model_.n_items()};
}

CsrView Ranker::item_item() const {
  return resident_->stacked.n_rows > 0 ? resident_->stacked.view() : model_.item_item;
}

}  // namespace kindred
