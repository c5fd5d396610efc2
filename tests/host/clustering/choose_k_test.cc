#include "host/clustering/choose_k.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/errors.h"

namespace kindred {
namespace {

using Counts = std::vector<int64_t>;
using Values = std::vector<double>;

Counts From(int64_t first, size_t n) {
  Counts k;
  for (size_t i = 0; i < n; ++i) k.push_back(first + static_cast<int64_t>(i));
  return k;
}

// Figure 2 of the paper: y = 1 / (0.1 - x) + 5 at x = 0, .1, ..., .9 has its knee at .2 in the concave form; here it is
// turned, so that it falls.
TEST(FindElbow, OfThePaper) {
  Values inertia;
  for (int i = 0; i < 10; ++i) inertia.push_back(10 + 1 / (i / 9.0 + 0.1));
  EXPECT_EQ(FindElbow(From(1, 10), inertia), 3);
}

TEST(FindElbow, ASharpBend) {
  EXPECT_EQ(FindElbow(From(2, 9), Values{100, 70, 40, 10, 9, 8, 7, 6, 5}), 5);
  EXPECT_EQ(FindElbow(Counts{2, 3, 5, 10, 20}, Values{100, 50, 10, 9, 8}), 5);
}

TEST(FindElbow, ScaleAndOffsetAreOfNoMatter) {
  const Values inertia = {100, 60, 30, 12, 10, 9, 8, 7};
  const auto elbow = FindElbow(From(1, 8), inertia);
  ASSERT_TRUE(elbow);
  for (const double scale : {1e-300, 1e-3, 1e300})
    for (const double offset : {0.0, 5.0}) {
      Values other;
      for (const double value : inertia) other.push_back((value + offset) * scale);
      EXPECT_EQ(FindElbow(From(1, 8), other), elbow);
    }
}

TEST(FindElbow, ARiseCountsAsLevel) {
  EXPECT_EQ(FindElbow(From(1, 8), Values{100, 50, 5, 6, 4, 4.5, 3, 3}),
            FindElbow(From(1, 8), Values{100, 50, 5, 5, 4, 4, 3, 3}));
}

TEST(FindElbow, OfTwoTheStronger) {
  // Two bends, at 3 and, further from the line, at 7.
  EXPECT_EQ(FindElbow(From(1, 13), Values{100, 90, 70, 69, 68, 40, 10, 9, 8, 7, 6, 5, 4}, 0.5), 7);
}

TEST(FindElbow, ThereMayBeNone) {
  EXPECT_EQ(FindElbow({}, {}), std::nullopt);
  EXPECT_EQ(FindElbow(Counts{4}, Values{1}), std::nullopt);
  EXPECT_EQ(FindElbow(From(2, 2), Values{2, 1}), std::nullopt);
  EXPECT_EQ(FindElbow(From(2, 9), Values(9, 7)), std::nullopt);
  EXPECT_EQ(FindElbow(From(2, 9), Values(9, 0)), std::nullopt);
  EXPECT_EQ(FindElbow(From(1, 5), Values{50, 40, 30, 20, 10}), std::nullopt);  // straight
  EXPECT_EQ(FindElbow(From(1, 5), Values{50, 49, 47, 40, 10}), std::nullopt);  // bends the other way
  EXPECT_EQ(FindElbow(From(1, 5), Values{50, 39, 29, 19, 10}), std::nullopt);  // hardly bends
}

TEST(FindElbow, MoreClustersThanDifferentPoints) {
  EXPECT_EQ(FindElbow(From(1, 6), Values{10, 1, 0, 0, 0, 0}), 2);
}

TEST(FindElbow, WhatIsNoCurve) {
  ExpectError(ErrorCode::kInvalidArgument, "2 values for 3", [] { FindElbow(From(1, 3), Values{1, 2}); });
  ExpectError(ErrorCode::kInvalidArgument, "k = 2 follows k = 2", [] { FindElbow(Counts{1, 2, 2}, Values{3, 2, 1}); });
  for (const double value : {-1.0, HUGE_VAL, static_cast<double>(NAN)})
    ExpectError(ErrorCode::kInvalidArgument, "at k = 2", [&] { FindElbow(From(1, 3), Values{3, value, 1}); });
}

TEST(BestSilhouette, TheLargestAndOfEqualOnesTheFirst) {
  EXPECT_EQ(BestSilhouette(From(2, 4), Values{0.1, 0.5, 0.5, 0.2}), 3);
  EXPECT_EQ(BestSilhouette(From(2, 3), Values{-0.5, -0.1, -0.3}), 3);
}

TEST(BestSilhouette, WhatIsNotDefinedIsLeftOut) {
  EXPECT_EQ(BestSilhouette(From(1, 3), Values{NAN, 0.2, 0.1}), 2);
  EXPECT_EQ(BestSilhouette(From(1, 2), Values{NAN, NAN}), std::nullopt);
  EXPECT_EQ(BestSilhouette({}, {}), std::nullopt);
  ExpectError(ErrorCode::kInvalidArgument, "1 values for 2", [] { BestSilhouette(From(1, 2), Values{1}); });
}

}  // namespace
}  // namespace kindred
