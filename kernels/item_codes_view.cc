#include "kernels/item_codes_view.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/cpu/simd_codes.h"

namespace kindred {
namespace {

std::string Is(const char* array, int64_t found, int64_t expected) {
  return std::string("item_codes") + array + " has size " + std::to_string(found) + "; expected " +
         std::to_string(expected);
}

std::string IsIn(const char* array, const std::string& found, size_t place) {
  return std::string("item_codes") + array + " holds " + found + " at " + std::to_string(place);
}

}  // namespace

std::string WrongShapeOf(const ItemCodesView& codes, int64_t n_items, int64_t n_factors, bool ordered) {
  const int64_t n_blocks = (n_items + kCodeItems - 1) / kCodeItems, n_steps = (n_factors + kCodeStep - 1) / kCodeStep;
  const struct {
    const char* array;
    int64_t found, expected;
  } sizes[] = {
      {"_order", std::ssize(codes.order), ordered ? n_items : 0},
      {" (rows)", codes.codes.n_rows, n_blocks},
      {" (columns)", codes.codes.n_cols, n_steps * kCodeStep * kCodeItems},
      {"_figures (rows)", codes.figures.n_rows, n_blocks},
      {"_figures (columns)", codes.figures.n_cols, kBlockFigures},
      {"_rotation (rows)", codes.rotation.n_rows,
       codes.rotation.n_rows == 0 || n_factors > kMaxRotatedFactors ? 0 : n_factors},
      {"_rotation (columns)", codes.rotation.n_cols, codes.rotation.n_rows == 0 ? codes.rotation.n_cols : n_factors},
  };
  for (const auto& [array, found, expected] : sizes)
    if (found != expected) return Is(array, found, expected);
  if (reinterpret_cast<uintptr_t>(codes.codes.data) % 64 != 0)
    return "item_codes do not begin at a multiple of 64 bytes";
  return {};
}

std::string WrongNumberOf(const ItemCodesView& codes) {
  std::vector<bool> seen(codes.order.size());
  for (size_t place = 0; place < codes.order.size(); ++place) {
    const int32_t item = codes.order[place];
    if (item < 0 || item >= std::ssize(codes.order))
      return IsIn("_order", std::to_string(item) + " of " + std::to_string(seen.size()) + " items", place);
    if (seen[static_cast<size_t>(item)]) return IsIn("_order", std::to_string(item) + " again", place);
    seen[static_cast<size_t>(item)] = true;
  }
  const std::span<const uint8_t> all = codes.codes.all();
  if (const void* zero = all.empty() ? nullptr : std::memchr(all.data(), 0, all.size()))
    return IsIn("", "0", static_cast<size_t>(static_cast<const uint8_t*>(zero) - all.data()));
  const std::span<const double> figures = codes.figures.all();
  for (size_t i = 0; i < figures.size(); ++i)
    if (!(figures[i] >= 0 && std::isfinite(figures[i]))) return IsIn("_figures", std::to_string(figures[i]), i);
  const std::span<const float> rotation = codes.rotation.all();
  for (size_t i = 0; i < rotation.size(); ++i)
    if (!std::isfinite(rotation[i])) return IsIn("_rotation", std::to_string(rotation[i]), i);
  return {};
}

}  // namespace kindred
