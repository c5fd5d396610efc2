#include "host/ranking/catalogue.h"

#include <algorithm>
#include <cmath>

namespace kindred {

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

Catalogue::Catalogue(Backend& backend, HostMatrix<const float> factors, const CsrView& item_item,
                     const std::shared_ptr<const void>& keep, const ItemCodesView& codes)
    : keep_(keep), factors_(Resident<float>::Import(backend, factors, keep)) {
  const auto context = backend.NewContext();
  const ItemCodesView* const stored = codes.empty() ? nullptr : &codes;
  if (item_item.indptr.empty()) {
    index_ = backend.NewItemIndex(*context, factors_.matrix(), {}, stored);
  } else {
    const auto import = [&]<class T>(std::span<const T> from) {
      return Resident<T>::Import(backend, {from.data(), std::ssize(from), 1}, keep);
    };
    others_ = {import(item_item.indptr), import(item_item.indices), import(item_item.values)};
    index_ = backend.NewItemIndex(*context, factors_.matrix(),
                                  {others_.indptr.view(), others_.items.view(), others_.values.view()}, stored);
  }
  context->Wait();
}

std::shared_ptr<const ItemFilter> Catalogue::FilterOf(Backend& backend, Context& context,
                                                      const std::shared_ptr<const ItemBits>& bits) const {
  KeptFilters& kept = *filters_;
  {
    const std::lock_guard lock(kept.mutex);
    const auto found = kept.by_bits.find(bits.get());
    if (found != kept.by_bits.end() && found->second.bits.lock() == bits) return found->second.filter;
  }
  std::shared_ptr<const ItemFilter> filter = backend.NewItemFilter(context, *index_, bits->words);
  context.Wait();                // before others use it
  std::vector<KeptFilter> gone;  // freed without the lock
  const std::lock_guard lock(kept.mutex);
  gone = TakeSomeThatAreGone(kept);
  kept.by_bits[bits.get()] = {bits, filter};
  return filter;
}

/// The next few entries in turn: looking at all would hold the lock for as long as there are many.
std::vector<Catalogue::KeptFilter> Catalogue::TakeSomeThatAreGone(KeptFilters& kept) {
  constexpr int kLooks = 4;  // for each that is added: one that is gone is found before a quarter as many come anew
  std::vector<KeptFilter> gone;
  for (int look = 0; look < kLooks && !kept.by_bits.empty(); ++look) {
    auto entry = kept.by_bits.upper_bound(kept.looked_at);
    if (entry == kept.by_bits.end()) entry = kept.by_bits.begin();
    kept.looked_at = entry->first;
    if (!entry->second.bits.expired()) continue;
    gone.push_back(std::move(entry->second));
    kept.by_bits.erase(entry);
  }
  return gone;
}

RankedLists Catalogue::Best(Backend& backend, Context& context, HostMatrix<const float> queries,
                            const CsrView& histories, const Exclusions& excluded, int64_t n,
                            const RankOptions& options) const {
  const auto upload = [&]<class T>(std::span<const T> from) {
    Resident<T> resident;
    if (from.empty()) return resident;
    resident = Resident<T>(backend, std::ssize(from));
    resident.Upload(backend, context, from);
    return resident;
  };
  std::shared_ptr<const ItemFilter> eligible;
  if (options.eligible)
    eligible = options.eligible_once ? backend.NewItemFilter(context, *index_, options.eligible->words)
                                     : FilterOf(backend, context, options.eligible);
  const bool has_histories = histories.nnz() > 0;
  const auto factors = upload(std::span<const float>(queries.all()));
  const auto indptr = upload(std::span<const int64_t>(excluded.indptr));
  const auto items = upload(std::span<const int32_t>(excluded.items));
  const auto history_indptr = upload(has_histories ? histories.indptr : std::span<const int64_t>());
  const auto history_items = upload(histories.indices);
  const auto history_weights = upload(histories.values);
  const Resident<int32_t> out_items(backend, queries.n_rows, n);
  const Resident<float> out_scores(backend, queries.n_rows, n);
  const Resident<TopNCost> costs =
      options.with_costs ? Resident<TopNCost>(backend, queries.n_rows) : Resident<TopNCost>();
  backend.TopN(context, *index_,
               {.queries = {factors.view().data, queries.n_rows, queries.n_cols},
                .excluded_indptr = indptr.view(),
                .excluded_items = items.view(),
                .items = out_items.matrix(),
                .scores = out_scores.matrix(),
                .history_indptr = history_indptr.view(),
                .history_items = history_items.view(),
                .history_weights = history_weights.view(),
                .eligible = eligible.get(),
                .costs = costs.view()});
  RankedLists lists;
  lists.n = n;
  lists.items.resize(static_cast<size_t>(queries.n_rows * n));
  lists.scores.resize(static_cast<size_t>(queries.n_rows * n));
  lists.costs.resize(static_cast<size_t>(costs.n_rows()));
  out_items.Download(backend, context, std::span<int32_t>(lists.items));
  out_scores.Download(backend, context, std::span<float>(lists.scores));
  if (options.with_costs) costs.Download(backend, context, std::span<TopNCost>(lists.costs));
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

}  // namespace kindred
