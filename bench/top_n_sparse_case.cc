// The top-N with histories: both parts of the score.
#include <algorithm>
#include <utility>

#include "bench/kernel_cases.h"

namespace kindred {
namespace {

/// A sparse matrix on a backend.
struct ResidentMatrix {
  ResidentMatrix(Backend& backend, Context& context, const SyntheticMatrix& from)
      : indptr(backend, static_cast<int64_t>(from.indptr.size())),
        items(backend, from.nnz()),
        values(backend, from.nnz()) {
    indptr.Upload(backend, context, from.indptr);
    items.Upload(backend, context, from.indices);
    values.Upload(backend, context, from.values);
    context.Wait();
  }

  Resident<int64_t> indptr;
  Resident<int32_t> items;
  Resident<float> values;
};

class TopNSparseCase : public KernelCase {
 public:
  TopNSparseCase(KernelBench& bench, int64_t batch)
      : backend_(bench.backend()),
        context_(backend_.NewContext()),
        batch_(batch),
        n_items_(bench.Scaled(100'000, 2 * kN)),
        item_item_(NewInteractions(bench.pool(), n_items_, n_items_, 200 * n_items_, /*seed=*/11)),
        histories_(NewInteractions(bench.pool(), batch, n_items_, 30 * batch, /*seed=*/12)),
        items_(NewFactors(bench.pool(), n_items_ * kFactors, 1, /*seed=*/13)),
        queries_(NewFactors(bench.pool(), batch * kFactors, 1, /*seed=*/14)),
        rows_(backend_, *context_, item_item_),
        resident_histories_(backend_, *context_, histories_),
        resident_items_(backend_, n_items_, kFactors),
        resident_queries_(backend_, batch, kFactors),
        found_(backend_, batch, kN),
        scores_(backend_, batch, kN) {
    shape = Thousands(n_items_) + " items x " + std::to_string(kFactors) + " and " + Thousands(item_item_.nnz()) +
            " item-item entries, N = " + std::to_string(kN) + ", batch " + std::to_string(batch) + ", histories of " +
            Thousands(histories_.nnz()) + " items";
    parameters = {{"n_items", n_items_}, {"n_factors", kFactors}, {"batch", batch}, {"n", kN}};
    resident_items_.Upload(backend_, *context_, items_);
    resident_queries_.Upload(backend_, *context_, queries_);
    index_ = backend_.NewItemIndex(*context_, resident_items_.matrix(),
                                   {rows_.indptr.view(), rows_.items.view(), rows_.values.view()});
    context_->Wait();
    double entries = 0;  // of the rows that the histories name
    for (int32_t item : histories_.indices) entries += static_cast<double>(item_item_.view().row(item).size());
    const auto items = static_cast<double>(n_items_), queries = static_cast<double>(batch), f = double{kFactors};
    work.bytes = items * f * 2 + queries * (f * 4 + kN * 8 + items / 8) + entries * 8;  // a bit for each score
    work.bf16_flops = 2 * queries * items * f;
  }

  void Run() override {
    backend_.TopN(*context_, *index_,
                  {resident_queries_.matrix(),
                   {},
                   {},
                   found_.matrix(),
                   scores_.matrix(),
                   resident_histories_.indptr.view(),
                   resident_histories_.items.view(),
                   resident_histories_.values.view()});
    context_->Wait();
  }

  // The first and the last query, by the definition over all items.
  Check Verify() override {
    const std::vector<int32_t> ids = ToHost(backend_, *context_, found_);
    const std::vector<float> scores = ToHost(backend_, *context_, scores_);
    int64_t wrong = 0;
    for (int64_t q : {int64_t{0}, batch_ - 1}) {
      const std::vector<std::pair<float, int32_t>> expected = Best(q);
      for (int64_t k = 0; k < kN; ++k) {
        const auto place = static_cast<size_t>(q * kN + k);
        wrong += ids[place] != expected[static_cast<size_t>(k)].second ||
                 scores[place] != -expected[static_cast<size_t>(k)].first;
      }
    }
    return {static_cast<double>(wrong), 0, "places that differ from a ranking of all items by the defined score"};
  }

 private:
  static constexpr int64_t kFactors = 128, kN = 100;

  // Minus the score, so that ascending is the order of the list.
  std::vector<std::pair<float, int32_t>> Best(int64_t query) const {
    std::vector<double> from_history(static_cast<size_t>(n_items_));
    const auto history = histories_.view().row(query);
    for (size_t place = 0; place < history.size(); ++place) {
      const double weight = histories_.view().row_values(query)[place];
      const auto columns = item_item_.view().row(history[place]);
      for (size_t e = 0; e < columns.size(); ++e)
        from_history[static_cast<size_t>(columns[e])] += weight * item_item_.view().row_values(history[place])[e];
    }
    std::vector<std::pair<float, int32_t>> all(static_cast<size_t>(n_items_));
    for (int64_t i = 0; i < n_items_; ++i) {
      double score = 0;
      for (int64_t k = 0; k < kFactors; ++k)
        score +=
            double{queries_[static_cast<size_t>(query * kFactors + k)]} * items_[static_cast<size_t>(i * kFactors + k)];
      all[static_cast<size_t>(i)] = {-static_cast<float>(score + from_history[static_cast<size_t>(i)]),
                                     static_cast<int32_t>(i)};
    }
    std::partial_sort(all.begin(), all.begin() + kN, all.end());
    all.resize(kN);
    return all;
  }

  Backend& backend_;
  std::unique_ptr<Context> context_;
  int64_t batch_, n_items_;
  SyntheticMatrix item_item_, histories_;
  std::vector<float> items_, queries_;
  ResidentMatrix rows_, resident_histories_;
  Resident<float> resident_items_, resident_queries_;
  Resident<int32_t> found_;
  Resident<float> scores_;
  std::unique_ptr<ItemIndex> index_;
};

}  // namespace

void AddTopNSparseCases(std::vector<KernelCaseName>& cases) {
  for (int64_t batch : {1, 4096})
    cases.push_back({"top_n_item_item", "batch=" + std::to_string(batch),
                     [batch](KernelBench& bench) { return std::make_unique<TopNSparseCase>(bench, batch); }});
}

}  // namespace kindred
