#include "bench/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/bench/rows.h"

namespace kindred {
namespace {

using testing::HasSubstr;

Change Of(const Comparison& comparison, const std::string& what) {
  for (const Change& change : comparison.changes)
    if (change.what == what) return change;
  ADD_FAILURE() << "nothing about " << what;
  return {};
}

Comparison CompareRow(const Row& base, const Row& now) {
  return Compare(ResultOf({base}), ResultOf({now}));
}

TEST(Compare, SlowerBeyondTheThresholdAndApart) {
  const Comparison comparison = CompareRow(RowOf({1, 1.02, 1.05}), RowOf({1.2, 1.25, 1.3}));
  EXPECT_EQ(Of(comparison, "seconds").verdict, Change::kWorse);
  EXPECT_EQ(comparison.n_regressions, 1);
  EXPECT_THAT(ComparisonText(comparison), HasSubstr("REGRESSION"));
}

TEST(Compare, FasterIsBetter) {
  const Comparison comparison = CompareRow(RowOf({1.2, 1.25, 1.3}), RowOf({1, 1.02, 1.05}));
  EXPECT_EQ(Of(comparison, "seconds").verdict, Change::kBetter);
  EXPECT_EQ(comparison.n_regressions, 0);
}

TEST(Compare, RunsThatOverlapAreNoRegression) {
  const Comparison comparison = CompareRow(RowOf({1, 1, 1.3}), RowOf({1.25, 1.4, 1.5}));
  EXPECT_EQ(Of(comparison, "seconds").verdict, Change::kSame);
  EXPECT_THAT(Of(comparison, "seconds").note, HasSubstr("overlap"));
  EXPECT_EQ(comparison.n_regressions, 0);
}

TEST(Compare, WithinTheThresholdIsTheSame) {
  EXPECT_EQ(CompareRow(RowOf({1, 1, 1}), RowOf({1.09, 1.09, 1.09})).n_regressions, 0);
  EXPECT_EQ(CompareRow(RowOf({1, 1, 1}), RowOf({1.11, 1.11, 1.11})).n_regressions, 1);
  EXPECT_EQ(Compare(ResultOf({RowOf({1})}), ResultOf({RowOf({1.4})}), {0.5}).n_regressions, 0);
}

TEST(Compare, QualityBeyondItsTolerance) {
  Row base = RowOf({1}), now = RowOf({1});
  for (const auto& [value, verdict] :
       {std::pair{0.149, Change::kSame}, {0.147, Change::kWorse}, {0.153, Change::kBetter}}) {
    base.quality["ndcg"] = 0.15;
    now.quality["ndcg"] = value;
    EXPECT_EQ(Of(CompareRow(base, now), "ndcg").verdict, verdict) << value;
  }
  now.quality.clear();
  EXPECT_EQ(Of(CompareRow(base, now), "ndcg").verdict, Change::kNotMeasured);
}

TEST(Compare, LowerIsBetterAndRelative) {
  Row base = RowOf({1}), now = RowOf({1});
  base.quality["loss"] = 1000;
  for (const auto& [value, verdict] :
       {std::pair{1000.9, Change::kSame}, {1002.0, Change::kWorse}, {998.0, Change::kBetter}}) {
    now.quality["loss"] = value;
    EXPECT_EQ(Of(CompareRow(base, now), "loss").verdict, verdict) << value;
  }
}

TEST(Compare, QualityThatIsNoNumberIsWorse) {
  Row base = RowOf({1}), now = RowOf({1});
  base.quality["ndcg"] = 0.15;
  now.quality["ndcg"] = std::nan("");
  EXPECT_EQ(Of(CompareRow(base, now), "ndcg").verdict, Change::kWorse);
}

TEST(Compare, MoreMemory) {
  Row base = RowOf({1}), now = RowOf({1});
  base.peak_rss_bytes = 100 << 20;
  now.peak_rss_bytes = 109 << 20;
  EXPECT_EQ(CompareRow(base, now).n_regressions, 0);
  now.peak_rss_bytes = 111 << 20;
  EXPECT_EQ(Of(CompareRow(base, now), "peak memory").verdict, Change::kWorse);
}

TEST(Compare, WhatFailsNowIsARegression) {
  Row failed;
  failed.workload = "w";
  failed.case_name = "c";
  failed.program = "kindred";
  failed.status = RowStatus::kFailed;
  failed.reason = "wrong answer";
  const Comparison comparison = CompareRow(RowOf({1}), failed);
  EXPECT_EQ(comparison.n_regressions, 1);
  EXPECT_EQ(Of(comparison, "status").note, "wrong answer");
  EXPECT_EQ(CompareRow(failed, failed).n_regressions, 0);
}

TEST(Compare, MissingAndNewRowsAreShown) {
  Row other = RowOf({1});
  other.case_name = "other";
  const Comparison comparison = CompareRow(RowOf({1}), other);
  ASSERT_EQ(comparison.changes.size(), 2u);
  EXPECT_EQ(comparison.changes[0].verdict, Change::kNotMeasured);
  EXPECT_EQ(comparison.changes[1].verdict, Change::kOnlyNew);
  EXPECT_EQ(comparison.n_regressions, 0);
}

TEST(Compare, PeersCountForNothing) {
  Row base = RowOf({1}), now = RowOf({2});
  base.role = now.role = Role::kPeer;
  const Comparison comparison = CompareRow(base, now);
  EXPECT_EQ(Of(comparison, "seconds").verdict, Change::kWorse);
  EXPECT_EQ(comparison.n_regressions, 0);
}

TEST(Compare, OtherMachinesAreWarnedOf) {
  Result base = ResultOf({RowOf({1})}), now = ResultOf({RowOf({1})});
  EXPECT_TRUE(Compare(base, now).warnings.empty());
  now.quick = true;
  EXPECT_THAT(Compare(base, now).warnings, testing::ElementsAre(HasSubstr("--quick")));
  now.quick = false;
  now.machine["cores"] = 64;
  const Comparison comparison = Compare(base, now);
  ASSERT_EQ(comparison.warnings.size(), 1u);
  EXPECT_THAT(comparison.warnings[0], HasSubstr("'cores' was 2 and is 64"));
  EXPECT_THAT(ComparisonText(comparison), HasSubstr("Warning: another machine"));
}

TEST(Compare, TextShowsAllWhereAsked) {
  const Comparison comparison = CompareRow(RowOf({1}), RowOf({1}));
  EXPECT_THAT(ComparisonText(comparison), testing::Not(HasSubstr("| seconds |")));
  EXPECT_THAT(ComparisonText(comparison, true), HasSubstr("| seconds |"));
  EXPECT_THAT(ComparisonText(comparison), HasSubstr("0 regressions"));
}

}  // namespace
}  // namespace kindred
