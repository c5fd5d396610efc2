#include <cmath>

#include "tests/support/backends.h"
#include "tests/support/random.h"

namespace kindred {
namespace {

// Column-major views of row-major panels are easier to reason about one entry at a time.
double At(const std::vector<float>& matrix, int64_t row, int64_t n_cols, int64_t column) {
  return matrix[static_cast<size_t>(row * n_cols + column)];
}

class OrthonormalizeTest : public BackendTest {
 protected:
  struct Result {
    std::vector<float> block;
    std::vector<double> coefficients;
  };

  Result Orthonormalize(const std::vector<float>& basis, int64_t n_panels, const std::vector<float>& block,
                        int64_t n_rows, int64_t width) {
    const Resident<float> resident_basis = ToBackend(basis, n_panels * n_rows, width);
    const Resident<float> resident = ToBackend(block, n_rows, width);
    const Resident<double> coefficients(backend(), (n_panels + 1) * width, width);
    backend().Orthonormalize(context(), {resident_basis.matrix(), n_panels}, resident.matrix(), coefficients.matrix());
    return {ToHost(resident), ToHost(coefficients)};
  }

  // n_panels panels that are orthonormal, made one after the other.
  std::vector<float> NewBasis(int64_t n_panels, int64_t n_rows, int64_t width, uint64_t seed) {
    std::vector<float> basis;
    for (int64_t p = 0; p < n_panels; ++p) {
      const auto next =
          Orthonormalize(basis, p, RandomNormal(n_rows * width, seed + static_cast<uint64_t>(p)), n_rows, width);
      basis.insert(basis.end(), next.block.begin(), next.block.end());
    }
    return basis;
  }

  // That the columns of the panels are orthonormal, but for `n_zero` that are zero, and give `block` back.
  void Check(const std::vector<float>& basis, int64_t n_panels, const std::vector<float>& block, const Result& result,
             int64_t n_rows, int64_t width, int64_t n_zero, double reach = 1) {
    std::vector<float> all = basis;
    all.insert(all.end(), result.block.begin(), result.block.end());
    const int64_t n_cols = (n_panels + 1) * width;
    const auto column = [&](int64_t c, int64_t r) { return At(all, c / width * n_rows + r, width, c % width); };
    int64_t zeros = 0;
    for (int64_t j = n_panels * width; j < n_cols; ++j) {
      for (int64_t i = 0; i <= j; ++i) {
        double product = 0;
        for (int64_t r = 0; r < n_rows; ++r) product += column(i, r) * column(j, r);
        if (i == j && product == 0)
          ++zeros;
        else
          ASSERT_NEAR(product, i == j ? 1 : 0, 3e-6) << "columns " << i << " and " << j;
      }
    }
    ASSERT_EQ(zeros, n_zero);
    for (int64_t r = 0; r < n_rows; ++r) {
      for (int64_t j = 0; j < width; ++j) {
        double sum = 0;
        for (int64_t i = 0; i < n_cols; ++i)
          sum += column(i, r) * result.coefficients[static_cast<size_t>(i * width + j)];
        ASSERT_NEAR(sum, At(block, r, width, j), 1e-5 * reach) << "row " << r << ", column " << j;
      }
    }
    for (int64_t i = 0; i < width; ++i)
      for (int64_t j = 0; j < i; ++j)
        ASSERT_EQ(result.coefficients[static_cast<size_t>((n_panels * width + i) * width + j)], 0);
  }

  void CheckShapes(int64_t n_panels) {
    for (int64_t width : {16, 32, 48, 64}) {
      for (int64_t n_rows : {64, 65, 511, 512, 513, 1500}) {
        if ((n_panels + 1) * width > n_rows || (n_rows > 600 && width != 32)) continue;
        SCOPED_TRACE(testing::Message() << n_rows << " x " << width << ", " << n_panels << " panels");
        const auto basis = NewBasis(n_panels, n_rows, width, /*seed=*/1);
        const auto block = RandomNormal(n_rows * width, /*seed=*/9);
        Check(basis, n_panels, block, Orthonormalize(basis, n_panels, block, n_rows, width), n_rows, width, 0);
      }
    }
  }
};

// Apart, for those who run tests side by side under slow tools.
TEST_P(OrthonormalizeTest, GivesTheBlockBackOverShapes) {
  CheckShapes(0);
}
TEST_P(OrthonormalizeTest, GivesTheBlockBackBesideAPanelOverShapes) {
  CheckShapes(1);
}
TEST_P(OrthonormalizeTest, GivesTheBlockBackBesidePanelsOverShapes) {
  CheckShapes(3);
}

TEST_P(OrthonormalizeTest, ColumnsThatDependBecomeZero) {
  const int64_t n_rows = 100, width = 16;
  const auto basis = NewBasis(2, n_rows, width, /*seed=*/1);
  std::vector<float> block = RandomNormal(n_rows * width, /*seed=*/20);
  for (int64_t r = 0; r < n_rows; ++r) {
    float* row = &block[static_cast<size_t>(r * width)];
    row[3] = 0;                                              // nothing
    row[5] = 2 * row[4] - row[0];                            // of the block
    row[9] = 7 * basis[static_cast<size_t>(r * width + 2)];  // of the basis
    row[15] = row[9] + 1e-3f * row[10];                      // of both
  }
  Check(basis, 2, block, Orthonormalize(basis, 2, block, n_rows, width), n_rows, width, 4, /*reach=*/4);
}

TEST_P(OrthonormalizeTest, NearlyDependentColumnsAreOrthonormalAllTheSame) {
  const int64_t n_rows = 300, width = 32;
  const auto basis = NewBasis(1, n_rows, width, /*seed=*/1);
  std::vector<float> block = RandomNormal(n_rows * width, /*seed=*/20);
  for (int64_t r = 0; r < n_rows; ++r)
    for (int64_t c = 1; c < width; ++c) {
      float& value = block[static_cast<size_t>(r * width + c)];
      value = block[static_cast<size_t>(r * width)] + basis[static_cast<size_t>(r * width + c)] + 3e-4f * value;
    }
  Check(basis, 1, block, Orthonormalize(basis, 1, block, n_rows, width), n_rows, width, 0);
}

TEST_P(OrthonormalizeTest, FewerRowsThanColumns) {
  for (int64_t n_rows : {0, 1, 5, 15}) {
    SCOPED_TRACE(n_rows);
    const auto block = RandomNormal(n_rows * 16, /*seed=*/3);
    Check({}, 0, block, Orthonormalize({}, 0, block, n_rows, 16), n_rows, 16, 16 - n_rows, /*reach=*/10);
  }
}

TEST_P(OrthonormalizeTest, NotFiniteIsAnErrorAtWaitAndTheContextGoesOn) {
  std::vector<float> block = RandomNormal(40 * 16, /*seed=*/3);
  block[37] = INFINITY;
  EXPECT_THROW(Orthonormalize({}, 0, block, 40, 16), Error);
  context().Wait();
}

TEST_P(OrthonormalizeTest, PanelsTimesAMatrix) {
  for (int64_t n_rows : {0, 1, 63, 64, 65, 300}) {
    for (int64_t n_panels : {1, 3}) {
      for (int64_t width : {16, 48}) {
        for (int64_t s_width : {16, 32, 48, 64, 80, 144}) {
          if (n_rows > 65 && s_width != 80) continue;
          SCOPED_TRACE(testing::Message() << n_rows << ", " << n_panels << " x " << width << ", " << s_width);
          const auto a = RandomNormal(n_panels * n_rows * width, /*seed=*/4);
          const auto s = RandomNormal(n_panels * width * s_width, /*seed=*/5);
          const Resident<float> panels = ToBackend(a, n_panels * n_rows, width);
          const Resident<float> right = ToBackend(s, n_panels * width, s_width);
          const Resident<float> product(backend(), n_rows, s_width);
          backend().MultiplyPanels(context(), {panels.matrix(), n_panels}, right.matrix(), product.matrix());
          const auto found = ToHost(product);
          for (int64_t r = 0; r < n_rows; ++r) {
            for (int64_t c = 0; c < s_width; ++c) {
              double sum = 0;
              for (int64_t k = 0; k < n_panels * width; ++k)
                sum += At(a, k / width * n_rows + r, width, k % width) * At(s, k, s_width, c);
              ASSERT_NEAR(At(found, r, s_width, c), sum, 1e-4) << "row " << r << ", column " << c;
            }
          }
        }
      }
    }
  }
}

TEST_P(OrthonormalizeTest, BitsDoNotDependOnTheThreads) {
  const int64_t n_rows = Allowance(40'000, 1'200), width = 16;
  const auto block = RandomNormal(n_rows * width, /*seed=*/6);
  const auto make = [&](int n_threads) {
    const auto backend = NewTestBackend(GetParam(), n_threads);
    const auto context = backend->NewContext();
    const Resident<float> resident(*backend, n_rows, width), none(*backend, 0, width);
    const Resident<double> coefficients(*backend, width, width);
    std::vector<float> values(block.size());
    resident.Upload(*backend, *context, block);
    backend->Orthonormalize(*context, {none.matrix(), 0}, resident.matrix(), coefficients.matrix());
    resident.Download(*backend, *context, std::span<float>(values));
    context->Wait();
    return values;
  };
  EXPECT_EQ(make(1), make(4));
}

TEST_P(OrthonormalizeTest, ShapesThatDoNotFitAreRefused) {
  const auto block = RandomNormal(40 * 15, /*seed=*/3);
  EXPECT_THROW(Orthonormalize({}, 0, block, 40, 15), Error);
}

KINDRED_ON_ALL_BACKENDS(OrthonormalizeTest);

}  // namespace
}  // namespace kindred
