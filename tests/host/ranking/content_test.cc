// Models of content: the regression against its closed form, and what their scores are made of.
#include "host/models/content.h"

#include <Eigen/Dense>
#include <cmath>

#include "host/data/random.h"
#include "host/models/als.h"
#include "host/models/sparse_ridge.h"
#include "host/ranking/attribute_contributions.h"
#include "host/ranking/ranker.h"
#include "tests/support/attributes.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"
#include "tests/support/interactions.h"
#include "tests/support/to_dense.h"

namespace kindred {
namespace {

using Dense = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Dense Random(int64_t n_rows, int64_t n_cols, uint64_t seed) {
  Dense matrix(n_rows, n_cols);
  for (int64_t e = 0; e < matrix.size(); ++e) matrix.data()[e] = RandomNormal(seed, static_cast<uint64_t>(e));
  return matrix;
}

std::vector<float> ToFloat(const Dense& matrix) {
  return {matrix.data(), matrix.data() + matrix.size()};
}

class ContentTest : public BackendTest {};

TEST_P(ContentTest, TheRegressionIsItsClosedForm) {
  for (const auto& [n_rows, n_features, n_targets] :
       {std::tuple(1, 1, 1), {33, 31, 5}, {20, 64, 17}, {64, 32, 1}, {40, 7, 33}}) {
    if (n_rows * n_features > Allowance(INT64_MAX, 300)) continue;
    const Csr x = RandomInteractions(n_rows, n_features, 4, 5);
    const Dense y = Random(n_rows, n_targets, 6), dense = ToDense(x.view());
    for (const double ridge : {0.5, 20.0}) {
      SCOPED_TRACE(testing::Message() << n_rows << " x " << n_features << ", " << n_targets << " targets, " << ridge);
      Dense system = dense.transpose() * dense;
      system.diagonal().array() += ridge;
      const Dense expected = system.llt().solve(dense.transpose() * y);
      const std::vector<float> found = SparseRidge(backend(), x.view()).Fit(ToFloat(y), n_targets, ridge);
      ASSERT_EQ(std::ssize(found), expected.size());
      for (int64_t e = 0; e < expected.size(); ++e)
        ASSERT_NEAR(found[static_cast<size_t>(e)], expected.data()[e], 1e-3 * expected.cwiseAbs().maxCoeff()) << e;
    }
  }
}

TEST_P(ContentTest, TheRegressionOfNothingIsZero) {
  const Csr none = {3, 2, {0, 0, 0, 0}, {}, {}}, no_features = {2, 0, {0, 0, 0}, {}, {}};
  EXPECT_EQ(SparseRidge(backend(), none.view()).Fit(std::vector<float>(6, 1), 2, 1), std::vector<float>(4, 0.0f));
  EXPECT_TRUE(SparseRidge(backend(), no_features.view()).Fit(std::vector<float>(4, 1), 2, 1).empty());
  EXPECT_EQ(MultiplyFeatures(backend(), no_features.view(), {}, 3), std::vector<float>(6, 0.0f));
  for (const double ridge : {0.0, -1.0, std::nan(""), double{INFINITY}})
    ExpectError(ErrorCode::kInvalidArgument, "expected more than 0",
                [&] { SparseRidge(backend(), none.view()).Fit(std::vector<float>(6, 1), 2, ridge); });
}

// Two groups of items, known by their color, and two of users, known by their country. Item 0 and user 0 are of the
// first groups, items 1 and users 1 of the second, and so on; the last two of each have no interactions.
struct Shop {
  static constexpr int64_t kUsers = 22, kItems = 14;

  explicit Shop(uint64_t seed = 3) {
    history.n_rows = kUsers;
    history.n_cols = kItems;
    std::vector<int32_t> colors, countries;
    for (int64_t u = 0; u < kUsers; ++u) {
      countries.push_back(static_cast<int32_t>(u % 2));
      for (int64_t i = 0; u < kUsers - 2 && i < kItems - 2; ++i) {
        const double chance = i % 2 == u % 2 ? 0.7 : 0.1;
        if (RandomUniform(seed, static_cast<uint64_t>(u * kItems + i)) >= chance) continue;
        history.indices.push_back(static_cast<int32_t>(i));
        history.values.push_back(1);
      }
      history.indptr.push_back(std::ssize(history.indices));
    }
    for (int64_t i = 0; i < kItems; ++i) colors.push_back(i == 5 ? -1 : static_cast<int32_t>(i % 2));
    items = MakeAttributeFeatures(TestAttributes(kItems).Categories("color", colors, {"red", "blue"}).table());
    users = MakeAttributeFeatures(TestAttributes(kUsers).Categories("country", countries, {"de", "fr"}).table());
    popularity = ItemPopularity(history.view());
  }

  ContentModel Fit(Backend& backend, const ContentChoice& choice) const {
    const Svd svd = FitSvd(backend, ToneDownPopular(history.view()).view(), {.n_factors = 8, .tolerance = 1e-5});
    const ContentBase base = MakeContentBase(history.view(), svd).Cut(choice.n_factors);
    const AttributeMap map = FitItemMap(backend, base, items.matrix.view(), choice.item_ridge);
    return MakeContentModel(backend, history.view(), base, map, items, users, choice);
  }
  ModelView View(const ContentModel& model) const {
    ModelView view;
    view.algorithm = "content";
    view.history = history.view();
    view.popularity = popularity;
    model.SetIn(&view);
    return view;
  }

  Csr history;
  AttributeFeatures items, users;
  std::vector<float> popularity;
};

double Score(const ModelView& view, int64_t user, int64_t item) {
  double score = 0;
  for (int64_t k = 0; k < view.n_factors(); ++k)
    score += double{view.user_factors.row(user)[k]} * view.item_factors.row(item)[k];
  return score;
}

const ContentChoice kChoice = {.n_factors = 4, .item_ridge = 1, .prior_strength = 3, .user_ridge = 1};

TEST_P(ContentTest, NewItemsAndNewUsersAreAnsweredByTheirAttributes) {
  const Shop shop;
  const ContentModel model = shop.Fit(backend(), kChoice);
  const ModelView view = shop.View(model);
  EXPECT_EQ(view.n_factors(), 4);
  EXPECT_TRUE(view.knows_users_by_attributes());
  for (const int64_t user : {0, 1, 20, 21}) {
    EXPECT_TRUE(view.Knows(user)) << user;
    EXPECT_GT(Score(view, user, 12 + user % 2), Score(view, user, 13 - user % 2)) << "user " << user;
  }
  // A new item is like those of its color, and users who are new have the lists of those of their country.
  const Ranker ranker(backend(), view, nullptr);
  const std::vector<int32_t> asked = {12, 13};
  const RankedLists similar = ranker.Similar(context(), asked, 4);
  for (const int64_t q : {0, 1})
    for (const int32_t item : similar.Items(q)) EXPECT_EQ(item % 2, q);
}

TEST_P(ContentTest, FewerFactorsAreTheFirst) {
  const Shop shop;
  const Svd svd = FitSvd(backend(), ToneDownPopular(shop.history.view()).view(), {.n_factors = 5, .tolerance = 1e-3});
  const ContentBase base = MakeContentBase(shop.history.view(), svd);
  const ContentBase cut = base.Cut(2);
  ASSERT_EQ(std::ssize(cut.vectors), 2 * Shop::kItems);
  for (size_t e = 0; e < cut.vectors.size(); ++e) EXPECT_EQ(cut.vectors[e], base.vectors[e / 2 * 5 + e % 2]) << e;
  EXPECT_EQ(base.Cut(5).vectors, base.vectors);
  for (const int64_t n : {0, -1, 6}) ExpectError(ErrorCode::kInvalidArgument, "expected 1 to 5", [&] { base.Cut(n); });
}

TEST_P(ContentTest, AnItemThatIsMetByManyIsItsOwn) {
  const Shop shop;
  const ContentModel weak = shop.Fit(backend(), {4, 1, 0, 1}), strong = shop.Fit(backend(), {4, 1, 1e6, 1});
  // Item 5 has no attributes: interactions decide it, however strong the prior.
  for (int64_t k = 0; k < 4; ++k)
    EXPECT_EQ(weak.linear.item_factors[static_cast<size_t>(5 * 4 + k)],
              strong.linear.item_factors[static_cast<size_t>(5 * 4 + k)]);
  // All of one color are alike where attributes decide everything.
  for (size_t k = 0; k < 4; ++k) {
    EXPECT_NEAR(strong.linear.item_factors[k], strong.linear.item_factors[8 + k], 1e-4);
    EXPECT_EQ(weak.items.features.view().row(0).size(), 0u);
  }
  EXPECT_EQ(weak.items.features.view().row(12).size(), 1u);
}

TEST_P(ContentTest, AStoredHistoryFoldsInToTheStoredUser) {
  const Shop shop;
  const ContentModel model = shop.Fit(backend(), kChoice);
  const ModelView view = shop.View(model);
  const Ranker ranker(backend(), view, nullptr);
  const Queries folded = ranker.FoldIn(context(), view.history);
  for (int64_t user = 0; user < Shop::kUsers - 2; ++user)
    EXPECT_TRUE(std::ranges::equal(folded.Factors(user), view.user_factors.row(user))) << user;
}

TEST_P(ContentTest, ANewItemInAHistorySpeaksForThoseOfItsColor) {
  const Shop shop;
  const ContentModel model = shop.Fit(backend(), kChoice);
  const ModelView view = shop.View(model);
  const Ranker ranker(backend(), view, nullptr);
  const Csr histories = {2, Shop::kItems, {0, 1, 2}, {12, 13}, {1, 1}};
  const RankedLists lists = ranker.ByModel(context(), ranker.FoldIn(context(), histories.view()), {}, 5);
  for (const int64_t q : {0, 1})
    for (const int32_t item : lists.Items(q)) EXPECT_EQ(item % 2, q) << "place " << item;
}

TEST_P(ContentTest, ContributionsAddUpToWhatAttributesSay) {
  const Shop shop;
  const ContentModel with = shop.Fit(backend(), kChoice);
  const ModelView view = shop.View(with);
  // Two new items that differ in their color alone differ by what the colors contribute.
  for (const int64_t user : {0, 3, 20}) {
    const auto red = ExplainByAttributes(view, user, 12, 10), blue = ExplainByAttributes(view, user, 13, 10);
    const auto of_item = [](const std::vector<AttributeContribution>& all) {
      for (const AttributeContribution& one : all)
        if (!one.is_of_user) return one;
      return AttributeContribution();
    };
    EXPECT_EQ(of_item(red).name, "color: red");
    EXPECT_EQ(of_item(blue).name, "color: blue");
    EXPECT_NEAR(of_item(red).contribution - of_item(blue).contribution, Score(view, user, 12) - Score(view, user, 13),
                1e-5);
    EXPECT_EQ(red.size(), user == 20 ? 2u : 1u);
    EXPECT_TRUE(ExplainByAttributes(view, user, 5, 10).size() == (user == 20 ? 1u : 0u));
  }
  const auto fr = ExplainByAttributes(view, 21, 13, 1);
  ASSERT_EQ(fr.size(), 1u);
  const auto of_query = ExplainByAttributes(view, view.user_factors.row(21), 13, 10);
  ASSERT_EQ(of_query.size(), 1u);
  EXPECT_EQ(of_query[0].name, "color: blue");
  // Users 20 and 21 differ in their country alone.
  const auto all_de = ExplainByAttributes(view, 20, 12, 10), all_fr = ExplainByAttributes(view, 21, 12, 10);
  double de_says = 0, fr_says = 0;
  for (const auto& one : all_de) de_says += one.is_of_user ? one.contribution : 0;
  for (const auto& one : all_fr) fr_says += one.is_of_user ? one.contribution : 0;
  EXPECT_NEAR(de_says - fr_says, Score(view, 20, 12) - Score(view, 21, 12), 1e-5);
  EXPECT_GT(de_says, 0);
}

TEST_P(ContentTest, OneItemAndNoFeaturesAtAll) {
  const Csr history = {2, 1, {0, 1, 1}, {0}, {1}};
  const AttributeFeatures none = MakeAttributeFeatures(TestAttributes(1).Texts("t", {"a"}).table());
  const Svd svd = FitSvd(backend(), ToneDownPopular(history.view()).view(), {.n_factors = 3});
  const ContentBase base = MakeContentBase(history.view(), svd);
  const AttributeMap map = FitItemMap(backend(), base, none.matrix.view(), 1);
  const ContentModel model = MakeContentModel(backend(), history.view(), base, map, none, {}, {3, 1, 1, 1});
  EXPECT_GT(model.linear.user_factors[0] * model.linear.item_factors[0], 0);
  for (size_t k = 0; k < 3; ++k) EXPECT_EQ(model.linear.user_factors[3 + k], 0);
  ModelView view;
  model.SetIn(&view);
  EXPECT_FALSE(view.knows_users_by_attributes());
}

KINDRED_ON_ALL_BACKENDS(ContentTest);

}  // namespace
}  // namespace kindred
