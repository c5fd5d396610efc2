#include "host/ranking/ranker.h"

#include <cmath>

#include "host/data/interactions.h"
#include "host/data/random.h"
#include "host/models/als.h"
#include "host/models/explicit_als.h"
#include "host/models/pure_svd.h"
#include "tests/reference/reference.h"
#include "tests/support/backends.h"

namespace kindred {
namespace {

constexpr int64_t kUsers = 40, kItems = 120, kFactors = 10;

Queries QueriesOf(HostMatrix<const float> factors) {
  Queries queries;
  for (int64_t row = 0; row < factors.n_rows; ++row) queries.Add(factors.row(row));
  return queries;
}

std::vector<float> Factors(const Queries& queries) {
  return {queries.factors().all().begin(), queries.factors().all().end()};
}

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

TEST_P(RankerTest, ByModelLeavesOutWhatIsExcluded) {
  const Ranker ranker(backend(), view_, nullptr);
  Exclusions excluded;
  for (int64_t u = 0; u < kUsers; ++u) excluded.Add(view_.history.row(u));
  const RankedLists lists = ranker.ByModel(context(), QueriesOf(view_.user_factors), excluded, 15);
  for (int64_t u = 0; u < kUsers; ++u)
    ExpectEqual(lists, u, reference::TopN(view_.user_factors.row(u), view_.item_factors, view_.history.row(u), 15));
  const RankedLists all =
      ranker.ByModel(context(), QueriesOf({factors_.user_factors.data(), 1, kFactors}), {}, kItems + 5);
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
  const std::vector<float> folded = Factors(ranker.FoldIn(context(), view_.history));
  ASSERT_EQ(folded.size(), factors_.user_factors.size());
  for (size_t i = 0; i < folded.size(); ++i) EXPECT_NEAR(folded[i], factors_.user_factors[i], 1e-6);
}

// What a fit is between two half-steps can be ranked with, and the fit goes on as if nobody had.
TEST_P(RankerTest, AmidAFitUsersAnswerToTheItemsAndItsBitsStay) {
  int n_rankers = 0;
  const auto rank = [&](int64_t n_half_steps, const std::function<AlsState()>& state) {
    if (n_half_steps % 2 == 0) return;  // users do not answer to these items yet
    const AlsFactors factors = state().factors;
    ModelView view = view_;
    view.user_factors = {factors.user_factors.data(), kUsers, kFactors};
    view.item_factors = {factors.item_factors.data(), kItems, kFactors};
    view.eigenvalues = factors.eigenvalues;
    const Ranker ranker(backend(), view, nullptr);
    const auto own = backend().NewContext();
    const std::vector<float> folded = Factors(ranker.FoldIn(*own, view.history));
    for (size_t i = 0; i < folded.size(); ++i) ASSERT_NEAR(folded[i], factors.user_factors[i], 1e-6) << n_half_steps;
    const RankedLists lists = ranker.ByModel(*own, QueriesOf(view.user_factors), {}, 15);
    ExpectEqual(lists, 3, reference::TopN(view.user_factors.row(3), view.item_factors, {}, 15));
    ++n_rankers;
  };
  const AlsFactors again = FitAls(backend(), view_.history, {kFactors, view_.objective, 5, 1}, {}, {}, rank);
  EXPECT_EQ(n_rankers, 6);
  EXPECT_EQ(again.user_factors, factors_.user_factors);
  EXPECT_EQ(again.item_factors, factors_.item_factors);
}

TEST_P(RankerTest, FoldingIntoAnSvdGivesTheStoredFactorsBitForBit) {
  const Svd svd = FitSvd(backend(), view_.history, {.n_factors = kFactors});
  const PureSvdFactors factors = MakePureSvd(backend(), view_.history, svd, 0.5);
  ModelView view = view_;
  view.algorithm = "svd";
  view.user_factors = {factors.user_factors.data(), kUsers, kFactors};
  view.item_factors = {factors.item_factors.data(), kItems, kFactors};
  view.history_factors = view.item_factors;
  view.singular_values = factors.singular_values;
  view.eigenvalues = {};
  const Ranker ranker(backend(), view, nullptr);
  EXPECT_EQ(Factors(ranker.FoldIn(context(), view_.history)), factors.user_factors);
  const Csr one = {1, kItems, {0, 2}, {3, 7}, {1, 2}};
  const std::vector<float> folded = Factors(ranker.FoldIn(context(), one.view()));
  for (size_t k = 0; k < kFactors; ++k)
    EXPECT_NEAR(folded[k], view.item_factors.row(3)[k] + 2 * view.item_factors.row(7)[k], 1e-6);
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

// The same history, with its values as ratings.
class RatingRankerTest : public RankerTest {
 protected:
  RatingRankerTest() {
    for (size_t e = 0; e < history_.values.size(); ++e)
      history_.values[e] = static_cast<float>(1 + RandomBits(4, e) % 9) / 2;
    view_.history = history_.view();
    view_.objective = {0, 0.1f, 1.0f, Feedback::kExplicit, 4.0f};
    rated_ = FitExplicitAls(backend(), view_.history, {kFactors, view_.objective, 3, 1});
    view_.user_factors = {rated_.factors.user_factors.data(), kUsers, kFactors};
    view_.item_factors = {rated_.factors.item_factors.data(), kItems, kFactors};
    view_.eigenvalues = rated_.factors.eigenvalues;
    view_.user_biases = rated_.biases.users;
    view_.item_biases = rated_.biases.items;
    view_.rating_mean = rated_.biases.mean;
  }

  ExplicitFactors rated_;
};

TEST_P(RatingRankerTest, TheScoreIsTheExpectedRating) {
  const Ranker ranker(backend(), view_, nullptr);
  Queries queries;
  Exclusions excluded;
  for (int64_t u = 0; u < kUsers; ++u) {
    ranker.AddUser(u, &queries);
    excluded.Add(view_.history.row(u));
  }
  ASSERT_EQ(queries.factors().n_cols, kFactors + 2);
  const RankedLists lists = ranker.ByModel(context(), queries, excluded, kItems);
  for (int64_t u = 0; u < kUsers; ++u) {
    const auto items = lists.Items(u);
    ASSERT_EQ(items.size(), kItems - view_.history.row(u).size());
    for (size_t place = 0; place < items.size(); ++place) {
      double rating = double{view_.rating_mean} + view_.user_biases[u] + view_.item_biases[items[place]];
      for (size_t k = 0; k < kFactors; ++k)
        rating += double{view_.user_factors.row(u)[k]} * view_.item_factors.row(items[place])[k];
      EXPECT_NEAR(lists.Scores(u)[place], rating, 1e-6);
      EXPECT_LE(lists.Scores(u)[place], lists.Scores(u)[place == 0 ? 0 : place - 1]);
    }
  }
}

TEST_P(RatingRankerTest, FoldingAStoredHistoryInGivesTheStoredQuery) {
  const Ranker ranker(backend(), view_, nullptr);
  const std::vector<float> folded = Factors(ranker.FoldIn(context(), view_.history));
  Queries users;
  for (int64_t u = 0; u < kUsers; ++u) ranker.AddUser(u, &users);
  const std::vector<float> stored = Factors(users);
  ASSERT_EQ(folded.size(), stored.size());
  for (size_t i = 0; i < folded.size(); ++i) EXPECT_NEAR(folded[i], stored[i], 1e-5) << i;
}

TEST_P(RatingRankerTest, SimilarIsByFactorsAlone) {
  const Ranker ranker(backend(), view_, nullptr);
  ModelView plain = view_;
  plain.objective = {};
  plain.user_biases = plain.item_biases = {};
  const Ranker without_biases(backend(), plain, nullptr);
  const std::vector<int32_t> items = {0, 7};
  EXPECT_EQ(ranker.Similar(context(), items, 12).items, without_biases.Similar(context(), items, 12).items);
}

KINDRED_ON_ALL_BACKENDS(RatingRankerTest);

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
