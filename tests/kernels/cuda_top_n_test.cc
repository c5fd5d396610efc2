// The CUDA top-N cut to devices that are not there: little memory, little shared memory, many multiprocessors.
#include <sys/mman.h>

#include <algorithm>
#include <functional>

#include "kernels/cuda/top_n.h"
#include "tests/kernels/top_n_fixture.h"
#include "tests/support/random.h"

namespace kindred {
namespace {

using cuda::PlanItemIndex;
using cuda::PlanTopN;
using cuda::TopNDevice;
using cuda::TopNPlan;

constexpr int64_t kGiB = int64_t{1} << 30;
constexpr TopNDevice kH200 = {132, 227 * 1024, 120 * kGiB}, kSmallCard = {28, 99 * 1024, 6 * kGiB};

class TopNOnDevicesTest : public TopNTest {
 protected:
  std::unique_ptr<ItemIndex> NewIndex(MatrixView<const float> items, const ItemItemView& item_item) override {
    return cuda::NewItemIndexFor(context(), items, item_item, device_, first_item_);
  }
  void TopN(const ItemIndex& index, const TopNRequest& request) override {
    cuda::TopNFor(context(), index, request, device_);
  }

  TopNDevice device_ = {1, 227 * 1024, 16 * kGiB};
  int64_t first_item_ = 0;
};

TEST_P(TopNOnDevicesTest, SplitsOfTheCatalogue) {
  device_.n_multiprocessors = 16;
  const int64_t n_items = 5000, f = 8;
  ASSERT_GT(PlanTopN(5, n_items, f, 10, true, false, device_).n_splits, 3);
  ASSERT_GT(PlanTopN(20, n_items, f, 10, true, false, device_).n_splits, 3);
  const std::vector<float> items = RandomNormal(n_items * f, 30), queries = RandomNormal(20 * f, 31);
  ExpectExact(items, n_items, {queries.begin(), queries.begin() + 5 * f}, 5, f, 10);
  ExpectExact(items, n_items, queries, 20, f, 10);
}

TEST_P(TopNOnDevicesTest, MoreCandidatesThanAreSortedAtOnce) {
  device_.n_multiprocessors = 16;
  const int64_t n_items = 12 * 1024, f = 4, n = 10;
  const TopNPlan plan = PlanTopN(2, n_items, f, n, true, false, device_);
  std::vector<float> items(static_cast<size_t>(n_items * f), 0.1f);
  for (size_t i = 0; i < items.size(); ++i)  // a tenth within the scan's error of each other, all over the catalogue
    if (i / f % 10 == 0) items[i] = 1 - static_cast<float>(i / f / 10 % 50) * 0x1p-14f;
  ASSERT_GT(n_items / 10, 2 * plan.merge_capacity);
  ASSERT_LT(n_items / 10 / plan.n_splits, n + (plan.capacity - n) / 2);  // or a split would score them
  ExpectExact(items, n_items, {1, 1, 1, 1, -1, -1, -1, -1}, 2, f, n);
}

TEST_P(TopNOnDevicesTest, LittleMemoryMakesWavesAndRanges) {
  const int64_t n_items = 330, n_queries = 140, f = 66, n = 5;
  device_.free_bytes = 40 * 1024;
  ASSERT_FALSE(PlanItemIndex(n_items, f, device_).keeps_copy);
  const TopNPlan plan = PlanTopN(n_queries, n_items, f, n, false, false, device_);
  ASSERT_LT(plan.wave_queries, n_queries);
  ASSERT_EQ(plan.range_tiles, 1);
  std::vector<std::vector<int32_t>> excluded(static_cast<size_t>(n_queries));
  for (size_t q = 0; q < excluded.size(); ++q)
    for (auto i = static_cast<int32_t>(q % 3); i < n_items; i += static_cast<int32_t>(2 + q % 5))
      excluded[q].push_back(i);
  const std::vector<float> items = RandomNormal(n_items * f, 32), queries = RandomNormal(n_queries * f, 33);
  ExpectExact(items, n_items, queries, n_queries, f, n, excluded);
  ExpectExact(items, n_items, {queries.begin(), queries.begin() + 9 * f}, 9, f, n);
}

TEST_P(TopNOnDevicesTest, LittleSharedMemoryReloadsTheQueries) {
  device_.shared_bytes = 32 * 1024;
  for (int64_t n_queries : {5, 20}) {
    const int64_t f = n_queries == 5 ? 150 : 140;
    ASSERT_FALSE(PlanTopN(n_queries, 200, f, 7, true, false, device_).resident);
    ExpectExact(RandomNormal(200 * f, 34), 200, RandomNormal(n_queries * f, 35), n_queries, f, 7);
  }
}

TEST_P(TopNOnDevicesTest, SortsEverythingInPasses) {
  const int64_t n_items = 20000, f = 1, n = 4100;
  device_.free_bytes = 300 * 1024;
  const TopNPlan plan = PlanTopN(2, n_items, f, n, true, false, device_);
  ASSERT_TRUE(plan.sorts_everything);
  ASSERT_LT(plan.sort_size, n_items);
  ASSERT_EQ(plan.wave_queries, 1);
  ExpectExact(RandomNormal(n_items, 36), n_items, {1.5f, -0.5f}, 2, f, n);
  Histories histories;
  std::mt19937_64 engine(39);
  for (int64_t j = 0; j < n_items; ++j) histories.AddRow(RandomEntries(n_items, j < 2 ? 30 : 0, engine));
  histories.of_query = {{{0, 1.0f}, {1, -2.0f}}, {}};
  ExpectExact(RandomNormal(n_items, 36), n_items, {1.5f, -0.5f}, 2, f, n, {}, &histories);
}

TEST_P(TopNOnDevicesTest, ItemsNear2To31) {
  // 32 GiB of addresses, of which only the last items are ever touched.
  const int64_t n_items = INT32_MAX, f = 4, n_last = 3 * 64 - 1;
  const auto bytes = static_cast<size_t>(n_items * f) * sizeof(float);
  void* const region = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) GTEST_SKIP() << "no room for " << bytes << " bytes of addresses";
  const std::unique_ptr<void, std::function<void(void*)>> owner(region, [=](void* p) { munmap(p, bytes); });
  const std::vector<float> last = RandomNormal(n_last * f, 37), queries = RandomNormal(2 * f, 38);
  first_item_ = n_items - n_last;
  std::copy(last.begin(), last.end(), static_cast<float*>(region) + first_item_ * f);

  device_.free_bytes = kGiB;
  const auto index = NewIndex({static_cast<float*>(region), n_items, f}, {});
  const Resident<float> q = ToBackend(queries, 2, f);
  const Resident<int64_t> excluded_indptr = ToBackend<int64_t>({0, 1, 2}, 3);
  const Resident<int32_t> excluded_items = ToBackend<int32_t>({INT32_MAX - 1, INT32_MAX - 7}, 2);
  for (int64_t n : {40, 190}) {
    const Resident<int32_t> out_items(backend(), 2, n);
    const Resident<float> out_scores(backend(), 2, n);
    TopN(*index, {q.matrix(), excluded_indptr.view(), excluded_items.view(), out_items.matrix(), out_scores.matrix()});
    context().Wait();
    const std::vector<int32_t> found = ToHost(out_items);
    for (int64_t r = 0; r < 2; ++r) {
      const int32_t excluded = static_cast<int32_t>((r == 0 ? INT32_MAX - 1 : INT32_MAX - 7) - first_item_);
      const auto expected = reference::TopN({queries.data() + r * f, static_cast<size_t>(f)}, {last.data(), n_last, f},
                                            {&excluded, 1}, n);
      ASSERT_EQ(expected.size(), static_cast<size_t>(n));
      for (int64_t place = 0; place < n; ++place)
        ASSERT_EQ(found[static_cast<size_t>(r * n + place)] - first_item_, expected[static_cast<size_t>(place)].item)
            << "query " << r << " place " << place;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, TopNOnDevicesTest, ::testing::Values("emulated"),
                         [](const auto& param_info) { return param_info.param; });

// What top_n_sparse.cu has a part in: a suite of its name (scripts/mutate.py).
class TopNSparseOnDevicesTest : public TopNOnDevicesTest {};

TEST_P(TopNSparseOnDevicesTest, HistoriesInSplits) {
  device_.n_multiprocessors = 16;
  const int64_t n_items = 5000, f = 8;
  ASSERT_GT(PlanTopN(3, n_items, f, 10, true, true, device_).n_splits, 3);
  const std::vector<float> items = RandomNormal(n_items * f, 40), queries = RandomNormal(3 * f, 41);
  const Histories histories = RandomHistories(n_items, 3, 42);
  ExpectExact(items, n_items, queries, 3, f, 10, {}, &histories);
}

TEST_P(TopNSparseOnDevicesTest, HistoriesInWavesAndRanges) {
  const int64_t n_items = 150, n_queries = 130, f = 66, n = 5;
  device_.free_bytes = 30 * 1024;
  ASSERT_FALSE(PlanItemIndex(n_items, f, device_).keeps_copy);
  const std::vector<float> items = RandomNormal(n_items * f, 43), queries = RandomNormal(n_queries * f, 44);
  const Histories histories = RandomHistories(n_items, n_queries, 45);
  for (const int64_t n_asked : {n_queries, int64_t{9}}) {
    const TopNPlan plan = PlanTopN(n_asked, n_items, f, n, false, true, device_);
    ASSERT_EQ(plan.range_tiles, 1);
    ASSERT_TRUE(n_asked < n_queries || plan.wave_queries < n_asked);
    Histories asked = histories;
    asked.of_query.resize(static_cast<size_t>(n_asked));
    ExpectExact(items, n_items, {queries.begin(), queries.begin() + n_asked * f}, n_asked, f, n, {}, &asked);
  }
}

TEST_P(TopNSparseOnDevicesTest, HistoriesTouchMoreThanAListHolds) {
  // The first items are known by bounds alone when histories touch what comes later: so many better ones, or worse by
  // less than the scan's error, that lists are cut down again and again, among ties and items without a score.
  const int64_t n_items = 4300, f = 2, n = 3;
  device_.free_bytes = 64 * 1024;
  const TopNPlan plan = PlanTopN(3, n_items, f, n, false, true, device_);
  ASSERT_GT(n_items, 4 * plan.range_tiles * 64);
  ASSERT_LT(plan.capacity, 1000);
  std::vector<float> items(static_cast<size_t>(n_items * f), 1.0f);
  Entries row;
  for (int32_t i = 0; i < n_items; ++i) {
    items[static_cast<size_t>(i * f)] = i % 1000 == 7 ? NAN : 1 + static_cast<float>(i % 50) * 0x1p-14f;
    if (i > 300 && i % 3 != 0) row.push_back({i, static_cast<float>(i / 2 % 900 + 1) * 0x1p-16f});
  }
  items[250 * f] = 1 + 0x1p-8f;  // the best of these, in the last range before the first that is touched
  Histories histories;
  for (int64_t j = 0; j < n_items; ++j) histories.AddRow(j == 5 ? row : Entries{});
  histories.of_query = {{{5, 1.0f}}, {{5, -1.0f}}, {{5, -0x1p-7f}}};
  const std::vector<float> queries(static_cast<size_t>(3 * f), 1.0f);
  ExpectExact(items, n_items, queries, 3, f, n, {}, &histories);
  device_.free_bytes = kGiB;
  ExpectExact(items, n_items, queries, 3, f, n, {}, &histories);
}

INSTANTIATE_TEST_SUITE_P(Backends, TopNSparseOnDevicesTest, ::testing::Values("emulated"),
                         [](const auto& param_info) { return param_info.param; });

TEST(TopNPlanTest, StaysWithinItsBudgetAtAnyShape) {
  for (const TopNDevice& device : {kH200, kSmallCard})
    for (int64_t n_queries : {int64_t{0}, int64_t{1}, int64_t{16}, int64_t{17}, int64_t{4096}, int64_t{10000000}})
      for (int64_t n_items : {int64_t{0}, int64_t{1}, int64_t{64}, int64_t{1000000}, int64_t{INT32_MAX}})
        for (int64_t f : {1, 128, 1024})
          for (int64_t n : {int64_t{0}, int64_t{1}, int64_t{100}, int64_t{4096}, int64_t{4097}, int64_t{100000}})
            for (const auto& [keeps_copy, has_histories] :
                 {std::pair(true, false), std::pair(false, false), std::pair(true, true), std::pair(false, true)}) {
              if (n > n_items) continue;
              const TopNPlan plan = PlanTopN(n_queries, n_items, f, n, keeps_copy, has_histories, device);
              SCOPED_TRACE(testing::Message()
                           << n_queries << " queries, " << n_items << " items, f " << f << ", n " << n);
              ASSERT_GT(plan.peak_bytes, 0);
              ASSERT_LE(plan.peak_bytes, kGiB + 4096);
              ASSERT_GT(plan.wave_queries, 0);
              if (plan.sorts_everything) {
                ASSERT_GE(plan.sort_size, std::min(n_items, 2 * n));
                continue;
              }
              ASSERT_LE(plan.scan_shared_bytes, device.shared_bytes);
              ASSERT_LE(plan.merge_capacity * 8 + 2048, device.shared_bytes);
              ASSERT_GE(plan.range_tiles, std::min<int64_t>(n_items, 1));
              ASSERT_LE(plan.n_splits, 65535);
            }
}

TEST(TopNPlanTest, FillsTheDevice) {
  // A million items of 128 factors, 100 of them asked for.
  const TopNPlan one = PlanTopN(1, 1000000, 128, 100, true, false, kH200),
                 many = PlanTopN(4096, 1000000, 128, 100, true, false, kH200);
  EXPECT_EQ(one.query_tile, 16);
  EXPECT_GT(one.n_splits, 2 * kH200.n_multiprocessors);
  EXPECT_EQ(many.query_tile, 128);
  EXPECT_TRUE(many.resident);
  EXPECT_GT(many.n_splits * many.wave_queries / many.query_tile, 2 * kH200.n_multiprocessors);
  EXPECT_EQ(many.wave_queries, 4096);
}

TEST(TopNPlanTest, HistoriesLeaveEnoughBlocksAndCutAVeryLargeCatalogue) {
  const TopNPlan many = PlanTopN(4096, 1000000, 128, 100, true, true, kH200);
  EXPECT_EQ(many.range_tiles, (1000000 + 63) / 64);
  EXPECT_GT(many.n_splits * many.wave_queries / many.query_tile, 2 * kH200.n_multiprocessors);
  EXPECT_EQ(many.wave_queries, 4096);
  // A bit for each item and query, of which 128 queries may take a quarter of a GiB.
  EXPECT_EQ(PlanTopN(4096, INT32_MAX, 8, 100, true, true, kH200).range_tiles, (kGiB / 4) / 128 / 8);
}

TEST(TopNPlanTest, QueriesStayInSharedMemoryWhereTheyFit) {
  EXPECT_TRUE(PlanTopN(128, 1000, 256, 10, true, false, kSmallCard).resident);
  EXPECT_FALSE(PlanTopN(128, 1000, 512, 10, true, false, kSmallCard).resident);
  EXPECT_TRUE(PlanTopN(128, 1000, 512, 10, true, false, kH200).resident);
  EXPECT_TRUE(PlanTopN(16, 1000, 1024, 10, true, false, kSmallCard).resident);
}

TEST(TopNPlanTest, LargeNIsSortedWhole) {
  const TopNPlan whole = PlanTopN(2, 1000000, 128, 100000, true, false, kH200);
  EXPECT_EQ(whole.sort_size, 1 << 20);
  EXPECT_EQ(whole.peak_bytes, 2 * 8 << 20);
  // The whole of the largest catalogue: what it takes is stated, not hidden.
  EXPECT_EQ(PlanTopN(1, INT32_MAX, 1, INT32_MAX, true, false, kH200).peak_bytes, int64_t{8} << 31);
}

TEST(ItemIndexPlanTest, KeepsACopyWhereItFits) {
  EXPECT_TRUE(PlanItemIndex(1000000, 128, kH200).keeps_copy);
  EXPECT_EQ(PlanItemIndex(1000000, 128, kH200).copy_bytes, 256000000);
  EXPECT_FALSE(PlanItemIndex(INT32_MAX, 1024, kH200).keeps_copy);
  EXPECT_EQ(PlanItemIndex(INT32_MAX, 1024, kH200).copy_bytes, int64_t{1} << 42);
  EXPECT_THROW(PlanItemIndex(int64_t{1} << 31, 8, kH200), Error);
}

}  // namespace
}  // namespace kindred
