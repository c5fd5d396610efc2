// Attributes of all items, or of all users: typed columns with a row for each index of the dataset.
//
// Column k of the table PREFIX ("item_column", "user_column") is these arrays, [n] with n rows where nothing is said:
//
//   number    PREFIX_k_values  float64; NaN: missing
//   boolean   PREFIX_k_values  uint8; 0, 1 or 2: missing
//   time      PREFIX_k_values  int64, unix seconds; the lowest int64: missing
//   category  PREFIX_k_codes   int32, places in the dictionary; -1: missing
//   tags      PREFIX_k_indptr  int64 [n + 1], where each row's codes start; none: missing
//             PREFIX_k_codes   int32 [indptr[n]], places in the dictionary, no two of a row the same
//   text      PREFIX_k_bytes   uint8, the rows' texts one after another
//             PREFIX_k_offsets int64 [n + 1], where each starts; empty: missing
//
// A dictionary of m different texts is PREFIX_k_dictionary_bytes and PREFIX_k_dictionary_offsets [m + 1], made as
// text is. Names, types and what else is known of the columns are in the manifest (docs/formats.md).
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/expression/column.h"
#include "host/store/artifact.h"

namespace kindred {

enum class AttributeType : uint8_t {
  kNumber,
  kCategory,  // one of a few texts
  kTags,      // several of a few texts
  kText,
  kBoolean,
  kTime,
};

/// "number", "category", "tags", "text", "boolean" or "time".
const char* AttributeTypeName(AttributeType type);
std::optional<AttributeType> AttributeTypeNamed(std::string_view name);

/// Times are of the years 1 to 9999.
inline constexpr int64_t kFirstTime = -62135596800;
inline constexpr int64_t kLastTime = 253402300799;

/// Texts one after another.
struct TextsView {
  std::span<const uint8_t> bytes;
  std::span<const int64_t> offsets;  // [size() + 1]; empty where there is no text

  int64_t size() const { return offsets.empty() ? 0 : static_cast<int64_t>(offsets.size()) - 1; }
  std::string_view operator[](int64_t i) const {
    return {reinterpret_cast<const char*>(bytes.data()) + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i])};
  }
};

/// One column, over arrays that somebody else keeps alive (mapped files, a builder); those of its type are there.
struct AttributeColumn {
  std::string name;
  AttributeType type = AttributeType::kText;
  std::string source;     // the files or the query it came from
  bool inferred = false;  // nobody said that it is of this type
  int64_t n_missing = 0;

  std::span<const double> numbers = {};
  std::span<const uint8_t> booleans = {};
  std::span<const int64_t> times = {};
  std::span<const int32_t> codes = {};
  std::span<const int64_t> indptr = {};
  TextsView texts = {};
  TextsView dictionary = {};
};

class AttributeTable {
 public:
  AttributeTable() = default;
  AttributeTable(int64_t n_rows, std::vector<AttributeColumn> columns)
      : n_rows_(n_rows), columns_(std::move(columns)) {}

  /// Column k is described by entry k of `described`, as Describe gave it. Throws kCorrupt naming the array, or what
  /// of the description is wrong; after that every code and offset is in range and every number is finite.
  /// Cost: one read of every array.
  static AttributeTable FromArtifact(const Artifact& artifact, const std::string& prefix,
                                     const nlohmann::json& described, int64_t n_rows);
  void AddTo(ArtifactWriter& writer, const std::string& prefix) const;
  /// For the manifest: [{"name", "type", "source", "inferred", "n_missing", "n_distinct"}], n_distinct only of types
  /// with a dictionary.
  nlohmann::json Describe() const;

  int64_t n_rows() const { return n_rows_; }
  std::span<const AttributeColumn> columns() const { return columns_; }
  /// The column's place, or -1.
  int64_t Find(std::string_view name) const;

  /// Column k as expressions read it. `texts` is filled with what the column needs of it: a view of each row of a
  /// text, of each entry of a dictionary; it must live as long, and stay as it is.
  Column AsColumn(int64_t k, std::vector<std::string_view>& texts) const;

 private:
  int64_t n_rows_ = 0;
  std::vector<AttributeColumn> columns_;
};

}  // namespace kindred
