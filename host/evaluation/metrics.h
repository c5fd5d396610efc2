// Ranking metrics over all users and all items: no sampled negatives.
//
// For a user with the held-out set T and the list of k items a model gives (what the user did before left out),
// hit_j = 1 where place j = 1..k holds an item of T, h = sum of hit_j:
//
//   recall_at_k          h / |T|
//   capped_recall_at_k   h / min(k, |T|)       (the recall of the Mult-VAE and iALS papers)
//   precision_at_k       h / k
//   ndcg_at_k            sum hit_j / log2(j + 1)  /  sum over j = 1..min(k, |T|) of 1 / log2(j + 1)
//                        (Jarvelin and Kekalainen 2002, with gains 0 and 1)
//   map_at_k             sum over hits of (hits up to j) / j  /  min(k, |T|)
//   mrr                  1 / place of the first hit, 0 without one (within the k places)
//   hit_rate_at_k        1 where h > 0
//
// and their means over users with a non-empty T. Users and items the model lacks stay in |T| and in the mean: they
// count as misses. Users the model has but does not answer for (ModelView::Knows) are shown what is popular, as when
// they are served.
//
// What the lists are like, whether they hit or not. With p(i) the share of users with a history that have item i in it:
//
//   novelty_at_k         mean over the list of -log2 p(i), in bits; an item that nobody has counts as one that a
//                        single user has (self-information: Zhou et al. 2010)
//   diversity_at_k       1 less the mean cosine over the pairs of the list, of what the model compares items by
//                        (ModelView::item_vectors); where it has none, of their attributes (intra-list similarity:
//                        Ziegler et al. 2005). Absent where there is neither
//   popularity_lift_at_k mean over users of the mean p(i) of their list, over the same of their history: 1 is no
//                        lift (the group average popularity of Abdollahpouri et al. 2019, as a ratio)
//   coverage_at_k        share of the model's items that are in any list
//   exposure_gini_at_k   Gini coefficient of in how many lists each item is: 0 where all are in as many, towards 1
//                        where few are in all (Fleder and Hosanagar 2009)
//
// over the users whose list (and, for the lift, history) is long enough to have the figure.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/data/interactions.h"
#include "host/evaluation/list_metrics.h"
#include "host/ranking/ranker.h"
#include "kernels/cpu/parallel.h"

namespace kindred {

/// Throws kInvalidArgument unless 1 <= k <= kMaxListLength.
inline constexpr int64_t kMaxListLength = 100000;
void CheckListLength(int64_t k);

/// What users did that the model was not trained on.
struct Holdout {
  Csr relevant;                          // n_users x n_items of the model
  std::vector<int64_t> n_missing_items;  // [n_users] held-out items of the user that the model lacks
  int64_t n_missing_users = 0;           // users with held-out items that the model lacks
  int64_t n_missing_user_items = 0;      // and how many items they have
};

/// Where nothing is missing: the rows of `relevant` are still to be appended.
Holdout BeginHoldout(int64_t n_users, int64_t n_items);

/// Of all users. NaN: no user has a list that is long enough, or nothing tells items apart.
struct Metrics {
  double recall = 0, capped_recall = 0, precision = 0, ndcg = 0, map = 0, mrr = 0, hit_rate = 0;
  double novelty = 0, diversity = 0, popularity_lift = 0, coverage = 0, exposure_gini = 0;
};

/// Scores of recommended items, and whether the user has them held out.
struct ScoredPairs {
  std::vector<float> scores;
  std::vector<uint8_t> hits;
};

/// Of one recommender: the metrics of each evaluated user, and what became of each item.
struct UserTable {
  std::vector<float> metrics;    // [users x kNumberOfUserMetrics], places as UserMetric names them
  std::vector<int64_t> n_shown;  // [n_items] in how many lists
  std::vector<int64_t> n_hits;   // [n_items] and in how many as a hit

  std::span<const float> row(size_t user) const {
    return std::span(metrics).subspan(user * kNumberOfUserMetrics, kNumberOfUserMetrics);
  }
};

struct Evaluation {
  int64_t k = 0;
  Metrics model;
  Metrics popularity;        // the same users served by popularity
  int64_t n_users = 0;       // users with held-out items, missing ones included
  int64_t n_pairs = 0;       // held-out (user, item) pairs, missing ones included
  int64_t n_cold_users = 0;  // of them, users of the model without a history
  int64_t n_missing_users = 0;
  int64_t n_missing_pairs = 0;  // pairs whose user or item the model lacks
  int64_t n_seen_pairs = 0;     // pairs that are in the user's history too, and so can never be hits

  std::vector<int32_t> users;             // of the model, increasing: those with held-out items
  std::vector<int64_t> n_relevant;        // how many each has, missing ones included
  std::vector<float> history_popularity;  // mean p(i) of each one's history; NaN without one
  UserTable of_model, of_popularity;

  /// Of a model with factors, for users it knows: those of about half of the users each, drawn by chance, and at
  /// most about kMostScoredPairs together. To learn from the one and to measure on the other.
  ScoredPairs learning, measuring;
};
inline constexpr int64_t kMostScoredPairs = int64_t{1} << 22;

struct EvaluationOptions {
  ThreadPool* pool = nullptr;  // whose threads measure lists; no figure depends on them
  CsrView item_features = {};  // what items have, for the diversity of a model without item_vectors; n_cols 0: unknown
  std::function<void()> before_block = {};  // called before each block of users; what it throws ends the evaluation
};

/// The metrics of a model with its history left out of every list. Throws kInvalidArgument for k out of
/// range or a holdout of other shape. Cost: two top-k queries a user; memory: a block of users, 100 bytes a user with
/// held-out items, and the scored pairs.
Evaluation Evaluate(const Ranker& ranker, const Holdout& holdout, int64_t k, const EvaluationOptions& options = {});

/// {"recall_at_20": ..., "popularity_recall_at_20": ..., ...}: each metric beside the baseline's. Those that are NaN
/// are left out.
nlohmann::json MetricsJson(const Evaluation& evaluation);
/// How many users and pairs there were, and how many the model could not know.
nlohmann::json HoldoutJson(const Evaluation& evaluation);

}  // namespace kindred
