#include <algorithm>
#include <cmath>

#include "tests/kernels/als_fixture.h"
#include "tests/reference/reference.h"
#include "tests/support/random.h"

namespace kindred {
namespace {

class AlsTest : public AlsFixture {
 protected:
  // Every row of random rows of these lengths against the reference.
  void CompareWithReference(int64_t f, int64_t n_cols, bool use_targets, const std::vector<int64_t>& lengths) {
    const uint64_t seed = static_cast<uint64_t>(f);
    SCOPED_TRACE(testing::Message() << "f " << f << ", targets " << use_targets << ", seed " << seed);
    std::mt19937_64 engine(seed);
    AlsRows rows;
    rows.n_cols = n_cols;
    for (int64_t count : lengths) rows.Add(count, engine);
    std::vector<float> regularization;
    for (int64_t r = 0; r < rows.n_rows(); ++r) regularization.push_back(0.5f + static_cast<float>(r % 5));
    std::vector<float> fixed = RandomNormal(rows.n_cols * f, seed);
    for (float& v : fixed) v /= std::sqrt(static_cast<float>(f));
    const Solution found = Solve(rows, use_targets, fixed, f, 0.1f, regularization);
    const HostMatrix<const float> y = {found.fixed.data(), rows.n_cols, f};
    for (int64_t r = 0; r < rows.n_rows(); ++r) {
      const auto weights = rows.view().row_values(r);
      const auto targets =
          use_targets
              ? std::span<const float>(rows.targets).subspan(static_cast<size_t>(rows.indptr[r]), weights.size())
              : weights;
      const auto expected =
          reference::AlsRow(y, rows.view().row(r), weights, targets, 0.1, regularization[static_cast<size_t>(r)]);
      double norm = 0, error = 0;
      for (size_t k = 0; k < static_cast<size_t>(f); ++k) {
        const double difference = found.solved[static_cast<size_t>(r * f) + k] - expected[k];
        norm += expected[k] * expected[k];
        error += difference * difference;
      }
      ASSERT_NEAR(found.squared_norm[static_cast<size_t>(r)], norm, 1e-4 * norm + 1e-12) << "row " << r;
      ASSERT_LE(std::sqrt(error), 2e-5 * std::sqrt(norm) + 1e-7)
          << "row " << r << " of " << weights.size() << " entries";
      const double loss = reference::AlsRowLoss(y, rows.view().row(r), weights, targets, 0.1,
                                                regularization[static_cast<size_t>(r)], expected);
      double magnitude = 1;
      for (size_t e = 0; e < weights.size(); ++e)
        magnitude += weights[e] > 0 ? targets[e] * targets[e] / weights[e] : std::abs(targets[e]);
      ASSERT_NEAR(found.loss[static_cast<size_t>(r)], loss, 2e-5 * magnitude) << "row " << r;
    }
  }
};

TEST_P(AlsTest, EveryRowEqualsTheReferenceOverShapes) {
  for (int64_t f : {1, 2, 15, 16, 17, 31, 32, 33, 64, 100})
    for (bool use_targets : {false, true})
      CompareWithReference(f, 700, use_targets, {0,  1,  2,  3,  4,  5,  7,   8,   15,  16,  17,  31,
                                                 32, 33, 63, 64, 65, 99, 100, 101, 255, 256, 257, 700});
}

TEST_P(AlsTest, ManyFactorsEqualTheReference) {
  for (int64_t f : {127, 128, 129, 130, 256, 257}) CompareWithReference(f, 400, true, {1, 40, 128, 129, 300});
}

TEST_P(AlsTest, AThousandFactorsEqualTheReference) {
  CompareWithReference(1024, 160, true, {20, 150});
}

TEST_P(AlsTest, HugeRowsEqualTheReference) {
  for (int64_t f : {7, 32, 40}) CompareWithReference(f, 9000, true, {4096, 4097, 9000, 3});
}

TEST_P(AlsTest, BitsDoNotDependOnWhereTheEntriesLie) {
  std::mt19937_64 engine(9);
  AlsRows rows;
  rows.n_cols = 300;
  for (int64_t r = 0; r < 40; ++r) rows.Add(r % 9 == 0 ? 0 : r * 7 % 90, engine);
  rows.Add(300, engine);
  rows.Add(2, engine);
  const std::vector<float> fixed = RandomNormal(300 * 20, 9);
  const std::vector<float> regularization(static_cast<size_t>(rows.n_rows()), 0.3f);
  for (bool use_targets : {false, true}) {
    const Solution expected = Solve(rows, use_targets, fixed, 20, 0.05f, regularization);
    for (int64_t max_entry_bytes : {0, 1, 1000, 4000, 9000}) {
      const Solution found = Solve(rows, use_targets, fixed, 20, 0.05f, regularization, max_entry_bytes);
      ASSERT_EQ(found.solved, expected.solved) << max_entry_bytes;
      ASSERT_EQ(found.loss, expected.loss) << max_entry_bytes;
    }
  }
}

TEST_P(AlsTest, RegularizationWithoutUnobservedWeight) {
  std::mt19937_64 engine(5);
  AlsRows rows;
  rows.n_cols = 60;
  for (int64_t count : {1, 10, 40}) rows.Add(count, engine);
  const std::vector<float> fixed = RandomNormal(60 * 24, 5);
  const Solution found = Solve(rows, true, fixed, 24, 0, {0.1f, 0.1f, 0.1f});
  const HostMatrix<const float> y = {found.fixed.data(), 60, 24};
  for (int64_t r = 0; r < 3; ++r) {
    const auto targets =
        std::span<const float>(rows.targets).subspan(static_cast<size_t>(rows.indptr[r]), rows.view().row(r).size());
    const auto expected = reference::AlsRow(y, rows.view().row(r), rows.view().row_values(r), targets, 0, 0.1f);
    for (size_t k = 0; k < 24; ++k)
      ASSERT_NEAR(found.solved[static_cast<size_t>(r * 24) + k], expected[k], 2e-4) << "row " << r;
  }
}

TEST_P(AlsTest, ASingularSystemIsAnErrorThatNamesTheFirstSuchRow) {
  std::mt19937_64 engine(6);
  AlsRows rows;
  rows.n_cols = 50;
  rows.Add(50, engine);
  rows.Add(3, engine);
  rows.Add(2, engine);
  const std::vector<float> fixed = RandomNormal(50 * 8, 6);
  try {
    Solve(rows, false, fixed, 8, 0, {0, 0, 0});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNumeric);
    EXPECT_NE(std::string(error.what()).find("row 1 (3 entries"), std::string::npos) << error.what();
  }
}

TEST_P(AlsTest, ASystemSingularButForRoundingIsAnError) {
  for (uint64_t seed = 100; seed < 140; ++seed) {
    std::mt19937_64 engine(seed);
    AlsRows rows;
    rows.n_cols = 50;
    rows.Add(7, engine);  // one short of n_factors: only the last pivot is lost
    for (float& w : rows.weights) w += 0.5f;
    const std::vector<float> fixed = RandomNormal(50 * 8, seed);
    EXPECT_THROW(Solve(rows, false, fixed, 8, 0, {0}), Error) << "seed " << seed;
  }
}

TEST_P(AlsTest, TinyEigenvaluesAreTakenInThePrimal) {
  // Two equal items alone in their direction: the dual's matrix, 1e9 everywhere, would lose its identity.
  for (int64_t f : {2, 40, 140}) {
    AlsRows rows;
    rows.n_cols = f + 2;
    rows.indptr = {0, 2};
    rows.indices = {static_cast<int32_t>(f), static_cast<int32_t>(f + 1)};
    rows.weights = {1, 1};
    std::vector<float> fixed(static_cast<size_t>((f + 2) * f), 0.0f);
    for (int64_t i = 0; i < f; ++i) fixed[static_cast<size_t>(i * f + std::min(i, f - 2))] = 1e4f;
    for (int64_t i : {f, f + 1}) fixed[static_cast<size_t>(i * f + f - 1)] = 1;
    const Solution found = Solve(rows, false, fixed, f, 1e-9f, {1e-9f});
    for (int64_t k = 0; k < f; ++k)
      EXPECT_NEAR(std::abs(found.solved[static_cast<size_t>(k)]), k == f - 1 ? 1 : 0, 1e-5) << "f " << f << ", " << k;
  }
}

TEST_P(AlsTest, HugeWeightsStayFinite) {
  AlsRows rows;
  rows.n_cols = 3;
  rows.indptr = {0, 2, 4};
  rows.indices = {0, 1, 1, 2};
  rows.weights = {1e30f, 1, 1e30f, 1e30f};
  const Solution found = Solve(rows, false, RandomNormal(3 * 4, 7), 4, 0.1f, {1, 1});
  for (float v : found.solved) ASSERT_TRUE(std::isfinite(v));
}

TEST_P(AlsTest, BitsDoNotDependOnThreads) {
  std::mt19937_64 engine(8);
  AlsRows rows;
  rows.n_cols = 400;
  const int64_t n_rows = Allowance(300, 30);
  for (int64_t r = 0; r < n_rows; ++r) rows.Add(r % 7 == 0 ? 150 : r % 40, engine);
  const std::vector<float> fixed = RandomNormal(400 * 48, 8);
  const std::vector<float> regularization(static_cast<size_t>(n_rows), 0.3f);
  const Solution expected = Solve(rows, false, fixed, 48, 0.05f, regularization);
  for (int n_threads : {1, 3, 7}) {
    const auto other = NewTestBackend(GetParam(), n_threads);
    const auto other_context = other->NewContext();
    const Resident<float> y(*other, 400, 48), e(*other, 48), l(*other, n_rows), x(*other, n_rows, 48);
    y.Upload(*other, *other_context, fixed);
    l.Upload(*other, *other_context, regularization);
    const auto observed = other->NewSparseRows(rows.view(), {}, nullptr);
    other->Diagonalize(*other_context, y.matrix(), e.view());
    other->SolveAls(*other_context, {observed.get(), y.matrix(), e.view(), 0.05f, l.view(), x.matrix(), {}, {}});
    std::vector<float> solved(static_cast<size_t>(n_rows * 48));
    x.Download(*other, *other_context, solved);
    other_context->Wait();
    ASSERT_EQ(solved, expected.solved) << n_threads << " threads";
  }
}

TEST_P(AlsTest, RowsThatDoNotFitAreRefused) {
  AlsRows good;
  good.n_cols = 3;
  good.indptr = {0, 1, 2};
  good.indices = {0, 2};
  good.weights = {1, 1};
  const auto refused = [&](auto change) {
    AlsRows rows = good;
    change(rows);
    EXPECT_THROW(backend().NewSparseRows(rows.view(), rows.targets, nullptr), Error);
  };
  EXPECT_NO_THROW(backend().NewSparseRows(good.view(), {}, nullptr));
  refused([](AlsRows& r) { r.indices[1] = 3; });
  refused([](AlsRows& r) { r.indices[0] = -1; });
  refused([](AlsRows& r) { r.indptr = {0, 2, 2}, r.indices = {1, 1}; });
  refused([](AlsRows& r) { r.indptr = {0, 0, 2}, r.indices = {2, 0}; });
  refused([](AlsRows& r) { r.indptr = {0, 3, 2}; });
  refused([](AlsRows& r) { r.indptr[0] = 1; });
  refused([](AlsRows& r) { r.weights[0] = -1; });
  refused([](AlsRows& r) { r.weights[0] = NAN; });
  refused([](AlsRows& r) { r.weights.pop_back(); });
  refused([](AlsRows& r) { r.targets = {1, INFINITY}; });
}

TEST_P(AlsTest, RegularizedSystemsThatFloat32CannotTellFromSingularOnesAreSolved) {
  // Items in equal pairs with large weights: the data alone determine half of the factors, regularization the rest.
  const int64_t n_items = 24, f = 16;
  std::vector<float> fixed = RandomNormal(n_items * f, 41);
  for (int64_t i = 0; i < n_items; i += 2)
    std::copy_n(fixed.begin() + (i % 8) * f, f, fixed.begin() + i * f),
        std::copy_n(fixed.begin() + (i % 8) * f, f, fixed.begin() + (i + 1) * f);
  AlsRows rows;
  rows.n_cols = n_items;
  rows.indptr = {0, n_items};
  for (int32_t i = 0; i < n_items; ++i) rows.indices.push_back(i);
  rows.weights.assign(static_cast<size_t>(n_items), 1e5f);
  const Solution found = Solve(rows, false, fixed, f, 1e-3f, {0.5f});
  const HostMatrix<const float> y = {found.fixed.data(), n_items, f};
  const auto expected = reference::AlsRow(y, rows.view().row(0), rows.weights, rows.weights, 1e-3, 0.5);
  for (size_t k = 0; k < static_cast<size_t>(f); ++k) ASSERT_NEAR(found.solved[k], expected[k], 1e-4) << k;
}

KINDRED_ON_ALL_BACKENDS(AlsTest);

}  // namespace
}  // namespace kindred
