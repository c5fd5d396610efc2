#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "tests/reference/reference.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"
#include "tests/support/random.h"

namespace kindred {
namespace {

class InverseTest : public BackendTest {
 protected:
  // xt x + l I for a random x of n_samples rows whose columns are scaled, as items are that few and that many have.
  static std::vector<float> NewMatrix(int64_t n, int64_t n_samples, float l, uint64_t seed, double spread = 0) {
    std::vector<float> x = RandomNormal(n_samples * n, seed);
    std::vector<float> a(static_cast<size_t>(n * n));
    for (int64_t r = 0; r < n_samples; ++r)
      for (int64_t c = 0; c < n; ++c)
        x[static_cast<size_t>(r * n + c)] *=
            static_cast<float>(std::exp(spread * static_cast<double>(c * 7 % n) / static_cast<double>(n)));
    const std::vector<double> gram = reference::Gram({x.data(), n_samples, n});
    for (int64_t i = 0; i < n * n; ++i)
      a[static_cast<size_t>(i)] = static_cast<float>(gram[static_cast<size_t>(i)] + (i % (n + 1) == 0 ? l : 0));
    return a;
  }

  std::vector<float> Invert(const std::vector<float>& a, int64_t n) {
    const Resident<float> matrix = ToBackend(a, n, n);
    backend().InvertPositiveDefinite(context(), matrix.matrix());
    context().Wait();
    return ToHost(matrix);
  }

  // The largest error of an entry (i, j), relative to the root of the product of the diagonal's (i, i) and (j, j).
  static double Error(const std::vector<float>& a, const std::vector<float>& found, int64_t n) {
    const std::vector<double> expected = reference::Inverse(std::vector<double>(a.begin(), a.end()), n);
    const auto at = [n](int64_t i, int64_t j) { return static_cast<size_t>(i * n + j); };
    double most = 0;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) {
        EXPECT_EQ(found[at(i, j)], found[at(j, i)]) << i << ", " << j;
        const double error =
            std::abs(found[at(i, j)] - expected[at(i, j)]) / std::sqrt(expected[at(i, i)] * expected[at(j, j)]);
        most = std::max(most, std::isfinite(error) ? error : INFINITY);
      }
    return most;
  }

  std::optional<int64_t> LostRow(const std::vector<float>& a, int64_t n) {
    try {
      Invert(a, n);
    } catch (const kindred::Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kNumeric);
      EXPECT_NE(std::string(error.what()).find("row " + std::to_string(error.row())), std::string::npos);
      return error.row();
    }
    return {};
  }
};

TEST_P(InverseTest, EqualsTheReferenceOverShapes) {
  for (int64_t n : {0, 1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 200, 300, 391}) {
    SCOPED_TRACE(testing::Message() << "n = " << n);
    const std::vector<float> a = NewMatrix(n, n + 20, 10, static_cast<uint64_t>(n));
    EXPECT_LT(Error(a, Invert(a, n), n), 2e-5);
  }
}

// What EASE inverts: users' counts from few to many, and a regularization of 50 to 1000. Condition numbers to 3e5.
TEST_P(InverseTest, IsAsPreciseAsFloat32Allows) {
  const int64_t n = 260;
  for (float l : {50.0f, 250.0f, 1000.0f}) {
    SCOPED_TRACE(testing::Message() << "regularization " << l);
    const std::vector<float> a = NewMatrix(n, 2 * n, l, /*seed=*/1, /*spread=*/5);
    EXPECT_LT(Error(a, Invert(a, n), n), 2e-5);
  }
}

TEST_P(InverseTest, TheIdentityStaysAndADiagonalIsInverted) {
  const int64_t n = 150;
  std::vector<float> a(n * n, 0), expected(n * n, 0);
  for (int64_t i = 0; i < n; ++i) a[static_cast<size_t>(i * n + i)] = 1;
  EXPECT_EQ(Invert(a, n), a);
  for (int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<size_t>(i * n + i);
    a[at] = std::ldexp(1.0f, static_cast<int>(i % 41) - 20);
    expected[at] = 1 / a[at];
  }
  const std::vector<float> found = Invert(a, n);
  for (size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-6 * expected[i]) << i;
}

TEST_P(InverseTest, OnlyTheLowerTriangleIsRead) {
  for (int64_t n : {33, 200}) {
    std::vector<float> a = NewMatrix(n, 2 * n, 10, /*seed=*/3);
    const std::vector<float> whole = Invert(a, n);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = i + 1; j < n; ++j) a[static_cast<size_t>(i * n + j)] = NAN;
    EXPECT_EQ(Invert(a, n), whole);
  }
}

TEST_P(InverseTest, ALostPivotIsNamed) {
  const int64_t n = 300;
  const std::vector<float> good = NewMatrix(n, 2 * n, 10, /*seed=*/4);
  const auto at = [](int64_t i, int64_t j) { return static_cast<size_t>(i * n + j); };
  for (int64_t row : {0, 31, 32, 140, 299}) {
    SCOPED_TRACE(testing::Message() << "row " << row);
    std::vector<float> a = good;
    a[at(row, row)] = -1;
    EXPECT_EQ(LostRow(a, n), row);
    a = good;
    if (row > 0) {  // the same as the row before
      for (int64_t j = 0; j < n; ++j) a[at(row, j)] = a[at(j, row)] = a[at(row - 1, j)];
      a[at(row, row)] = a[at(row, row - 1)] = a[at(row - 1, row)] = a[at(row - 1, row - 1)];
      EXPECT_EQ(LostRow(a, n), row);
    }
    a = good;
    a[at(row, row)] = NAN;
    EXPECT_EQ(LostRow(a, n), row);
    a[at(row, row)] = INFINITY;
    EXPECT_EQ(LostRow(a, n), row);
  }
  EXPECT_EQ(LostRow(std::vector<float>(9, 0), 3), 0);
  EXPECT_EQ(LostRow(std::vector<float>(9, 1), 3), 1);
  EXPECT_EQ(LostRow(good, n), std::nullopt);
  const float one = 1;
  EXPECT_EQ(LostRow({one, one, one, one + 0x1p-22f}, 2), 1);  // positive, but no more than rounding leaves
  EXPECT_EQ(LostRow({one, one, one, one + 0x1p-18f}, 2), std::nullopt);
}

// Columns that all have much in common, from the rank on differences of those before: what rounding leaves of the first
// pivot past the rank grows with the size, and may be positive.
TEST_P(InverseTest, RoundingIsNoPivot) {
  const int64_t n = 400, n_samples = 2 * n;
  for (int64_t rank : {200, 399})
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      SCOPED_TRACE(testing::Message() << "rank " << rank << ", seed " << seed);
      std::vector<float> x = RandomNormal(n_samples * n, seed);
      std::vector<float> mix = RandomNormal(rank * (n - rank), seed + 10);
      for (int64_t c = rank; c < n; ++c) {
        float* const of = mix.data() + (c - rank) * rank;
        const double mean = std::accumulate(of, of + rank, 0.0) / static_cast<double>(rank);
        for (int64_t k = 0; k < rank; ++k)
          of[k] = static_cast<float>((of[k] - mean) / std::sqrt(static_cast<double>(rank)));
      }
      const std::vector<float> common = RandomNormal(n_samples, seed + 20);
      for (int64_t r = 0; r < n_samples; ++r) {
        float* const row = x.data() + r * n;
        for (int64_t c = 0; c < rank; ++c) row[c] += 2.5f * common[static_cast<size_t>(r)];
        for (int64_t c = rank; c < n; ++c)
          row[c] = static_cast<float>(std::inner_product(row, row + rank, mix.data() + (c - rank) * rank, 0.0));
      }
      const std::vector<double> gram = reference::Gram({x.data(), n_samples, n});
      EXPECT_EQ(LostRow(std::vector<float>(gram.begin(), gram.end()), n), rank);
    }
}

// Rows that float32 hardly tells apart, the more so the closer to the rank: the error comes within a few rows of it.
TEST_P(InverseTest, FewerSamplesThanColumnsAreNoInverse) {
  for (const auto& [n, rank] : {std::pair<int64_t, int64_t>(700, 350), {300, 150}})
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      SCOPED_TRACE(testing::Message() << n << " columns, " << rank << " samples, seed " << seed);
      const std::optional<int64_t> row = LostRow(NewMatrix(n, rank, 0, seed), n);
      ASSERT_TRUE(row.has_value());
      EXPECT_GE(*row, rank - 1);
      EXPECT_LE(*row, rank + 8);
    }
}

// What EASE inverts, and fewer users than items: some items are next to the regularization alone.
TEST_P(InverseTest, ALargeMatrixOfFewUsersIsInverted) {
  const int64_t n = Allowance(2000, 300), n_users = n / 2;
  std::mt19937_64 engine(6);
  std::vector<float> a(static_cast<size_t>(n * n), 0);
  for (int64_t i = 0; i < n; ++i) a[static_cast<size_t>(i * n + i)] = 50;
  for (int64_t u = 0; u < n_users; ++u) {
    std::vector<std::pair<int64_t, float>> items;
    for (int64_t i = 0; i < n; ++i)
      if (std::uniform_real_distribution<double>(0, 1)(engine) < std::min(0.5, 8.0 / static_cast<double>(i + 1)))
        items.emplace_back(i, static_cast<float>(1 + engine() % 20));
    for (const auto& [i, x] : items)
      for (const auto& [j, y] : items) a[static_cast<size_t>(i * n + j)] += x * y;
  }
  EXPECT_EQ(LostRow(a, n), std::nullopt);
}

TEST_P(InverseTest, BitsOfALargeMatrixDoNotDependOnTheThreads) {
  const int64_t n = 700;
  const std::vector<float> a = NewMatrix(n, 3, 10, /*seed=*/5);
  const auto invert = [&](int n_threads) {
    const auto backend = NewTestBackend(GetParam(), n_threads);
    const auto context = backend->NewContext();
    const Resident<float> matrix(*backend, n, n);
    std::vector<float> found(a.size());
    matrix.Upload(*backend, *context, a);
    backend->InvertPositiveDefinite(*context, matrix.matrix());
    matrix.Download(*backend, *context, std::span<float>(found));
    context->Wait();
    return found;
  };
  const std::vector<float> found = invert(1);
  EXPECT_EQ(found, invert(4));
  for (int64_t i : {int64_t{0}, int64_t{127}, int64_t{128}, int64_t{511}, int64_t{512}, n - 1})
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t c = 0; c < n; ++c)
        sum += static_cast<double>(a[static_cast<size_t>(i * n + c)]) * found[static_cast<size_t>(j * n + c)];
      ASSERT_NEAR(sum, i == j ? 1 : 0, 1e-4) << i << ", " << j;
    }
}

TEST_P(InverseTest, AMatrixThatIsNotSquareIsRefusedAtTheCall) {
  const Resident<float> a(backend(), 3, 2);
  ExpectError(ErrorCode::kInvalidArgument, "not square",
              [&] { backend().InvertPositiveDefinite(context(), a.matrix()); });
}

KINDRED_ON_ALL_BACKENDS(InverseTest);

}  // namespace
}  // namespace kindred
