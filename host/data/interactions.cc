#include "host/data/interactions.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "kernels/error.h"

namespace kindred {

Csr Transpose(const CsrView& matrix) {
  Csr out;
  out.n_rows = matrix.n_cols;
  out.n_cols = matrix.n_rows;
  out.indptr.assign(static_cast<size_t>(out.n_rows) + 1, 0);
  out.indices.resize(static_cast<size_t>(matrix.nnz()));
  out.values.resize(matrix.values.size());
  for (const int32_t column : matrix.indices) ++out.indptr[static_cast<size_t>(column) + 1];
  std::partial_sum(out.indptr.begin(), out.indptr.end(), out.indptr.begin());

  std::vector<int64_t> next(out.indptr.begin(), out.indptr.end() - 1);
  for (int64_t row = 0; row < matrix.n_rows; ++row) {
    for (int64_t at = matrix.indptr[row]; at < matrix.indptr[row + 1]; ++at) {
      const auto to = static_cast<size_t>(next[matrix.indices[at]]++);
      out.indices[to] = static_cast<int32_t>(row);
      if (!out.values.empty()) out.values[to] = matrix.values[at];
    }
  }
  return out;
}

Csr SumEvents(const EventsView& events, int64_t n_items, std::span<const uint8_t> keep) {
  Csr out;
  out.n_rows = events.n_users();
  out.n_cols = n_items;
  out.indptr.resize(static_cast<size_t>(out.n_rows) + 1);
  std::vector<double> sums(static_cast<size_t>(n_items), 0.0);
  std::vector<int32_t> touched;
  for (int64_t user = 0; user < out.n_rows; ++user) {
    touched.clear();
    for (int64_t at = events.indptr[user]; at < events.indptr[user + 1]; ++at) {
      if ((!keep.empty() && keep[at] == 0) || events.values[at] == 0) continue;
      double& sum = sums[events.items[at]];
      if (sum == 0) touched.push_back(events.items[at]);
      sum += events.values[at];
    }
    std::sort(touched.begin(), touched.end());
    for (const int32_t item : touched) {
      const double sum = std::exchange(sums[item], 0.0);
      if (sum > std::numeric_limits<float>::max())
        throw Error(
            ErrorCode::kNumeric,
            fmt::format("the values of user {} and item {} sum to {:g}, more than a float32 holds", user, item, sum));
      out.indices.push_back(item);
      out.values.push_back(static_cast<float>(sum));
    }
    out.indptr[user + 1] = static_cast<int64_t>(out.indices.size());
  }
  return out;
}

}  // namespace kindred
