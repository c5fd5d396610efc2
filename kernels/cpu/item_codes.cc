#include "kernels/cpu/item_codes.h"

#include <Eigen/Dense>
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <string>
#include <utility>

#include "kernels/cpu/rounded_row.h"

namespace kindred {
namespace {

constexpr int64_t kBlocksPerTask = 16;
using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Rt R - I is at most this, by its Frobenius norm.
double Excess(const std::vector<float>& rotation, int64_t f) {
  const Eigen::MatrixXd r = Eigen::Map<const Rows>(rotation.data(), f, f).cast<double>();
  return (r.transpose() * r - Eigen::MatrixXd::Identity(r.cols(), r.cols())).norm() * kRoundUp;
}

}  // namespace

void ItemCodes::Free::operator()(uint8_t* p) const {
  std::free(p);
}

ItemCodes::ItemCodes(int64_t n_items, int64_t n_factors, bool ordered)
    : n_items_(n_items),
      n_factors_(n_factors),
      n_steps_((n_factors + kCodeStep - 1) / kCodeStep),
      n_head_steps_(n_factors >= 32 ? (n_steps_ + 1) / 2 : n_steps_),
      ordered_(ordered) {}

ItemCodes::ItemCodes(CpuBackend& backend, CpuContext& context, const SimdKernels& simd, MatrixView<const float> items,
                     bool ordered)
    : ItemCodes(items.n_rows, items.n_cols, ordered) {
  SetOrder(context, items);
  SetPlaces();
  SetRotation(Eigenvectors(backend, context, items));
  const auto bytes = static_cast<size_t>(n_blocks() * n_steps_ * kCodeStep * kCodeItems);
  made_.reset(static_cast<uint8_t*>(std::aligned_alloc(64, std::max<size_t>(bytes, 64))));
  if (!made_) throw Error(ErrorCode::kOutOfMemory, "no " + std::to_string(bytes) + " bytes for an index of items");
  codes_ = made_.get();
  context.Run((n_blocks() + kBlocksPerTask - 1) / kBlocksPerTask, [&](int64_t task, int worker) {
    float* workspace = context.ScratchOf(worker, kCodeItems * (n_factors_ + stride()));
    for (int64_t b = task * kBlocksPerTask; b < std::min(n_blocks(), (task + 1) * kBlocksPerTask); ++b)
      Encode(simd, items, b, workspace);
  });
  std::vector<double>().swap(norms_);
}

ItemCodes ItemCodes::Of(HostMatrix<const float> items, bool ordered, int n_threads) {
  CpuBackend backend(n_threads);
  const auto context = backend.NewContext(0);
  return {backend,
          static_cast<CpuContext&>(*context),
          SimdKernelsOf(DetectSimdLevel()),
          {items.data, items.n_rows, items.n_cols},
          ordered};
}

ItemCodes::ItemCodes(const ItemCodesView& stored, int64_t n_items, int64_t n_factors, bool ordered)
    : ItemCodes(n_items, n_factors, ordered) {
  order_.assign(stored.order.begin(), stored.order.end());
  if (!ordered) {
    order_.resize(static_cast<size_t>(n_items));
    std::iota(order_.begin(), order_.end(), 0);
  }
  SetPlaces();
  for (int64_t b = 0; b < n_blocks(); ++b) {
    const std::span<const double> of = stored.figures.row(b);
    blocks_[static_cast<size_t>(b)] = {of[0], of[1], of[2], of[3], of[4]};
  }
  SetRotation({stored.rotation.data, stored.rotation.data + stored.rotation.size()});
  codes_ = stored.codes.data;
}

ItemCodesView ItemCodes::view() const {
  if (n_items_ == 0 || !irregular_.empty()) return {};
  static_assert(sizeof(CodeBlock) == kBlockFigures * sizeof(double));
  ItemCodesView view;
  if (ordered_) view.order = std::span(order_).first(static_cast<size_t>(n_items_));
  view.codes = {codes_, n_blocks(), n_steps_ * kCodeStep * kCodeItems};
  view.figures = {reinterpret_cast<const double*>(blocks_.data()), n_blocks(), kBlockFigures};
  view.rotation = {rotation_.data(), rotation_.empty() ? 0 : n_factors_, n_factors_};
  return view;
}

void ItemCodes::SetOrder(CpuContext& context, MatrixView<const float> items) {
  constexpr int64_t kRows = 1024;
  norms_.resize(static_cast<size_t>(n_items_));
  context.Run((items.n_rows + kRows - 1) / kRows, [&](int64_t task, int) {
    for (int64_t i = task * kRows; i < std::min(items.n_rows, (task + 1) * kRows); ++i)
      norms_[static_cast<size_t>(i)] = Norm(items.data + i * n_factors_, n_factors_);
  });
  order_.reserve(static_cast<size_t>(items.n_rows + kCodeItems));
  for (int32_t i = 0; i < items.n_rows; ++i) {
    const bool regular = std::isfinite(norms_[static_cast<size_t>(i)]);
    if (regular || !ordered_) order_.push_back(i);
    if (!regular) irregular_.push_back(i);
  }
  const auto longer = [&](int32_t a, int32_t b) {
    const double left = norms_[static_cast<size_t>(a)], right = norms_[static_cast<size_t>(b)];
    return left > right || (left == right && a < b);
  };
  if (ordered_) std::sort(order_.begin(), order_.end(), longer);
}

// Blocks, and the bits of what has codes, for the items in order.
void ItemCodes::SetPlaces() {
  blocks_.resize((order_.size() + kCodeItems - 1) / kCodeItems);
  places_.resize(blocks_.size());
  for (size_t place = 0; place < order_.size(); ++place)
    if (!std::binary_search(irregular_.begin(), irregular_.end(), order_[place]))
      places_[place / kCodeItems] |= uint64_t{1} << place % kCodeItems;
  order_.resize(blocks_.size() * kCodeItems, -1);
}

// R by rows; empty where the axes stay as they are.
std::vector<float> ItemCodes::Eigenvectors(CpuBackend& backend, CpuContext& context,
                                           MatrixView<const float> items) const {
  const int64_t f = n_factors_;
  if (f < 2 || f > kMaxRotatedFactors || !irregular_.empty()) return {};
  Eigen::MatrixXf gram(f, f);
  backend.Gram(context, items, {gram.data(), f, f});
  if (!gram.allFinite()) return {};
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(gram.cast<double>());
  if (solver.info() != Eigen::Success) return {};
  std::vector<float> rotation(static_cast<size_t>(f * f));
  Eigen::Map<Rows>(rotation.data(), f, f) = solver.eigenvectors().rowwise().reverse().transpose().cast<float>();
  return rotation;
}

void ItemCodes::SetRotation(std::vector<float> rotation) {
  rotation_ = std::move(rotation);
  if (rotation_.empty()) return;
  const int64_t f = n_factors_;
  panels_.resize(static_cast<size_t>(f * stride()), 0.0f);
  for (int64_t k = 0; k < f; ++k)
    for (int64_t c = 0; c < f; ++c)
      panels_[static_cast<size_t>(PanelOffset(f, k, c))] = rotation_[static_cast<size_t>(c * f + k)];
  rotation_excess_ = Excess(rotation_, f);
  // Each of the f sums is off by at most (f + 2) 2^-24 of |R_k||x| (Higham 2002, section 3.1); what float32 cannot hold
  // is nothing beside that, as rows are brought near 1 before they are rotated.
  const auto terms = static_cast<double>(f);
  rotation_error_ = std::sqrt(terms) * (terms + 4) * 0x1p-24 * (1 + rotation_excess_);
}

void ItemCodes::Rotate(const SimdKernels& simd, const float* rows, int64_t n_rows, float* rotated) const {
  if (!panels_.empty())
    return simd.multiply_panels(rows, n_rows, n_factors_, n_factors_, panels_.data(), CountPanels(n_factors_), rotated,
                                stride());
  for (int64_t r = 0; r < n_rows; ++r)
    std::copy(rows + r * n_factors_, rows + (r + 1) * n_factors_, rotated + r * stride());
}

void ItemCodes::Encode(const SimdKernels& simd, MatrixView<const float> items, int64_t b, float* workspace) {
  const int64_t f = n_factors_, head = n_head_steps_ * kCodeStep;
  float *rows = workspace, *rotated = workspace + kCodeItems * f;
  CodeBlock& block = blocks_[static_cast<size_t>(b)];
  const int32_t* item = order_.data() + b * kCodeItems;
  const auto is_coded = [&](int64_t i) { return (places(b) >> i & 1) != 0; };
  const int64_t n = std::bit_width(places(b));
  for (int64_t i = 0; i < n; ++i)
    if (is_coded(i)) block.item_norm = std::max(block.item_norm, norms_[static_cast<size_t>(item[i])] * kRoundUp);
  uint8_t* const codes = made_.get() + b * n_steps_ * kCodeStep * kCodeItems;
  std::fill_n(codes, n_steps_ * kCodeStep * kCodeItems, uint8_t{128});
  if (block.item_norm == 0) return;
  // Numbers near 1, whose sums float32 can hold: all but what is 2^-126 of the block's longest item.
  const int exponent = -std::ilogb(block.item_norm);
  const double shift = std::ldexp(1, exponent);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t k = 0; k < f; ++k)
      rows[i * f + k] = is_coded(i) ? static_cast<float>(items.data[item[i] * f + k] * shift) : 0;
  Rotate(simd, rows, n, rotated);
  float largest = 0;
  for (int64_t i = 0; i < n; ++i) largest = std::max(largest, Largest(rotated + i * stride(), f));
  const float unit = largest / kLargestCode;
  for (int64_t i = 0; i < n; ++i) {
    if (!is_coded(i)) continue;
    const RoundedRow row = RoundRow(rotated + i * stride(), f, head, unit, [&](int64_t k, int32_t code) {
      codes[(k / kCodeStep * kCodeItems + i) * kCodeStep + k % kCodeStep] = static_cast<uint8_t>(code + 128);
    });
    const double norm = std::ldexp(norms_[static_cast<size_t>(item[i])], exponent) * kRoundUp;
    const double rest = (1 + rotation_excess_) * LeftOf(row, norm, rotation_error_, f) + rotation_excess_ * norm;
    const double squared = row.squared_head + row.squared_tail;
    block.error = std::max(block.error, std::ldexp(rest * kRoundUp, -exponent));
    block.norm = std::max(block.norm, std::ldexp(unit * std::sqrt(squared) * kRoundUp, -exponent));
    block.tail = std::max(block.tail, std::ldexp(unit * std::sqrt(row.squared_tail) * kRoundUp, -exponent));
  }
  block.unit = std::ldexp(static_cast<double>(unit), -exponent);
}

}  // namespace kindred
