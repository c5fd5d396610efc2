// The CUDA half-step on cards that are not here: small ones, and matrices that no memory of a test holds.
#include <cmath>

#include "kernels/cuda/als.h"
#include "tests/kernels/als_fixture.h"
#include "tests/simt/emulated_memory.h"
#include "tests/support/errors.h"
#include "tests/support/random.h"

namespace kindred {
namespace {

using cuda::EmulatedMemory;

class AlsOnDevicesTest : public AlsFixture {
 protected:
  ~AlsOnDevicesTest() override { EmulatedMemory::Get().bytes = all_; }

  /// Makes the card so large that `bytes` are free.
  void LeaveFree(int64_t bytes) { EmulatedMemory::Get().bytes = EmulatedMemory::Get().allocated + bytes; }

  /// Users x items, and what a fit does to it: both sides resident, a half-step each. Returns the users' factors.
  std::vector<float> FitOnce(const AlsRows& users, const AlsRows& items, int64_t f, int64_t max_entry_bytes) {
    const int64_t n_users = users.n_rows(), n_items = items.n_rows();
    const auto by_user = backend().NewSparseRows(users.view(), {}, nullptr, max_entry_bytes);
    const auto by_item = backend().NewSparseRows(items.view(), {}, nullptr, max_entry_bytes);
    const Resident<float> x(backend(), n_users, f), y(backend(), n_items, f), e(backend(), f);
    const Resident<float> user_l(backend(), n_users), item_l(backend(), n_items);
    const Resident<double> user_loss(backend(), n_users), item_loss(backend(), n_items);
    const Resident<double> user_norm(backend(), n_users), item_norm(backend(), n_items);
    const std::vector<float> start = RandomNormal(n_items * f, 3);
    const std::vector<float> ones(static_cast<size_t>(std::max(n_users, n_items)), 1.0f);
    y.Upload(backend(), context(), start);
    user_l.Upload(backend(), context(), std::span(ones).first(static_cast<size_t>(n_users)));
    item_l.Upload(backend(), context(), std::span(ones).first(static_cast<size_t>(n_items)));
    backend().Diagonalize(context(), y.matrix(), e.view());
    backend().SolveAls(context(), {by_user.get(), y.matrix(), e.view(), 0.1f, user_l.view(), x.matrix(),
                                   user_loss.view(), user_norm.view()});
    backend().Diagonalize(context(), x.matrix(), e.view());
    backend().SolveAls(context(), {by_item.get(), x.matrix(), e.view(), 0.1f, item_l.view(), y.matrix(),
                                   item_loss.view(), item_norm.view()});
    return ToHost(x);
  }

  static AlsRows RandomRows(int64_t n_rows, int64_t n_cols, int64_t count) {
    std::mt19937_64 engine(static_cast<uint64_t>(n_rows));
    AlsRows rows;
    rows.n_cols = n_cols;
    for (int64_t r = 0; r < n_rows; ++r) rows.Add(r % 11 == 0 ? 0 : count, engine);
    return rows;
  }

 private:
  const int64_t all_ = EmulatedMemory::Get().bytes;
};

TEST_P(AlsOnDevicesTest, ThePlanCoversWhatAFitTakes) {
  for (int64_t f : {16, 140}) {
    const AlsRows users = RandomRows(60, 50, 20), items = RandomRows(50, 60, 20);
    const AlsPlan plan = backend().PlanAls({60, 50, std::max(users.view().nnz(), items.view().nnz()), f});
    ASSERT_FALSE(plan.streamed);
    const int64_t before = EmulatedMemory::Get().allocated;
    EmulatedMemory::Get().peak = before;
    FitOnce(users, items, f, plan.max_entry_bytes);
    const int64_t taken = EmulatedMemory::Get().peak - before;
    EXPECT_LE(taken, plan.peak_bytes) << "f " << f;
    EXPECT_GE(taken, (plan.peak_bytes - (1 << 20)) / 2) << "f " << f;
  }
}

TEST_P(AlsOnDevicesTest, ACardTooSmallForTheEntriesStreamsThem) {
  const AlsRows users = RandomRows(70, 60, 25), items = RandomRows(60, 70, 29);
  const AlsShape shape = {70, 60, std::max(users.view().nnz(), items.view().nnz()), 8};
  const AlsPlan whole = backend().PlanAls(shape);
  AlsShape with_targets = shape;
  with_targets.has_targets = true;
  EXPECT_EQ(backend().PlanAls(with_targets).max_entry_bytes, whole.max_entry_bytes + 4 * shape.nnz);
  const std::vector<float> expected = FitOnce(users, items, 8, whole.max_entry_bytes);
  LeaveFree(whole.peak_bytes - 1);
  const AlsPlan plan = backend().PlanAls(shape);
  EXPECT_TRUE(plan.streamed);
  EXPECT_LE(plan.peak_bytes, plan.available_bytes);
  EXPECT_LT(plan.max_entry_bytes, shape.nnz * 8);
  EXPECT_EQ(FitOnce(users, items, 8, plan.max_entry_bytes), expected);
}

TEST_P(AlsOnDevicesTest, ACardTooSmallForTheFactorsIsAnErrorBeforeAnythingIsTaken) {
  LeaveFree(1 << 20);
  const int64_t before = EmulatedMemory::Get().allocated;
  ExpectError(ErrorCode::kOutOfMemory, "1000000 users x 100000 items with n_factors 64 needs", [&] {
    backend().PlanAls({1'000'000, 100'000, 50'000'000, 64});
  });
  EXPECT_EQ(EmulatedMemory::Get().allocated, before);
}

TEST_P(AlsOnDevicesTest, OutOfMemoryLeavesTheBackendUsable) {
  const AlsRows users = RandomRows(40, 30, 10), items = RandomRows(30, 40, 10);
  const std::vector<float> expected = FitOnce(users, items, 8, INT64_MAX);
  for (int64_t bytes : {0, 3000, 10'000, 100'000}) {
    LeaveFree(bytes);
    ExpectError(ErrorCode::kOutOfMemory, "bytes of emulated memory", [&] { FitOnce(users, items, 200, INT64_MAX); });
    context().Wait();
    LeaveFree(int64_t{1} << 30);
    EXPECT_EQ(FitOnce(users, items, 8, INT64_MAX), expected);
  }
}

TEST_P(AlsOnDevicesTest, PlansOfHugeMatricesDoNotOverflow) {
  LeaveFree(int64_t{1} << 60);
  int64_t last = 0;
  for (int64_t n : {1'000, 1'000'000, 1'000'000'000, 2'147'483'647}) {
    const AlsPlan plan = backend().PlanAls({n, n, n * 100, 1024});
    EXPECT_GT(plan.peak_bytes, 2 * n * 1024 * 4 + 2 * n * 100 * 8);
    EXPECT_GT(plan.peak_bytes, last);
    last = plan.peak_bytes;
  }
}

// A half-step by its kernels, where row ids, places of entries and factors lie far beyond 32 bits: the arrays'
// addresses are moved back by as much, so that a small memory does.
struct FarAway {
  int64_t row, entry, item;
};

std::vector<float> SolveFarAway(const AlsRows& rows, const std::vector<float>& fixed,
                                const std::vector<float>& eigenvalues, const std::vector<float>& regularization,
                                int64_t f, GramPrecision precision, const FarAway& base) {
  const auto n_rows = static_cast<size_t>(rows.n_rows());
  const auto far = [](const auto& values, int64_t offset) { return values.data() - offset; };
  std::vector<int64_t> indptr, order;
  std::vector<int32_t> indices;
  for (int64_t offset : rows.indptr) indptr.push_back(base.entry + offset);
  for (int32_t index : rows.indices) indices.push_back(static_cast<int32_t>(base.item + index));
  for (size_t r = 0; r < n_rows; ++r) order.push_back(base.row + static_cast<int64_t>(r));
  std::vector<float> solved(n_rows * static_cast<size_t>(f), NAN);
  std::vector<double> loss(n_rows, NAN);
  std::vector<int64_t> lists(2 * n_rows);
  unsigned counts[2] = {};
  unsigned long long failure = ~0ULL;

  cuda::AlsArguments a;
  a.fixed = far(fixed, base.item * f);
  a.eigenvalues = eigenvalues.data();
  a.regularization = far(regularization, base.row);
  a.indptr = far(indptr, base.row);
  a.indices = far(indices, base.entry);
  a.weights = far(rows.weights, base.entry);
  a.targets = far(rows.targets, base.entry);
  a.order = order.data();
  a.n_factors = f;
  a.unobserved_weight = 0.1f;
  a.solved = solved.data() - base.row * f;
  a.loss = loss.data() - base.row;
  a.ill_conditioned = {lists.data(), counts};
  a.unsolved = {lists.data() + n_rows, counts + 1};
  a.failure = &failure;

  // Rows: one for each of the dual's sizes, one whole, one in chunks, one that only double solves, two by conjugate
  // gradients, of which one's factors are kept, and one by blocks.
  cuda::CudaContext context;
  const cuda::StreamHandle stream = context.stream().handle();
  cuda::LaunchDual(a, 32, 0, 1, stream);
  cuda::LaunchDual(a, 64, 1, 1, stream);
  cuda::LaunchDual(a, 128, 2, 1, stream);
  cuda::LaunchPrimal(a, precision, 3, 1, stream);
  cuda::ChunkedPrimal chunked(f);
  chunked.Add(order[4], indptr[4], indptr[5]);
  std::vector<char> memory(static_cast<size_t>(chunked.workspace_bytes()));
  chunked.Launch(context, a, precision, 227 * 1024, memory.data());
  const AlsSolver gradients = {AlsMethod::kConjugateGradient, 2, 64, false},
                  blocks = {AlsMethod::kBlocks, 1, 32, false};
  cuda::LaunchGradients(a, gradients, 6, 1, rows.indptr[7] - rows.indptr[6], stream);
  cuda::LaunchGradients(a, gradients, 7, 1, rows.indptr[8] - rows.indptr[7], stream);
  cuda::LaunchBlocks(a, blocks, precision, 8, 1, rows.indptr[9] - rows.indptr[8], stream);
  EXPECT_EQ(counts[0] + counts[1], 0u);
  *a.unsolved.count = 1;
  a.unsolved.rows[0] = order[5];
  memory.resize(static_cast<size_t>(cuda::DoubleWorkspaceBytes(f, 1)));
  cuda::LaunchDouble(a, 1, memory.data(), stream);
  context.Wait();
  EXPECT_EQ(failure, ~0ULL);
  for (double value : loss) EXPECT_TRUE(std::isfinite(value));
  return solved;
}

TEST_P(AlsOnDevicesTest, RowsEntriesAndFactorsBeyond32Bits) {
  for (int64_t f : {64, 66}) {  // 16-byte copies, and none
    const GramPrecision precision = f == 64 ? GramPrecision::kBf16x3 : GramPrecision::kFloat32;
    std::mt19937_64 engine(12);
    AlsRows rows;
    rows.n_cols = 5000;
    for (int64_t count : {20, 50, 64, 200, 4500, 30, 700, 90, 100}) rows.Add(count, engine);
    const std::vector<float> fixed = RandomNormal(rows.n_cols * f, 12), regularization(9, 2.0f);
    std::vector<float> eigenvalues;
    for (int64_t k = 0; k < f; ++k) eigenvalues.push_back(static_cast<float>(9 * (f - k)));
    const auto solve = [&](const FarAway& base) {
      return SolveFarAway(rows, fixed, eigenvalues, regularization, f, precision, base);
    };
    const std::vector<float> near = solve({0, 0, 0});
    for (float value : near) ASSERT_TRUE(std::isfinite(value));
    EXPECT_EQ(solve({(int64_t{3} << 31) + 5, (int64_t{5} << 31) + 7, INT32_MAX - 5000}), near) << "f " << f;
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, AlsOnDevicesTest, ::testing::Values("emulated"),
                         [](const auto& param_info) { return param_info.param; });

}  // namespace
}  // namespace kindred
