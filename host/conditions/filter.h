// Which items a condition lets through: `category in ["shoes", "bags"] and price < 50 and in_stock`.
//
//   NAME           an attribute of the item (host/conditions/item_table.h)
//   user.NAME      an attribute of the user who asks; missing where nothing is known of that user
//   context.NAME   a value of the request, of the type it has there; null is missing
//
// The language is that of docs/expressions.md, and so is what it does about missing values: an item without a price, or
// with one that is NaN, is let through by `not price > 5`, and by no comparison. now() is the time of the request, in
// whole seconds. An attribute of items whose own name begins with "user." or "context." cannot be asked for.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/conditions/item_bits.h"
#include "host/conditions/item_table.h"
#include "host/expression/expression.h"

namespace kindred {

/// The values of a request, by name: numbers, booleans, texts, or nothing.
using RequestContext = std::map<std::string, AttributeValue, std::less<>>;

/// Who asks, when, and with what.
struct FilterInputs {
  int32_t user = -1;                        // a row of the table of users; -1: nothing is known of them
  const RequestContext* context = nullptr;  // null: there is none
  int64_t now = 0;                          // unix seconds
};

/// Parsed and type-checked: immutable, used by any number of threads.
class Filter {
 public:
  /// Names and types are those of the tables, and of the context, whose values may be others when it is evaluated.
  ///
  /// Throws kInvalidArgument as Expression::CompileCondition does, with the line and column and the nearest known name,
  /// and for a value of the context that is a list.
  static Filter Compile(std::string_view text, const ItemTable& items, const AttributeTable& users,
                        const RequestContext& context);
  /// The same where the context is not known yet: every context.NAME is there, and of whatever type it is used as.
  static Filter CompileForAnyContext(std::string_view text, const ItemTable& items, const AttributeTable& users);

  /// What its value depends on beside the items: equal where all that it reads of these inputs is. With the canonical
  /// text.
  std::string Key(const AttributeTable& users, const FilterInputs& inputs) const;

  /// The versions (ItemColumn) of the columns that it reads: what it lets through changes with nothing else of `items`.
  std::vector<uint64_t> ColumnsIn(const ItemTable& items) const;

  /// The items for which it is true. Cost: about that of reading the columns it names; one thread.
  ItemBits Evaluate(const ItemTable& items, const AttributeTable& users, const FilterInputs& inputs) const;

  /// The canonical text.
  const std::string& text() const { return expression_.ToString(); }

 private:
  /// A column of the expression: of the items, or one value for all of them.
  struct Operand {
    enum class Of { kItem, kUser, kContext } of = Of::kItem;
    int64_t place = 0;  // of the table's column
    std::string name;   // of the context's value
    ColumnType type = ColumnType::kUntyped;
  };
  struct Schema;

  Filter(Expression expression, std::vector<Operand> operands)
      : expression_(std::move(expression)), operands_(std::move(operands)) {}
  static AttributeValue ValueOf(const Operand& operand, const AttributeTable& users, const FilterInputs& inputs);

  Expression expression_;
  std::vector<Operand> operands_;  // in the order of the expression's columns
};

}  // namespace kindred
