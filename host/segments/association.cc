#include "host/segments/association.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "host/data/normal_distribution.h"

namespace kindred {
namespace {

constexpr double kTail = 0.025;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// Where `decreasing` comes down to `value`, from `low` on; `low` where it is below already.
template <class Function>
double Solve(const Function& decreasing, double value, double low, double step) {
  if (decreasing(low) <= value) return low;
  double high = low + step;
  for (; decreasing(high) > value; step *= 2) high += step;
  for (int i = 0; i < 200 && low < high; ++i) {
    const double middle = std::midpoint(low, high);
    if (middle <= low || middle >= high) break;
    (decreasing(middle) > value ? low : high) = middle;
  }
  return low;
}

/// Without empty rows and columns.
std::vector<std::vector<int64_t>> Filled(const std::vector<std::vector<int64_t>>& counts) {
  std::vector<std::vector<int64_t>> rows;
  std::vector<int64_t> of_column(counts.empty() ? 0 : counts[0].size(), 0);
  for (const std::vector<int64_t>& row : counts)
    for (size_t c = 0; c < row.size(); ++c) of_column[c] += row[c];
  for (const std::vector<int64_t>& row : counts) {
    std::vector<int64_t> kept;
    int64_t n = 0;
    for (size_t c = 0; c < row.size(); ++c) {
      n += row[c];
      if (of_column[c] > 0) kept.push_back(row[c]);
    }
    if (n > 0) rows.push_back(std::move(kept));
  }
  return rows;
}

double ChiSquared(const std::vector<std::vector<int64_t>>& counts, double n) {
  std::vector<double> of_row, of_column(counts[0].size(), 0);
  for (const std::vector<int64_t>& row : counts) {
    of_row.push_back(0);
    for (size_t c = 0; c < row.size(); ++c) {
      of_row.back() += static_cast<double>(row[c]);
      of_column[c] += static_cast<double>(row[c]);
    }
  }
  double sum = 0;
  for (size_t r = 0; r < counts.size(); ++r)
    for (size_t c = 0; c < of_column.size(); ++c) {
      const double expected = of_row[r] * of_column[c] / n, off = static_cast<double>(counts[r][c]) - expected;
      sum += off * off / expected;
    }
  return sum;
}

}  // namespace

double NonCentralChiSquared(double x, double df, double non_centrality) {
  const double sum = df + non_centrality, sum2 = df + 2 * non_centrality, sum3 = df + 3 * non_centrality;
  const double h = 1 - 2 * sum * sum3 / (3 * sum2 * sum2), p = sum2 / (sum * sum), m = (h - 1) * (1 - 3 * h);
  const double mean = 1 + h * p * (h - 1 - 0.5 * (2 - h) * m * p);
  return NormalProbability((std::pow(x / sum, h) - mean) / (h * std::sqrt(2 * p) * (1 + 0.5 * m * p)));
}

Association AssociationOf(const std::vector<std::vector<int64_t>>& counts) {
  const std::vector<std::vector<int64_t>> table = Filled(counts);
  Association result = {kNone, kNone, kNone, 0};
  for (const std::vector<int64_t>& row : table)
    for (const int64_t n : row) result.n += n;
  if (table.size() < 2 || table[0].size() < 2) return result;
  const auto n = static_cast<double>(result.n), r = static_cast<double>(table.size() - 1),
             c = static_cast<double>(table[0].size() - 1);
  const double most = std::min(r - r * r / (n - 1), c - c * c / (n - 1));
  if (!(most > 0)) return result;
  const double chi_squared = ChiSquared(table, n), df = r * c;
  const auto v_of = [&](double phi) { return std::min(std::sqrt(std::max(phi, 0.0) / most), 1.0); };
  const auto end = [&](double probability) {
    const auto at_most = [&](double non_centrality) { return NonCentralChiSquared(chi_squared, df, non_centrality); };
    return v_of(Solve(at_most, probability, 0, df) / (n - 1));
  };
  result.v = v_of(chi_squared / n - df / (n - 1));
  result.low = end(1 - kTail);
  result.high = end(kTail);
  return result;
}

}  // namespace kindred
