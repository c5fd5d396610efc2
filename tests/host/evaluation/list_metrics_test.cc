#include "host/evaluation/list_metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "host/evaluation/metrics.h"
#include "tests/support/backends.h"
#include "tests/support/small_model.h"

namespace kindred {
namespace {

double Cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t f = 0; f < a.size(); ++f) ab += double{a[f]} * b[f], aa += double{a[f]} * a[f], bb += double{b[f]} * b[f];
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

/// The definitions of host/evaluation/metrics.h as they stand there, pair by pair and place by place.
class Definitions {
 public:
  Definitions(const ModelView& model, int64_t k) : model_(model), k_(static_cast<double>(k)) {
    for (int64_t u = 0; u < model.n_users(); ++u) n_active_ += model.history.row(u).empty() ? 0 : 1;
    n_active_ = std::max(n_active_, 1.0);
  }

  UserMetrics Of(std::span<const int32_t> list, const std::set<int32_t>& held, double n_held) const {
    double h = 0, dcg = 0, ideal = 0, precisions = 0, first = 0, novelty = 0, popularity = 0, cosines = 0;
    for (size_t j = 1; j <= list.size(); ++j) {
      const auto place = static_cast<double>(j);
      const double had = double{model_.popularity[static_cast<size_t>(list[j - 1])]};
      novelty += -std::log2(std::max(had, 1.0) / n_active_);
      popularity += had / n_active_;
      if (!held.contains(list[j - 1])) continue;
      h += 1;
      dcg += 1 / std::log2(place + 1);
      precisions += h / place;
      if (first == 0) first = place;
    }
    for (double j = 1; j <= std::min(k_, n_held); ++j) ideal += 1 / std::log2(j + 1);
    const auto n = static_cast<double>(list.size());
    for (size_t a = 0; a < list.size(); ++a)
      for (size_t b = 0; b < a; ++b)
        cosines += Cosine(model_.item_factors.row(list[a]), model_.item_factors.row(list[b]));
    const double capped = std::min(k_, n_held);
    return {h / n_held,        h / capped,          h / k_,
            dcg / ideal,       precisions / capped, first > 0 ? 1 / first : 0,
            h > 0 ? 1.0 : 0.0, novelty / n,         list.size() < 2 ? NAN : 1 - cosines / (n * (n - 1) / 2),
            popularity / n};
  }

 private:
  const ModelView& model_;
  double k_;
  double n_active_ = 0;
};

void ExpectSame(const UserMetrics& found, const UserMetrics& expected) {
  for (size_t m = 0; m < kNumberOfUserMetrics; ++m) {
    EXPECT_EQ(std::isnan(found[m]), std::isnan(expected[m])) << UserMetricName(m, 3);
    if (!std::isnan(expected[m])) {
      EXPECT_NEAR(found[m], expected[m], 1e-10) << UserMetricName(m, 3);
    }
  }
}

TEST(ListMeter, EqualsTheDefinitionsOnRandomLists) {
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const int64_t n_items = 1 + random() % 40, k = 1 + random() % 25;
    SmallModel small(1 + random() % 6, n_items, 1 + random() % 5, seed);
    for (int64_t f = 0; f < static_cast<int64_t>(small.eigenvalues.size()); ++f)  // an item without a direction
      small.item_factors[static_cast<size_t>(f)] = 0;
    const ModelView model = small.view();
    std::vector<int32_t> items(static_cast<size_t>(n_items));
    std::iota(items.begin(), items.end(), 0);
    std::shuffle(items.begin(), items.end(), random);
    const std::vector<int32_t> list(items.begin(), items.begin() + std::min<int64_t>(k, random() % (n_items + 1)));
    std::shuffle(items.begin(), items.end(), random);
    const std::set<int32_t> held(items.begin(), items.begin() + random() % (n_items + 1));
    const std::vector<int32_t> relevant(held.begin(), held.end());
    const auto n_held = static_cast<int64_t>(held.size() + (held.empty() ? 1 : random() % 3));
    ExpectSame(ListMeter(model, {}, k).Measure(list, relevant, n_held),
               Definitions(model, k).Of(list, held, static_cast<double>(n_held)));
  }
}

TEST(ItemVectors, WithoutFactorsFeaturesTellItemsApart) {
  // 0: {0, 1}, 1: {1, 2}, 2: {}, 3: {0, 1}
  const std::vector<int64_t> indptr = {0, 2, 4, 4, 6};
  const std::vector<int32_t> indices = {0, 1, 1, 2, 0, 1};
  const ItemVectors vectors({}, {4, 3, indptr, indices, {}});
  EXPECT_NEAR(vectors.Diversity(std::vector<int32_t>{0, 1}), 0.5, 1e-12);
  EXPECT_NEAR(vectors.Diversity(std::vector<int32_t>{0, 3}), 0, 1e-12);
  EXPECT_NEAR(vectors.Diversity(std::vector<int32_t>{2, 0}), 1, 1e-12);
  EXPECT_NEAR(vectors.Diversity(std::vector<int32_t>{0, 1, 2, 3}), 1 - (0.5 + 1 + 0.5) / 6, 1e-12);
  EXPECT_TRUE(std::isnan(vectors.Diversity(std::vector<int32_t>{0})));
  EXPECT_TRUE(std::isnan(ItemVectors({}, {}).Diversity(std::vector<int32_t>{0, 1})));
}

class TablesTest : public BackendTest {
 protected:
  /// Everybody but user 0 of a random model has something held out; some of it the model lacks.
  Holdout HoldOut(const ModelView& model, uint32_t seed) const {
    std::mt19937 random(seed);
    Holdout holdout;
    holdout.relevant = {model.n_users(), model.n_items(), {0}, {}, {}};
    for (int64_t u = 0; u < model.n_users(); ++u) {
      for (int32_t i = 0; u > 0 && i < model.n_items(); ++i)
        if (random() % 4 == 0) holdout.relevant.indices.push_back(i);
      holdout.relevant.indptr.push_back(std::ssize(holdout.relevant.indices));
      holdout.n_missing_items.push_back(u % 3 == 1 ? 1 : 0);
    }
    holdout.n_missing_users = 2;
    holdout.n_missing_user_items = 5;
    return holdout;
  }
};

TEST_P(TablesTest, MeansAreThoseOfTheRowsAndOfTheLists) {
  const SmallModel small(70, 33, 4, 5);
  const ModelView model = small.view();
  const Holdout holdout = HoldOut(model, 9);
  const Evaluation found = Evaluate(Ranker(backend(), model, nullptr), holdout, 6);
  ASSERT_EQ(found.users.size() + 2, static_cast<size_t>(found.n_users));
  for (const auto& [table, mean] :
       {std::pair(&found.of_model, found.model), {&found.of_popularity, found.popularity}}) {
    double ndcg = 0, novelty = 0, diversity = 0, shown = 0, had = 0;
    for (size_t i = 0; i < found.users.size(); ++i) {
      ndcg += double{table->row(i)[kNdcg]};
      novelty += double{table->row(i)[kNovelty]};
      diversity += double{table->row(i)[kDiversity]};
      if (std::isnan(found.history_popularity[i])) continue;
      shown += double{table->row(i)[kListPopularity]};
      had += double{found.history_popularity[i]};
    }
    const auto n = static_cast<double>(found.users.size());
    EXPECT_NEAR(mean.ndcg, ndcg / (n + 2), 1e-6);
    EXPECT_NEAR(mean.novelty, novelty / n, 1e-5);
    EXPECT_NEAR(mean.diversity, diversity / n, 1e-6);
    EXPECT_NEAR(mean.popularity_lift, shown / had, 1e-5);
    // The Gini coefficient by its definition over pairs.
    double differences = 0, total = 0;
    for (const int64_t a : table->n_shown) {
      total += static_cast<double>(a);
      for (const int64_t b : table->n_shown) differences += std::fabs(static_cast<double>(a - b));
    }
    EXPECT_EQ(total, 6 * n);
    EXPECT_NEAR(mean.exposure_gini, differences / (2 * 33 * total), 1e-9);
  }
  const int64_t n_hits = std::accumulate(found.of_model.n_hits.begin(), found.of_model.n_hits.end(), int64_t{0});
  EXPECT_NEAR(found.model.precision * 6 * static_cast<double>(found.n_users), static_cast<double>(n_hits), 1e-6);
}

TEST_P(TablesTest, ScoredPairsAreTheListsOfUsersWithAHistory) {
  const SmallModel small(200, 33, 4, 7);
  const ModelView model = small.view();
  const Evaluation found = Evaluate(Ranker(backend(), model, nullptr), HoldOut(model, 3), 5);
  EXPECT_EQ(found.learning.scores.size() + found.measuring.scores.size(),
            5 * (found.users.size() - found.n_cold_users));
  EXPECT_GT(found.learning.scores.size(), 300u);
  EXPECT_GT(found.measuring.scores.size(), 300u);
  const auto hits = [](const ScoredPairs& pairs) { return std::count(pairs.hits.begin(), pairs.hits.end(), 1); };
  EXPECT_EQ(hits(found.learning) + hits(found.measuring),
            std::accumulate(found.of_model.n_hits.begin(), found.of_model.n_hits.end(), int64_t{0}));
}

TEST_P(TablesTest, ThreadsChangeNoBit) {
  const SmallModel small(300, 40, 6, 11);
  const ModelView model = small.view();
  const Holdout holdout = HoldOut(model, 4);
  const Ranker ranker(backend(), model, nullptr);
  ThreadPool pool(3);
  const Evaluation alone = Evaluate(ranker, holdout, 10), shared = Evaluate(ranker, holdout, 10, {&pool, {}});
  EXPECT_EQ(MetricsJson(alone), MetricsJson(shared));
  ASSERT_EQ(alone.of_model.metrics.size(), shared.of_model.metrics.size());
  EXPECT_EQ(0, std::memcmp(alone.of_model.metrics.data(), shared.of_model.metrics.data(),
                           alone.of_model.metrics.size() * sizeof(float)));
}

TEST_P(TablesTest, NobodyToEvaluate) {
  const SmallModel small(3, 5, 2);
  const ModelView model = small.view();
  Holdout holdout;
  holdout.relevant = {3, 5, {0, 0, 0, 0}, {}, {}};
  holdout.n_missing_items = {0, 0, 0};
  const Evaluation found = Evaluate(Ranker(backend(), model, nullptr), holdout, 2);
  EXPECT_EQ(found.n_users, 0);
  EXPECT_EQ(found.model.ndcg, 0);
  EXPECT_FALSE(MetricsJson(found).contains("novelty_at_2"));
  EXPECT_TRUE(MetricsJson(found).contains("recall_at_2"));
}

KINDRED_ON_ALL_BACKENDS(TablesTest);

}  // namespace
}  // namespace kindred
