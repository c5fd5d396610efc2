#include "host/conditions/item_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "host/text/edit_distance.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {

std::shared_ptr<const ItemTable> ItemTable::From(const AttributeTable& table, const std::shared_ptr<const void>& keep) {
  const std::shared_ptr<ItemTable> made(new ItemTable());
  made->n_items_ = table.n_rows();
  for (const AttributeColumn& column : table.columns())
    made->columns_.push_back(std::make_shared<const ItemColumn>(column, keep));
  return made;
}

int64_t ItemTable::Find(std::string_view name) const {
  const auto found = std::ranges::find(columns_, name, [](const auto& column) { return column->name(); });
  return found == columns_.end() ? -1 : found - columns_.begin();
}

const std::shared_ptr<const ItemColumn>& ItemTable::Named(std::string_view name) const {
  if (const int64_t k = Find(name); k >= 0) return columns_[static_cast<size_t>(k)];
  std::vector<std::string_view> names;
  for (const auto& column : columns_) names.push_back(column->name());
  const int nearest = NearestName(name, names);
  throw Error(
      ErrorCode::kInvalidArgument,
      fmt::format("unknown attribute '{}'{}", Printable(name),
                  names.empty()  ? "; the version keeps no attributes of items"
                  : nearest >= 0 ? fmt::format("; the nearest is '{}'", Printable(names[static_cast<size_t>(nearest)]))
                                 : ""));
}

void ItemTable::Check(const ItemUpdate& update) const {
  const auto refuse = [](const std::string& what) { throw Error(ErrorCode::kInvalidArgument, what); };
  if (update.item < 0 || update.item >= n_items_)
    refuse(fmt::format("item {}: expected one of the {} items", update.item, n_items_));
  const ItemColumn& column = *Named(update.attribute);
  try {
    column.Check(update.value);
  } catch (const Error& error) {
    refuse(fmt::format("attribute '{}': {}", Printable(update.attribute), error.what()));
  }
}

std::shared_ptr<const ItemTable> ItemTable::With(std::span<const ItemUpdate> updates) const {
  std::map<int64_t, std::vector<ItemColumn::Change>> by_column;
  for (size_t i = 0; i < updates.size(); ++i) {
    try {
      Check(updates[i]);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("updates[{}]: {}", i, error.what()));
    }
    by_column[Find(updates[i].attribute)].push_back({updates[i].item, &updates[i].value});
  }
  const std::shared_ptr<ItemTable> made(new ItemTable(*this));
  ++made->epoch_;
  for (const auto& [k, changes] : by_column) {
    std::shared_ptr<const ItemColumn>& column = made->columns_[static_cast<size_t>(k)];
    column = column->With(changes);
  }
  return made;
}

}  // namespace kindred
