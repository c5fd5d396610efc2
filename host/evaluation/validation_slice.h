// A part of the training interactions held out to choose settings by, so that no test data has to be.
#pragma once

#include <cstdint>

#include "host/data/interactions.h"
#include "host/evaluation/metrics.h"

namespace kindred {

struct SliceOptions {
  double fraction = 0.2;  // of a chosen user's items
  int64_t max_users = 0;  // about so many users are chosen, by chance; 0: all
  uint64_t seed = 1;
};

struct ValidationSlice {
  Csr rest;
  Holdout held_out;
  int64_t n_users = 0;  // with something held out
};

/// Users with fewer items keep them all: nobody is left without a history but by a rare chance.
inline constexpr int64_t kLeastSliceItems = 3;

/// Parts `interactions`: each item of a chosen user is held out by a hash of (seed, user, item), one that a random
/// split (host/evaluation/split.h) of the same seed does not use. Throws kInvalidArgument unless 0 < fraction < 1.
ValidationSlice HoldOutSlice(const CsrView& interactions, const SliceOptions& options);

}  // namespace kindred
