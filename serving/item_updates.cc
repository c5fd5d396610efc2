#include "serving/item_updates.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

// What the column `kind` says, in the order of AttributeValue.
constexpr std::string_view kKinds[] = {"missing", "number", "boolean", "text", "tags"};

std::string TagsText(const std::vector<std::string>& tags) {
  return nlohmann::json(tags).dump();
}

/// Binds kind and value; `room` holds what was made of it.
void BindValue(Statement& to, int at, const AttributeValue& value, std::string& room) {
  to.Bind(at, kKinds[value.index()]);
  ++at;
  if (const auto* number = std::get_if<double>(&value)) {
    to.Bind(at, *number);
  } else if (const auto* boolean = std::get_if<bool>(&value)) {
    to.Bind(at, int64_t{*boolean});
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    to.Bind(at, *text);
  } else if (const auto* tags = std::get_if<std::vector<std::string>>(&value)) {
    room = TagsText(*tags);
    to.Bind(at, room);
  } else {
    to.BindNull(at);
  }
}

std::optional<std::vector<std::string>> ReadTags(std::string_view text) {
  const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
  if (!parsed.is_array()) return std::nullopt;
  std::vector<std::string> tags;
  for (const nlohmann::json& tag : parsed) {
    if (!tag.is_string()) return std::nullopt;
    tags.push_back(tag.get<std::string>());
  }
  return tags;
}

/// None where the row holds no such value.
std::optional<AttributeValue> ReadValue(const Statement& row, int at) {
  const std::string_view kind = row.Text(at);
  ++at;
  const StoredType type = row.TypeOf(at);  // SQLite would convert what is of another
  if (kind == kKinds[0] && type == StoredType::kNull) return AttributeValue();
  if (kind == kKinds[1] && type == StoredType::kReal && std::isfinite(row.Real(at))) return row.Real(at);
  if (kind == kKinds[2] && type == StoredType::kInteger && (row.Integer(at) == 0 || row.Integer(at) == 1))
    return row.Integer(at) == 1;
  if (type != StoredType::kText || !IsUtf8(row.Text(at))) return std::nullopt;
  if (kind == kKinds[3]) return std::string(row.Text(at));
  if (kind == kKinds[4])
    if (auto tags = ReadTags(row.Text(at))) return std::move(*tags);
  return std::nullopt;
}

/// A row of item_id, attribute, kind, value and updated_at.
KeptUpdate ReadRow(const StateDatabase& database, const Statement& row) {
  KeptUpdate update{std::string(row.Text(0)), std::string(row.Text(1)), {}, row.Integer(4)};
  std::optional<AttributeValue> value = ReadValue(row, 2);
  if (!value || !IsUtf8(update.item_id) || !IsUtf8(update.attribute))
    throw Error(
        ErrorCode::kCorrupt,
        fmt::format("the state '{}' is damaged: item_updates, item '{}', attribute '{}': holds no value of kind "
                    "'{}'",
                    database.path().string(), Printable(update.item_id), Printable(update.attribute),
                    Printable(row.Text(2))));
  update.value = std::move(*value);
  return update;
}

}  // namespace

KeptItem ReadItem(StateDatabase& database, std::string_view item_id) {
  Statement of_item(database,
                    "SELECT item_id, attribute, kind, value, updated_at, epoch "
                    "FROM item_epoch LEFT JOIN item_updates ON item_id = ? ORDER BY attribute");
  of_item.Bind(1, item_id);
  KeptItem item;
  while (of_item.Next()) {
    item.epoch = of_item.Integer(5);
    if (of_item.TypeOf(0) != StoredType::kNull) item.updates.push_back(ReadRow(database, of_item));
  }
  return item;
}

ItemUpdates::ItemUpdates(StateDatabase& database)
    : database_(database),
      replace_(database,
               "UPDATE item_updates SET kind = ?3, value = ?4, updated_at = ?5 "
               "WHERE item_id = ?1 AND attribute = ?2"),
      insert_(database, "INSERT INTO item_updates (item_id, attribute, kind, value, updated_at) VALUES (?,?,?,?,?)"),
      remove_(database, "DELETE FROM item_updates WHERE item_id = ?1 AND attribute = ?2"),
      find_(database, "SELECT 1 FROM item_updates WHERE item_id = ?1 AND attribute = ?2"),
      count_epoch_(database, "UPDATE item_epoch SET epoch = epoch + 1") {
  Statement figures(database, "SELECT epoch, (SELECT COUNT(*) FROM item_updates) FROM item_epoch");
  if (!figures.Next())
    throw Error(ErrorCode::kCorrupt, fmt::format("the state '{}' has no item epoch", database.path().string()));
  epoch_ = figures.Integer(0);
  n_values_ = figures.Integer(1);
}

void ItemUpdates::Apply(std::span<const ItemChange> changes, int64_t now_microseconds) {
  int64_t n_more = 0;
  Transaction transaction(database_);
  for (const ItemChange& change : changes) n_more += Write(change, now_microseconds);
  count_epoch_.Run();
  transaction.Commit();
  n_values_ += n_more;
  ++epoch_;
}

int64_t ItemUpdates::Write(const ItemChange& change, int64_t now_microseconds) {
  if (!change.value) return -remove_.Bind(1, change.item_id).Bind(2, change.attribute).Run();
  std::string room;
  for (Statement* statement : {&replace_, &insert_}) {
    statement->Bind(1, change.item_id).Bind(2, change.attribute).Bind(5, now_microseconds);
    BindValue(*statement, 3, *change.value, room);
    if (statement->Run() > 0) return statement == &insert_ ? 1 : 0;
  }
  return 0;
}

bool ItemUpdates::Has(std::string_view item_id, std::string_view attribute) {
  const bool found = find_.Bind(1, item_id).Bind(2, attribute).Next();
  find_.Reset();
  return found;
}

void ItemUpdates::ForEach(const std::function<void(KeptUpdate)>& take) {
  Statement all(database_,
                "SELECT item_id, attribute, kind, value, updated_at FROM item_updates "
                "ORDER BY item_id, attribute");
  while (all.Next()) take(ReadRow(database_, all));
}

}  // namespace kindred
