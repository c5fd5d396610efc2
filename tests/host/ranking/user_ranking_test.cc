// Users ranked by an item are those whom Ranker::ByModel gives the same scores, bit for bit; similar ones go by cosine.
#include "host/ranking/user_ranking.h"

#include <cmath>
#include <map>
#include <set>

#include "host/ranking/ranker.h"
#include "tests/support/backends.h"
#include "tests/support/small_model.h"

namespace kindred {
namespace {

Csr RandomItemItem(int64_t n_items, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Csr s = {n_items, n_items, {0}, {}, {}};
  for (int64_t j = 0; j < n_items; ++j) {
    for (int64_t i = 0; i < n_items; ++i) {
      if (random() % 4 != 0) continue;
      s.indices.push_back(static_cast<int32_t>(i));
      s.values.push_back(normal(random));
    }
    s.indptr.push_back(std::ssize(s.indices));
  }
  return s;
}

/// Models of every kind, over the same users, items and history.
class Models {
 public:
  Models(int64_t n_users, int64_t n_items)
      : small_(n_users, n_items),
        rated_(n_users, n_items),
        content_(n_users, n_items),
        first_(RandomItemItem(n_items, 2)),
        second_(RandomItemItem(n_items, 3)) {
    rated_.Rate();
    if (n_users > 1 && n_items > 2) content_.KnowAttributes();
    std::fill_n(content_.user_factors.begin(), 3, 0.5f);
    for (int64_t u = 0; u < n_users; ++u) groups_.insert(groups_.end(), {u % 2 == 0 ? 1.0f : 0, u % 2 == 0 ? 0 : 1.0f});
    for (int64_t i = 0; i < n_items; ++i) lists_.insert(lists_.end(), {1.0f / static_cast<float>(1 + i), 0.5f});
  }

  std::map<std::string, ModelView> All() const {
    std::map<std::string, ModelView> all = {{"als", small_.view()},
                                            {"ratings", rated_.view()},
                                            {"content", content_.view()},
                                            {"svd-filter", Linear("svd-filter", first_)},
                                            {"ease", Linear("ease", second_)}};
    all["ease"].history_factors = {};
    ModelView& blend = all["blend"] = small_.view();
    blend.algorithm = "blend";
    blend.user_factors = blend.item_factors = {};
    blend.eigenvalues = {};
    blend.parts = {all["ease"], small_.view(), all["svd-filter"]};
    blend.band_lengths = lengths_;
    blend.band_weights = {weights_.data(), 2, 3};
    return all;
  }
  ModelView Popularity() const {
    ModelView view = small_.view();
    view.algorithm = "popularity";
    view.user_factors = view.item_factors = {};
    view.eigenvalues = {};
    return view;
  }
  ModelView Lists() const {
    ModelView view = small_.view();
    view.algorithm = "popular";
    view.eigenvalues = {};
    view.user_factors = {groups_.data(), view.n_users(), 2};
    view.item_factors = {lists_.data(), view.n_items(), 2};
    return view;
  }

 private:
  ModelView Linear(const std::string& algorithm, const Csr& item_item) const {
    ModelView view = small_.view();
    view.algorithm = algorithm;
    view.eigenvalues = {};
    view.history_factors = view.item_factors;
    view.item_item = item_item.view();
    return view;
  }

  SmallModel small_, rated_, content_;
  Csr first_, second_;
  std::vector<float> groups_, lists_;
  std::vector<int32_t> lengths_ = {0, 5};
  std::vector<float> weights_ = {0.5f, 2, 0, 1, 0.25f, 3};
};

struct Scored {
  float score;
  int32_t user;

  bool operator==(const Scored&) const = default;
};

std::vector<Scored> Listed(const RankedLists& lists, int64_t query) {
  std::vector<Scored> all;
  for (size_t i = 0; i < lists.Items(query).size(); ++i) all.push_back({lists.Scores(query)[i], lists.Items(query)[i]});
  return all;
}

/// Best first, at most n.
std::vector<Scored> Best(std::vector<Scored> all, size_t n) {
  std::ranges::sort(all, [](const Scored& a, const Scored& b) {
    return a.score > b.score || (a.score == b.score && a.user < b.user);
  });
  all.resize(std::min(all.size(), n));
  return all;
}

void PrintTo(const Scored& one, std::ostream* out) {
  *out << one.user << ": " << one.score;
}

class UserRankingTest : public BackendTest {
 protected:
  /// The score of every item with every user whom the model answers, as recommendations have it.
  std::vector<std::vector<Scored>> ScoresOfItems(const Ranker& ranker) {
    const ModelView& model = ranker.model();
    std::vector<std::vector<Scored>> scores(static_cast<size_t>(model.n_items()));
    for (int64_t user = 0; user < model.n_users(); ++user) {
      if (!model.Knows(user)) continue;
      Queries query;
      ranker.AddUser(user, &query);
      const RankedLists lists = ranker.ByModel(context(), query, {}, model.n_items());
      for (int64_t place = 0; place < model.n_items(); ++place)
        scores[static_cast<size_t>(lists.items[static_cast<size_t>(place)])].push_back(
            {lists.scores[static_cast<size_t>(place)], static_cast<int32_t>(user)});
    }
    return scores;
  }
};
KINDRED_ON_ALL_BACKENDS(UserRankingTest);

TEST_P(UserRankingTest, AnItemHasTheScoresOfRecommendationsBitForBit) {
  for (const int64_t n_users : {1, 2, 31, 32, 33, 70})
    for (const int64_t n_items : {1, 3, 33}) {
      if (n_users * n_items > Allowance(10'000, 40)) continue;
      const Models models(n_users, n_items);
      for (const auto& [name, model] : models.All()) {
        SCOPED_TRACE(name + " of " + std::to_string(n_users) + " users and " + std::to_string(n_items) + " items");
        const Ranker ranker(backend(), model, nullptr);
        ASSERT_TRUE(ranker.users().ranks_by_items());
        const auto scores = ScoresOfItems(ranker);
        std::vector<int32_t> items;
        for (int32_t item = 0; item < n_items; ++item) items.push_back(item);
        for (const int64_t n : {int64_t{1}, int64_t{4}, n_users + 1}) {
          const RankedLists all = ranker.users().ForItems(context(), items, n, true);
          const RankedLists others = ranker.users().ForItems(context(), items, n);
          for (const int32_t item : items) {
            std::vector<Scored> expected = scores[static_cast<size_t>(item)];
            EXPECT_EQ(Listed(all, item), Best(expected, static_cast<size_t>(n))) << "item " << item;
            std::erase_if(expected, [&](const Scored& one) {
              return std::ranges::binary_search(model.history.row(one.user), item);
            });
            EXPECT_EQ(Listed(others, item), Best(expected, static_cast<size_t>(n))) << "item " << item;
          }
        }
      }
    }
}

TEST_P(UserRankingTest, UsersWithoutAHistoryAreRankedWhereTheirAttributesAreKnown) {
  const Models models(9, 7);
  const auto all = models.All();
  for (const bool by_attributes : {false, true}) {
    const Ranker ranker(backend(), all.at(by_attributes ? "content" : "als"), nullptr);
    const std::vector<int32_t> items = {3};
    const auto users = ranker.users().ForItems(context(), items, 20, true);
    EXPECT_EQ(std::ranges::count(users.Items(0), 0), by_attributes ? 1 : 0);
    EXPECT_EQ(ranker.users().Compares(0), by_attributes);
    const std::vector<int32_t> asked = {2};
    EXPECT_EQ(std::ranges::count(ranker.users().Similar(context(), asked, 20).Items(0), 0), by_attributes ? 1 : 0);
  }
}

TEST_P(UserRankingTest, OneListForManyUsersRanksNone) {
  const Models models(5, 7);
  for (const ModelView& model : {models.Popularity(), models.Lists()}) {
    const Ranker ranker(backend(), model, nullptr);
    EXPECT_FALSE(ranker.users().ranks_by_items());
    EXPECT_TRUE(ranker.users().compares_histories());
  }
}

TEST_P(UserRankingTest, SimilarUsersAreThoseWithTheLargestCosine) {
  for (const int64_t n_users : {1, 2, 33}) {
    const Models models(n_users, 12);
    auto all = models.All();
    all["popularity"] = models.Popularity();
    all["lists"] = models.Lists();
    for (const auto& [name, model] : all) {
      SCOPED_TRACE(name + " of " + std::to_string(n_users));
      const Ranker ranker(backend(), model, nullptr);
      const bool by_factors = name == "als" || name == "ratings" || name == "content";
      ASSERT_EQ(ranker.users().compares_histories(), !by_factors);
      const auto vector_of = [&](int64_t user) {
        std::vector<double> dense(static_cast<size_t>(by_factors ? model.n_factors() : model.n_items()), 0);
        if (by_factors)
          std::ranges::copy(model.user_factors.row(user), dense.begin());
        else
          for (size_t e = 0; e < model.history.row(user).size(); ++e)
            dense[static_cast<size_t>(model.history.row(user)[e])] = model.history.row_values(user)[e];
        return dense;
      };
      std::vector<int32_t> users;
      for (int32_t user = 0; user < n_users; ++user) users.push_back(user);
      const RankedLists lists = ranker.users().Similar(context(), users, n_users);
      const auto cosine = [&](int64_t user, int64_t other) {
        const auto own = vector_of(user), theirs = vector_of(other);
        double dot = 0, own_squared = 0, other_squared = 0;
        for (size_t k = 0; k < own.size(); ++k) {
          dot += own[k] * theirs[k];
          own_squared += own[k] * own[k];
          other_squared += theirs[k] * theirs[k];
        }
        return dot / std::sqrt(own_squared * other_squared);
      };
      for (const int32_t user : users) {
        SCOPED_TRACE("user " + std::to_string(user));
        std::map<int32_t, double> expected;
        for (int32_t other = 0; other < n_users && ranker.users().Compares(user); ++other)
          if (other != user && ranker.users().Compares(other) && (by_factors || cosine(user, other) > 0))
            expected[other] = cosine(user, other);
        const std::vector<Scored> listed = Listed(lists, user);
        ASSERT_EQ(listed.size(), expected.size());
        std::set<int32_t> different;
        for (const Scored& one : listed) {
          ASSERT_TRUE(expected.contains(one.user)) << one.user;
          EXPECT_NEAR(one.score, expected[one.user], 1e-6) << one.user;
          different.insert(one.user);
        }
        EXPECT_EQ(different.size(), listed.size());
        EXPECT_EQ(listed, Best(listed, listed.size())) << "the order";
        const RankedLists few = ranker.users().Similar(context(), {&user, 1}, 3);
        EXPECT_EQ(Listed(few, 0), Best(listed, 3));
      }
    }
  }
}

}  // namespace
}  // namespace kindred
