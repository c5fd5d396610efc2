// EASE: the item-item regression that has a closed form (Steck 2019, "Embarrassingly shallow autoencoders for sparse
// data").
//
//   minimize |C - C B|^2 + regularization |B|^2  subject to diag(B) = 0:
//   P = (Ct C + regularization I)^-1,  B_ji = -P_ji / P_ii,  and 0 on the diagonal
//
// S is B, of which each source j keeps the n_neighbours entries of the largest magnitude; negative ones count, too. A
// catalogue of no more items than n_neighbours keeps all of it.
//
// When: catalogues of up to some ten thousand items; often the most exact model of items there is, where data is dense.
// Cost: n_items^3 flops for the inverse and 4 n_items^2 bytes on the device; what is larger than options.max_items is
// refused with the bytes and seconds it would take.
#pragma once

#include <cstdint>
#include <span>

#include "host/data/interactions.h"
#include "kernels/backend.h"
#include "kernels/cpu/parallel.h"

namespace kindred {

struct EaseOptions {
  double regularization = 100;  // > 0
  int64_t n_neighbours = 1000;
  int64_t max_items = 20'000;
};

/// Bytes of the inverse of this many items.
int64_t EaseBytes(int64_t n_items);

/// Refuses (kInvalidArgument) options out of range and catalogues above max_items, naming bytes and, as measured on
/// `backend` with a small inverse, seconds.
void CheckEase(Backend& backend, int64_t n_items, const EaseOptions& options);

/// Seconds of a fit's parts on one backend.
struct EaseSeconds {
  double gramian = 0;  // goes by the entries, and by how long histories are
  double inverse = 0;  // goes by the items alone, with finding each one's neighbours
};

/// Measured: a smaller inverse, some rows of the Gramian, and their neighbours. Cost: a small part of the fit, but of
/// a few hundred items about as much.
EaseSeconds MeasureEase(Backend& backend, const CsrView& interactions, const EaseOptions& options, ThreadPool& pool);

/// S [n_items x n_items]. Throws what CheckEase does, and kNumeric naming the item whose row is singular in float32.
Csr FitEase(Backend& backend, const CsrView& interactions, const EaseOptions& options, ThreadPool& pool);

}  // namespace kindred
