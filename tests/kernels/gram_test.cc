#include <cmath>
#include <random>

#include "tests/reference/reference.h"
#include "tests/support/backends.h"
#include "tests/support/random.h"

namespace kindred {
namespace {

class GramTest : public BackendTest {};

TEST_P(GramTest, EqualsTheReferenceOverShapes) {
  for (int64_t n_rows : {0, 1, 31, 32, 33, 511, 512, 513, 9000}) {
    for (int64_t f : {1, 31, 32, 33, 64, 130}) {
      SCOPED_TRACE(testing::Message() << n_rows << " x " << f);
      if (n_rows * f > 300000) continue;
      const std::vector<float> a = RandomNormal(n_rows * f, /*seed=*/1);
      const auto expected = reference::Gram({a.data(), n_rows, f});
      const Resident<float> resident = ToBackend(a, n_rows, f);
      const Resident<float> gramian(backend(), f, f);
      backend().Gram(context(), resident.matrix(), gramian.matrix());
      const std::vector<float> found = ToHost(gramian);
      for (size_t i = 0; i < found.size(); ++i)
        ASSERT_NEAR(found[i], expected[i], 2e-6 * std::max<double>(1, static_cast<double>(n_rows))) << "entry " << i;
    }
  }
}

TEST_P(GramTest, DiagonalizeKeepsInnerProductsAndLeavesADiagonal) {
  for (int64_t n_rows : {0, 1, 33, 300, 1000}) {
    for (int64_t f : {1, 2, 31, 32, 33, 128}) {
      SCOPED_TRACE(testing::Message() << n_rows << " x " << f);
      const std::vector<float> a = RandomNormal(n_rows * f, /*seed=*/2);
      const Resident<float> resident = ToBackend(a, n_rows, f);
      const Resident<float> eigenvalues(backend(), f);
      backend().Diagonalize(context(), resident.matrix(), eigenvalues.view());
      const std::vector<float> rotated = ToHost(resident), e = ToHost(eigenvalues);
      const HostMatrix<const float> before = {a.data(), n_rows, f}, after = {rotated.data(), n_rows, f};
      const auto gram = reference::Gram(after);
      const double scale = std::max<double>(1, e[0]);
      for (int64_t i = 0; i < f; ++i)
        for (int64_t j = 0; j < f; ++j)
          ASSERT_NEAR(gram[static_cast<size_t>(i * f + j)], i == j ? e[static_cast<size_t>(i)] : 0, 3e-6 * scale);
      for (int64_t i = 1; i < f; ++i) ASSERT_GE(e[static_cast<size_t>(i - 1)], e[static_cast<size_t>(i)]);
      ASSERT_GE(e.back(), 0);
      for (int64_t r = 1; r < std::min<int64_t>(n_rows, 20); ++r) {
        double old_product = 0, new_product = 0;
        for (size_t k = 0; k < static_cast<size_t>(f); ++k) {
          old_product += static_cast<double>(before.row(r)[k]) * before.row(r - 1)[k];
          new_product += static_cast<double>(after.row(r)[k]) * after.row(r - 1)[k];
        }
        ASSERT_NEAR(new_product, old_product, 2e-5 * std::sqrt(static_cast<double>(f)) * 3);
      }
    }
  }
}

TEST_P(GramTest, ACompanionIsRotatedAlong) {
  for (int64_t n_rows : {0, 1, 33, 1000}) {
    for (int64_t f : {1, 31, 64, 130}) {
      SCOPED_TRACE(testing::Message() << n_rows << " x " << f);
      const int64_t n_fixed = 70;
      const std::vector<float> a = RandomNormal(n_fixed * f, /*seed=*/4), b = RandomNormal(n_rows * f, /*seed=*/5);
      const Resident<float> fixed = ToBackend(a, n_fixed, f), companion = ToBackend(b, n_rows, f);
      const Resident<float> eigenvalues(backend(), f);
      backend().Diagonalize(context(), fixed.matrix(), eigenvalues.view(), companion.matrix());
      const std::vector<float> new_a = ToHost(fixed), new_b = ToHost(companion);
      for (int64_t r = 0; r < n_rows; ++r) {
        double before = 0, after = 0;
        const auto at_a = static_cast<size_t>(r % n_fixed * f), at_b = static_cast<size_t>(r * f);
        for (size_t k = 0; k < static_cast<size_t>(f); ++k) {
          before += static_cast<double>(a[at_a + k]) * b[at_b + k];
          after += static_cast<double>(new_a[at_a + k]) * new_b[at_b + k];
        }
        ASSERT_NEAR(after, before, 2e-5 * std::sqrt(static_cast<double>(f)) * 3) << "row " << r;
      }
    }
  }
}

TEST_P(GramTest, NotFiniteIsAnErrorAtWaitAndTheContextGoesOn) {
  std::vector<float> a = RandomNormal(20, /*seed=*/3);
  a[7] = INFINITY;
  const Resident<float> resident = ToBackend(a, 10, 2);
  const Resident<float> eigenvalues(backend(), 2);
  backend().Diagonalize(context(), resident.matrix(), eigenvalues.view());
  try {
    context().Wait();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNumeric);
  }
  context().Wait();
}

TEST_P(GramTest, ShapesThatDoNotFitAreRefusedAtTheCall) {
  const Resident<float> a(backend(), 3, 2), wrong(backend(), 3, 3);
  EXPECT_THROW(backend().Gram(context(), a.matrix(), wrong.matrix()), Error);
}

KINDRED_ON_ALL_BACKENDS(GramTest);

}  // namespace
}  // namespace kindred
