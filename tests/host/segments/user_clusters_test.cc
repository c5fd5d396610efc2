#include "host/segments/user_clusters.h"

#include <gtest/gtest.h>

#include "host/clustering/dendrogram.h"
#include "host/data/random.h"

namespace kindred {
namespace {

TEST(TopOfTree, IsCutAsTheWholeTreeIs) {
  constexpr int64_t kDims = 2;
  uint64_t seed = 500;
  for (const int64_t n : {1, 2, 3, 31, 32, 33, 100}) {
    std::vector<float> points;
    ++seed;
    for (int64_t i = 0; i < n * kDims; ++i)
      points.push_back(static_cast<float>(RandomNormal(seed, static_cast<uint64_t>(i))));
    const std::vector<Merge> merges = Linkage({points.data(), n, kDims}, {}, LinkageMethod::kWard, nullptr);
    for (const int64_t n_groups : {int64_t{1}, std::min<int64_t>(n, 2), std::min<int64_t>(n, 7), n}) {
      const TreeTop top = TopOfTree(merges, n, n_groups);
      ASSERT_EQ(std::ssize(top.merges), n_groups - 1) << "seed " << seed << " of " << n;
      for (size_t m = 0; m < top.merges.size(); ++m) {
        const Merge& whole = merges[static_cast<size_t>(n - n_groups) + m];
        EXPECT_LT(top.merges[m].a, top.merges[m].b);
        EXPECT_EQ(top.merges[m].height, whole.height);
        EXPECT_EQ(top.merges[m].size, whole.size);
      }
      for (int64_t k = 1; k <= n_groups; ++k) {
        const std::vector<int32_t> whole = CutByCount(merges, n, k), cut = CutByCount(top.merges, n_groups, k);
        for (size_t point = 0; point < whole.size(); ++point)
          EXPECT_EQ(cut[static_cast<size_t>(top.group_of[point])], whole[point])
              << "seed " << seed << ", point " << point << " of " << n << ", " << n_groups << " groups, " << k;
      }
    }
  }
}

}  // namespace
}  // namespace kindred
