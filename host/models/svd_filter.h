// A graph filter: the spectrum of the degree-normalized interactions, and what neighbours of one step say.
//
// With confidences C, degrees d (sums of a row or a column), and N = D_u^-1/2 C D_i^-1/2 = U diag(s) Vt cut to its
// n_factors largest singular values (all s <= 1), a history c scores
//
//   low_pass_weight * sum over j of c_j (m / d_j)^1/2 (V diag(s^p) Vt)_ji (d_i / m)^popularity_exponent
//   +                 sum over j of c_j S_ji,
//   S_ji = sum over u of c_uj c_ui / (d_u (d_j m)^1/2) (m / d_i)^target_exponent,   m the mean degree of items
//
// where of S each item j keeps its n_neighbours largest entries (host/models/item_neighbours.h). With p = 0, both
// exponents 1/2 and all neighbours this is GF-CF (Shen, Wu, Zhang, Shan, Zhang, Letaief and Li 2021, "How powerful is
// graph convolution for recommendation?"); BSPM's blurring is the same filter (Choi et al. 2023). A power p above 0
// lets strong directions count for more; a larger popularity_exponent and a smaller target_exponent favour what is
// popular.
//
// When: implicit feedback of any density, where what is wanted is the best list after seconds of training without
// epochs or a learning rate. Cost: that of a truncated SVD, and of the neighbours.
#pragma once

#include <cstdint>

#include "host/models/item_neighbours.h"
#include "host/models/linear_model.h"
#include "host/models/svd.h"

namespace kindred {

struct SvdFilterOptions {
  SvdOptions svd = {.n_factors = 256, .tolerance = 0.05};
  double low_pass_weight = 0.3;
  double spectrum_power = 0;         // p, >= 0
  double popularity_exponent = 0.5;  // of the low-pass part
  int64_t n_neighbours = 400;        // 0: no S
  double target_exponent = 0.5;
};

/// N. Its values are what FitSvd takes.
Csr NormalizeByDegrees(const CsrView& interactions);

/// The filter from its decomposed and its neighbour part; S is FitItemNeighbours with FilterNeighbours of the options.
ItemNeighbourOptions FilterNeighbours(const SvdFilterOptions& options);
LinearModel MakeSvdFilter(Backend& backend, const CsrView& interactions, const Svd& svd, Csr item_item,
                          const SvdFilterOptions& options);

/// Throws kInvalidArgument for options out of range.
void CheckSvdFilterOptions(const SvdFilterOptions& options);

}  // namespace kindred
