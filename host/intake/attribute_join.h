// The attributes of a dataset's items, or users: read from tables, or taken over from the dataset it grows from.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "host/data/dataset.h"
#include "host/intake/attribute_builder.h"

namespace kindred {

class AttributeJoin {
 public:
  enum class Side { kItems, kUsers };

  /// `id_column`: what the events call their ids, the first of the usual names of keys.
  AttributeJoin(Side side, const std::string& id_column, std::span<const AttributeSource> sources);

  /// Reads the tables. Throws what AttributeBuilder::Read throws.
  void Read(const AttributeSink& sink);
  /// `ids` has those with events; those that only a table has are put behind. Without tables, `before` (or null) gives
  /// its ids and its table. What it returns is valid while this is.
  AttributeTable Finish(IdMapBuilder& ids, const Dataset* before);
  /// AttributeBuilder::report; null without tables.
  nlohmann::json report() const { return sources_.empty() ? nlohmann::json() : builder_.report(); }

 private:
  AttributeTable TakeOver(IdMapBuilder& ids, const Dataset& before);

  Side side_;
  std::span<const AttributeSource> sources_;
  AttributeBuilder builder_;
  std::vector<AttributeArrays> taken_over_;
};

}  // namespace kindred
