#include "host/models/sparse_product.h"

#include <span>

namespace kindred {

std::vector<float> MultiplySparseRows(Backend& backend, Context& context, const SparseRows& by,
                                      MatrixView<const float> matrix) {
  const Resident<float> resident(backend, by.n_rows(), matrix.n_cols);
  std::vector<float> product(static_cast<size_t>(by.n_rows() * matrix.n_cols));
  backend.MultiplySparse(context, by, matrix, resident.matrix());
  resident.Download(backend, context, std::span<float>(product));
  context.Wait();
  return product;
}

}  // namespace kindred
