// The attributes of a version's items as conditions see them: the version's table, with updates laid over it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/conditions/item_column.h"
#include "host/data/attribute_table.h"

namespace kindred {

/// An attribute of an item gets a value, or none.
struct ItemUpdate {
  int32_t item = 0;
  std::string attribute;
  AttributeValue value;
};

/// A snapshot: immutable, shared by any number of threads. Columns that an update leaves alone are shared by the
/// snapshots before and after it.
class ItemTable {
 public:
  /// Of a version. `keep` holds the memory behind the table's columns.
  static std::shared_ptr<const ItemTable> From(const AttributeTable& table, const std::shared_ptr<const void>& keep);

  /// The same with these values; of one attribute of one item, the last. Nothing is converted: a category or text takes
  /// a text, tags a list of texts, a number, boolean or time as in AttributeValue.
  ///
  /// Throws kInvalidArgument: "updates[3]: ...", and what Check says. Cost: a copy of each column with a new value,
  /// however few the values: 8 bytes an item for numbers and times, 1 for booleans, 16 for texts, 4 for categories, 8
  /// and 4 a tag for tags; for categories and tags beside that a table of all their different values. Memory: as much,
  /// and each text that was set for as long as an item of the snapshot has it (of categories and tags about that long).
  std::shared_ptr<const ItemTable> With(std::span<const ItemUpdate> updates) const;

  /// Throws kInvalidArgument for an item that is out of range, an attribute that is not there, naming the nearest, and
  /// a value that is not of its type, naming what was found and what was expected.
  void Check(const ItemUpdate& update) const;

  int64_t n_items() const { return n_items_; }
  /// 0 of the version's own table, and one more after each With.
  uint64_t epoch() const { return epoch_; }
  std::span<const std::shared_ptr<const ItemColumn>> columns() const { return columns_; }
  /// The column's place, or -1. Types and places never change.
  int64_t Find(std::string_view name) const;
  /// The column. Throws kInvalidArgument where it is not there, naming the nearest.
  const std::shared_ptr<const ItemColumn>& Named(std::string_view name) const;

 private:
  ItemTable() = default;

  int64_t n_items_ = 0;
  uint64_t epoch_ = 0;
  std::vector<std::shared_ptr<const ItemColumn>> columns_;
};

}  // namespace kindred
