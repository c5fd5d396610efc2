// Why a condition holds, in its own words and with the values.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/expression/expression.h"

namespace kindred {

/// A condition taken apart at its `and`, `or` and `not`. Immutable.
class RuleReasons {
 public:
  /// As Expression::CompileCondition.
  RuleReasons(std::string_view text, std::span<const ColumnInfo> schema);

  /// What together makes the condition hold for a row, in the order of the text: all parts of an `and`, those parts of
  /// an `or` that hold. A comparison is given with the values of its sides, "carts in 7d = 2 >= 1", or where it does
  /// not hold and `not` stands before it, turned round: "views in 7d = 1 < 3"; "recency is missing" where that is why.
  /// Other parts are given as they stand, with the values of the attributes in them behind. Empty where it does not
  /// hold. `columns` are those of the schema, of one row; those that the condition does not read may be empty.
  std::vector<std::string> Explain(std::span<const Column> columns, double now) const;

  struct Node;

 private:
  std::shared_ptr<const Node> root_;
};

}  // namespace kindred
