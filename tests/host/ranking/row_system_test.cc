#include "host/ranking/row_system.h"

#include <gtest/gtest.h>

#include <limits>

#include "host/data/random.h"
#include "tests/host/ranking/dense.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

constexpr int64_t kItems = 60;

/// Item factors by chance, with eigenvalues that need not be theirs.
class RandomSystem {
 public:
  RandomSystem(int64_t n_factors, int64_t n_entries, float unobserved_weight, float regularization) {
    for (int64_t i = 0; i < kItems * n_factors; ++i)
      factors_.push_back(static_cast<float>(RandomNormal(3, static_cast<uint64_t>(i))));
    for (int64_t k = 0; k < n_factors; ++k) eigenvalues_.push_back(9.0f / static_cast<float>(1 + k));
    for (int64_t j = 0; j < n_entries; ++j) {
      items.push_back(static_cast<int32_t>(kItems * j / n_entries));
      values.push_back(0.25f + static_cast<float>(RandomUniform(4, static_cast<uint64_t>(j)) * 4));
    }
    view.algorithm = "als";
    view.history.n_cols = kItems;
    view.item_factors = {factors_.data(), kItems, n_factors};
    view.eigenvalues = eigenvalues_;
    view.objective = {unobserved_weight, regularization, 0.7f};
  }
  RandomSystem(const RandomSystem&) = delete;

  void SetEigenvalue(size_t k, float value) { eigenvalues_[k] = value; }

  ModelView view;
  std::vector<int32_t> items;
  std::vector<float> values;

 private:
  std::vector<float> factors_, eigenvalues_;
};

void ExpectNear(const std::vector<double>& found, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  double largest = 1e-300;
  for (const double v : expected) largest = std::max(largest, std::abs(v));
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], tolerance * largest) << i;
}

void ExpectAsDense(const RandomSystem& of, double tolerance) {
  const RowSystem system(of.view, of.items, of.values);
  const Dense a = RowMatrix(of.view, of.items, of.values);
  std::vector<double> targets, right(a.size(), 0);
  for (size_t j = 0; j < of.items.size(); ++j) {
    targets.push_back(1 - 0.3 * static_cast<double>(j % 5));
    const double weight = of.view.has_ratings() ? 1 : of.values[j];
    for (size_t k = 0; k < a.size(); ++k) right[k] += weight * targets[j] * of.view.item_factors.row(of.items[j])[k];
  }
  ExpectNear(system.Solve(targets), SolveDense(a, right), tolerance);
  for (const int32_t item : {0, 7, 59}) {
    const auto y = of.view.item_factors.row(item);
    const std::vector<double> solved = SolveDense(a, ToDouble(y));
    std::vector<double> parts;
    for (size_t j = 0; j < of.items.size(); ++j)
      parts.push_back((of.view.has_ratings() ? 1 : of.values[j]) *
                      DotDense(solved, ToDouble(of.view.item_factors.row(of.items[j]))));
    ExpectNear(system.Parts(y), parts, tolerance);
    ExpectNear({system.Square(y)}, {DotDense(solved, ToDouble(y))}, tolerance);
  }
}

TEST(RowSystemTest, IsTheDenseSystemInBothForms) {
  for (const int64_t f : {1, 3, 16, 33})
    for (const int64_t n : {0, 1, 2, 15, 16, 17, 31, 32, 33, 34, 60})
      for (const float a0 : {0.0f, 0.1f}) {
        SCOPED_TRACE(testing::Message() << f << " factors, " << n << " entries, a0 " << a0);
        const RandomSystem of(f, n, a0, 0.05f);
        if (n > 0 || a0 > 0) ExpectAsDense(of, 1e-11);
      }
}

TEST(RowSystemTest, ManyMoreEntriesThanAreGatheredAtOnce) {
  RandomSystem of(5, 60, 0.1f, 0.05f);
  // 600 entries: the same items again, as a system of more columns would have them
  std::vector<int32_t> items;
  std::vector<float> values;
  for (int t = 0; t < 10; ++t) {
    items.insert(items.end(), of.items.begin(), of.items.end());
    values.insert(values.end(), of.values.begin(), of.values.end());
  }
  of.items = items;
  of.values = values;
  ExpectAsDense(of, 1e-11);
}

TEST(RowSystemTest, AShortHistoryWhoseDiagonalFallsFarTakesThePrimal) {
  RandomSystem of(8, 4, 1.0f, 1e-12f);
  for (size_t k = 2; k < 8; ++k) of.SetEigenvalue(k, k == 7 ? 1e-9f : 1e-3f);
  ExpectAsDense(of, 1e-5);
}

TEST(RowSystemTest, AnEigenvalueBelowZeroCountsAsZero) {
  RandomSystem of(3, 5, 1.0f, 0.5f);
  of.SetEigenvalue(2, -1e-6f);
  const RowSystem system(of.view, of.items, of.values);
  const double found = system.Square(of.view.item_factors.row(0));
  of.SetEigenvalue(2, 0);
  const RowSystem zero(of.view, of.items, of.values);
  EXPECT_EQ(found, zero.Square(of.view.item_factors.row(0)));
}

TEST(RowSystemTest, ConfidencesFarApart) {
  RandomSystem of(16, 9, 0.1f, 0.05f);
  of.values[0] = 1e6f;
  of.values[1] = 1e-6f;
  of.values[2] = 0;
  ExpectAsDense(of, 1e-6);
}

TEST(RowSystemTest, ValuesOfRatingsAreNoWeights) {
  RandomSystem of(6, 4, 0, 0.3f);
  of.view.objective.feedback = Feedback::kExplicit;
  of.values = {-1, 0, 3, 5};
  ExpectAsDense(of, 1e-11);
}

TEST(RowSystemTest, WhatHasNoSolutionIsRefused) {
  const RandomSystem singular(3, 1, 0, 0);
  ExpectError(ErrorCode::kNumeric, "singular", [&] { RowSystem(singular.view, singular.items, singular.values); });
  for (const float value : {-1.0f, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    RandomSystem bad(3, 2, 0.1f, 0.1f);
    bad.values[1] = value;
    ExpectError(ErrorCode::kNumeric, "confidence", [&] { RowSystem(bad.view, bad.items, bad.values); });
  }
}

}  // namespace
}  // namespace kindred
