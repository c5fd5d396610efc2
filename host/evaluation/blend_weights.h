// How much each part of a blend counts, by the length of the history, learned on held-out items.
//
// Users are cut into bands of about as many each by the length of their history, so that one with two events and one
// with two hundred get the mix that suits them. For each of at most max_users users the n_candidates best items of each
// part are pooled, and every part's scores of the pool kept; then weights are sought that make the NDCG at k of the
// weighted sums best: one weight after the other, on grids that become finer (coordinate ascent; linear combination of
// scores after Vogt and Cottrell 1999), on some random halves of the users, whose weights are averaged (Breiman 1996).
// First for all users, and of the weights between these and equal ones those next to equal that are at most a standard
// error worse (Breiman, Friedman, Olshen and Stone 1984): a slice is not the future, and parts that look weak on it may
// hold there. Then for each band from there, which keeps its own weights only where those that half of its users choose
// do better on the other half.
//
// Cost: a list of n_candidates from each part for every user, and some hundred passes over the pools.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "host/evaluation/metrics.h"
#include "host/models/model.h"

namespace kindred {

struct BlendOptions {
  int64_t k = 20;
  int64_t n_bands = 5;  // at most; fewer where lengths repeat or users are few
  int64_t n_candidates = 200;
  int64_t max_users = 10'000;  // about so many, drawn by chance; where the draw leaves none, all
  uint64_t seed = 1;
};

struct BlendWeights {
  std::vector<int32_t> lengths;  // ModelView::band_lengths
  std::vector<float> weights;    // ModelView::band_weights
  /// {"ndcg", "part_ndcg": [...], "bands": [{"from_length", "n_users", "weights", "is_own", "ndcg"}, ...]}, ndcg of the
  /// pools at k. Weights are of scores divided by each part's own scale, that is, shares that can be compared.
  nlohmann::json report;
};

/// `parts` are models of the same history, which held_out is not in. Throws kInvalidArgument for no parts, for options
/// below 1, for k as CheckListLength does, and where no user has both a history and something held out.
BlendWeights LearnBlendWeights(Backend& backend, std::span<const ModelView> parts, const Holdout& held_out,
                               const BlendOptions& options, ThreadPool& pool);

}  // namespace kindred
