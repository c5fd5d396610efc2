// The arrays of a finished column, and how rows that were read in one order get into another.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/data/attribute_table.h"
#include "host/data/id_map.h"

namespace kindred {

/// Of which the column's type uses some.
struct AttributeArrays {
  AttributeType type = AttributeType::kText;
  bool inferred = false;
  int64_t n_missing = 0;

  std::vector<double> numbers;
  std::vector<uint8_t> booleans;
  std::vector<int64_t> times;
  std::vector<int32_t> codes;
  std::vector<int64_t> indptr;
  std::vector<uint8_t> bytes;  // of a text, or of the dictionary
  std::vector<int64_t> offsets;

  /// Valid while these arrays are.
  AttributeColumn View(std::string name, std::string source) const;
};

/// Texts one after another.
class TextRows {
 public:
  void Add(std::string_view text) {
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    offsets_.push_back(static_cast<int64_t>(bytes_.size()));
  }
  int64_t size() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  std::string_view operator[](int64_t i) const { return view()[i]; }
  TextsView view() const { return {bytes_, offsets_}; }

 private:
  std::vector<uint8_t> bytes_;
  std::vector<int64_t> offsets_ = {0};
};

/// The ids of a map in the order of their indices. Valid as long as the map's memory.
inline TextsView TextsOf(const IdMap& map) {
  return {map.bytes(), map.offsets()};
}

/// The column with row j in row `to[j]` of `n_rows`; the others miss it.
AttributeArrays PlaceRows(const AttributeColumn& column, std::span<const int32_t> to, int64_t n_rows);

/// One value a row: value j goes to row `to[j]` of `n_rows`, the others get `missing`.
template <class T>
std::vector<T> PlaceScalars(std::span<const T> values, std::span<const int32_t> to, int64_t n_rows, T missing) {
  std::vector<T> placed(static_cast<size_t>(n_rows), missing);
  for (size_t j = 0; j < values.size(); ++j) placed[static_cast<size_t>(to[j])] = values[j];
  return placed;
}

/// The same of categories (places in the dictionary, or kMissingCode), of texts, and of tags: row j has the codes from
/// indptr[j] to indptr[j + 1].
AttributeArrays PlaceCategories(std::span<const int32_t> codes, const TextsView& dictionary,
                                std::span<const int32_t> to, int64_t n_rows);
AttributeArrays PlaceTexts(const TextsView& texts, std::span<const int32_t> to, int64_t n_rows);
AttributeArrays PlaceTags(std::span<const int64_t> indptr, std::span<const int32_t> codes, const TextsView& dictionary,
                          std::span<const int32_t> to, int64_t n_rows);

}  // namespace kindred
