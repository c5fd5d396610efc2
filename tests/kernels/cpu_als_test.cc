// The half-step of the CPU backend where it differs from row to row: lanes that rows share, one row at a time, the
// primal, and huge rows in parts; on every instruction set of this machine.
#include <cmath>
#include <numeric>

#include "kernels/cpu/backend.h"
#include "tests/kernels/als_fixture.h"
#include "tests/reference/reference.h"
#include "tests/support/errors.h"
#include "tests/support/random.h"
#include "tests/support/simd_levels.h"

namespace kindred {
namespace {

constexpr float kUnobservedWeight = 0.1f;

struct Solved {
  std::vector<float> fixed, x;
  std::vector<double> loss, squared_norm;
};

class CpuAlsTest : public ::testing::TestWithParam<SimdLevel> {
 protected:
  static Solved Solve(int n_threads, const AlsRows& rows, const std::vector<float>& fixed, int64_t f,
                      const std::vector<float>& regularization) {
    CpuBackend backend(n_threads, GetParam());
    const auto context = backend.NewContext(0);
    const int64_t n_rows = rows.n_rows();
    const Resident<float> y(backend, rows.n_cols, f), e(backend, f), l(backend, n_rows), x(backend, n_rows, f);
    const Resident<double> loss(backend, n_rows), squared_norm(backend, n_rows);
    y.Upload(backend, *context, fixed);
    l.Upload(backend, *context, regularization);
    const auto observed = backend.NewSparseRows(rows.view(), rows.targets, nullptr, INT64_MAX);
    backend.Diagonalize(*context, y.matrix(), e.view(), {});
    backend.SolveAls(*context, {observed.get(), y.matrix(), e.view(), kUnobservedWeight, l.view(), x.matrix(),
                                loss.view(), squared_norm.view()});
    context->Wait();
    const auto copy = [](auto view) { return std::vector(view.data, view.data + view.size); };
    return {copy(y.view()), copy(x.view()), copy(loss.view()), copy(squared_norm.view())};
  }

  static std::vector<float> Fixed(int64_t n, int64_t f) {
    std::vector<float> fixed = RandomNormal(n * f, static_cast<uint64_t>(f));
    for (float& v : fixed) v /= std::sqrt(static_cast<float>(f));
    return fixed;
  }

  static std::vector<float> Regularization(int64_t n_rows) {
    std::vector<float> regularization;
    for (int64_t r = 0; r < n_rows; ++r) regularization.push_back(0.5f + static_cast<float>(r % 7));
    return regularization;
  }

  static void ExpectReference(const AlsRows& rows, const Solved& solved, int64_t f,
                              const std::vector<float>& regularization) {
    const HostMatrix<const float> y = {solved.fixed.data(), rows.n_cols, f};
    for (int64_t r = 0; r < rows.n_rows(); ++r) {
      const auto at = static_cast<size_t>(r);
      const auto indices = rows.view().row(r);
      const auto weights = rows.view().row_values(r);
      const auto targets = std::span(rows.targets).subspan(static_cast<size_t>(rows.indptr[at]), weights.size());
      const auto expected = reference::AlsRow(y, indices, weights, targets, kUnobservedWeight, regularization[at]);
      double norm = 0, error = 0, magnitude = 1;
      for (size_t k = 0; k < static_cast<size_t>(f); ++k) {
        const double difference = solved.x[at * static_cast<size_t>(f) + k] - expected[k];
        norm += expected[k] * expected[k];
        error += difference * difference;
      }
      for (size_t e = 0; e < weights.size(); ++e)
        magnitude += weights[e] > 0 ? targets[e] * targets[e] / weights[e] : std::abs(targets[e]);
      ASSERT_LE(std::sqrt(error), 2e-5 * std::sqrt(norm) + 1e-7) << "row " << r << " of " << weights.size();
      ASSERT_NEAR(solved.squared_norm[at], norm, 1e-4 * norm + 1e-12) << "row " << r << " of " << weights.size();
      const double loss =
          reference::AlsRowLoss(y, indices, weights, targets, kUnobservedWeight, regularization[at], expected);
      ASSERT_NEAR(solved.loss[at], loss, 2e-5 * magnitude) << "row " << r << " of " << weights.size();
    }
  }

  // A row of `count` columns all over, one at random in each of `count` parts.
  static void AddSpread(AlsRows& rows, int64_t count, std::mt19937_64& engine) {
    for (int64_t e = 0; e < count; ++e) {
      const auto part = static_cast<uint64_t>(rows.n_cols / count);
      rows.indices.push_back(static_cast<int32_t>(e * rows.n_cols / count + static_cast<int64_t>(engine() % part)));
      rows.weights.push_back(e % 11 == 0 ? 0.0f : std::uniform_real_distribution<float>(0.1f, 2)(engine));
      rows.targets.push_back(std::normal_distribution<float>(1, 1)(engine));
    }
    rows.indptr.push_back(static_cast<int64_t>(rows.indices.size()));
  }
};

TEST_P(CpuAlsTest, LanesOfEverySizeEqualTheReference) {
  for (int64_t f : {4, 33, 48, 64, 129, 256}) {
    SCOPED_TRACE(f);
    std::mt19937_64 engine(static_cast<uint64_t>(f));
    AlsRows rows;
    rows.n_cols = 120;
    for (int64_t n = 0; n <= 50; ++n)
      for (int64_t repeated = 0; repeated <= n % 3; ++repeated) rows.Add(n, engine);
    for (int64_t r = 0; r < 40; ++r) rows.Add(17, engine);  // more than all lanes, of one length
    const std::vector<float> regularization = Regularization(rows.n_rows());
    ExpectReference(rows, Solve(2, rows, Fixed(rows.n_cols, f), f, regularization), f, regularization);
  }
}

TEST_P(CpuAlsTest, LanesWithNothingButWeightZero) {
  const int64_t f = 24;
  std::mt19937_64 engine(3);
  AlsRows rows;
  rows.n_cols = 60;
  for (int64_t n : {1, 2, 5, 5, 5, 9, 20, 47, 60}) rows.Add(n, engine);
  for (size_t e = 0; e < rows.weights.size(); ++e)
    if (e % 5 != 0) rows.weights[e] = 0;
  rows.Add(6, engine);
  std::fill(rows.weights.end() - 6, rows.weights.end(), 0.0f);
  const std::vector<float> regularization = Regularization(rows.n_rows());
  ExpectReference(rows, Solve(1, rows, Fixed(rows.n_cols, f), f, regularization), f, regularization);
}

TEST_P(CpuAlsTest, ARowHasTheSameBitsInAnyCompany) {
  for (int64_t f : {20, 64, 100, 300}) {
    SCOPED_TRACE(f);
    std::mt19937_64 engine(static_cast<uint64_t>(f));
    AlsRows rows;
    rows.n_cols = 200;
    for (int64_t n : {1, 2, 3, 4, 5, 15, 16, 17, 17, 17, 18, 31, 32, 33, 47, 48, 49, 63, 64, 65, 99, 100, 101, 200})
      rows.Add(n, engine);
    const std::vector<float> fixed = Fixed(rows.n_cols, f), regularization = Regularization(rows.n_rows());
    const Solved together = Solve(2, rows, fixed, f, regularization);
    for (int64_t r = 0; r < rows.n_rows(); ++r) {
      const auto begin = rows.indptr[static_cast<size_t>(r)], end = rows.indptr[static_cast<size_t>(r) + 1];
      AlsRows one;
      one.n_cols = rows.n_cols;
      one.indptr = {0, end - begin};
      one.indices.assign(rows.indices.begin() + begin, rows.indices.begin() + end);
      one.weights.assign(rows.weights.begin() + begin, rows.weights.begin() + end);
      one.targets.assign(rows.targets.begin() + begin, rows.targets.begin() + end);
      const Solved alone = Solve(1, one, fixed, f, {regularization[static_cast<size_t>(r)]});
      ASSERT_EQ(alone.x, std::vector(together.x.begin() + r * f, together.x.begin() + (r + 1) * f))
          << "row " << r << " of " << end - begin;
      ASSERT_EQ(alone.loss[0], together.loss[static_cast<size_t>(r)]) << "row " << r << " of " << end - begin;
    }
  }
}

TEST_P(CpuAlsTest, HugeRowsInPartsEqualTheReference) {
  for (int64_t f : {5, 16, 40}) {
    SCOPED_TRACE(f);
    std::mt19937_64 engine(static_cast<uint64_t>(f));
    AlsRows rows;
    rows.n_cols = 71000;
    for (int64_t n : {3, 16384, 16385, 0, 24577, 70000, 200}) AddSpread(rows, n, engine);
    const std::vector<float> regularization = Regularization(rows.n_rows());
    ExpectReference(rows, Solve(2, rows, Fixed(rows.n_cols, f), f, regularization), f, regularization);
  }
}

TEST_P(CpuAlsTest, MoreHugeRowsThanPartsAtOnce) {
  const int64_t f = 3;
  std::mt19937_64 engine(1);
  AlsRows rows;
  rows.n_cols = 2500100;
  for (int64_t n : {17000, 2500000, 17000, 30, 40000}) AddSpread(rows, n, engine);  // the second in 256 parts
  const std::vector<float> regularization = Regularization(rows.n_rows());
  ExpectReference(rows, Solve(2, rows, Fixed(rows.n_cols, f), f, regularization), f, regularization);
}

TEST_P(CpuAlsTest, BitsDoNotDependOnThreads) {
  for (int64_t f : {16, 64}) {
    std::mt19937_64 engine(static_cast<uint64_t>(f));
    AlsRows rows;
    rows.n_cols = 90100;
    for (int64_t r = 0; r < 600; ++r) AddSpread(rows, r * 7 % 120, engine);
    for (int64_t n : {17000, 50000, 90000}) AddSpread(rows, n, engine);
    const std::vector<float> fixed = Fixed(rows.n_cols, f), regularization = Regularization(rows.n_rows());
    const Solved expected = Solve(1, rows, fixed, f, regularization);
    for (int n_threads : {2, 3, 5}) {
      const Solved found = Solve(n_threads, rows, fixed, f, regularization);
      ASSERT_EQ(found.x, expected.x) << n_threads << " threads, f " << f;
      ASSERT_EQ(found.loss, expected.loss) << n_threads << " threads, f " << f;
      ASSERT_EQ(found.squared_norm, expected.squared_norm) << n_threads << " threads, f " << f;
    }
  }
}

TEST_P(CpuAlsTest, AHugeSingularRowIsNamed) {
  std::mt19937_64 engine(2);
  AlsRows rows;
  rows.n_cols = 20040;
  AddSpread(rows, 40, engine);
  AddSpread(rows, 20000, engine);
  std::iota(rows.indices.begin(), rows.indices.end(), 0);
  std::vector<float> fixed = RandomNormal(rows.n_cols * 4, 2);
  for (size_t k = 40 * 4; k < fixed.size(); ++k) fixed[k] = fixed[k % 4];  // one item: of f factors, f - 1 are free
  CpuBackend backend(2, GetParam());
  const auto context = backend.NewContext(0);
  const Resident<float> y(backend, rows.n_cols, 4), e(backend, 4), l(backend, 2), x(backend, 2, 4);
  y.Upload(backend, *context, fixed);
  l.Upload(backend, *context, std::vector<float>{0, 0});
  const auto observed = backend.NewSparseRows(rows.view(), rows.targets, nullptr, INT64_MAX);
  backend.Diagonalize(*context, y.matrix(), e.view(), {});
  backend.SolveAls(*context, {observed.get(), y.matrix(), e.view(), 0, l.view(), x.matrix(), {}, {}});
  try {
    context->Wait();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("row 1 (20000 entries"), std::string::npos) << error.what();
  }
}

TEST_P(CpuAlsTest, APlanKnowsWhatThereIs) {
  const CpuBackend backend(2, GetParam());
  const AlsPlan plan = backend.PlanAls({1000, 100, 5000, 32});
  if (plan.available_bytes == 0) GTEST_SKIP() << "the system does not say how much memory there is";
  EXPECT_GT(plan.peak_bytes, 1100 * 32 * 4);
  EXPECT_LT(plan.peak_bytes, plan.available_bytes);
  AlsShape with_huge_rows = {1000, 100, 500'000, 32};
  EXPECT_GT(backend.PlanAls(with_huge_rows).peak_bytes, plan.peak_bytes) << "parts of rows of any length";
  with_huge_rows.longest_row = 5000;
  EXPECT_EQ(backend.PlanAls(with_huge_rows).peak_bytes, plan.peak_bytes);
  ExpectError(ErrorCode::kOutOfMemory, "n_factors 64 needs", [&] { backend.PlanAls({int64_t{1} << 40, 10, 10, 64}); });
}

INSTANTIATE_TEST_SUITE_P(Levels, CpuAlsTest, ::testing::ValuesIn(SimdLevels()),
                         [](const auto& param_info) { return std::string(SimdKernelsOf(param_info.param).name); });

}  // namespace
}  // namespace kindred
