// A set of items as bits.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace kindred {

/// Item i is bit i % 64 of word i / 64, as Backend::NewItemFilter has it; bits after the last item are 0.
struct ItemBits {
  /// None of so many items.
  explicit ItemBits(int64_t items) : n_items(items), words(static_cast<size_t>((items + 63) / 64)) {}
  /// These of so many.
  ItemBits(int64_t items, std::span<const int32_t> set) : ItemBits(items) {
    for (const int32_t item : set) words[static_cast<size_t>(item / 64)] |= uint64_t{1} << (item % 64);
    Count();
  }

  bool Has(int32_t item) const { return (words[static_cast<size_t>(item / 64)] >> (item % 64) & 1) != 0; }
  /// Leaves only what is in both, which are of as many items.
  void Intersect(const ItemBits& other) {
    for (size_t w = 0; w < words.size(); ++w) words[w] &= other.words[w];
    Count();
  }
  /// n_set anew, after a change of the words.
  void Count() {
    n_set = 0;
    for (const uint64_t word : words) n_set += std::popcount(word);
  }
  int64_t bytes() const { return static_cast<int64_t>(words.size() * sizeof(uint64_t)); }

  int64_t n_items = 0;
  int64_t n_set = 0;
  std::vector<uint64_t> words;
};

}  // namespace kindred
