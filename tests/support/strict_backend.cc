#include "tests/support/strict_backend.h"

#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "kernels/cpu/backend.h"
#include "kernels/require.h"

namespace kindred {
namespace {

// The live allocations, by their first byte.
class Ledger {
 public:
  void Add(const std::byte* data, int64_t bytes) {
    std::lock_guard lock(mutex_);
    live_[data] = bytes;
  }
  void Remove(const std::byte* data) {
    std::lock_guard lock(mutex_);
    live_.erase(data);
  }
  void Check(const void* data, int64_t bytes, const char* what) const {
    if (bytes == 0) return;
    std::lock_guard lock(mutex_);
    const auto* first = static_cast<const std::byte*>(data);
    auto place = live_.upper_bound(first);
    if (place == live_.begin() || first + bytes > (--place)->first + place->second)
      throw Error(ErrorCode::kInvalidArgument, std::string("strict: ") + what + " is not memory of this backend");
  }

 private:
  mutable std::mutex mutex_;
  std::map<const std::byte*, int64_t> live_;
};

class StrictContext : public Context {
 public:
  explicit StrictContext(std::unique_ptr<Context> inner_in) : inner(std::move(inner_in)) {}

  void Wait() override {
    std::vector<std::function<void()>> work = std::move(pending);
    pending.clear();
    for (const auto& operation : work) operation();
    inner->Wait();
  }

  std::unique_ptr<Context> inner;
  std::vector<std::function<void()>> pending;
};

// Holds copies, so that the arrays a caller drops too early are not there any more.
struct RowsCopy {
  std::vector<int64_t> indptr;
  std::vector<int32_t> indices;
  std::vector<float> weights, targets;
};

class StrictRows : public SparseRows {
 public:
  explicit StrictRows(std::unique_ptr<SparseRows> inner_in)
      : SparseRows(inner_in->n_rows(), inner_in->n_cols(), inner_in->nnz()), inner(std::move(inner_in)) {}
  std::unique_ptr<SparseRows> inner;
};

class StrictIndex : public ItemIndex {
 public:
  StrictIndex(MatrixView<const float> item_factors, const ItemItemView& item_item)
      : ItemIndex(item_factors.n_rows, item_factors.n_cols, !item_item.empty()) {}
  std::unique_ptr<ItemIndex> inner;  // there after Wait
};

class StrictFilter : public ItemFilter {
 public:
  StrictFilter(const ItemIndex& index, int64_t n_eligible_in) : ItemFilter(index, n_eligible_in) {}
  std::unique_ptr<ItemFilter> inner;  // there after Wait
};

class StrictPoints : public ClusterPoints {
 public:
  explicit StrictPoints(MatrixView<const float> points) : ClusterPoints(points.n_rows, points.n_cols) {}
  std::unique_ptr<ClusterPoints> inner;  // there after Wait
};

class StrictRuns : public ClusterRuns {
 public:
  StrictRuns(const ClusterPoints& points, std::span<const int32_t> n_clusters)
      : ClusterRuns(points, std::ssize(n_clusters), RequireClusterRuns(n_clusters)) {}
  std::unique_ptr<ClusterRuns> inner;  // there after Wait
};

class StrictBackend : public Backend {
 public:
  explicit StrictBackend(int n_threads) : cpu_(n_threads) {}

  DeviceInfo Describe() const override {
    DeviceInfo info = cpu_.Describe();
    info.backend = "strict";
    return info;
  }

  std::unique_ptr<Context> NewContext(int max_threads) override {
    return std::make_unique<StrictContext>(cpu_.NewContext(max_threads));
  }

  Buffer Allocate(int64_t bytes) override {
    auto owner = std::make_shared<Buffer>(cpu_.Allocate(bytes));
    std::byte* data = owner->As<std::byte>().data;
    std::memset(data, 0xff, static_cast<size_t>(bytes));  // NaN as float32 and float64, -1 as an index
    ledger_->Add(data, bytes);
    auto keep = std::shared_ptr<const void>(
        data, [owner, ledger = ledger_](const void* p) { ledger->Remove(static_cast<const std::byte*>(p)); });
    return {data, bytes, std::move(keep)};
  }

  Buffer Import(std::span<const std::byte> data, std::shared_ptr<const void>) override {
    Buffer buffer = Allocate(static_cast<int64_t>(data.size()));
    if (!data.empty()) std::memcpy(buffer.As<std::byte>().data, data.data(), data.size());
    return buffer;
  }

  void Upload(Context& context, std::span<const std::byte> from, View<std::byte> to) override {
    Check(to, "the buffer of an upload");
    Require(static_cast<int64_t>(from.size()) == to.size, "an upload of another size than its buffer");
    Later(context, [=, this](Context& inner) { cpu_.Upload(inner, from, to); });
  }

  void Download(Context& context, View<const std::byte> from, std::span<std::byte> to) override {
    Check(from, "the buffer of a download");
    Require(static_cast<int64_t>(to.size()) == from.size, "a download of another size than its buffer");
    Later(context, [=, this](Context& inner) { cpu_.Download(inner, from, to); });
  }

  std::unique_ptr<SparseRows> NewSparseRows(const CsrView& weights, std::span<const float> targets,
                                            std::shared_ptr<const void>, int64_t) override {
    auto copy = std::make_shared<RowsCopy>();
    copy->indptr.assign(weights.indptr.begin(), weights.indptr.end());
    copy->indices.assign(weights.indices.begin(), weights.indices.end());
    copy->weights.assign(weights.values.begin(), weights.values.end());
    copy->targets.assign(targets.begin(), targets.end());
    const CsrView view = {weights.n_rows, weights.n_cols, copy->indptr, copy->indices, copy->weights};
    return std::make_unique<StrictRows>(cpu_.NewSparseRows(view, copy->targets, copy, INT64_MAX));
  }

  AlsPlan PlanAls(const AlsShape& shape) const override { return cpu_.PlanAls(shape); }

  void Gram(Context& context, MatrixView<const float> a, MatrixView<float> gramian) override {
    Check(a, "Gram's matrix");
    Check(gramian, "Gram's gramian");
    RequireGramShapes(a, gramian);
    Later(context, [=, this](Context& inner) { cpu_.Gram(inner, a, gramian); });
  }

  void Diagonalize(Context& context, MatrixView<float> a, View<float> eigenvalues,
                   MatrixView<float> companion) override {
    Check(a, "Diagonalize's matrix");
    Check(eigenvalues, "Diagonalize's eigenvalues");
    Check(companion, "Diagonalize's companion");
    RequireDiagonalizeShapes(a, eigenvalues, companion);
    Later(context, [=, this](Context& inner) { cpu_.Diagonalize(inner, a, eigenvalues, companion); });
  }

  void SolveAls(Context& context, const AlsHalfStep& step) override {
    Check(step.fixed, "ALS: fixed");
    Check(step.eigenvalues, "ALS: eigenvalues");
    Check(step.regularization, "ALS: regularization");
    Check(step.solved, "ALS: solved");
    Check(step.loss, "ALS: loss");
    Check(step.squared_norm, "ALS: squared_norm");
    RequireAlsShapes(step);
    AlsHalfStep inner_step = step;
    inner_step.observed = static_cast<const StrictRows&>(*step.observed).inner.get();
    Later(context, [=, this](Context& inner) { cpu_.SolveAls(inner, inner_step); });
  }

  void MultiplySparse(Context& context, const SparseRows& a, MatrixView<const float> b,
                      MatrixView<float> product) override {
    Check(b, "sparse product: b");
    Check(product, "sparse product: product");
    RequireSparseProductShapes(a, b, product);
    const SparseRows* inner_a = static_cast<const StrictRows&>(a).inner.get();
    Later(context, [=, this](Context& inner) { cpu_.MultiplySparse(inner, *inner_a, b, product); });
  }

  void MultiplyPanels(Context& context, const Panels& a, MatrixView<const float> s,
                      MatrixView<float> product) override {
    Check(a.stacked, "panel product: a");
    Check(s, "panel product: s");
    Check(product, "panel product: product");
    RequirePanelProductShapes(a, s, product);
    Later(context, [=, this](Context& inner) { cpu_.MultiplyPanels(inner, a, s, product); });
  }

  void Orthonormalize(Context& context, const Panels& basis, MatrixView<float> block,
                      MatrixView<double> coefficients) override {
    Check(basis.stacked, "orthonormalize: basis");
    Check(block, "orthonormalize: block");
    Check(coefficients, "orthonormalize: coefficients");
    RequireOrthonormalizeShapes(basis, block, coefficients);
    Later(context, [=, this](Context& inner) { cpu_.Orthonormalize(inner, basis, block, coefficients); });
  }

  void MultiplySparseTopK(Context& context, const SparseTopK& request) override {
    Check(request.column_scale, "sparse top-k: column_scale");
    Check(request.items, "sparse top-k: items");
    Check(request.values, "sparse top-k: values");
    RequireSparseTopKShapes(request);
    SparseTopK inner_request = request;
    inner_request.left = static_cast<const StrictRows&>(*request.left).inner.get();
    inner_request.right = static_cast<const StrictRows&>(*request.right).inner.get();
    Later(context, [=, this](Context& inner) { cpu_.MultiplySparseTopK(inner, inner_request); });
  }

  void InvertPositiveDefinite(Context& context, MatrixView<float> a) override {
    Check(a, "inverse: the matrix");
    RequireInverseShape(a);
    Later(context, [=, this](Context& inner) { cpu_.InvertPositiveDefinite(inner, a); });
  }

  std::unique_ptr<ItemIndex> NewItemIndex(Context& context, MatrixView<const float> item_factors,
                                          const ItemItemView& item_item, const ItemCodesView* stored) override {
    Check(item_factors, "an index's item factors");
    Check(item_item.indptr, "an index's indptr");
    Check(item_item.items, "an index's items");
    Check(item_item.values, "an index's values");
    RequireItemIndexShapes(item_factors, item_item);
    auto index = std::make_unique<StrictIndex>(item_factors, item_item);
    StrictIndex* place = index.get();
    const ItemCodesView codes = stored == nullptr ? ItemCodesView() : *stored;
    Later(context, [=, this, has_codes = stored != nullptr](Context& inner) {
      place->inner = cpu_.NewItemIndex(inner, item_factors, item_item, has_codes ? &codes : nullptr);
    });
    return index;
  }

  std::unique_ptr<ItemFilter> NewItemFilter(Context& context, const ItemIndex& index,
                                            std::span<const uint64_t> eligible) override {
    auto filter = std::make_unique<StrictFilter>(index, CountEligible(index, eligible));
    const std::vector<uint64_t> bits(eligible.begin(), eligible.end());
    Later(context, [=, this, place = filter.get(), &strict = static_cast<const StrictIndex&>(index)](Context& inner) {
      place->inner = cpu_.NewItemFilter(inner, *strict.inner, bits);
    });
    return filter;
  }

  void TopN(Context& context, const ItemIndex& index, const TopNRequest& request) override {
    Check(request.queries, "top-N: queries");
    Check(request.excluded_indptr, "top-N: excluded_indptr");
    Check(request.excluded_items, "top-N: excluded_items");
    Check(request.items, "top-N: items");
    Check(request.scores, "top-N: scores");
    Check(request.history_indptr, "top-N: history_indptr");
    Check(request.history_items, "top-N: history_items");
    Check(request.history_weights, "top-N: history_weights");
    Check(request.costs, "top-N: costs");
    RequireTopNShapes(index, request);
    Later(context, [=, this, &strict = static_cast<const StrictIndex&>(index)](Context& inner) {
      TopNRequest inner_request = request;
      if (request.eligible != nullptr)
        inner_request.eligible = static_cast<const StrictFilter&>(*request.eligible).inner.get();
      cpu_.TopN(inner, *strict.inner, inner_request);
    });
  }

  std::unique_ptr<ClusterPoints> NewClusterPoints(Context& context, MatrixView<const float> points) override {
    Check(points, "the points");
    RequireClusterPoints(points);
    auto strict = std::make_unique<StrictPoints>(points);
    Later(context,
          [=, this, place = strict.get()](Context& inner) { place->inner = cpu_.NewClusterPoints(inner, points); });
    return strict;
  }

  std::unique_ptr<ClusterRuns> NewClusterRuns(Context& context, const ClusterPoints& points,
                                              std::span<const int32_t> n_clusters) override {
    auto runs = std::make_unique<StrictRuns>(points, n_clusters);
    const std::vector<int32_t> counts(n_clusters.begin(), n_clusters.end());
    Later(context, [=, this, place = runs.get(), &strict = static_cast<const StrictPoints&>(points)](Context& inner) {
      place->inner = cpu_.NewClusterRuns(inner, *strict.inner, counts);
    });
    return runs;
  }

  void SeedClusters(Context& context, const ClusterSeeding& seeding) override {
    Check(seeding.draws, "cluster seeds: draws");
    Check(seeding.chosen, "cluster seeds: chosen");
    RequireClusterSeeding(seeding);
    Later(context, [=, this](Context& inner) {
      ClusterSeeding inner_seeding = seeding;
      inner_seeding.points = static_cast<const StrictPoints&>(*seeding.points).inner.get();
      cpu_.SeedClusters(inner, inner_seeding);
    });
  }

  void StepClusters(Context& context, const ClusterStep& step) override {
    Check(step.centroids, "cluster step: centroids");
    Check(step.n_changed, "cluster step: n_changed");
    Check(step.shift, "cluster step: shift");
    RequireClusterStep(step);
    const std::vector<int32_t> active(step.active.begin(), step.active.end());
    Later(context, [=, this](Context& inner) {
      ClusterStep inner_step = step;
      inner_step.runs = static_cast<StrictRuns&>(*step.runs).inner.get();
      inner_step.active = active;
      cpu_.StepClusters(inner, inner_step);
    });
  }

  void AssignClusters(Context& context, const ClusterAssignment& assignment) override {
    Check(assignment.centroids, "cluster assignment: centroids");
    Check(assignment.labels, "cluster assignment: labels");
    Check(assignment.distances, "cluster assignment: distances");
    Check(assignment.other_distances, "cluster assignment: other_distances");
    Check(assignment.inertia, "cluster assignment: inertia");
    RequireClusterAssignment(assignment);
    Later(context, [=, this](Context& inner) {
      ClusterAssignment inner_assignment = assignment;
      inner_assignment.points = static_cast<const StrictPoints&>(*assignment.points).inner.get();
      cpu_.AssignClusters(inner, inner_assignment);
    });
  }

  void SilhouetteOfClusters(Context& context, const ClusterSilhouette& silhouette) override {
    Check(silhouette.labels, "silhouette: labels");
    Check(silhouette.silhouettes, "silhouette: silhouettes");
    RequireClusterSilhouette(silhouette);
    Later(context, [=, this](Context& inner) {
      ClusterSilhouette inner_silhouette = silhouette;
      inner_silhouette.points = static_cast<const StrictPoints&>(*silhouette.points).inner.get();
      cpu_.SilhouetteOfClusters(inner, inner_silhouette);
    });
  }

 private:
  template <class T>
  void Check(View<T> view, const char* what) const {
    ledger_->Check(view.data, view.size * static_cast<int64_t>(sizeof(T)), what);
  }
  template <class T>
  void Check(MatrixView<T> view, const char* what) const {
    ledger_->Check(view.data, view.size() * static_cast<int64_t>(sizeof(T)), what);
  }
  static void Later(Context& context, std::function<void(Context&)> operation) {
    auto& strict = static_cast<StrictContext&>(context);
    strict.pending.push_back([&strict, operation = std::move(operation)] { operation(*strict.inner); });
  }

  CpuBackend cpu_;
  std::shared_ptr<Ledger> ledger_ = std::make_shared<Ledger>();
};

}  // namespace

std::unique_ptr<Backend> NewStrictBackend(int n_threads) {
  return std::make_unique<StrictBackend>(n_threads);
}

}  // namespace kindred
