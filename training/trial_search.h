// Which point of a search space is tried next.
//
// The first trial is what train does by default, the next ones spread evenly over the space: a Halton sequence (Halton
// 1960), shifted by chance (Cranley and Patterson 1976). Then a tree-structured Parzen estimator (Bergstra, Bardenet,
// Bengio and Kegl 2011) with kernels over all parameters at once (as in BOHB: Falkner, Klein and Hutter 2018): of 64
// points drawn from a density of the best quarter of the trials, the one where that is largest against a density of the
// others, which is where the expected improvement is.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "training/search_space.h"
#include "training/trial_journal.h"

namespace kindred {

/// The point of trial number trials.size() + 1, one that none of `trials` has; nothing where the space has no other.
/// The first `n_spread` trials are spread. Depends on the arguments only. `trials` are all before it, in order.
std::optional<SearchPoint> NextPoint(const SearchSpace& space, std::span<const Trial> trials, int64_t n_spread,
                                     uint64_t seed);

}  // namespace kindred
