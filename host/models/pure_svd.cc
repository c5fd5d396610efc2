#include "host/models/pure_svd.h"

#include <cmath>
#include <string>

#include "host/models/sparse_product.h"

namespace kindred {
namespace {

PureSvdFactors Shrunk(Backend& backend, const SparseRows& users, const Svd& svd, double shrinkage) {
  if (!(shrinkage >= 0) || !std::isfinite(shrinkage))
    throw Error(ErrorCode::kInvalidArgument,
                "SVD: the shrinkage is " + std::to_string(shrinkage) + "; expected a finite number >= 0");
  const int64_t k = svd.n_factors();
  double least = 0;  // the smallest value that is not 0
  for (double s : svd.values) least = s > 0 ? s : least;
  PureSvdFactors factors;
  factors.singular_values.assign(svd.values.begin(), svd.values.end());
  factors.item_factors = svd.right;
  std::vector<float> roots;
  for (double s : svd.values)
    roots.push_back(s > 0 ? static_cast<float>(s / std::sqrt(s * s + shrinkage * least * least)) : 0.0f);
  for (size_t e = 0; e < factors.item_factors.size(); ++e) factors.item_factors[e] *= roots[e % static_cast<size_t>(k)];
  const auto context = backend.NewContext();
  const Resident<float> items(backend, users.n_cols(), k);
  items.Upload(backend, *context, factors.item_factors);
  factors.user_factors = MultiplySparseRows(backend, *context, users, items.matrix());
  return factors;
}

}  // namespace

void PureSvdFactors::SetIn(ModelView* view) const {
  const int64_t k = std::ssize(singular_values);
  view->user_factors = {user_factors.data(), std::ssize(user_factors) / k, k};
  view->item_factors = {item_factors.data(), std::ssize(item_factors) / k, k};
  view->history_factors = view->item_factors;
  view->singular_values = singular_values;
}

PureSvdFactors MakePureSvd(Backend& backend, const CsrView& interactions, const Svd& svd, double shrinkage) {
  return Shrunk(backend, *backend.NewSparseRows(interactions, {}, nullptr), svd, shrinkage);
}

PureSvdFactors MakePureSvd(Backend& backend, const ResidentInteractions& interactions, const Svd& svd,
                           double shrinkage) {
  return Shrunk(backend, *interactions.users(), svd, shrinkage);
}

}  // namespace kindred
