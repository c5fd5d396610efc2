// The item-item models and the graph filter against their formulas in double.
#include <Eigen/Dense>
#include <cmath>
#include <numeric>

#include "host/models/als.h"
#include "host/models/ease.h"
#include "host/models/item_neighbours.h"
#include "host/models/svd_filter.h"
#include "host/ranking/explanation.h"
#include "host/ranking/ranker.h"
#include "tests/reference/reference.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"
#include "tests/support/interactions.h"
#include "tests/support/to_dense.h"

namespace kindred {
namespace {

using Dense = Eigen::MatrixXd;
using Eigen::Index;

double Power(double degree, double exponent) {
  return degree > 0 ? std::pow(degree, -exponent) : 0;
}

Dense Neighbours(const Dense& c, const ItemNeighbourOptions& options) {
  const Dense powered = c.unaryExpr([&](double v) { return v > 0 ? std::pow(v, options.value_exponent) : 0; });
  const Dense d = options.degree == Degree::kSum ? c : c.cwiseProduct(c);
  Dense s = Dense::Zero(c.cols(), c.cols());
  for (Index j = 0; j < c.cols(); ++j)
    for (Index i = 0; i < c.cols(); ++i) {
      if (i == j) continue;
      for (Index u = 0; u < c.rows(); ++u)
        s(j, i) += powered(u, j) * powered(u, i) * Power(d.row(u).sum(), options.user_exponent);
      s(j, i) *= Power(d.col(j).sum(), options.source_exponent) * Power(d.col(i).sum(), options.target_exponent);
    }
  return s;
}

// `found` has of each row of `all` the k entries of the largest magnitude, or all where there are fewer.
void ExpectLargest(const CsrView& found, const Dense& all, int64_t k, double tolerance) {
  ASSERT_EQ(found.n_rows, all.rows());
  ASSERT_EQ(found.n_cols, all.cols());
  const double scale = all.size() > 0 ? all.cwiseAbs().maxCoeff() : 0;
  for (int64_t j = 0; j < found.n_rows; ++j) {
    Eigen::RowVectorXd left = all.row(j).cwiseAbs();
    double least = INFINITY;
    for (size_t e = 0; e < found.row(j).size(); ++e) {
      const int32_t i = found.row(j)[e];
      ASSERT_TRUE(e == 0 || found.row(j)[e - 1] < i) << "row " << j;
      ASSERT_NEAR(found.row_values(j)[e], all(j, i), tolerance * scale) << "entry " << j << ", " << i;
      least = std::min(least, left[i]);
      left[i] = 0;
    }
    const auto n_found = static_cast<int64_t>(found.row(j).size());
    ASSERT_LE(n_found, k) << "row " << j;
    ASSERT_LE(left.size() > 0 ? left.maxCoeff() : 0, n_found < k ? tolerance * scale : least + tolerance * scale)
        << "row " << j;
  }
}

class LinearModelsTest : public BackendTest {
 protected:
  ThreadPool pool_{2};
};

TEST_P(LinearModelsTest, NeighboursFollowTheirFormula) {
  for (const auto& [n_users, n_items] : {std::pair(3, 2), {20, 33}, {33, 31}, {50, 64}}) {
    if (n_users * n_items > Allowance(INT64_MAX, 700)) continue;
    const Csr c = RandomInteractions(n_users, n_items, 4, 21);
    for (const int64_t k : {1, 7, 100})
      for (const ItemNeighbourOptions& options : {CosineOptions(k), Rp3BetaOptions(k, 1, 0.3),
                                                  Rp3BetaOptions(k, 0.6, 0), FilterNeighbours({.n_neighbours = k})}) {
        SCOPED_TRACE(testing::Message() << n_users << " x " << n_items << ", k " << k << ", user exponent "
                                        << options.user_exponent << ", target exponent " << options.target_exponent);
        const Csr s = FitItemNeighbours(backend(), c.view(), options);
        ExpectLargest(s.view(), Neighbours(ToDense(c.view()), options), k, 3e-7);
      }
  }
}

TEST_P(LinearModelsTest, AProductServesOtherNeighboursAndTargets) {
  const Csr c = RandomInteractions(20, 33, 4, 21);
  const ItemNeighbourProduct product(backend(), c.view(), Rp3BetaOptions(1, 0.6, 0));
  for (const int64_t k : {1, 7, 100})
    for (const double beta : {-0.5, 0.0, 0.3}) {
      const ItemNeighbourOptions options = Rp3BetaOptions(k, 0.6, beta);
      ASSERT_TRUE(product.options().HaveSumOf(options));
      const Csr shared = product.Fit(options), alone = FitItemNeighbours(backend(), c.view(), options);
      EXPECT_EQ(shared.indptr, alone.indptr);
      EXPECT_EQ(shared.indices, alone.indices);
      EXPECT_EQ(shared.values, alone.values);
    }
  EXPECT_FALSE(product.options().HaveSumOf(Rp3BetaOptions(1, 0.7, 0)));
  EXPECT_FALSE(product.options().HaveSumOf(FilterNeighbours({})));
  EXPECT_FALSE(CosineOptions(1).HaveSumOf(FilterNeighbours({})));
}

TEST_P(LinearModelsTest, NeighboursOfNothing) {
  const Csr none = {2, 3, {0, 0, 0}, {}, {}};
  EXPECT_EQ(FitItemNeighbours(backend(), none.view(), CosineOptions(5)).view().nnz(), 0);
  const Csr no_items = {2, 0, {0, 0, 0}, {}, {}};
  EXPECT_EQ(FitItemNeighbours(backend(), no_items.view(), CosineOptions(5)).n_rows, 0);
  ExpectError(ErrorCode::kInvalidArgument, "n_neighbours is 0",
              [&] { FitItemNeighbours(backend(), none.view(), CosineOptions(0)); });
  ExpectError(ErrorCode::kInvalidArgument, "an exponent is nan",
              [&] { FitItemNeighbours(backend(), none.view(), Rp3BetaOptions(5, 1, std::nan(""))); });
}

TEST_P(LinearModelsTest, EaseIsTheConstrainedRidgeRegression) {
  for (const auto& [n_users, n_items] : {std::pair(4, 1), {50, 31}, {60, 33}}) {
    const Csr c = RandomInteractions(n_users, n_items, 4, 22);
    const Dense x = ToDense(c.view());
    const double l = 20;
    const Dense p = (x.transpose() * x + l * Dense::Identity(n_items, n_items)).inverse();
    Dense b(n_items, n_items);
    for (Index j = 0; j < n_items; ++j)
      for (Index i = 0; i < n_items; ++i) b(j, i) = i == j ? 0 : -p(j, i) / p(i, i);
    for (const int64_t k : {5, 1000}) {
      SCOPED_TRACE(testing::Message() << n_users << " x " << n_items << ", k " << k);
      ExpectLargest(FitEase(backend(), c.view(), {.regularization = l, .n_neighbours = k}, pool_).view(), b, k, 2e-5);
    }
  }
}

TEST_P(LinearModelsTest, EaseRefusesWhatIsTooLarge) {
  if (GetParam().starts_with("emulated")) GTEST_SKIP() << "what it would take is measured";
  const Csr c = RandomInteractions(10, 40, 4, 23);
  ExpectError(ErrorCode::kInvalidArgument, "a catalogue of 40 items takes 0.0064 MB for its inverse and about 0.0",
              [&] { FitEase(backend(), c.view(), {.max_items = 39}, pool_); });
  ExpectError(ErrorCode::kInvalidArgument, "regularization is 0",
              [&] { FitEase(backend(), c.view(), {.regularization = 0}, pool_); });
}

// Every score of the filter, for stored users and for histories, against the formula in double.
TEST_P(LinearModelsTest, TheFilterScoresByItsFormula) {
  const int64_t n_users = 40, n_items = 33, f = 16;
  const Csr c = RandomInteractions(n_users, n_items, 3, 24);
  const Dense x = ToDense(c.view());
  const Eigen::VectorXd d_u = x.rowwise().sum(), d_i = x.colwise().sum();
  Dense n = x;
  for (Index u = 0; u < n_users; ++u)
    for (Index i = 0; i < n_items; ++i) n(u, i) *= Power(d_u[u], 0.5) * Power(d_i[i], 0.5);
  const Eigen::BDCSVD<Dense> svd(n, Eigen::ComputeThinV);
  const double mean = d_i.sum() / static_cast<double>((d_i.array() > 0).count());

  const SvdFilterOptions options = {.svd = {.n_factors = f, .tolerance = 1e-6},
                                    .low_pass_weight = 0.7,
                                    .spectrum_power = 0.5,
                                    .popularity_exponent = 0.6,
                                    .n_neighbours = 100,
                                    .target_exponent = 0.3};
  Dense low_pass = svd.matrixV().leftCols(f) * svd.singularValues().head(f).cwiseSqrt().asDiagonal() *
                   svd.matrixV().leftCols(f).transpose() * options.low_pass_weight;
  Dense s = Neighbours(x, FilterNeighbours(options)) * std::pow(mean, options.target_exponent - 0.5);
  for (Index j = 0; j < n_items; ++j)
    for (Index i = 0; i < n_items; ++i)
      low_pass(j, i) *= Power(d_i[j] / mean, 0.5) * Power(d_i[i] / mean, -options.popularity_exponent);
  const Dense scores = x * (low_pass + s);

  const Svd found = FitSvd(backend(), NormalizeByDegrees(c.view()).view(), options.svd);
  LinearModel model = MakeSvdFilter(backend(), c.view(), found,
                                    FitItemNeighbours(backend(), c.view(), FilterNeighbours(options)), options);
  ModelView view;
  view.algorithm = "svd-filter";
  view.history = c.view();
  const std::vector<float> popularity(n_items, 1.0f);
  view.popularity = popularity;
  model.SetIn(&view);
  const Ranker ranker(backend(), view, nullptr);
  Queries stored;
  for (int64_t u = 0; u < n_users; ++u) ranker.AddUser(u, &stored);
  const Queries folded = ranker.FoldIn(context(), c.view());
  EXPECT_TRUE(std::ranges::equal(folded.factors().all(), stored.factors().all()));
  const RankedLists lists = ranker.ByModel(context(), stored, {}, n_items);
  EXPECT_EQ(ranker.ByModel(context(), folded, {}, n_items).items, lists.items);
  for (int64_t u = 0; u < n_users; ++u)
    for (size_t place = 0; place < lists.Items(u).size(); ++place)
      ASSERT_NEAR(lists.Scores(u)[place], scores(u, lists.Items(u)[place]), 1e-4) << "user " << u << " place " << place;
}

// What nothing speaks for follows by popularity, and what an item alone speaks for is what is like it.
TEST_P(LinearModelsTest, RanksByAnItemItemMatrixAlone) {
  const Csr s = {5, 5, {0, 2, 3, 3, 3, 3}, {1, 2, 0}, {0.5f, 0.25f, 1}};
  const Csr history = {3, 5, {0, 1, 3, 3}, {0, 0, 1}, {2, 1, 1}};
  const std::vector<float> popularity = {2, 1, 0, 1, 3};
  LinearModel model = MakeItemItemModel(s, popularity, 3);
  ModelView view;
  view.algorithm = "item-cosine";
  view.history = history.view();
  view.popularity = popularity;
  model.SetIn(&view);
  const Ranker ranker(backend(), view, nullptr);
  Queries queries;
  for (int64_t u = 0; u < 3; ++u) ranker.AddUser(u, &queries);
  Exclusions excluded;
  for (int64_t u = 0; u < 3; ++u) excluded.Add(view.history.row(u));
  const RankedLists lists = ranker.ByModel(context(), queries, excluded, 5);
  EXPECT_EQ(lists.items, (std::vector<int32_t>{1, 2, 4, 3, -1, 2, 4, 3, -1, -1, 4, 0, 1, 3, 2}));
  EXPECT_NEAR(lists.Scores(0)[0], 1, 1e-5);
  EXPECT_NEAR(lists.Scores(1)[0], 0.25, 1e-5);
  const std::vector<int32_t> items = {1, 3};
  const RankedLists similar = ranker.Similar(context(), items, 2);
  EXPECT_EQ(similar.items, (std::vector<int32_t>{0, 4, 4, 0}));
  EXPECT_EQ(ranker.FoldIn(context(), history.view()).histories(5).nnz(), history.view().nnz());
}

// A linear model may have neither history factors nor a base query: its queries are zeros then, and S alone speaks.
TEST_P(LinearModelsTest, QueriesOfNothingAreZeros) {
  const Csr s = {4, 4, {0, 2, 3, 3, 3}, {1, 2, 0}, {0.5f, 0.25f, 1}};
  const Csr history = {3, 4, {0, 1, 3, 3}, {0, 0, 1}, {2, 1, 1}};
  const std::vector<float> popularity = {2, 1, 0, 0};
  LinearModel model;
  model.n_factors = 3;
  model.item_factors = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1};
  model.user_factors.assign(9, 0);
  model.item_item = s;
  ModelView view;
  view.algorithm = "svd-filter";
  view.history = history.view();
  view.popularity = popularity;
  model.SetIn(&view);
  const std::vector<int32_t> items = {0, 1};
  const Ranker with_s(backend(), view, nullptr);
  Queries folded = with_s.FoldIn(context(), history.view());
  EXPECT_TRUE(std::ranges::equal(folded.factors().all(), model.user_factors));
  EXPECT_EQ(with_s.ByModel(context(), folded, {}, 2).scores, (std::vector<float>{1, 0.5f, 1, 0.5f, 0, 0}));
  EXPECT_EQ(with_s.Similar(context(), items, 2).items, (std::vector<int32_t>{1, 2, 0, 2}));
  view.item_item = {};
  const Ranker bare(backend(), view, nullptr);
  folded = bare.FoldIn(context(), history.view());
  EXPECT_TRUE(std::ranges::equal(folded.factors().all(), model.user_factors));
  EXPECT_EQ(bare.ByModel(context(), folded, {}, 2).items, (std::vector<int32_t>{0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(bare.Similar(context(), items, 1).items, (std::vector<int32_t>{3, 3}));
}

// A blend's score is the sum of its parts', weighted by the band of the history's length, of parts of every kind.
TEST_P(LinearModelsTest, ABlendScoresAsItsParts) {
  const int64_t n_users = 20, n_items = 33;
  const Csr c = RandomInteractions(n_users, n_items, 4, 25);
  const std::vector<float> popularity = ItemPopularity(c.view());
  ModelView als;
  als.algorithm = "als";
  als.history = c.view();
  als.popularity = popularity;
  const AlsFactors factors = FitAls(backend(), c.view(), {8, als.objective, 2, 1});
  als.user_factors = {factors.user_factors.data(), n_users, 8};
  als.item_factors = {factors.item_factors.data(), n_items, 8};
  als.eigenvalues = factors.eigenvalues;
  std::vector<ModelView> parts = {als, als, als};
  const LinearModel cosine =
      MakeItemItemModel(FitItemNeighbours(backend(), c.view(), CosineOptions(9)), popularity, n_users);
  const LinearModel walks =
      MakeItemItemModel(FitItemNeighbours(backend(), c.view(), Rp3BetaOptions(12, 1, 0.3)), popularity, n_users);
  parts[0].algorithm = parts[2].algorithm = "item-cosine";
  parts[0].eigenvalues = parts[2].eigenvalues = {};
  cosine.SetIn(&parts[0]);
  walks.SetIn(&parts[2]);

  ModelView blend = als;
  blend.algorithm = "blend";
  blend.user_factors = blend.item_factors = {};
  blend.eigenvalues = {};
  blend.parts = parts;
  const std::vector<int32_t> lengths = {0, 6};
  std::vector<float> weights = {0.5f, 2, 0, 1, 0.25f, 3};
  blend.band_lengths = lengths;
  blend.band_weights = {weights.data(), 2, 3};

  Queries stored;
  const Ranker ranker(backend(), blend, nullptr);
  for (int64_t u = 0; u < n_users; ++u) ranker.AddUser(u, &stored);
  std::vector<double> expected(static_cast<size_t>(n_users * n_items), 0);
  for (size_t p = 0; p < parts.size(); ++p) {
    const Ranker part(backend(), parts[p], nullptr);
    Queries queries;
    for (int64_t u = 0; u < n_users; ++u) part.AddUser(u, &queries);
    const RankedLists lists = part.ByModel(context(), queries, {}, n_items);
    for (int64_t u = 0; u < n_users; ++u)
      for (size_t place = 0; place < lists.Items(u).size(); ++place)
        expected[static_cast<size_t>(u * n_items + lists.Items(u)[place])] +=
            static_cast<double>(blend.WeightsFor(std::ssize(c.view().row(u)))[p]) * lists.Scores(u)[place];
  }
  for (const Queries& queries : {stored, ranker.FoldIn(context(), c.view())}) {
    const RankedLists lists = ranker.ByModel(context(), queries, {}, n_items);
    for (int64_t u = 0; u < n_users; ++u) {
      ASSERT_EQ(std::ssize(lists.Items(u)), n_items);
      for (size_t place = 0; place < lists.Items(u).size(); ++place)
        ASSERT_NEAR(lists.Scores(u)[place], expected[static_cast<size_t>(u * n_items + lists.Items(u)[place])], 2e-5)
            << "user " << u << " place " << place;
    }
  }
  for (int64_t u = 0; u < n_users; ++u) {  // what each item of the history adds is all of the score
    if (c.view().row(u).empty()) continue;
    const std::vector<int32_t> asked = {1, 7};
    const auto taken_apart = TakeApart(blend, {c.view().row(u), c.view().row_values(u)}, asked);
    for (size_t i = 0; i < asked.size(); ++i) {
      const std::vector<double>& added = taken_apart[i].contributions;
      EXPECT_NEAR(std::accumulate(added.begin(), added.end(), taken_apart[i].base),
                  expected[static_cast<size_t>(u * n_items + asked[i])], 2e-5);
    }
  }
  const std::vector<int32_t> items = {0, 5};
  const RankedLists similar = ranker.Similar(context(), items, 4);
  EXPECT_EQ(std::ranges::count(similar.Items(0), 0), 0);
  EXPECT_EQ(std::ssize(similar.Items(1)), 4);

  const std::vector<int32_t> history = {2};
  const std::vector<float> no_confidence = {-1};  // which als refuses, where it is asked
  ExpectError(ErrorCode::kNumeric, "", [&] { TakeApart(blend, {history, no_confidence}, items); });
  weights[1] = 0;
  EXPECT_EQ(TakeApart(blend, {history, no_confidence}, items)[1].contributions.size(), 1u);
}

// A user's one-hot factors pick the list, whatever they did; what is like an item is the list of all.
TEST_P(LinearModelsTest, RanksByLists) {
  const Csr history = {3, 4, {0, 1, 1, 2}, {0, 3}, {2, 1}};
  const std::vector<float> popularity = {1, 0, 0, 1};
  const std::vector<std::string> names = {"DE"};
  LinearModel model;
  model.n_factors = 2;
  model.item_factors = {0.5f, 0.1f, 0.25f, 0.7f, -1, 0.7f, 0, 0.2f};
  model.user_factors = {1, 0, 0, 1, 0, 1};
  model.base_query = {1, 0};
  ModelView view;
  view.algorithm = "trending";
  view.history = history.view();
  view.popularity = popularity;
  view.list_groups = {"country", names};
  model.SetIn(&view);
  EXPECT_TRUE(view.Knows(1)) << "who has no history";
  const Ranker ranker(backend(), view, nullptr);
  Queries queries;
  for (int64_t u = 0; u < 3; ++u) ranker.AddUser(u, &queries);
  const RankedLists lists = ranker.ByModel(context(), queries, {}, 4);
  EXPECT_EQ(lists.items, (std::vector<int32_t>{0, 1, 3, 2, 1, 2, 3, 0, 1, 2, 3, 0}));
  EXPECT_EQ(lists.Scores(0)[3], -1);
  EXPECT_EQ(lists.Scores(1)[0], 0.7f);
  const std::vector<int32_t> items = {0, 2};
  EXPECT_EQ(ranker.Similar(context(), items, 4).items, (std::vector<int32_t>{1, 3, 2, -1, 0, 1, 3, -1}));
  const Queries folded = ranker.FoldIn(context(), history.view());
  EXPECT_EQ(ranker.ByModel(context(), folded, {}, 1).items, (std::vector<int32_t>{0, 0, 0}));
  ExpectError(ErrorCode::kUnsupported, "the model's lists ('trending') go by no history", [&] {
    Explain(context(), ranker, {history.view().row(0), history.view().row_values(0)}, 0, items);
  });
}

KINDRED_ON_ALL_BACKENDS(LinearModelsTest);

}  // namespace
}  // namespace kindred
