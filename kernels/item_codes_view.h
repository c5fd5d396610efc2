// The codes of a catalogue (kernels/cpu/item_codes.h) as a version of a model stores them: docs/formats.md has them
// byte by byte.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "kernels/views.h"

namespace kindred {

/// What the numbers below mean. A program takes those of its own version alone.
inline constexpr int kItemCodesVersion = 1;

inline constexpr int64_t kMaxRotatedFactors = 512;  // with more R is the identity

inline constexpr int64_t kBlockFigures = 5;  // that bound a block

/// Memory of the host. Items stand in blocks of 64, n_blocks = ceil(n_items / 64), their factors in steps of 4,
/// n_steps = ceil(n_factors / 4).
struct ItemCodesView {
  std::span<const int32_t> order;    // [n_items]: the item at each place; empty: each at its own
  HostMatrix<const uint8_t> codes;   // [n_blocks x n_steps * 64 * 4]: a code and 128, 1 to 255
  HostMatrix<const double> figures;  // [n_blocks x 5]: unit, error, norm, tail, item_norm (CodeBlock)
  HostMatrix<const float> rotation;  // R, [n_factors x n_factors]; no rows: the identity

  bool empty() const { return codes.n_rows == 0; }
};

/// What of the shapes does not fit such items, in words; empty where nothing does. Codes begin at a multiple of 64
/// bytes. `ordered`: as an index of these items has them, which is without an item-item part.
std::string WrongShapeOf(const ItemCodesView& codes, int64_t n_items, int64_t n_factors, bool ordered);

/// Of codes whose shapes fit, what no catalogue has: an item twice, a code of 0, a figure below 0 or a number that is
/// not finite; empty where there is nothing. Whatever passes may be scanned safely; whether its bounds are true, only
/// those who made it know. Cost: one pass.
std::string WrongNumberOf(const ItemCodesView& codes);

}  // namespace kindred
