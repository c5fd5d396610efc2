#include "host/intake/attribute_join.h"

#include <utility>

namespace kindred {
namespace {

std::vector<std::string> UsualKeys(const std::string& what, const std::string& id_column) {
  std::vector<std::string> keys = {what + "_id", what, "id"};
  std::erase(keys, id_column);
  if (!id_column.empty()) keys.insert(keys.begin(), id_column);
  return keys;
}

const char* What(AttributeJoin::Side side) {
  return side == AttributeJoin::Side::kItems ? "item" : "user";
}

}  // namespace

AttributeJoin::AttributeJoin(Side side, const std::string& id_column, std::span<const AttributeSource> sources)
    : side_(side), sources_(sources), builder_(What(side), UsualKeys(What(side), id_column)) {}

void AttributeJoin::Read(const AttributeSink& sink) {
  for (const AttributeSource& source : sources_) builder_.Read(source, OpenAttributes, sink);
}

AttributeTable AttributeJoin::Finish(IdMapBuilder& ids, const Dataset* before) {
  if (!sources_.empty()) return builder_.Finish(ids);
  return before != nullptr ? TakeOver(ids, *before) : AttributeTable(ids.size(), {});
}

AttributeTable AttributeJoin::TakeOver(IdMapBuilder& ids, const Dataset& before) {
  const IdMap& old_ids = side_ == Side::kItems ? before.items() : before.users();
  const AttributeTable& table = side_ == Side::kItems ? before.item_attributes() : before.user_attributes();
  std::vector<int32_t> to;
  for (int64_t i = 0; i < old_ids.size(); ++i) to.push_back(ids.Intern(old_ids.Id(i)));
  for (const AttributeColumn& column : table.columns()) taken_over_.push_back(PlaceRows(column, to, ids.size()));
  std::vector<AttributeColumn> columns;
  for (size_t k = 0; k < taken_over_.size(); ++k)
    columns.push_back(taken_over_[k].View(table.columns()[k].name, table.columns()[k].source));
  return {ids.size(), std::move(columns)};
}

}  // namespace kindred
