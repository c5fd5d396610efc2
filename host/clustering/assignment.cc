#include "host/clustering/assignment.h"

#include <fmt/format.h>

#include <cmath>

#include "kernels/error.h"

namespace kindred {
namespace {

/// Rows are assigned one after the other; potentials keep every cost less its row's and column's at least 0, and at 0
/// for the pairs that there are. Columns are one more than there are: the last holds the row that is looked for.
class Assignment {
 public:
  Assignment(int64_t n_rows, int64_t n_cols)
      : n_cols_(static_cast<size_t>(n_cols)),
        row_potentials_(static_cast<size_t>(n_rows), 0),
        col_potentials_(n_cols_ + 1, 0),
        rows_(n_cols_ + 1, -1) {}

  /// The cheapest way from the row to a column without one, over pairs that change places.
  template <class Cost>
  void Add(int64_t row, const Cost& cost) {
    std::vector<double> distances(n_cols_ + 1, HUGE_VAL);
    std::vector<size_t> before(n_cols_ + 1, n_cols_);
    std::vector<char> reached(n_cols_ + 1, 0);
    size_t at = n_cols_;
    rows_[at] = row;
    while (rows_[at] >= 0) {
      reached[at] = 1;
      const int64_t from = rows_[at];
      double step = HUGE_VAL;
      size_t next = n_cols_;
      for (size_t c = 0; c < n_cols_; ++c) {
        if (reached[c]) continue;
        const double reduced =
            cost(from, static_cast<int64_t>(c)) - row_potentials_[static_cast<size_t>(from)] - col_potentials_[c];
        if (reduced < distances[c]) distances[c] = reduced, before[c] = at;
        if (distances[c] < step) step = distances[c], next = c;
      }
      for (size_t c = 0; c <= n_cols_; ++c) {
        if (reached[c])
          row_potentials_[static_cast<size_t>(rows_[c])] += step, col_potentials_[c] -= step;
        else
          distances[c] -= step;
      }
      at = next;
    }
    for (; at != n_cols_; at = before[at]) rows_[at] = rows_[before[at]];
  }

  int64_t row_of(size_t column) const { return rows_[column]; }

 private:
  size_t n_cols_;
  std::vector<double> row_potentials_, col_potentials_;
  std::vector<int64_t> rows_;  // of columns, -1 for none
};

}  // namespace

std::vector<int32_t> Assign(const HostMatrix<const double>& costs) {
  for (int64_t r = 0; r < costs.n_rows; ++r)
    for (int64_t c = 0; c < costs.n_cols; ++c)
      if (const double cost = costs.row(r)[static_cast<size_t>(c)]; !std::isfinite(cost))
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("row {}, column {}: a cost of {}; expected a finite number", r, c, cost), r);
  const bool turned = costs.n_rows > costs.n_cols;
  const int64_t fewer = turned ? costs.n_cols : costs.n_rows, more = turned ? costs.n_rows : costs.n_cols;
  Assignment assignment(fewer, more);
  const auto cost = [&](int64_t r, int64_t c) { return turned ? costs.data[c * fewer + r] : costs.data[r * more + c]; };
  for (int64_t r = 0; r < fewer; ++r) assignment.Add(r, cost);
  std::vector<int32_t> columns(static_cast<size_t>(costs.n_rows), -1);
  for (int64_t c = 0; c < more; ++c) {
    const int64_t r = assignment.row_of(static_cast<size_t>(c));
    if (r >= 0) columns[static_cast<size_t>(turned ? c : r)] = static_cast<int32_t>(turned ? r : c);
  }
  return columns;
}

}  // namespace kindred
