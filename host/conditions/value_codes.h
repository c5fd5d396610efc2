// The values of an attribute as codes, for rules that only ask whether two items have the same one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "host/conditions/item_column.h"

namespace kindred {

struct ValueCodes {
  std::span<const int32_t> codes;            // one an item, from 0; -1: the value is missing
  std::vector<int32_t> own;                  // behind them, where the column has no codes itself
  std::shared_ptr<const ItemColumn> column;  // behind them, where it has
};

/// Thread-safe. Of each attribute the codes of the newest column that was asked for are kept.
class ValueCodesCache {
 public:
  /// Throws kInvalidArgument for tags, of which an item may have several: "found tags; expected ...". Cost of a column
  /// that is not kept: none for a category; for others a pass over the items, with a table of their different
  /// values.
  std::shared_ptr<const ValueCodes> Of(const std::shared_ptr<const ItemColumn>& column) const;

 private:
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<const ValueCodes>> newest_;  // by the attribute's name
};

}  // namespace kindred
