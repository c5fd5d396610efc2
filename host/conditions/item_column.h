// A typed column of an item table, and a column with some of its values changed.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "host/conditions/shared_texts.h"
#include "host/data/attribute_table.h"
#include "host/expression/column.h"

namespace kindred {

/// A value as requests have it: nothing (missing), a number, a boolean, a text or a list of texts. A time is whole unix
/// seconds, or a text of ISO 8601. Empty texts and lists, and NaN, are missing, as in expressions.
using AttributeValue = std::variant<std::monostate, double, bool, std::string, std::vector<std::string>>;

/// "nothing", "a number", "a boolean", "a text" or "a list of texts".
const char* KindOf(const AttributeValue& value);

/// Row `row` of a column of a table; of a time, its seconds.
AttributeValue ValueOf(const AttributeColumn& column, int64_t row);

/// Immutable, shared by any number of threads.
class ItemColumn {
 public:
  ItemColumn(const AttributeColumn& from, std::shared_ptr<const void> keep);
  ItemColumn(const ItemColumn&) = delete;
  ItemColumn& operator=(const ItemColumn&) = delete;

  using Change = std::pair<int32_t, const AttributeValue*>;  // an item, and its new value
  /// The same with these changes, in order. Each value fits the type, each item is one.
  std::shared_ptr<const ItemColumn> With(std::span<const Change> changes) const;

  /// Throws kInvalidArgument where the value is not of the column's type: "found a text; expected a number".
  void Check(const AttributeValue& value) const;

  /// A number that no other column has had: above that of the column it was made of by With.
  uint64_t version() const { return version_; }
  const std::string& name() const { return name_; }
  AttributeType type() const { return type_; }
  /// As expressions read it. Views, valid while this lives. The first call for a column with texts makes the views.
  const Column& column() const;
  /// As ValueOf.
  AttributeValue Value(int64_t item) const;

 private:
  struct Changed {};
  ItemColumn(const ItemColumn& from, Changed);  // with arrays of its own

  void ChangeCategories(std::span<const Change> changes);
  void ChangeTags(std::span<const Change> changes);
  void DropUnusedEntries();

  const uint64_t version_;
  std::string name_;
  AttributeType type_ = AttributeType::kText;
  std::shared_ptr<const void> keep_;
  TextsView texts_;  // of rows or of the dictionary, until views are made of them

  mutable std::once_flag views_once_;
  mutable std::vector<std::string_view> views_;
  mutable Column column_;

  // Where values have changed.
  std::vector<double> numbers_;
  std::vector<uint8_t> booleans_;
  std::vector<int64_t> times_, indptr_;
  std::vector<int32_t> codes_;
  SharedTexts strings_;  // behind views_, by place
};

}  // namespace kindred
