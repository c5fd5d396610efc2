// Factors from attributes: items that nobody has met, and users who have done nothing, answered by what is known of
// them.
//
// With confidences C, relative degrees r_i = d_i / mean d (sums of a column), and C diag(r)^-1/4 = U diag(s) Vt cut to
// its n_factors largest singular values, what interactions say of item i is
//
//   own_i = r_i^1/4 v_i  as a target,  r_i^-1/4 v_i  in a history
//
// (PureSVD, Cremonesi, Koren and Turrin 2010, of a matrix whose popular columns are toned down). A ridge regression on
// the features x_i of the attributes (host/models/attribute_features.h) says what v_i is to be expected,
//
//   p_i = mean v + x_i W,   W = argmin of sum over items that are met of |v_i - mean v - x_i W|^2 + item_ridge |W|^2
//
// as in the mapping of Gantner, Drumond, Freudenthaler, Rendle and Schmidt-Thieme 2010 ("Learning attribute-to-feature
// mappings for cold-start recommendations"). It is a prior that counts as much as prior_strength users with the item:
//
//   item_factors_i = (n_i own_i + prior_strength s p_i) / (n_i + prior_strength)
//
// and s p_i where n_i = 0, with s such that the median lengths of own_i and of s p_i are the same: an item without
// interactions ranks as one of usual popularity would. history_factors alike. An item without features keeps own_i.
// The query of a history is linear in it, as every linear model's is; users without one get
//
//   mean q + z_u Z,   Z the ridge regression (user_ridge) of the queries of other users, scaled to length 1, on theirs
//
// When: items come and go faster than they are met, and something is known of them; text, tags and prices will do.
// Cost: that of a truncated SVD, and 4 nnz(x) n_factors flops for each of some dozens of steps of each regression.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/data/attribute_arrays.h"
#include "host/models/attribute_features.h"
#include "host/models/linear_model.h"
#include "host/models/svd.h"

namespace kindred {

inline constexpr double kContentDegreeExponent = 0.25;

/// What a fit on a slice chooses (training/content_fitting.h).
struct ContentChoice {
  int64_t n_factors = 256;
  double item_ridge = 3;
  double prior_strength = 1;
  double user_ridge = 30;
};

/// What interactions say of items; one decomposition serves fewer factors, too.
struct ContentBase {
  int64_t n_factors = 0;
  std::vector<float> vectors;  // V [n_items x n_factors]
  std::vector<double> gain;    // r_i^1/4 [n_items]; 1 for an item that nobody has
  std::vector<float> n_users;  // [n_items] that have it

  /// The first n_factors alone, as FirstColumns has it.
  ContentBase Cut(int64_t n_factors) const;
};

/// The matrix that is decomposed, and what comes of it.
Csr ToneDownPopular(const CsrView& interactions);
ContentBase MakeContentBase(const CsrView& interactions, const Svd& svd);

/// Factors for each row of features.
struct AttributeMap {
  std::vector<float> weights;  // W [n_features x n_factors]
  std::vector<float> mean;     // [n_factors]

  std::vector<float> Predict(Backend& backend, const CsrView& features) const;
};

/// The regression of `factors` [n_rows x n_factors] on features, over the rows that `is_known` has and that have
/// features. Without such rows all is 0.
AttributeMap FitAttributeMap(Backend& backend, const CsrView& features, std::span<const float> factors,
                             const std::vector<bool>& is_known, double ridge);

/// v_i as the regression expects it.
AttributeMap FitItemMap(Backend& backend, const ContentBase& base, const CsrView& item_features, double ridge);

/// The memory behind AttributesView.
struct MappedAttributes {
  Csr features;
  std::vector<float> factors;
  TextRows names;

  AttributesView view(int64_t n_factors) const;
};

struct ContentModel {
  LinearModel linear;
  MappedAttributes items, users;  // of users no rows where nothing is known of them

  void SetIn(ModelView* view) const;
};

/// `base` has choice.n_factors, and `item_map` is FitItemMap of it with choice.item_ridge. `users` without columns:
/// nothing is known of them.
ContentModel MakeContentModel(Backend& backend, const CsrView& interactions, const ContentBase& base,
                              const AttributeMap& item_map, const AttributeFeatures& items,
                              const AttributeFeatures& users, const ContentChoice& choice);

}  // namespace kindred
