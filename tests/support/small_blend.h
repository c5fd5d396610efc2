// A blend of random numbers, with scorers' parts beside factors, for tests of what stores or reads one.
#pragma once

#include <cstdint>
#include <vector>

#include "host/models/model.h"
#include "tests/support/small_model.h"

namespace kindred {

/// Owns the arrays of three views: of SmallModel's ALS, of a linear model of the same history with everything that a
/// query and a score may have, and of the blend of both.
struct SmallBlend {
  SmallBlend() {
    linear.algorithm = "svd-filter";
    linear.eigenvalues = {};
    linear.objective = {};
    linear.history_factors = {history_factors.item_factors.data(), kItems, kFactors};
    linear.base_query = base_query;
    linear.item_item = item_item.view();

    blend = als.view();
    blend.algorithm = "blend";
    blend.user_factors = blend.item_factors = {};
    blend.eigenvalues = {};
    blend.objective = {};
    blend.parts = {als.view(), linear};
    blend.band_lengths = lengths;
    blend.band_weights = {weights.data(), 2, 2};
  }
  SmallBlend(const SmallBlend&) = delete;
  SmallBlend& operator=(const SmallBlend&) = delete;

  static constexpr int64_t kUsers = 5, kItems = 7, kFactors = 3;
  SmallModel als{kUsers, kItems, kFactors}, history_factors{kUsers, kItems, kFactors, 2};
  std::vector<float> base_query = {0.5f, -1, 2};
  Csr item_item = {kItems, kItems, {0, 2, 2, 3, 3, 3, 3, 4}, {1, 6, 0, 3}, {0.5f, -1, 2, 1}};
  std::vector<int32_t> lengths = {0, 4};
  std::vector<float> weights = {1, 0.5f, 0, 2};
  ModelView linear = als.view(), blend;
};

}  // namespace kindred
