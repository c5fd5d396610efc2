#include "serving/update_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "host/intake/attribute_fields.h"
#include "host/intake/cell_text.h"
#include "host/intake/line_cursor.h"
#include "host/intake/record_blocks.h"
#include "host/text/edit_distance.h"
#include "host/text/text.h"
#include "kernels/error.h"
#include "serving/json.h"

namespace kindred {
namespace {

using google::protobuf::Value;
using Take = std::function<void(int64_t line, v1::ItemUpdate update)>;

constexpr size_t kMaxPathBytes = 4096;
constexpr char kTagSeparator = '|';

std::string PlaceOf(const std::string& path, int64_t line) {
  return fmt::format("{}: line {}", Printable(path, kMaxPathBytes), line);
}

[[noreturn]] void Refuse(const std::string& path, int64_t line, const std::string& wrong) {
  throw Error(ErrorCode::kInvalidArgument, PlaceOf(path, line) + ": " + wrong);
}

/// A text that is not empty. Returns what is wrong, or nullptr.
const char* ReadValue(std::string_view text, AttributeType type, Value* to) {
  const Column column = {.type = ColumnType::kUntyped, .texts = {&text, 1}};
  const char* wrong = nullptr;
  switch (type) {
    case AttributeType::kNumber: {
      double number = 0;
      wrong = ReadNumber(column, 0, {}, &number);
      if (wrong == nullptr && std::isnan(number)) wrong = "expected a finite number";
      to->set_number_value(number);
      break;
    }
    case AttributeType::kBoolean: {
      uint8_t boolean = 0;
      wrong = ReadBoolean(column, 0, {}, &boolean);
      to->set_bool_value(boolean == 1);
      break;
    }
    case AttributeType::kTime: {
      int64_t seconds = 0;
      wrong = ReadTime(column, 0, {}, &seconds);
      to->set_number_value(static_cast<double>(seconds));
      break;
    }
    case AttributeType::kCategory:
    case AttributeType::kText:
      to->set_string_value(std::string(text));
      break;
    case AttributeType::kTags:
      ForEachTag(text, kTagSeparator, [tags = to->mutable_list_value()](std::string_view tag) {
        tags->add_values()->set_string_value(std::string(tag));
      });
  }
  return wrong;
}

/// The rows of a CSV or TSV file; of several errors of a block, the first is thrown.
class UpdateRows final : public RowSink {
 public:
  UpdateRows(const UpdateFileOptions& options, const AttributeTypes& types, const RowSource& source, const Take& take)
      : options_(options), take_(take) {
    const std::span<const ColumnInfo> columns = source.columns();
    const auto key = std::ranges::find(columns, options.key, &ColumnInfo::name);
    if (key == columns.end())
      Refuse(options.path, 1, fmt::format("has no column '{}'; --key names the one with the items' ids", options.key));
    key_ = static_cast<size_t>(key - columns.begin());
    for (size_t c = 0; c < columns.size(); ++c) {
      if (std::ranges::find(attributes_, columns[c].name, &Attribute::name) != attributes_.end())
        Refuse(options.path, 1, fmt::format("has two columns '{}'", Printable(columns[c].name)));
      try {
        const AttributeType type = c == key_ ? AttributeType::kText : TypeOf(types, columns[c].name);
        attributes_.push_back({std::string(columns[c].name), type});
      } catch (const Error& error) {
        Refuse(options.path, 1, error.what());
      }
    }
  }

  void Rows(const RowBatch& batch) override {
    for (int64_t i = 0; i < batch.n_rows; ++i) {
      const int64_t line = batch.lines[static_cast<size_t>(i)];
      if (bad_ && bad_->line < line) ThrowBad();
      Row(batch, i, line);
    }
  }

  void Bad(BadRow row) override {
    if (row.kind == "not UTF-8") row.reason = "is not UTF-8, which updates are sent in; convert the file";
    if (!bad_) bad_ = std::move(row);
  }

  void ThrowBad() const {
    if (bad_) throw Error(ErrorCode::kInvalidArgument, bad_->Message());
  }

 private:
  struct Attribute {
    std::string name;
    AttributeType type = AttributeType::kText;
  };

  void Row(const RowBatch& batch, int64_t i, int64_t line) {
    v1::ItemUpdate update;
    for (size_t c = 0; c < attributes_.size(); ++c) {
      const std::string_view text = CellText(batch.columns[c], i, room_);
      if (c == key_) {
        update.set_item_id(std::string(text));
      } else if (!text.empty() || options_.empty_is_missing) {
        try {
          (*update.mutable_attributes())[attributes_[c].name] = ValueOf(text, attributes_[c].type);
        } catch (const Error& error) {
          Refuse(options_.path, line, fmt::format("column '{}': {}", Printable(attributes_[c].name), error.what()));
        }
      }
    }
    if (update.item_id().empty()) Refuse(options_.path, line, fmt::format("column '{}': is empty", options_.key));
    if (!update.attributes().empty()) take_(line, std::move(update));
  }

  const UpdateFileOptions& options_;
  const Take& take_;
  size_t key_ = 0;                     // the column with the ids
  std::vector<Attribute> attributes_;  // of each column
  std::optional<BadRow> bad_;
  std::string room_;
};

void ReadTable(const UpdateFileOptions& options, const AttributeTypes& types, const Take& take) {
  const std::unique_ptr<RowSource> source = OpenRows(options.path, {.format = options.format});
  UpdateRows rows(options, types, *source, take);
  std::vector<int> all(source->columns().size());
  for (size_t c = 0; c < all.size(); ++c) all[c] = static_cast<int>(c);
  source->Select(all);
  while (const std::unique_ptr<RowBlock> block = source->Next()) {
    source->Parse(*block, rows);
    rows.ThrowBad();
  }
}

std::optional<Value> ToValue(const nlohmann::json& json) {
  Value value;
  if (json.is_null()) {
    value.set_null_value(google::protobuf::NULL_VALUE);
  } else if (json.is_boolean()) {
    value.set_bool_value(json.get<bool>());
  } else if (json.is_number()) {
    value.set_number_value(json.get<double>());
  } else if (json.is_string()) {
    value.set_string_value(json.get<std::string>());
  } else if (json.is_array()) {
    for (const nlohmann::json& one : json) {
      if (!one.is_string()) return std::nullopt;
      value.mutable_list_value()->add_values()->set_string_value(one.get<std::string>());
    }
    if (json.empty()) value.mutable_list_value();
  } else {
    return std::nullopt;
  }
  return value;
}

/// The id of an item is a text, or the digits of an integer.
std::string IdIn(const nlohmann::json& line, const UpdateFileOptions& options, int64_t at) {
  const auto found = line.find(options.key);
  if (found == line.end())
    Refuse(options.path, at, fmt::format("has no key '{}'; --key names the one with the item's id", options.key));
  std::string id = found->is_string() ? found->get<std::string>() : found->is_number_integer() ? found->dump() : "";
  if (id.empty()) Refuse(options.path, at, fmt::format("'{}': expected an item id", options.key));
  return id;
}

void ReadJsonLine(const UpdateFileOptions& options, const LineCursor& at, const Take& take) {
  const nlohmann::json line = ParseObject(at.text(), PlaceOf(options.path, at.line()));
  v1::ItemUpdate update;
  update.set_item_id(IdIn(line, options, at.line()));
  for (const auto& [name, json] : line.items()) {
    if (name == options.key) continue;
    std::optional<Value> value = ToValue(json);
    if (!value)
      Refuse(options.path, at.line(),
             fmt::format("'{}': expected null, a number, true, false, a text or a list of texts", Printable(name)));
    (*update.mutable_attributes())[name] = std::move(*value);
  }
  if (!update.attributes().empty()) take(at.line(), std::move(update));
}

void ReadJsonLines(const UpdateFileOptions& options, const Take& take) {
  const ReadOptions usual;
  RecordBlocks blocks(options.path, {'\0', false, usual.max_line_bytes}, usual.block_bytes);
  while (const std::unique_ptr<TextBlock> block = blocks.Next()) {
    for (LineCursor at(*block, usual.max_line_bytes); at.Next();) {
      if (at.too_long()) throw Error(ErrorCode::kInvalidArgument, at.Refused(options.path, {}, {}).Message());
      ReadJsonLine(options, at, take);
    }
  }
}

}  // namespace

Value ValueOf(std::string_view text, AttributeType type) {
  Value value;
  value.set_null_value(google::protobuf::NULL_VALUE);
  if (text.empty()) return value;
  if (const char* wrong = ReadValue(text, type, &value))
    throw Error(ErrorCode::kInvalidArgument, fmt::format("found '{}'; {}", Printable(text), wrong));
  return value;
}

AttributeType TypeOf(const AttributeTypes& types, std::string_view attribute) {
  if (const auto found = types.find(attribute); found != types.end()) return found->second;
  std::vector<std::string_view> names;
  for (const auto& [name, type] : types) names.push_back(name);
  const int nearest = NearestName(attribute, names);
  throw Error(
      ErrorCode::kInvalidArgument,
      fmt::format("'{}' is no attribute of the model's items{}", Printable(attribute),
                  names.empty()  ? ", which have none"
                  : nearest >= 0 ? fmt::format("; the nearest is '{}'", Printable(names[static_cast<size_t>(nearest)]))
                                 : ""));
}

void ReadUpdates(const UpdateFileOptions& options, const AttributeTypes& types, const Take& take) {
  if (options.format == InputFormat::kJsonLines)
    ReadJsonLines(options, take);
  else
    ReadTable(options, types, take);
}

}  // namespace kindred
