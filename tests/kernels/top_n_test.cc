#include <cmath>
#include <random>

#include "kernels/cpu/item_codes.h"
#include "tests/kernels/top_n_fixture.h"
#include "tests/support/random.h"

namespace kindred {
namespace {

TEST_P(TopNTest, EqualsAFullSortOverShapes) {
  uint64_t seed = 10;
  for (int64_t n_items : {0, 1, 31, 32, 33, 63, 64, 65, 1023, 1024, 1025, 9000}) {
    for (int64_t n_queries : {0, 1, 2, 31, 32, 33}) {
      for (int64_t f : {1, 3, 31, 32, 33, 64}) {
        if (n_items * n_queries * f > Allowance(4000000, n_queries == 1 ? 9000 : 2500)) continue;
        ++seed;
        const int64_t n = static_cast<int64_t>(seed % 3 == 0 ? 1 : seed % 3 == 1 ? 10 : 100);
        SCOPED_TRACE(testing::Message() << n_items << " items, " << n_queries << " queries, f " << f << ", n " << n
                                        << ", seed " << seed);
        ExpectExact(RandomNormal(n_items * f, seed), n_items, RandomNormal(n_queries * f, seed + 1000), n_queries, f,
                    n);
      }
    }
  }
}

TEST_P(TopNTest, IsTheSameWithCodesThatWereStored) {
  uint64_t seed = 70;
  for (const int64_t n_items : {1, 63, 64, 65, 1100, 5000})
    for (const int64_t f : {1, 3, 64, 600})
      for (const bool ordered : {true, false}) {
        const int64_t n_queries = 5;
        if (n_items * n_queries * f > Allowance(4000000, 9000)) continue;
        SCOPED_TRACE(testing::Message() << n_items << " items, f " << f << ", seed " << ++seed);
        const std::vector<float> items = RandomNormal(n_items * f, seed);
        const ItemCodes codes = ItemCodes::Of({items.data(), n_items, f}, ordered, 1);
        const ItemCodesView view = codes.view();
        const Histories histories = ordered ? Histories() : RandomHistories(n_items, n_queries, seed);
        stored_ = &view;
        ExpectExact(items, n_items, RandomNormal(n_queries * f, seed + 1), n_queries, f, 10, {},
                    ordered ? nullptr : &histories);
        stored_ = nullptr;
      }
}

TEST_P(TopNTest, ManyFactors) {
  for (int64_t f : {65, 127, 128, 129, 200, 1024}) {
    for (int64_t n_queries : {3, 17, 40}) {
      if (n_queries * f > Allowance(1 << 20, 4000)) continue;
      SCOPED_TRACE(testing::Message() << n_queries << " queries, f " << f);
      const auto seed = static_cast<uint64_t>(100 + f);
      ExpectExact(RandomNormal(150 * f, seed), 150, RandomNormal(n_queries * f, seed + 1), n_queries, f, 10);
    }
  }
}

TEST_P(TopNTest, ManyQueries) {
  const int64_t n_queries = Allowance(1100, 130);
  ExpectExact(RandomNormal(700 * 16, 11), 700, RandomNormal(n_queries * 16, 12), n_queries, 16, 20);
}

TEST_P(TopNTest, FewQueriesOfManyItems) {
  // Enough of them that threads share the catalogue, for one query, too.
  const int64_t n_items = Allowance(120000, 2000), f = 40;
  std::vector<float> items = RandomNormal(n_items * f, 28);
  for (int64_t i = 0; i < n_items; i += 3) std::copy_n(items.data() + i / 9 * f, f, items.data() + i * f);  // ties
  std::vector<std::vector<int32_t>> excluded(5);
  for (int32_t i = 0; i < n_items; i += 7) excluded[2].push_back(i);
  for (const int64_t n : {1, 40, 300}) {
    SCOPED_TRACE(testing::Message() << "n " << n);
    ExpectExact(items, n_items, RandomNormal(5 * f, 29), 5, f, n, excluded);
    ExpectExact(items, n_items, {items.begin() + 9 * f, items.begin() + 10 * f}, 1, f, n);
  }
}

TEST_P(TopNTest, BoundsThatRuleNothingOut) {
  // All items score almost alike: what the scan leaves is far more than n.
  const int64_t n_items = Allowance(20000, 1500), f = 16;
  std::vector<float> items(static_cast<size_t>(n_items * f), 1.0f);
  for (int64_t i = 0; i < n_items; ++i)
    items[static_cast<size_t>(i * f + i % f)] += static_cast<float>(i % 97) * 0x1p-20f;
  items[static_cast<size_t>((n_items - 1) * f)] = NAN;
  for (const int64_t n : {1, 30}) {
    ExpectExact(items, n_items, RandomNormal(3 * f, 33), 3, f, n);
    ExpectExact(items, n_items, std::vector<float>(static_cast<size_t>(2 * f), 1.0f), 2, f, n);
    ExpectExact(std::vector<float>(items.size(), -3e38f), n_items, std::vector<float>(f, 9.0f), 1, f, n);
  }
  std::vector<float> query(f, NAN);
  ExpectExact(items, n_items, query, 1, f, 5);
  query.assign(f, INFINITY);
  ExpectExact(items, n_items, query, 1, f, 5);
}

TEST_P(TopNTest, ExclusionsNeverAppearAndNeverCount) {
  std::mt19937_64 engine(13);
  const int64_t n_items = Allowance(3000, 700), n_queries = Allowance(40, 10), f = 24;
  std::vector<std::vector<int32_t>> excluded(static_cast<size_t>(n_queries));
  for (size_t q = 0; q < excluded.size(); ++q)
    for (int32_t i = 0; i < n_items; ++i)
      if (q == 1 || (q > 1 && engine() % q == 0)) excluded[q].push_back(i);  // query 1: everything
  ExpectExact(RandomNormal(n_items * f, 14), n_items, RandomNormal(n_queries * f, 15), n_queries, f, 50, excluded);
}

TEST_P(TopNTest, OnlyEligibleItemsAreAnswered) {
  uint64_t seed = 40;
  for (int64_t n_items : {1, 31, 64, 65, 1025, 6000})
    for (int64_t n_queries : {1, 5, 33})
      for (uint64_t one_of : {1, 2, 30, 1000, 1 << 20}) {
        const int64_t f = 16;
        if (n_items * n_queries * f > Allowance(4000000, 180000)) continue;
        ++seed;
        SCOPED_TRACE(testing::Message() << n_items << " items, " << n_queries << " queries, 1 in " << one_of
                                        << " eligible, seed " << seed);
        eligible_ = RandomEligible(n_items, one_of, seed);
        std::vector<std::vector<int32_t>> excluded(static_cast<size_t>(n_queries));
        for (int32_t i = 0; i < n_items; i += 3) excluded.back().push_back(i);
        ExpectExact(RandomNormal(n_items * f, seed), n_items, RandomNormal(n_queries * f, seed + 1000), n_queries, f,
                    seed % 2 == 0 ? 10 : 100, excluded);
      }
}

TEST_P(TopNTest, AFilterIsOfItsIndexAndHasABitAnItem) {
  const Resident<float> items = ToBackend(RandomNormal(70 * 4, 1), 70, 4), query = ToBackend(RandomNormal(4, 2), 1, 4);
  const auto index = NewIndex(items.matrix(), {}), other = NewIndex(items.matrix(), {});
  context().Wait();
  const std::vector<uint64_t> bits = {5, ~uint64_t{0}};
  const auto filter = backend().NewItemFilter(context(), *index, bits);
  EXPECT_EQ(filter->n_eligible(), 2 + 6);
  EXPECT_THROW(backend().NewItemFilter(context(), *index, std::span(bits).first(1)), Error);
  const Resident<int32_t> ids(backend(), 1, 3);
  const Resident<float> scores(backend(), 1, 3);
  TopNRequest request = {query.matrix(), {}, {}, ids.matrix(), scores.matrix()};
  request.eligible = filter.get();
  EXPECT_THROW(TopN(*other, request), Error);
  context().Wait();
}

TEST_P(TopNTest, TiesAreInOrderOfItem) {
  const int64_t n_items = 2500, f = 8;
  std::vector<float> items(static_cast<size_t>(n_items * f), 0.25f);
  ExpectExact(items, n_items, RandomNormal(3 * f, 16), 3, f, 30);
  for (int64_t i = 0; i < n_items; ++i)
    for (int64_t k = 0; k < f; ++k) items[static_cast<size_t>(i * f + k)] = static_cast<float>(i % 3);
  ExpectExact(items, n_items, RandomNormal(3 * f, 17), 3, f, 30);
}

TEST_P(TopNTest, CancellationDoesNotFoolTheScan) {
  // Large entries that cancel: float32 sums are off by more than the differences between scores.
  const int64_t n_items = Allowance(5000, 1000), n_queries = Allowance(40, 10), f = 32;
  std::vector<float> items = RandomNormal(n_items * f, 18), queries = RandomNormal(n_queries * f, 19);
  for (int64_t i = 0; i < n_items; ++i) {
    items[static_cast<size_t>(i * f)] = 1e6f;
    items[static_cast<size_t>(i * f + f - 1)] = -1e6f;
  }
  for (int64_t q = 0; q < n_queries; ++q)
    queries[static_cast<size_t>(q * f)] = queries[static_cast<size_t>(q * f + f - 1)] = 1;
  ExpectExact(items, n_items, queries, n_queries, f, 25);
}

TEST_P(TopNTest, EveryOperandMayRoundTheSameWay) {
  // Each product of the first kind of item is lost to bf16 by 2^-7 of itself, each of the second kind gains
  // as much.
  const int64_t n_items = 300, f = 64;
  std::vector<float> query(static_cast<size_t>(f)), items(static_cast<size_t>(n_items * f), 0.0f);
  for (int64_t k = 0; k < f; ++k) query[static_cast<size_t>(k)] = k < f / 2 ? 1 + 0x1p-8f : 1 + 0x3p-8f;
  for (int64_t i = 0; i < n_items; ++i) {
    const bool is_best = i % 100 == 7;  // by a hair: 32.251 against 32.242, which bf16 makes 32 and 32.492
    for (int64_t k = is_best ? 0 : f / 2; k < (is_best ? f / 2 : f); ++k)
      items[static_cast<size_t>(i * f + k)] = is_best ? 1 + 0x1p-8f : (1 + 0x3p-8f) * (k == f / 2 ? 0.5f : 1);
  }
  ExpectExact(items, n_items, query, 1, f, 2);
}

TEST_P(TopNTest, ScoresThatOverflowOnlyInTheScan) {
  // 3.4e38 is infinite in bf16; its score is not, and not the best.
  const int64_t n_items = 400, f = 2;
  std::vector<float> items(static_cast<size_t>(n_items * f));
  for (int64_t i = 0; i < n_items; ++i) {
    items[static_cast<size_t>(i * f)] = i % 3 == 0 ? 3e38f : 3.4e38f;
    items[static_cast<size_t>(i * f + 1)] = i % 3 == 0 ? 0 : -1e38f;
  }
  ExpectExact(items, n_items, {0.5f, 0.5f}, 1, f, 5);
}

TEST_P(TopNTest, SumsThatOverflowOnTheWay) {
  // -3e38 - 3e38 + 3e38 + 3e38: infinite or not a number in float32, 0 in double.
  const int64_t n_items = 400, f = 4;
  std::vector<float> items(static_cast<size_t>(n_items * f), -0.25f);
  for (int64_t i = 100; i < n_items; i += 100)
    for (int64_t k = 0; k < f; ++k) items[static_cast<size_t>(i * f + k)] = k < f / 2 ? -3e38f : 3e38f;
  ExpectExact(items, n_items, {1, 1, 1, 1}, 1, f, 2);
}

TEST_P(TopNTest, SmallItemsWinWhereScoresAreNegative) {
  const int64_t n_items = 2000, f = 6;
  std::vector<float> items = RandomNormal(n_items * f, 24), queries = RandomNormal(20 * f, 25);
  for (int64_t i = 0; i < n_items; ++i)
    for (int64_t k = 0; k < f; ++k) {
      float& x = items[static_cast<size_t>(i * f + k)];
      x = std::abs(x) * (i / 64 % 3 == 0 ? 100.0f : i / 64 % 3 == 1 ? 1.0f : 1e-4f);
    }
  for (size_t i = 0; i < queries.size(); ++i) queries[i] = i / f % 2 == 0 ? -std::abs(queries[i]) : queries[i];
  ExpectExact(items, n_items, queries, 20, f, 15);
  ExpectExact(items, n_items, {queries.begin(), queries.begin() + f}, 1, f, 15);
}

TEST_P(TopNTest, NearlyTheWholeCatalogueSorted) {
  const int64_t n_items = 5200, f = 2;
  std::vector<float> items = RandomNormal(n_items * f, 26);
  for (float& x : items) x = std::round(x * 8);  // ties
  items[77] = NAN;
  std::vector<std::vector<int32_t>> excluded(2);
  for (int32_t i = 0; i < n_items; i += 5) excluded[1].push_back(i);
  ExpectExact(items, n_items, RandomNormal(2 * f, 27), 2, f, 5100, excluded);
}

TEST_P(TopNTest, ValuesOfEveryKind) {
  const int64_t n_items = 1500, f = 5;
  std::vector<float> items = RandomNormal(n_items * f, 20), queries = RandomNormal(6 * f, 21);
  const float specials[] = {NAN, INFINITY, -INFINITY, 1e38f, -1e38f, 1e-42f, 0.0f, -0.0f};
  for (int64_t i = 0; i < n_items; i += 3) items[static_cast<size_t>(i * f + i % f)] = specials[(i / 3) % 8];
  for (int64_t i = 1; i < n_items; i += 50)
    for (int64_t k = 0; k < f; ++k) items[static_cast<size_t>(i * f + k)] = -0.0f;
  for (int64_t k = 0; k < f; ++k) {
    queries[static_cast<size_t>(k)] = 0;
    queries[static_cast<size_t>(f + k)] = 1e-40f;
    queries[static_cast<size_t>(2 * f + k)] = 1e30f;
  }
  queries[static_cast<size_t>(3 * f)] = NAN;
  ExpectExact(items, n_items, queries, 6, f, 40);
  for (int64_t q = 0; q < 6; ++q)
    ExpectExact(items, n_items, {queries.begin() + q * f, queries.begin() + (q + 1) * f}, 1, f, 40);
}

TEST_P(TopNTest, NLargerThanTheCatalogueLeavesPlacesUnfilled) {
  ExpectExact(RandomNormal(5 * 4, 22), 5, RandomNormal(2 * 4, 23), 2, 4, 12);
}

KINDRED_ON_ALL_BACKENDS(TopNTest);

}  // namespace
}  // namespace kindred
