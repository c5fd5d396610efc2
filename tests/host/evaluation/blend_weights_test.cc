#include "host/evaluation/blend_weights.h"

#include "host/data/random.h"
#include "host/models/als.h"
#include "host/models/linear_model.h"
#include "host/ranking/ranker.h"
#include "kernels/cpu/backend.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

constexpr int64_t kUsers = 1200, kItems = 90;

/// Item j speaks for item j + step, and a little for others by chance.
Csr Steps(int32_t step, uint64_t seed) {
  Csr s;
  s.n_rows = s.n_cols = kItems;
  for (int64_t j = 0; j < kItems; ++j) {
    for (int64_t i = 0; i < kItems; ++i) {
      const double noise = RandomUniform(seed, static_cast<uint64_t>(j * kItems + i));
      const double value = i == (j + step) % kItems ? 1 + noise : noise < 0.1 ? 4 * noise : 0;
      if (value == 0) continue;
      s.indices.push_back(static_cast<int32_t>(i));
      s.values.push_back(static_cast<float>(value));
    }
    s.indptr.push_back(std::ssize(s.indices));
  }
  return s;
}

// Users of short histories go on by one step, those of long ones by two; and there are two parts that know one of each.
class BlendWeightsTest : public ::testing::Test {
 protected:
  BlendWeightsTest() {
    history_.n_rows = held_out_.relevant.n_rows = kUsers;
    history_.n_cols = held_out_.relevant.n_cols = kItems;
    held_out_.n_missing_items.assign(kUsers, 0);
    for (int64_t u = 0; u < kUsers; ++u) {
      const bool is_long = u % 2 == 1;
      const auto start = static_cast<int32_t>(RandomBits(7, static_cast<uint64_t>(u)) % 30);
      for (int32_t e = 0; e < (is_long ? 12 : 3); ++e) history_.indices.push_back(start + 4 * e);
      history_.values.resize(history_.indices.size(), 1.0f);
      history_.indptr.push_back(std::ssize(history_.indices));
      held_out_.relevant.indices.push_back(start + 4 * (is_long ? 3 : 1) + (is_long ? 2 : 1));
      held_out_.relevant.values.push_back(1);
      held_out_.relevant.indptr.push_back(std::ssize(held_out_.relevant.indices));
    }
    popularity_ = ItemPopularity(history_.view());
    one_ = MakeItemItemModel(Steps(1, 1), popularity_, kUsers);
    two_ = MakeItemItemModel(Steps(2, 2), popularity_, kUsers);
    for (const LinearModel* model : {&one_, &two_}) {
      ModelView view;
      view.algorithm = "item-cosine";
      view.history = history_.view();
      view.popularity = popularity_;
      model->SetIn(&view);
      parts_.push_back(view);
    }
  }

  Csr history_;
  Holdout held_out_;
  std::vector<float> popularity_;
  LinearModel one_, two_;
  std::vector<ModelView> parts_;
  CpuBackend backend_{2};
  ThreadPool pool_{2};
};

TEST_F(BlendWeightsTest, EachLengthOfHistoryGetsItsMix) {
  const BlendWeights found = LearnBlendWeights(backend_, parts_, held_out_, {.k = 5}, pool_);
  ASSERT_EQ(found.lengths, (std::vector<int32_t>{0, 12}));
  ASSERT_EQ(found.weights.size(), 4u);
  EXPECT_GT(found.weights[0], 2 * found.weights[1]);
  EXPECT_GT(found.weights[3], 2 * found.weights[2]);
  for (const nlohmann::json& part : found.report["part_ndcg"]) EXPECT_GT(found.report["ndcg"], part);

  ModelView blend = parts_[0];
  blend.algorithm = "blend";
  blend.item_item = {};
  blend.item_factors = blend.user_factors = {};
  blend.base_query = {};
  blend.parts = parts_;
  blend.band_lengths = found.lengths;
  blend.band_weights = {found.weights.data(), 2, 2};
  const double ndcg = Evaluate(Ranker(backend_, blend, nullptr), held_out_, 5).model.ndcg;
  EXPECT_NEAR(ndcg, found.report["ndcg"].get<double>(), 1e-6);  // the pools held every item
  for (const ModelView& part : parts_)
    EXPECT_GT(ndcg, Evaluate(Ranker(backend_, part, nullptr), held_out_, 5).model.ndcg);
}

TEST_F(BlendWeightsTest, FewUsersShareTheirWeights) {
  held_out_.relevant.indptr.assign(kUsers + 1, 150);
  for (size_t u = 0; u < 150; ++u) held_out_.relevant.indptr[u] = static_cast<int64_t>(u);
  held_out_.relevant.indices.resize(150);
  held_out_.relevant.values.resize(150);
  const BlendWeights found = LearnBlendWeights(backend_, parts_, held_out_, {.k = 5}, pool_);
  EXPECT_EQ(found.lengths, (std::vector<int32_t>{0}));
}

TEST_F(BlendWeightsTest, ThreadsDecideNothing) {
  ThreadPool alone(1);
  const BlendWeights found = LearnBlendWeights(backend_, parts_, held_out_, {.k = 5, .max_users = 500}, pool_);
  EXPECT_EQ(LearnBlendWeights(backend_, parts_, held_out_, {.k = 5, .max_users = 500}, alone).weights, found.weights);
}

TEST_F(BlendWeightsTest, ADrawOfNobodyKeepsAll) {
  const auto draws_nobody = [](uint64_t seed) {
    for (uint64_t user = 0; user < kUsers; ++user)
      if (RandomUniform(seed, user) < 1.0 / kUsers) return false;
    return true;
  };
  uint64_t seed = 1;
  while (!draws_nobody(seed)) ++seed;
  const BlendOptions one = {.k = 5, .max_users = 1, .seed = seed}, all = {.k = 5, .max_users = kUsers, .seed = seed};
  EXPECT_EQ(LearnBlendWeights(backend_, parts_, held_out_, one, pool_).weights,
            LearnBlendWeights(backend_, parts_, held_out_, all, pool_).weights);
}

TEST_F(BlendWeightsTest, OptionsOutOfRangeAreRefused) {
  const auto refused = [&](const std::string& what, const BlendOptions& options) {
    ExpectError(ErrorCode::kInvalidArgument, what,
                [&] { LearnBlendWeights(backend_, parts_, held_out_, options, pool_); });
  };
  refused("n_bands is 0; expected 1 or more", {.n_bands = 0});
  refused("n_candidates is -1; expected 1 or more", {.n_candidates = -1});
  refused("max_users is 0; expected 1 or more", {.max_users = 0});
  parts_.clear();
  refused("no parts", {});
}

TEST_F(BlendWeightsTest, NobodyToLearnFrom) {
  held_out_.relevant.indptr.assign(kUsers + 1, 0);
  ExpectError(ErrorCode::kInvalidArgument, "no user has both a history and items to hold out",
              [&] { LearnBlendWeights(backend_, parts_, held_out_, {}, pool_); });
}

}  // namespace
}  // namespace kindred
