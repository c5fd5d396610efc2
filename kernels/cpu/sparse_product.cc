// Products of sparse rows with a dense matrix: tasks of about as many entries each, long rows in pieces.
#include <algorithm>
#include <vector>

#include "kernels/cpu/backend.h"
#include "kernels/require.h"

namespace kindred {
namespace {

constexpr int64_t kTaskEntries = 8192;  // in rows of at most so many; a constant a row counts too
constexpr int64_t kRowCost = 8;
constexpr int64_t kPieceEntries = 8192;  // of a longer row

/// Rows that one task sums, or the pieces of one row that are added up at the end.
struct Piece {
  int64_t row, begin, end;  // entries
};

struct Schedule {
  std::vector<int64_t> tasks;  // where each task's rows begin, and the end; long rows are left out in them
  std::vector<Piece> pieces;

  explicit Schedule(const CsrView& rows) {
    int64_t cost = kTaskEntries;
    for (int64_t r = 0; r < rows.n_rows; ++r) {
      const int64_t begin = rows.indptr[static_cast<size_t>(r)], end = rows.indptr[static_cast<size_t>(r) + 1];
      if (cost >= kTaskEntries) {
        tasks.push_back(r);
        cost = 0;
      }
      if (end - begin <= kPieceEntries) {
        cost += end - begin + kRowCost;
        continue;
      }
      for (int64_t e = begin; e < end; e += kPieceEntries) pieces.push_back({r, e, std::min(e + kPieceEntries, end)});
    }
    tasks.push_back(rows.n_rows);
  }
};

}  // namespace

void CpuBackend::MultiplySparse(Context& context, const SparseRows& a, MatrixView<const float> b,
                                MatrixView<float> product) {
  RequireSparseProductShapes(a, b, product);
  const CsrView& rows = static_cast<const CsrRows&>(a).weights;
  const int64_t width = b.n_cols;
  const Schedule schedule(rows);
  const auto n_tasks = static_cast<int64_t>(schedule.tasks.size()) - 1;
  const auto n_pieces = static_cast<int64_t>(schedule.pieces.size());
  std::vector<float> partials(static_cast<size_t>(n_pieces * width));
  const auto multiply = [&](const int64_t* indptr, int64_t n_rows, float* out) {
    products_.multiply_rows(indptr, n_rows, rows.indices.data(), rows.values.data(), b.data, width, out);
  };
  CpuContext& cpu = static_cast<CpuContext&>(context);
  cpu.Run(n_pieces + n_tasks, [&](int64_t task, int) {
    if (task < n_pieces) {
      const Piece& piece = schedule.pieces[static_cast<size_t>(task)];
      const int64_t ends[] = {piece.begin, piece.end};
      return multiply(ends, 1, partials.data() + task * width);
    }
    const auto place = static_cast<size_t>(task - n_pieces);
    int64_t first = schedule.tasks[place];
    const int64_t last = schedule.tasks[place + 1];
    for (int64_t r = first; r <= last; ++r) {
      const bool is_long =
          r < last && rows.indptr[static_cast<size_t>(r) + 1] - rows.indptr[static_cast<size_t>(r)] > kPieceEntries;
      if (r < last && !is_long) continue;
      multiply(rows.indptr.data() + first, r - first, product.data + first * width);
      first = r + 1;
    }
  });
  for (int64_t p = 0; p < n_pieces; ++p) {
    const Piece& piece = schedule.pieces[static_cast<size_t>(p)];
    float* to = product.data + piece.row * width;
    const float* partial = partials.data() + p * width;
    if (piece.begin == rows.indptr[static_cast<size_t>(piece.row)]) std::fill(to, to + width, 0.0f);
    for (int64_t k = 0; k < width; ++k) to[k] += partial[k];
  }
}

}  // namespace kindred
