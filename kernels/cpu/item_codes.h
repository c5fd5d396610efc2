// A catalogue in 8 bits a number, with bounds of what that leaves out: what TopN scans on a CPU.
//
// With a rotation R, a unit a of each block of items and whole numbers c from -127 to 127, y = a Rt c + r, so that
//
//   q . y  =  a (R q) . c  +  q . r,     |q . r| <= |q| |r|.
//
// R need not be orthogonal for that to hold; |r| is what is left in any case. R is made of the eigenvectors of YtY, by
// falling eigenvalue, so that the first factors have most of every item: where those alone, and Cauchy-Schwarz for the
// others, rule an item out, the others are not read (Bachrach et al. 2014, "Speeding up the Xbox recommender system",
// and Li et al. 2017, "FEXIPRO", use the same basis). Items stand by falling length |y|: a scan ends where |q||y| no
// longer reaches (Teflioudi, Gemulla and Mykytiuk 2015, "LEMP").
//
// Memory: n_factors bytes and 5 an item. Cost to make: 2 n_items f^2 flops for R, as many to apply it, and 9 f^3 for
// the eigenvectors; none of these where n_factors is above kMaxRotatedFactors, and R is the identity. Codes that were
// stored are used where they are: 2 f^3 flops, and a copy of all but the codes themselves.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/cpu/backend.h"
#include "kernels/cpu/simd_codes.h"
#include "kernels/item_codes_view.h"

namespace kindred {

/// kCodeItems items that follow each other. The figures are at least what they say.
struct CodeBlock {
  double unit = 0;       // a; 0 where all items are 0
  double error = 0;      // |r| of its items
  double norm = 0;       // a |c|
  double tail = 0;       // a |c| of the factors after the head
  double item_norm = 0;  // |y|
};

class ItemCodes {
 public:
  /// `ordered`: by falling |y|, else by index. Items with a number that is not finite have no codes.
  ItemCodes(CpuBackend& backend, CpuContext& context, const SimdKernels& simd, MatrixView<const float> items,
            bool ordered);
  /// Of factors of the host, on so many threads (0: one a core).
  static ItemCodes Of(HostMatrix<const float> items, bool ordered, int n_threads);
  /// What view() gave of such items; both checks of item_codes_view.h are the caller's. The codes are used in place.
  ItemCodes(const ItemCodesView& stored, int64_t n_items, int64_t n_factors, bool ordered);

  /// For as long as this lives. Empty where there are no items, or one has no codes.
  ItemCodesView view() const;

  int64_t n_factors() const { return n_factors_; }
  bool ordered() const { return ordered_; }
  int64_t n_blocks() const { return static_cast<int64_t>(blocks_.size()); }
  int64_t n_steps() const { return n_steps_; }
  /// Of them, those that are scanned first; the others only where these do not decide.
  int64_t n_head_steps() const { return n_head_steps_; }

  const CodeBlock& block(int64_t b) const { return blocks_[static_cast<size_t>(b)]; }
  const uint8_t* codes(int64_t b) const { return codes_ + b * n_steps_ * kCodeStep * kCodeItems; }
  /// The items in the order they are scanned in, kCodeItems for each block; -1 after the last. Without `ordered` place
  /// i is item i's.
  const std::vector<int32_t>& order() const { return order_; }
  /// The places of a block that have codes.
  uint64_t places(int64_t b) const { return places_[static_cast<size_t>(b)]; }
  /// Increasing: the items that have no codes.
  const std::vector<int32_t>& irregular() const { return irregular_; }

  /// (R x) of n_rows rows of n_factors, to rows of `stride`, a multiple of kPanelWidth. Off by at most
  /// rotation_error() |x|.
  void Rotate(const SimdKernels& simd, const float* rows, int64_t n_rows, float* rotated) const;
  int64_t stride() const { return CountPanels(n_factors_) * kPanelWidth; }
  double rotation_error() const { return rotation_error_; }

 private:
  struct Free {
    void operator()(uint8_t* p) const;
  };

  /// Without codes.
  ItemCodes(int64_t n_items, int64_t n_factors, bool ordered);

  void SetOrder(CpuContext& context, MatrixView<const float> items);
  void SetPlaces();
  std::vector<float> Eigenvectors(CpuBackend& backend, CpuContext& context, MatrixView<const float> items) const;
  void SetRotation(std::vector<float> rotation);
  void Encode(const SimdKernels& simd, MatrixView<const float> items, int64_t b, float* workspace);

  int64_t n_items_, n_factors_, n_steps_, n_head_steps_;
  bool ordered_;
  std::vector<double> norms_;  // of each item while the codes are made
  std::vector<int32_t> order_, irregular_;
  std::vector<uint64_t> places_;
  std::vector<float> rotation_;  // R; empty: the identity
  std::vector<float> panels_;    // Rt in panels; likewise
  double rotation_error_ = 0;    // of what float32 makes of R x, against |x|
  double rotation_excess_ = 0;   // at least |I - Rt R|
  std::vector<CodeBlock> blocks_;
  std::unique_ptr<uint8_t, Free> made_;  // where the codes were not stored
  const uint8_t* codes_ = nullptr;
};

}  // namespace kindred
