// Ranking metrics over all users and all items: no sampled negatives.
//
// For a user with the held-out set T and the list of k items a model gives (what the user did before left out),
// hit_j = 1 where place j = 1..k holds an item of T, h = sum of hit_j:
//
//   recall_at_k          h / |T|
//   capped_recall_at_k   h / min(k, |T|)       (the recall of the Mult-VAE and iALS papers)
//   precision_at_k       h / k
//   ndcg_at_k            sum hit_j / log2(j + 1)  /  sum over j = 1..min(k, |T|) of 1 / log2(j + 1)
//   map_at_k             sum over hits of (hits up to j) / j  /  min(k, |T|)
//   mrr                  1 / place of the first hit, 0 without one (within the k places)
//   hit_rate_at_k        1 where h > 0
//
// and their means over users with a non-empty T. coverage_at_k is the share of the model's items in any list.
// Users and items the model lacks stay in |T| and in the mean: they count as misses. Users the model has, but
// without a history, are shown what is popular, as when they are served.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/data/interactions.h"
#include "host/ranking/ranker.h"

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

struct Metrics {
  double recall = 0, capped_recall = 0, precision = 0, ndcg = 0, map = 0, mrr = 0, hit_rate = 0, coverage = 0;
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
};

/// The metrics of a model with its history left out of every list. Throws kInvalidArgument for k out of
/// range or a holdout of other shape. Cost: one top-k query a user; memory bounded by a block of users.
Evaluation Evaluate(const Ranker& ranker, const Holdout& holdout, int64_t k);

/// {"recall_at_20": ..., "popularity_recall_at_20": ..., ...}: each metric beside the baseline's.
nlohmann::json MetricsJson(const Evaluation& evaluation);
/// How many users and pairs there were, and how many the model could not know.
nlohmann::json HoldoutJson(const Evaluation& evaluation);

}  // namespace kindred
