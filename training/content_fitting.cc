#include "training/content_fitting.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "host/data/random.h"
#include "host/evaluation/item_subset.h"
#include "host/text/text.h"
#include "training/svd_fitting.h"

namespace kindred {
namespace {

using nlohmann::json;

// What makes these hashes others than a split's by items, which leaves nothing of those it holds out to hold out again.
constexpr uint64_t kItemSeed = 0xc07e, kUserSeed = 0xc07f, kPairSeed = 0xc080;
constexpr double kHeldOut = 0.2;  // of the items, and of the pairs of chosen users
constexpr double kMostUsers = 4096, kNewUsers = 0.1;
constexpr int64_t kLeastFactors = 8;
constexpr double kItemRidges[] = {0.25, 1, 4, 16};
constexpr double kPriorStrengths[] = {0, 2, 8, 32, 128};
constexpr double kUserRidges[] = {1, 10, 100, 1000};

/// Interactions that are held out to choose by, and the others.
struct Slice {
  Csr rest;
  std::vector<int32_t> cold_items, other_items;
  Holdout cold, known, new_users;  // of cold items; of others; of others by users of whom the rest has nothing

  Slice(const CsrView& interactions, const CsrView& item_features, bool has_users, uint64_t seed);
};

Slice::Slice(const CsrView& interactions, const CsrView& item_features, bool has_users, uint64_t seed) {
  const uint64_t item_seed = RandomBits(seed, kItemSeed), user_seed = RandomBits(seed, kUserSeed),
                 pair_seed = RandomBits(seed, kPairSeed);
  std::vector<bool> is_cold;
  const std::vector<float> popularity = ItemPopularity(interactions);
  for (int64_t item = 0; item < interactions.n_cols; ++item) {
    const bool is_known = popularity[static_cast<size_t>(item)] > 0 && !item_features.row(item).empty();
    is_cold.push_back(is_known && RandomUniform(item_seed, static_cast<uint64_t>(item)) < kHeldOut);
    (is_cold.back() ? cold_items : other_items).push_back(static_cast<int32_t>(item));
  }
  rest.n_rows = interactions.n_rows;
  rest.n_cols = interactions.n_cols;
  cold = known = new_users = BeginHoldout(interactions.n_rows, interactions.n_cols);
  const double of_users = kMostUsers / std::max(kMostUsers, static_cast<double>(interactions.n_rows));
  for (int64_t user = 0; user < interactions.n_rows; ++user) {
    const double chance = RandomUniform(user_seed, static_cast<uint64_t>(user)) / of_users;
    const bool is_new = has_users && chance < kNewUsers;
    const auto items = interactions.row(user);
    for (size_t e = 0; e < items.size(); ++e) {
      const auto place = static_cast<uint64_t>(interactions.indptr[static_cast<size_t>(user)]) + e;
      const bool of_cold = is_cold[static_cast<size_t>(items[e])];
      const bool is_held = RandomUniform(pair_seed, place) < kHeldOut;
      if (of_cold && (is_new || chance >= 1)) continue;
      Csr& to = is_new        ? new_users.relevant
                : of_cold     ? cold.relevant
                : chance >= 1 ? rest
                : is_held     ? known.relevant
                              : rest;
      to.indices.push_back(items[e]);
      to.values.push_back(interactions.row_values(user)[e]);
    }
    for (Csr* matrix : {&rest, &cold.relevant, &known.relevant, &new_users.relevant})
      matrix->indptr.push_back(std::ssize(matrix->indices));
  }
}

ContentBase Decompose(Backend& backend, const CsrView& interactions, const TrainOptions& options,
                      const TrainEvents& events, json* report) {
  const SvdOptions svd = {
      .n_factors = options.als.n_factors, .tolerance = options.svd.tolerance, .seed = options.als.seed};
  return MakeContentBase(interactions,
                         DecomposeFor(backend, ToneDownPopular(interactions).view(), svd, events, report));
}

/// Fits on the rest of a slice, and measures on what is held out.
class Choosing {
 public:
  Choosing(Backend& backend, const Slice& slice, const AttributeFeatures& items, const AttributeFeatures& users,
           const TrainOptions& options, const TrainEvents& events, ThreadPool& pool)
      : backend_(backend),
        slice_(slice),
        items_(items),
        users_(users),
        options_(options),
        events_(events),
        pool_(pool) {}

  ContentChoice Run(json* report) {
    ContentChoice best = {.n_factors = options_.als.n_factors};
    if (slice_.rest.indices.empty()) return best;
    json ignored;
    popularity_ = ItemPopularity(slice_.rest.view());
    base_ = Decompose(backend_, slice_.rest.view(), options_, events_, &ignored);
    ChooseItems(&best);
    if (!slice_.new_users.relevant.indices.empty()) ChooseUsers(&best);
    *report = {{"n_cold_items", slice_.cold_items.size()},
               {"n_cold_pairs", slice_.cold.relevant.indices.size()},
               {"n_known_pairs", slice_.known.relevant.indices.size()},
               {"n_new_user_pairs", slice_.new_users.relevant.indices.size()},
               {"tried", std::move(tried_)}};
    return best;
  }

 private:
  /// Of each number of factors the ridge that finds cold items best, and the strength that does so with the others; of
  /// these the number whose two NDCGs have the largest sum.
  void ChooseItems(ContentChoice* best) {
    double best_sum = -1;
    const int64_t most = options_.als.n_factors;
    for (int64_t f = most; f >= std::max(std::min(kLeastFactors, most), most / 16); f /= 2) {
      ContentBase base = base_.Cut(f);
      ContentChoice choice = {.n_factors = f, .prior_strength = 0};
      AttributeMap map;
      const double cold = ChooseRidge(base, &choice, &map), known = ChooseStrength(base, map, &choice);
      if (cold + known <= best_sum) continue;
      best_sum = cold + known;
      *best = choice;
      cut_ = std::move(base);
      map_ = std::move(map);
    }
  }

  double ChooseRidge(const ContentBase& base, ContentChoice* best, AttributeMap* best_map) {
    double best_ndcg = -1;
    ContentChoice choice = *best;
    for (const double ridge : kItemRidges) {
      choice.item_ridge = ridge;
      AttributeMap map = FitItemMap(backend_, base, items_.matrix.view(), ridge);
      const double ndcg = Ndcg(Make(base, map, choice, {}), slice_.cold, slice_.cold_items).first;
      tried_.push_back({{"n_factors", choice.n_factors}, {"item_ridge", ridge}, {"cold_ndcg", ndcg}});
      if (ndcg <= best_ndcg) continue;
      best_ndcg = ndcg;
      best->item_ridge = ridge;
      *best_map = std::move(map);
    }
    return best_ndcg;
  }

  double ChooseStrength(const ContentBase& base, const AttributeMap& map, ContentChoice* best) {
    double best_ndcg = -1;
    ContentChoice choice = *best;
    for (const double strength : kPriorStrengths) {
      choice.prior_strength = strength;
      const double ndcg = Ndcg(Make(base, map, choice, {}), slice_.known, slice_.other_items).first;
      tried_.push_back({{"n_factors", choice.n_factors}, {"prior_strength", strength}, {"known_ndcg", ndcg}});
      if (ndcg <= best_ndcg) continue;
      best_ndcg = ndcg;
      best->prior_strength = strength;
    }
    return best_ndcg;
  }

  void ChooseUsers(ContentChoice* best) {
    double best_ndcg = -1;
    ContentChoice choice = *best;
    for (const double ridge : kUserRidges) {
      choice.user_ridge = ridge;
      const auto [ndcg, popular] = Ndcg(Make(cut_, map_, choice, users_), slice_.new_users, slice_.other_items);
      tried_.push_back({{"user_ridge", ridge}, {"new_user_ndcg", ndcg}, {"popularity_new_user_ndcg", popular}});
      if (ndcg <= best_ndcg) continue;
      best_ndcg = ndcg;
      best->user_ridge = ridge;
    }
  }

  ContentModel Make(const ContentBase& base, const AttributeMap& map, const ContentChoice& choice,
                    const AttributeFeatures& users) const {
    return MakeContentModel(backend_, slice_.rest.view(), base, map, items_, users, choice);
  }

  /// The model's and that of popularity, of lists of `items` alone; 0 where nothing is held out.
  std::pair<double, double> Ndcg(const ContentModel& model, const Holdout& holdout,
                                 std::span<const int32_t> items) const {
    if (holdout.relevant.indices.empty()) return {0, 0};
    ModelView view;
    view.algorithm = options_.algorithm;
    view.history = slice_.rest.view();
    view.popularity = popularity_;
    model.SetIn(&view);
    const ItemSubset subset(view, holdout, items);
    const Evaluation found =
        Evaluate(Ranker(backend_, subset.view(), nullptr), subset.holdout(), options_.k, {.pool = &pool_});
    return {found.model.ndcg, found.popularity.ndcg};
  }

  Backend& backend_;
  const Slice& slice_;
  const AttributeFeatures &items_, &users_;
  const TrainOptions& options_;
  const TrainEvents& events_;
  ThreadPool& pool_;
  ContentBase base_, cut_;
  AttributeMap map_;  // of cut_, as was chosen
  std::vector<float> popularity_;
  json tried_ = json::array();
};

json ColumnsJson(const AttributeFeatures& features) {
  json columns = json::array();
  for (const AttributeFeatures::Column& column : features.columns)
    columns.push_back({{"name", Printable(column.name)},
                       {"type", AttributeTypeName(column.type)},
                       {"n_rows", column.n_rows},
                       {"n_features", column.n_features},
                       {"n_left_out", column.n_left_out}});
  return columns;
}

}  // namespace

void CheckHasItemAttributes(const Dataset& dataset) {
  if (dataset.item_attributes().columns().empty())
    throw Error(ErrorCode::kInvalidArgument,
                dataset.path().string() +
                    ": content needs attributes of items, and this dataset has none; prepare it with --items FILE");
}

FittedContent FitContent(Backend& backend, const CsrView& interactions, const Dataset& dataset,
                         const TrainOptions& options, const TrainEvents& events, ThreadPool& pool) {
  const AttributeFeatures items = MakeAttributeFeatures(dataset.item_attributes());
  const AttributeFeatures users = MakeAttributeFeatures(dataset.user_attributes());
  if (items.matrix.n_cols == 0)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: the items' attributes do not tell items apart: in each column all are the same, all "
                            "missing, or no two share anything: {}",
                            dataset.path().string(), ColumnsJson(items).dump()));
  FittedContent fitted;
  const Slice slice(interactions, items.matrix.view(), users.matrix.n_cols > 0, options.als.seed);
  json chosen_on;
  const ContentChoice choice = Choosing(backend, slice, items, users, options, events, pool).Run(&chosen_on);
  const ContentBase base = Decompose(backend, interactions, options, events, &fitted.report).Cut(choice.n_factors);
  const AttributeMap map = FitItemMap(backend, base, items.matrix.view(), choice.item_ridge);
  fitted.model = MakeContentModel(backend, interactions, base, map, items, users, choice);
  fitted.report.update({{"n_factors", choice.n_factors},
                        {"item_ridge", choice.item_ridge},
                        {"prior_strength", choice.prior_strength},
                        {"chosen_on", std::move(chosen_on)},
                        {"item_columns", ColumnsJson(items)},
                        {"user_columns", ColumnsJson(users)}});
  if (users.matrix.n_cols > 0) fitted.report["user_ridge"] = choice.user_ridge;
  return fitted;
}

}  // namespace kindred
