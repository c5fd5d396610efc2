#include "host/segments/small_segments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/data/random.h"
#include "host/segments/profile.h"
#include "kernels/error.h"

namespace kindred {
namespace {

using testing::ElementsAre;

/// Labels with so many users of each segment, and two in none.
std::vector<int32_t> Labels(const std::vector<int>& sizes) {
  std::vector<int32_t> labels = {-1};
  for (size_t s = 0; s < sizes.size(); ++s)
    labels.insert(labels.end(), static_cast<size_t>(sizes[s]), static_cast<int32_t>(s));
  labels.push_back(-1);
  return labels;
}

std::vector<int64_t> Sizes(const SmallSegmentsMerged& merged) {
  std::vector<int64_t> sizes(static_cast<size_t>(merged.n_segments), 0);
  for (const int32_t label : merged.labels)
    if (label >= 0) ++sizes[static_cast<size_t>(label)];
  return sizes;
}

SmallSegmentsMerged Merge(const std::vector<int>& sizes, std::vector<float> centroids, int64_t size, double share) {
  return MergeSmallSegments(Labels(sizes), {centroids.data(), std::ssize(centroids), 1}, size, share);
}

TEST(MergeSmallSegments, LeavesWhatIsLargeEnough) {
  const SmallSegmentsMerged merged = Merge({3, 4}, {0, 1}, 3, 0.4);
  EXPECT_EQ(merged.n_segments, 2);
  EXPECT_THAT(merged.merged, testing::IsEmpty());
  EXPECT_EQ(merged.labels, Labels({3, 4}));
  EXPECT_THAT(merged.centroids, ElementsAre(0, 1));
  EXPECT_EQ(Merge({3, 27}, {0, 1}, 0, 0.1).n_segments, 2) << "a share is met by a tenth of 30";
}

TEST(MergeSmallSegments, TheSmallestJoinsTheNearestAndTheirMeanCounts) {
  // 2 joins 1 (at 4, nearer than 3 at 9): together 4 users at (2 x 4 + 2 x 6) / 4 = 5.
  const SmallSegmentsMerged merged = Merge({10, 2, 2, 10}, {0, 4, 6, 9}, 3, 0);
  ASSERT_EQ(merged.merged.size(), 1u);
  EXPECT_EQ(merged.merged[0].index, 1) << "of equals the first is merged";
  EXPECT_EQ(merged.merged[0].size, 2);
  EXPECT_EQ(merged.merged[0].into, 1) << "the place after";
  EXPECT_DOUBLE_EQ(merged.merged[0].distance, 2);
  EXPECT_THAT(merged.centroids, ElementsAre(0, 5, 9));
  EXPECT_THAT(Sizes(merged), ElementsAre(10, 4, 10));
}

TEST(MergeSmallSegments, ChainsEndInOneThatIsLeft) {
  const SmallSegmentsMerged merged = Merge({1, 2, 20}, {0, 1, 10}, 5, 0);
  ASSERT_EQ(merged.merged.size(), 2u);
  EXPECT_EQ(merged.merged[1].index, 1);
  EXPECT_EQ(merged.merged[1].size, 3) << "with what had joined it";
  for (const MergedSegment& one : merged.merged) EXPECT_EQ(one.into, 0);
  EXPECT_THAT(Sizes(merged), ElementsAre(23));
}

TEST(MergeSmallSegments, EmptyOnesGoAndOneStays) {
  EXPECT_THAT(Sizes(Merge({0, 3, 0, 2}, {0, 1, 2, 3}, 0, 0)), ElementsAre(3, 2));
  const SmallSegmentsMerged nobody = Merge({0, 0}, {1, 2}, 0, 0);
  EXPECT_EQ(nobody.n_segments, 1);
  EXPECT_THAT(nobody.centroids, ElementsAre(2)) << "nobody moves a centroid";
  EXPECT_EQ(Merge({4}, {1}, 100, 1).n_segments, 1);
  EXPECT_EQ(MergeSmallSegments({}, {nullptr, 0, 1}, 1, 0).n_segments, 0);
}

TEST(MergeSmallSegments, KeepsUsersAndMeans) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    const auto n_segments = static_cast<int64_t>(1 + RandomUniform(seed, 0) * 8);
    std::vector<int32_t> labels;
    std::vector<float> points;
    for (uint64_t user = 0; user < 60; ++user) {
      const double drawn = RandomUniform(seed, 100 + user);
      labels.push_back(static_cast<int32_t>(drawn * drawn * static_cast<double>(n_segments + 1)) - 1);
      for (uint64_t f = 0; f < 2; ++f)
        points.push_back(static_cast<float>(labels.back() + RandomNormal(seed, 1000 + 2 * user + f)));
    }
    const HostMatrix<const float> view = {points.data(), 60, 2};
    const std::vector<float> before = MeansOfSegments(view, labels, n_segments);
    const auto merged = MergeSmallSegments(labels, {before.data(), n_segments, 2}, 8, 0.1);
    EXPECT_EQ(merged.n_segments + std::ssize(merged.merged), n_segments) << "seed " << seed;
    const std::vector<float> after = MeansOfSegments(view, merged.labels, merged.n_segments);
    for (size_t i = 0; i < after.size(); ++i) EXPECT_NEAR(merged.centroids[i], after[i], 1e-4) << "seed " << seed;
    for (const int64_t size : Sizes(merged)) EXPECT_TRUE(size >= 8 || merged.n_segments == 1) << "seed " << seed;
    for (size_t user = 0; user < labels.size(); ++user) EXPECT_EQ(labels[user] < 0, merged.labels[user] < 0);
  }
}

TEST(MergeSmallSegments, RefusesWhatItCannotBe) {
  EXPECT_THROW(Merge({1}, {0}, -1, 0), Error);
  EXPECT_THROW(Merge({1}, {0}, 0, 1.1), Error);
  EXPECT_THROW(Merge({1}, {0}, 0, std::numeric_limits<double>::quiet_NaN()), Error);
  EXPECT_THROW(Merge({1, 1}, {0}, 0, 0), Error);
}

}  // namespace
}  // namespace kindred
