#include "serving/export_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "host/text/text.h"

namespace kindred {
namespace {

using google::protobuf::Value;
using Object = nlohmann::ordered_json;

constexpr const char* kHead = "user_id,cluster_id,cluster_name,rules,stage,likelihood,likely";

template <class Texts, class Get>
std::string Joined(const Texts& texts, const Get& get) {
  std::string joined;
  for (const auto& one : texts) {
    if (!joined.empty()) joined += '|';
    joined += get(one);
  }
  return joined;
}

std::string CellText(const Value& value) {
  switch (value.kind_case()) {
    case Value::kNumberValue:
      return fmt::format("{}", value.number_value());
    case Value::kStringValue:
      return value.string_value();
    case Value::kBoolValue:
      return value.bool_value() ? "true" : "false";
    case Value::kListValue:
      return Joined(value.list_value().values(), &CellText);
    default:
      return {};
  }
}

Object Plain(const Value& value) {
  switch (value.kind_case()) {
    case Value::kNumberValue:
      return value.number_value();
    case Value::kStringValue:
      return value.string_value();
    case Value::kBoolValue:
      return value.bool_value();
    case Value::kListValue: {
      Object list = Object::array();
      for (const Value& one : value.list_value().values()) list.push_back(Plain(one));
      return list;
    }
    default:
      return nullptr;
  }
}

Object TextOrNull(const std::string& text) {
  return text.empty() ? Object() : Object(text);
}

void PutCsv(const v1::ExportRow& row, std::string& to) {
  const std::string rules = Joined(row.rules(), [](const std::string& rule) { return rule; });
  fmt::format_to(std::back_inserter(to), "{},{},{},{},{},{},{}", CsvField(row.user_id()), CsvField(row.cluster_id()),
                 CsvField(row.cluster_name()), CsvField(rules), CsvField(row.stage()),
                 row.has_likelihood() ? fmt::format("{}", row.likelihood()) : "", row.likely());
  for (const Value& value : row.values()) to += "," + CsvField(CellText(value));
  to += '\n';
}

void PutJson(const v1::ExportPage& page, const v1::ExportRow& row, std::string& to) {
  Object object = {{"user_id", row.user_id()},
                   {"cluster_id", TextOrNull(row.cluster_id())},
                   {"cluster_name", TextOrNull(row.cluster_name())},
                   {"rules", row.rules()},
                   {"stage", TextOrNull(row.stage())},
                   {"likelihood", row.has_likelihood() ? Object(row.likelihood()) : Object()},
                   {"likely", row.likely()}};
  const int n = std::min(page.columns_size(), row.values_size());
  for (int c = 0; c < n; ++c) object[page.columns(c).name()] = Plain(row.values(c));
  to += object.dump(-1, ' ', false, Object::error_handler_t::replace);
  to += '\n';
}

}  // namespace

std::string ExportHead(ExportFormat format, const v1::ExportPage& page) {
  if (format == ExportFormat::kJsonLines) return {};
  std::string head = kHead;
  for (const v1::ExportColumn& column : page.columns()) head += "," + CsvField(column.name());
  return head + "\n";
}

std::string ExportLines(ExportFormat format, const v1::ExportPage& page) {
  std::string lines;
  for (const v1::ExportRow& row : page.rows())
    format == ExportFormat::kCsv ? PutCsv(row, lines) : PutJson(page, row, lines);
  return lines;
}

}  // namespace kindred
