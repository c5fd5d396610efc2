// Tables of attributes from any number of exports, joined by id into one in the dataset's order.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "host/data/attribute_arrays.h"
#include "host/data/attribute_table.h"
#include "host/data/id_map.h"
#include "host/intake/attribute_reader.h"

namespace kindred {

/// Reads the tables of items, or those of users, then joins them. Memory: what the columns take as an artifact (of a
/// column of numbers or times that was inferred, twice that), the ids, and 16 bytes a row of the source that is read.
class AttributeBuilder {
 public:
  /// `what` is "item" or "user"; `usual_keys` are the columns where the key of a source that names none is looked for,
  /// in this order.
  AttributeBuilder(std::string what, std::vector<std::string> usual_keys)
      : what_(std::move(what)), usual_keys_(std::move(usual_keys)) {}

  /// Reads a source to its end, by the rules of ReadAttributes, and throws what that throws; also kInvalidArgument
  /// where an attribute has the name of another source's.
  void Read(const AttributeSource& source, const AttributeOpener& open, const AttributeSink& sink);

  /// `ids` has those with events. Those of the tables that are not among them are interned behind them, in the order
  /// of their rows; then the dataset has `ids.size()` rows, and so has the table, which is valid while the builder
  /// lives. Once, at the end.
  AttributeTable Finish(IdMapBuilder& ids);

  /// After Finish, for the manifest and the report of `prepare`:
  ///   n_rows                         different ids in the sources
  ///   n_matched, n_only_in_table     of these, with and without events
  ///   n_without_row                  ids with events that no source has
  ///   only_in_table, without_row     the first few of both
  ///   sources     for each: source, key, n_bad_rows, files ({path, bytes, sha256}) and the members above
  ///   near_types  inferred columns that began as another type: {column, file, line, text, before}
  const nlohmann::json& report() const { return report_; }

 private:
  nlohmann::json Matches(std::span<const int32_t> keys, std::span<const int32_t> index_of, const IdMap& ids,
                         int64_t n_with_events) const;

  std::string what_;
  std::vector<std::string> usual_keys_;
  IdMapBuilder keys_;
  std::vector<AttributeRows> sources_;
  std::vector<AttributeArrays> arrays_;
  nlohmann::json report_;
};

}  // namespace kindred
