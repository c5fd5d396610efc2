// Recommending by a truncated SVD of the confidences A = U diag(s) Vt: PureSVD, and the same with a shrunk spectrum.
//
//   score(u, i) = (a_u V) diag(g) (row i of V)t,    g_j = s_j^2 / (s_j^2 + shrinkage s_k^2)
//
// With shrinkage 0 this is PureSVD (Cremonesi, Koren and Turrin 2010). With more it is the closed form of low-rank
// regression with a ridge penalty (Jin, Li, Gao, Liu, Shen and Zhou 2021, "Towards a better understanding of linear
// models for recommendation"), whose weight is stated as a multiple of the smallest value kept, squared, so that it
// means the same for data of any size.
#pragma once

#include <vector>

#include "host/models/model.h"
#include "host/models/svd.h"

namespace kindred {

/// Both sides carry g^1/2: item factors V diag(g^1/2), user factors A times those, so that folding a user in is one
/// product with the item factors.
struct PureSvdFactors {
  std::vector<float> user_factors;     // [n_users x k], the interactions times the item factors
  std::vector<float> item_factors;     // [n_items x k]
  std::vector<float> singular_values;  // s [k], descending, not shrunk

  /// Sets the parts of `view`. Needs factors.
  void SetIn(ModelView* view) const;
};

/// The factors for users x items confidences that `svd` decomposes; shrinkage >= 0, finite, or kInvalidArgument.
PureSvdFactors MakePureSvd(Backend& backend, const CsrView& interactions, const Svd& svd, double shrinkage);
/// The same, bit by bit, for interactions that are resident already.
PureSvdFactors MakePureSvd(Backend& backend, const ResidentInteractions& interactions, const Svd& svd,
                           double shrinkage);

}  // namespace kindred
