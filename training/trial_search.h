// Which point of a search space is tried next.
//
// The first trial is what train does by default, the next ones spread evenly over the space: a Halton sequence (Halton
// 1960), shifted by chance (Cranley and Patterson 1976). Then the point where the best trial is expected to be improved
// most (Jones, Schonlau and Welch 1998) under a Gaussian process over the trials so far (Matern 5/2 with a length for
// each parameter, averaged over lengths by their likelihood: Snoek, Larochelle and Adams 2012). It sees ranks, as
// normal quantiles, instead of values (Salinas, Shen and Perrone 2020): failed trials are just the last ones, and a few
// that are hopeless do not hide how the good ones differ.
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
