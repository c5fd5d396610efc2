// Item-item models from what items have in common: cosine neighbours and RP3beta.
//
// With c_ui the confidence of user u in item i, the entry of S by which item j in a history speaks for item i is
//
//   S_ji  =  sum over u of c_uj^v c_ui^v / (d_u^a d_j^b d_i^e)
//
//   item-cosine   v = 1, a = 0, b = e = 1/2, d_i = sum over u of c_ui^2: the cosine of the items' columns
//                 (Sarwar, Karypis, Konstan and Riedl 2001)
//   RP3beta       v = a = b = alpha, e = beta, d the sums of a row and a column: the chance of getting from j to i
//                 by way of a random user of j and a random item of that user, which favours popular items, each of
//                 the two steps' to the power alpha, divided by d_i^beta (Paudel, Christoffel, Newell and Bernstein
//                 2017; their P3alpha is beta = 0)
//   GF-CF         v = a = 1, b = e = 1/2, d the sums: the product of the degree-normalized matrix with itself, the
//                 linear filter of Shen, Wu, Zhang, Shan, Zhang, Letaief and Li 2021
//
// so that one formula serves all. Each source j keeps its n_neighbours largest entries; to keep those of each target
// instead loses more of the lists' quality on the data sets of bench/results/quality.md.
//
// When: catalogues and users of any number, data where what goes with what says most, and events that must be able to
// speak for themselves: every score is a sum over a few of them. No iteration, nothing random. Cost: one multiply-add
// for every pair of items of every user.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "host/data/interactions.h"
#include "kernels/backend.h"

namespace kindred {

enum class Degree {
  kSum,         // of confidences
  kSquaredSum,  // of their squares
};

struct ItemNeighbourOptions {
  int64_t n_neighbours = 400;
  Degree degree = Degree::kSum;
  double value_exponent = 1;   // v
  double user_exponent = 1;    // a
  double source_exponent = 1;  // b
  double target_exponent = 0;  // e

  /// Whether the sum that S is made of is the same: all but n_neighbours and e.
  bool HaveSumOf(const ItemNeighbourOptions& other) const;
};

ItemNeighbourOptions CosineOptions(int64_t n_neighbours);
ItemNeighbourOptions Rp3BetaOptions(int64_t n_neighbours, double alpha, double beta);

inline constexpr double kMaxDegreeExponent = 4;

/// What fits of other n_neighbours and e share: both factors of the product, resident, made once.
class ItemNeighbourProduct {
 public:
  /// `interactions` outlive it. Throws kInvalidArgument for exponents that are not finite or beyond
  /// +-kMaxDegreeExponent.
  ItemNeighbourProduct(Backend& backend, const CsrView& interactions, const ItemNeighbourOptions& options);
  ItemNeighbourProduct(const ItemNeighbourProduct&) = delete;
  ItemNeighbourProduct& operator=(const ItemNeighbourProduct&) = delete;

  const ItemNeighbourOptions& options() const { return options_; }
  /// As FitItemNeighbours. `options` have the sum of options().
  Csr Fit(const ItemNeighbourOptions& options) const;

 private:
  Backend& backend_;
  ItemNeighbourOptions options_;
  Csr by_item_;                         // c_uj^v / (d_u^a d_j^b)
  std::vector<float> values_of_users_;  // c_ui^v
  std::vector<double> item_degrees_;
  std::unique_ptr<SparseRows> sources_, users_;  // they view the above
};

/// S [n_items x n_items] without its diagonal. Throws kInvalidArgument for n_neighbours < 1 and exponents that are not
/// finite or beyond +-kMaxDegreeExponent. The same bits on every backend.
Csr FitItemNeighbours(Backend& backend, const CsrView& interactions, const ItemNeighbourOptions& options);

/// The degrees of items that are met.
struct MetDegrees {
  double sum = 0;
  double n = 0;  // how many there are

  explicit MetDegrees(std::span<const double> degrees);
  /// 1 where there are none.
  double mean() const { return n > 0 ? sum / n : 1; }
};

/// Powers d^-exponent of the degrees of a matrix's rows; 0 for a row without entries.
std::vector<double> DegreePowers(const CsrView& matrix, Degree degree, double exponent);

}  // namespace kindred
