// The k largest entries of each row of a sparse product: Gustavson's row by row, on a dense row of sums a thread.
#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "kernels/cpu/backend.h"
#include "kernels/require.h"

namespace kindred {
namespace {

constexpr int64_t kTaskCost = 1 << 16;  // entries added by a task of several rows
constexpr int64_t kRowCost = 64;        // what a row costs without entries

// Rows by falling cost, so that no huge one is left for the end, and where each task's begin.
struct Schedule {
  std::vector<int64_t> order, tasks;

  Schedule(const CsrView& left, const CsrView& right) : order(static_cast<size_t>(left.n_rows)) {
    std::vector<int64_t> costs(order.size(), kRowCost);
    for (int64_t r = 0; r < left.n_rows; ++r)
      for (int32_t u : left.row(r)) costs[static_cast<size_t>(r)] += static_cast<int64_t>(right.row(u).size());
    std::iota(order.begin(), order.end(), int64_t{0});
    const auto cost = [&](int64_t r) { return costs[static_cast<size_t>(r)]; };
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return cost(a) > cost(b); });
    int64_t of_task = kTaskCost;
    for (size_t place = 0; place < order.size(); of_task += cost(order[place++])) {
      if (of_task < kTaskCost) continue;
      tasks.push_back(static_cast<int64_t>(place));
      of_task = 0;
    }
    tasks.push_back(left.n_rows);
  }
};

// One thread's sums of a row, by column. All are 0 between rows.
class Sums {
 public:
  static int64_t Floats(int64_t n_cols) { return 2 * n_cols + 2 * n_cols + n_cols + 1; }

  Sums(float* memory, int64_t n_cols)
      : sums_(reinterpret_cast<double*>(memory)),
        keys_(reinterpret_cast<uint64_t*>(memory) + n_cols),
        touched_(reinterpret_cast<int32_t*>(memory) + 4 * n_cols) {}

  static void Clear(float* memory, int64_t n_cols) {
    std::memset(memory, 0, static_cast<size_t>(n_cols) * sizeof(double));
  }

  void Add(float weight, std::span<const int32_t> columns, std::span<const float> values) {
    const double by = weight;
    int64_t n = n_touched_;
    for (size_t e = 0; e < columns.size(); ++e) {
      const int32_t column = columns[e];
      const double product = by * values[e], before = sums_[column];
      touched_[n] = column;
      n += static_cast<int64_t>(before == 0) & static_cast<int64_t>(product > 0);
      sums_[column] = before + product;
    }
    n_touched_ = n;
  }

  void Drop(int64_t column) { sums_[column] = 0; }

  /// Writes the k best in increasing columns, and starts anew.
  void Take(const float* column_scale, int64_t k, int32_t* items, float* values) {
    uint64_t* end = keys_;
    for (int64_t i = 0; i < n_touched_; ++i) {
      const int32_t column = touched_[i];
      const double scale = column_scale == nullptr ? 1 : column_scale[column];
      const auto value = static_cast<float>(scale * sums_[column]);
      sums_[column] = 0;
      // Larger is better: a larger value, which is above 0 and so ordered by its bits, then a lower column.
      if (value > 0) *end++ = uint64_t{std::bit_cast<uint32_t>(value)} << 32 | ~static_cast<uint32_t>(column);
    }
    n_touched_ = 0;
    if (end - keys_ > k) {
      std::nth_element(keys_, keys_ + k, end, std::greater<>());
      end = keys_ + k;
    }
    for (uint64_t* key = keys_; key < end; ++key) *key = std::rotl(*key, 32) ^ (uint64_t{0xffffffff} << 32);
    std::sort(keys_, end);
    for (int64_t i = 0; i < k; ++i) {
      const bool filled = i < end - keys_;
      items[i] = filled ? static_cast<int32_t>(keys_[i] >> 32) : -1;
      values[i] = filled ? std::bit_cast<float>(static_cast<uint32_t>(keys_[i])) : 0;
    }
  }

 private:
  double* sums_;
  uint64_t* keys_;
  int32_t* touched_;  // n_cols + 1: columns whose sum is not 0
  int64_t n_touched_ = 0;
};

}  // namespace

void CpuBackend::MultiplySparseTopK(Context& context, const SparseTopK& request) {
  RequireSparseTopKShapes(request);
  const CsrView& left = static_cast<const CsrRows&>(*request.left).weights;
  const CsrView& right = static_cast<const CsrRows&>(*request.right).weights;
  CpuContext& cpu = static_cast<CpuContext&>(context);
  const int64_t n_cols = right.n_cols, k = request.items.n_cols;
  const float* column_scale = request.column_scale.empty() ? nullptr : request.column_scale.data;
  const Schedule schedule(left, right);
  const auto n_tasks = static_cast<int64_t>(schedule.tasks.size()) - 1;
  std::vector<uint8_t> is_clear(static_cast<size_t>(cpu.max_threads()), 0);  // of a worker
  cpu.Run(n_tasks, [&](int64_t task, int worker) {
    float* memory = cpu.ScratchOf(worker, Sums::Floats(n_cols));
    if (std::exchange(is_clear[static_cast<size_t>(worker)], 1) == 0) Sums::Clear(memory, n_cols);
    Sums sums(memory, n_cols);
    for (int64_t place = schedule.tasks[static_cast<size_t>(task)];
         place < schedule.tasks[static_cast<size_t>(task) + 1]; ++place) {
      const int64_t row = schedule.order[static_cast<size_t>(place)];
      const auto inner = left.row(row);
      for (size_t e = 0; e < inner.size(); ++e)
        sums.Add(left.row_values(row)[e], right.row(inner[e]), right.row_values(inner[e]));
      if (request.skip_diagonal && row < n_cols) sums.Drop(row);
      sums.Take(column_scale, k, request.items.data + row * k, request.values.data + row * k);
    }
  });
}

}  // namespace kindred
