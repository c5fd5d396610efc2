#include "host/ranking/ranker.h"

#include <cmath>

#include "host/data/interactions.h"
#include "host/data/random.h"
#include "host/models/als.h"
#include "tests/reference/reference.h"
#include "tests/support/backends.h"

namespace kindred {
namespace {

constexpr int64_t kUsers = 40, kItems = 120, kFactors = 10;

// A model fitted on the backend under test, with its memory.
class RankerTest : public BackendTest {
 protected:
  RankerTest() {
    history_.n_rows = kUsers;
    history_.n_cols = kItems;
    for (int64_t u = 0; u < kUsers; ++u) {
      for (int64_t i = 0; i < kItems; ++i)
        if (RandomBits(9, static_cast<uint64_t>(u * kItems + i)) % 8 == 0) {
          history_.indices.push_back(static_cast<int32_t>(i));
          history_.values.push_back(1.5f);
        }
      history_.indptr.push_back(static_cast<int64_t>(history_.indices.size()));
    }
    view_.algorithm = "als";
    view_.history = history_.view();
    view_.objective = {0.1f, 0.02f, 1.0f};
    factors_ = FitAls(backend(), view_.history, {kFactors, view_.objective, 5, 1});
    popularity_ = ItemPopularity(view_.history);
    view_.popularity = popularity_;
    view_.user_factors = {factors_.user_factors.data(), kUsers, kFactors};
    view_.item_factors = {factors_.item_factors.data(), kItems, kFactors};
    view_.eigenvalues = factors_.eigenvalues;
  }

  void ExpectEqual(const RankedLists& lists, int64_t query, const std::vector<reference::Ranked>& expected) {
    ASSERT_EQ(lists.Items(query).size(), expected.size());
    for (size_t place = 0; place < expected.size(); ++place) {
      EXPECT_EQ(lists.Items(query)[place], expected[place].item) << "query " << query << " place " << place;
      EXPECT_EQ(lists.Scores(query)[place], expected[place].score) << "query " << query << " place " << place;
    }
  }

  Csr history_;
  AlsFactors factors_;
  std::vector<float> popularity_;
  ModelView view_;
};

TEST_P(RankerTest, ByFactorsLeavesOutWhatIsExcluded) {
  const Ranker ranker(backend(), view_, nullptr);
  Exclusions excluded;
  for (int64_t u = 0; u < kUsers; ++u) excluded.Add(view_.history.row(u));
  const RankedLists lists = ranker.ByFactors(context(), view_.user_factors, excluded, 15);
  for (int64_t u = 0; u < kUsers; ++u)
    ExpectEqual(lists, u, reference::TopN(view_.user_factors.row(u), view_.item_factors, view_.history.row(u), 15));
  const RankedLists all = ranker.ByFactors(context(), {factors_.user_factors.data(), 1, kFactors}, {}, kItems + 5);
  EXPECT_EQ(all.Items(0).size(), static_cast<size_t>(kItems));
}

TEST_P(RankerTest, ByPopularity) {
  const Ranker ranker(backend(), view_, nullptr);
  Exclusions excluded;
  excluded.Add({});
  excluded.Add(view_.history.row(3));
  const RankedLists lists = ranker.ByPopularity(context(), 2, excluded, 20);
  const float one = 1;
  ExpectEqual(lists, 0, reference::TopN({&one, 1}, {popularity_.data(), kItems, 1}, {}, 20));
  ExpectEqual(lists, 1, reference::TopN({&one, 1}, {popularity_.data(), kItems, 1}, view_.history.row(3), 20));
}

TEST_P(RankerTest, FoldingAStoredHistoryInGivesTheStoredFactors) {
  const Ranker ranker(backend(), view_, nullptr);
  const std::vector<float> folded = ranker.FoldIn(context(), view_.history);
  ASSERT_EQ(folded.size(), factors_.user_factors.size());
  for (size_t i = 0; i < folded.size(); ++i) EXPECT_NEAR(folded[i], factors_.user_factors[i], 1e-6);
}

TEST_P(RankerTest, SimilarIsByCosineWithoutTheItemItself) {
  const Ranker ranker(backend(), view_, nullptr);
  const std::vector<int32_t> items = {0, 7, 7, kItems - 1};
  const RankedLists lists = ranker.Similar(context(), items, 12);
  for (size_t q = 0; q < items.size(); ++q) {
    const auto found = lists.Items(static_cast<int64_t>(q));
    ASSERT_EQ(found.size(), 12u);
    const auto cosine = [&](int32_t i) {
      double dot = 0, a = 0, b = 0;
      for (size_t k = 0; k < kFactors; ++k) {
        const double x = view_.item_factors.row(items[q])[k], y = view_.item_factors.row(i)[k];
        dot += x * y;
        a += x * x;
        b += y * y;
      }
      return dot / std::sqrt(a * b);
    };
    std::vector<double> all;
    for (int32_t i = 0; i < kItems; ++i)
      if (i != items[q]) all.push_back(cosine(i));
    std::sort(all.rbegin(), all.rend());
    for (size_t place = 0; place < found.size(); ++place) {
      EXPECT_NE(found[place], items[q]);
      EXPECT_NEAR(lists.Scores(static_cast<int64_t>(q))[place], all[place], 1e-6);
    }
  }
}

TEST_P(RankerTest, WithoutFactorsSimilarIsPopular) {
  ModelView view = view_;
  view.algorithm = "popularity";
  view.user_factors = view.item_factors = {};
  view.eigenvalues = {};
  const Ranker ranker(backend(), view, nullptr);
  const std::vector<int32_t> items = {4};
  const float one = 1;
  ExpectEqual(ranker.Similar(context(), items, 5), 0,
              reference::TopN({&one, 1}, {popularity_.data(), kItems, 1}, items, 5));
}

TEST(Exclusions, AreSortedWithoutRepeats) {
  Exclusions excluded;
  excluded.Add(std::vector<int32_t>{5, 1, 5, 3});
  excluded.Add({});
  excluded.Add(std::vector<int32_t>{2});
  EXPECT_EQ(excluded.indptr, (std::vector<int64_t>{0, 3, 3, 4}));
  EXPECT_EQ(excluded.items, (std::vector<int32_t>{1, 3, 5, 2}));
}

KINDRED_ON_ALL_BACKENDS(RankerTest);

}  // namespace
}  // namespace kindred
