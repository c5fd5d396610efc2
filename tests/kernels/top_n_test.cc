#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "tests/reference/reference.h"
#include "tests/support/backends.h"
#include "tests/support/random.h"

namespace kindred {
namespace {

class TopNTest : public BackendTest {
 protected:
  struct Answer {
    std::vector<int32_t> items;
    std::vector<float> scores;
  };

  Answer Ask(const std::vector<float>& items, int64_t n_items, const std::vector<float>& queries, int64_t n_queries,
             int64_t f, int64_t n, const std::vector<std::vector<int32_t>>& excluded = {}) {
    const Resident<float> y = ToBackend(items, n_items, f), q = ToBackend(queries, n_queries, f);
    std::vector<int64_t> indptr;
    std::vector<int32_t> flat;
    if (!excluded.empty()) {
      indptr.push_back(0);
      for (const auto& list : excluded) {
        flat.insert(flat.end(), list.begin(), list.end());
        indptr.push_back(static_cast<int64_t>(flat.size()));
      }
    }
    const Resident<int64_t> excluded_indptr = ToBackend(indptr, static_cast<int64_t>(indptr.size()));
    const Resident<int32_t> excluded_items = ToBackend(flat, static_cast<int64_t>(flat.size()));
    const Resident<int32_t> out_items(backend(), n_queries, n);
    const Resident<float> out_scores(backend(), n_queries, n);
    const auto index = backend().NewItemIndex(context(), y.matrix());
    backend().TopN(
        context(), *index,
        {q.matrix(), excluded_indptr.view(), excluded_items.view(), out_items.matrix(), out_scores.matrix()});
    context().Wait();
    return {ToHost(out_items), ToHost(out_scores)};
  }

  void ExpectExact(const std::vector<float>& items, int64_t n_items, const std::vector<float>& queries,
                   int64_t n_queries, int64_t f, int64_t n, const std::vector<std::vector<int32_t>>& excluded = {}) {
    const Answer found = Ask(items, n_items, queries, n_queries, f, n, excluded);
    for (int64_t q = 0; q < n_queries; ++q) {
      const std::span<const float> query(queries.data() + q * f, static_cast<size_t>(f));
      const auto list =
          excluded.empty() ? std::span<const int32_t>() : std::span<const int32_t>(excluded[static_cast<size_t>(q)]);
      const auto expected = reference::TopN(query, {items.data(), n_items, f}, list, n);
      for (int64_t place = 0; place < n; ++place) {
        const auto at = static_cast<size_t>(q * n + place);
        const bool filled = place < static_cast<int64_t>(expected.size());
        ASSERT_EQ(found.items[at], filled ? expected[static_cast<size_t>(place)].item : -1)
            << "query " << q << " place " << place;
        const float score = filled ? expected[static_cast<size_t>(place)].score + 0.0f : 0;
        ASSERT_EQ(std::memcmp(&found.scores[at], &score, sizeof score), 0)
            << "query " << q << " place " << place << ": " << found.scores[at] << " for " << score;
      }
    }
  }
};

TEST_P(TopNTest, EqualsAFullSortOverShapes) {
  uint64_t seed = 10;
  for (int64_t n_items : {0, 1, 31, 32, 33, 1023, 1024, 1025, 9000}) {
    for (int64_t n_queries : {0, 1, 2, 31, 32, 33}) {
      for (int64_t f : {1, 3, 31, 32, 33, 64}) {
        if (n_items * n_queries * f > Allowance(4000000, 40000)) continue;
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

TEST_P(TopNTest, ManyQueries) {
  const int64_t n_queries = Allowance(1100, 130);
  ExpectExact(RandomNormal(700 * 16, 11), 700, RandomNormal(n_queries * 16, 12), n_queries, 16, 20);
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
