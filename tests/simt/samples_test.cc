#include "tests/simt/samples.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/simt/schedule.h"
#include "tests/simt/vector_types.h"
#include "tests/support/random.h"

namespace kindred::simt {
namespace {

class Samples : public ::testing::TestWithParam<Order> {
 protected:
  Samples() { SetOrder(GetParam(), /*seed=*/5); }
  ~Samples() override { SetOrder(Order::kForward); }
};

TEST_P(Samples, SumColumns) {
  for (const int n_rows : {0, 1, 33, 500}) {
    constexpr int kCols = 7;
    const std::vector<float> values = RandomNormal(n_rows * kCols, /*seed=*/1);
    std::vector<float> sums(kCols, -1);
    SumColumns(values.data(), n_rows, kCols, sums.data());
    for (int c = 0; c < kCols; ++c) {
      double expected = 0;
      for (int r = 0; r < n_rows; ++r) expected += values[static_cast<size_t>(r * kCols + c)];
      ASSERT_NEAR(sums[static_cast<size_t>(c)], expected, 1e-4) << n_rows << " rows, column " << c;
    }
  }
}

TEST_P(Samples, SolveCholesky) {
  for (const int n : {1, 2, 31, 33, 45}) {
    constexpr int kSystems = 3;
    const auto order = static_cast<size_t>(n);
    std::vector<float> a(kSystems * order * order), x(kSystems * order);
    const std::vector<float> root = RandomNormal(kSystems * n * n, /*seed=*/2), b = RandomNormal(kSystems * n, 3);
    for (size_t s = 0; s < kSystems; ++s)
      for (size_t i = 0; i < order; ++i)
        for (size_t j = 0; j < order; ++j) {
          double sum = i == j ? n : 0;
          for (size_t k = 0; k < order; ++k)
            sum += root[(s * order + i) * order + k] * root[(s * order + j) * order + k];
          a[(s * order + i) * order + j] = static_cast<float>(sum);
        }
    a[order * order + order * order - 1] = -1;  // the last pivot of system 1
    std::vector<int> singular(kSystems, -1);
    SolveCholesky(a.data(), b.data(), n, kSystems, x.data(), singular.data());
    EXPECT_EQ(singular, (std::vector<int>{0, n, 0}));
    for (size_t s = 0; s < kSystems; s += 2)
      for (size_t i = 0; i < order; ++i) {
        double residual = -b[s * order + i];
        for (size_t j = 0; j < order; ++j) residual += double{a[(s * order + i) * order + j]} * x[s * order + j];
        ASSERT_NEAR(residual, 0, 1e-4) << "n " << n << ", system " << s << ", row " << i;
      }
  }
}

TEST_P(Samples, GatheredGram) {
  constexpr int kRows = 50, kFactors = 32;
  std::vector<float4> storage(kRows * kFactors / 4);  // aligned
  float* rows = &storage[0].x;
  std::mt19937 random(4);
  for (int i = 0; i < kRows * kFactors; ++i) rows[i] = static_cast<float>(random() % 31) - 15;  // exact in bf16
  for (const int n : {0, 1, 15, 16, 17, 32, 33, 100}) {
    std::vector<int> indices(static_cast<size_t>(n));
    for (int& i : indices) i = static_cast<int>(random() % kRows);
    std::vector<float> gram(kFactors * kFactors, -1);
    GatheredGram(rows, indices.data(), n, gram.data());
    for (int i = 0; i < kFactors; ++i)
      for (int j = 0; j < kFactors; ++j) {
        double expected = 0;
        for (const int r : indices) expected += double{rows[r * kFactors + i]} * rows[r * kFactors + j];
        ASSERT_EQ(gram[static_cast<size_t>(i * kFactors + j)], expected) << n << " rows";
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Orders, Samples, ::testing::Values(Order::kForward, Order::kReverse, Order::kRandom));

}  // namespace
}  // namespace kindred::simt
