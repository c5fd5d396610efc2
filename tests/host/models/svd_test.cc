#include "host/models/svd.h"

#include <Eigen/Dense>
#include <cmath>

#include "host/data/interactions.h"
#include "host/data/random.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

using Dense = Eigen::MatrixXd;

Csr ToCsr(const Dense& dense) {
  Csr matrix;
  matrix.n_rows = dense.rows();
  matrix.n_cols = dense.cols();
  for (Eigen::Index r = 0; r < dense.rows(); ++r) {
    for (Eigen::Index c = 0; c < dense.cols(); ++c) {
      if (dense(r, c) == 0) continue;
      matrix.indices.push_back(static_cast<int32_t>(c));
      matrix.values.push_back(static_cast<float>(dense(r, c)));
    }
    matrix.indptr.push_back(static_cast<int64_t>(matrix.indices.size()));
  }
  return matrix;
}

// About one entry in `sparsity`, more in the first rows and columns, so that the spectrum falls as interactions' do.
Dense RandomMatrix(int64_t n_rows, int64_t n_cols, int64_t sparsity, uint64_t seed) {
  Dense dense = Dense::Zero(n_rows, n_cols);
  for (int64_t r = 0; r < n_rows; ++r)
    for (int64_t c = 0; c < n_cols; ++c) {
      const auto at = static_cast<uint64_t>(r * n_cols + c);
      const double chance = 3.0 / (static_cast<double>(sparsity) * (1 + 8.0 * static_cast<double>(c) / n_cols));
      if (RandomUniform(seed, at) < chance) dense(r, c) = static_cast<double>(1 + RandomBits(seed + 1, at) % 4);
    }
  return dense;
}

class SvdTest : public BackendTest {
 protected:
  Svd Fit(const Dense& dense, SvdOptions options) {
    const Csr matrix = ToCsr(dense);
    return FitSvd(backend(), matrix.view(), options);
  }

  // Values against Eigen's; vectors orthonormal or zero, as pairs, and by the distance of A from U S Vt.
  void ExpectSvd(const Dense& dense, const Svd& svd, double tolerance) {
    const Eigen::BDCSVD<Dense> expected(dense, Eigen::ComputeThinU | Eigen::ComputeThinV);
    const Eigen::VectorXd& s = expected.singularValues();
    const int64_t k = svd.n_factors();
    const Dense u = Vectors(svd.left, dense.rows(), k), v = Vectors(svd.right, dense.cols(), k);
    int64_t rank = 0;
    double held = 0, left_out = 0;
    for (int64_t i = 0; i < k; ++i) {
      const double value = i < s.size() && s[i] > 1e-6 * s[0] ? s[i] : 0;
      ASSERT_NEAR(svd.values[static_cast<size_t>(i)], value, tolerance * value) << "value " << i;
      ASSERT_LE(svd.values[static_cast<size_t>(i)], value * (1 + 3e-6)) << "value " << i;
      rank += value > 0 ? 1 : 0;
      held += value * value;
    }
    for (Eigen::Index i = k; i < s.size(); ++i) left_out += s[i] * s[i];
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j <= i; ++j) {
        const double product = i == j && i < rank ? 1 : 0;
        ASSERT_NEAR(u.col(i).dot(u.col(j)), product, 2e-5) << "left " << i << ", " << j;
        ASSERT_NEAR(v.col(i).dot(v.col(j)), product, 2e-5) << "right " << i << ", " << j;
      }
    for (int64_t i = 0; i < rank; ++i) {
      Eigen::Index largest = 0;
      v.col(i).cwiseAbs().maxCoeff(&largest);
      ASSERT_GT(v(largest, i), 0) << "sign of pair " << i;
    }
    const Eigen::Map<const Eigen::VectorXd> values(svd.values.data(), k);
    const double distance = (dense - u * values.asDiagonal() * v.transpose()).norm();
    ASSERT_NEAR(distance * distance, left_out, 3 * tolerance * held + 1e-9 * dense.squaredNorm());
    ASSERT_NEAR(svd.squared_norm, dense.squaredNorm(), 1e-6 * dense.squaredNorm());
    ASSERT_NEAR(svd.energy(), dense.squaredNorm() > 0 ? held / dense.squaredNorm() : 1, 3 * tolerance);
  }

  static Dense Vectors(const std::vector<float>& values, int64_t n_rows, int64_t k) {
    return Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(values.data(),
                                                                                                   n_rows, k)
        .cast<double>();
  }
};

TEST_P(SvdTest, EqualsADenseSvdOverShapes) {
  const std::vector<std::pair<int64_t, int64_t>> shapes = {{1, 1},   {1, 7},   {9, 1},    {5, 3},
                                                           {31, 33}, {64, 40}, {120, 90}, {70, 150}};
  for (const auto& [n_rows, n_cols] : shapes) {
    for (int64_t k : {1, 3, 16, 17, 40}) {
      SCOPED_TRACE(testing::Message() << n_rows << " x " << n_cols << ", k " << k);
      const Dense dense = RandomMatrix(n_rows, n_cols, 6, /*seed=*/7);
      ExpectSvd(dense, Fit(dense, {.n_factors = k}), 1e-4);
    }
  }
}

TEST_P(SvdTest, ErrorsAreWithinTheirEstimates) {
  const int64_t n_rows = Allowance(900, 260), n_cols = Allowance(1300, 300), k = 20;
  const Dense dense = RandomMatrix(n_rows, n_cols, 40, /*seed=*/3);
  const Eigen::VectorXd s = Eigen::BDCSVD<Dense>(dense).singularValues();
  int64_t before = 0;
  for (double tolerance : {0.05, 1e-2, 1e-4, 1e-5}) {
    SCOPED_TRACE(tolerance);
    const Svd svd = Fit(dense, {.n_factors = k, .tolerance = tolerance});
    EXPECT_EQ(svd.stop, SvdStop::kTolerance);
    EXPECT_LE(svd.max_error(), tolerance);
    EXPECT_GE(svd.n_columns, before);
    before = svd.n_columns;
    for (int64_t i = 0; i < k; ++i) {
      const auto place = static_cast<size_t>(i);
      EXPECT_LE(std::abs(svd.values[place] - s[i]) / s[i], svd.error[place] + 2e-6) << "value " << i;
      EXPECT_GE(svd.residual[place], 0);
    }
    ExpectSvd(dense, svd, tolerance);
  }
  EXPECT_LT(before, n_rows);
}

TEST_P(SvdTest, TheLimitIsSaidSo) {
  const Dense dense = RandomMatrix(200, 300, 10, /*seed=*/5);
  const Svd svd = Fit(dense, {.n_factors = 30, .tolerance = 1e-6, .max_columns = 64});
  EXPECT_EQ(svd.stop, SvdStop::kLimit);
  EXPECT_EQ(svd.n_columns, 64);
  EXPECT_GT(svd.max_error(), 1e-6);
  ExpectSvd(dense, svd, svd.max_error());
}

TEST_P(SvdTest, FewerValuesThanAskedFor) {
  Dense low = Dense::Zero(60, 80);
  for (int64_t i = 0; i < 5; ++i)
    low.block(i * 10, i * 12, 10, 12).setConstant(static_cast<double>(1 + i));  // rank 5, empty rows and columns
  const Svd svd = Fit(low, {.n_factors = 20});
  ExpectSvd(low, svd, 1e-4);
  EXPECT_EQ(svd.values[5], 0);
  EXPECT_EQ(svd.error[5], 0);
  ExpectSvd(Dense::Constant(3, 200, 1.0), Fit(Dense::Constant(3, 200, 1.0), {.n_factors = 8}), 1e-4);
}

TEST_P(SvdTest, NothingAtAll) {
  for (const auto& [n_rows, n_cols] : std::vector<std::pair<int64_t, int64_t>>{{0, 0}, {0, 5}, {4, 0}, {4, 5}}) {
    const Svd svd = Fit(Dense::Zero(n_rows, n_cols), {.n_factors = 3});
    EXPECT_EQ(svd.values, std::vector<double>(3, 0));
    EXPECT_EQ(svd.left, std::vector<float>(static_cast<size_t>(n_rows * 3), 0));
    EXPECT_EQ(svd.right, std::vector<float>(static_cast<size_t>(n_cols * 3), 0));
    EXPECT_EQ(svd.stop, SvdStop::kExact);
    EXPECT_EQ(svd.energy(), 1);
  }
}

TEST_P(SvdTest, RepeatedValuesAreAllFound) {
  ExpectSvd(Dense::Identity(90, 90), Fit(Dense::Identity(90, 90), {.n_factors = 40}), 1e-4);
  // More copies than a block is wide, and what is not repeated beside them.
  Dense dense = Dense::Zero(120, 130);
  for (int64_t i = 0; i < 120; ++i)
    dense(i, (i * 7) % 120) = i < 30 ? 5 : i < 65 ? 2 : 1 + 0.01 * static_cast<double>(i);
  for (int64_t k : {10, 30, 50}) {
    SCOPED_TRACE(k);
    ExpectSvd(dense, Fit(dense, {.n_factors = k}), 1e-4);
  }
}

TEST_P(SvdTest, SmallValuesBesideLargeOnes) {
  Dense dense = RandomMatrix(150, 110, 8, /*seed=*/11);
  dense.row(3).setConstant(1000);
  ExpectSvd(dense, Fit(dense, {.n_factors = 24}), 1e-4);
}

TEST_P(SvdTest, BitsDoNotDependOnTheThreads) {
  const Csr matrix = ToCsr(RandomMatrix(Allowance(1500, 150), 200, 12, /*seed=*/13));
  const auto fit = [&](int n_threads) {
    const auto backend = NewTestBackend(GetParam(), n_threads);
    return FitSvd(*backend, matrix.view(), {.n_factors = 20});
  };
  const Svd one = fit(1), four = fit(4);
  EXPECT_EQ(one.values, four.values);
  EXPECT_EQ(one.left, four.left);
  EXPECT_EQ(one.right, four.right);
  EXPECT_EQ(one.error, four.error);
}

TEST_P(SvdTest, OfAResidentMatrixTheBitsAreTheSame) {
  const Csr matrix = ToCsr(RandomMatrix(90, 60, 6, /*seed=*/14));
  const SvdOptions options = {.n_factors = 7};
  const ResidentInteractions resident(backend(), matrix.view());
  const Svd expected = FitSvd(backend(), matrix.view(), options);
  for (int time = 0; time < 2; ++time) {
    const Svd found = FitSvd(backend(), resident, options);
    EXPECT_EQ(found.values, expected.values);
    EXPECT_EQ(found.left, expected.left);
    EXPECT_EQ(found.right, expected.right);
  }
}

TEST_P(SvdTest, TruncatedItIsTheOneOfFewerFactors) {
  const Dense dense = RandomMatrix(70, 50, 6, /*seed=*/15);
  const Svd svd = Fit(dense, {.n_factors = 12});
  ExpectSvd(dense, Truncated(svd, 5), 1e-4);
  EXPECT_EQ(Truncated(svd, 12).left, svd.left);
  for (const int64_t k : {0, 13})
    ExpectError(ErrorCode::kInvalidArgument, "expected 1 to 12", [&] { Truncated(svd, k); });
}

TEST_P(SvdTest, OptionsOutOfRangeAreRefused) {
  const auto refused = [&](const std::string& part, const SvdOptions& options) {
    ExpectError(ErrorCode::kInvalidArgument, part, [&] { Fit(Dense::Identity(3, 3), options); });
  };
  refused("n_factors is 0", {.n_factors = 0});
  refused("n_factors is 4097", {.n_factors = 4097});
  refused("tolerance is 0", {.tolerance = 0});
  refused("tolerance is 0.06", {.tolerance = 0.06});
  refused("tolerance is nan", {.tolerance = NAN});
  refused("max_columns is 5", {.n_factors = 6, .max_columns = 5});
}

KINDRED_ON_ALL_BACKENDS(SvdTest);

}  // namespace
}  // namespace kindred
