#include "host/text/toml_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/text/edit_distance.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kMaxPathBytes = 4096, kMaxNameBytes = 400;

}  // namespace

std::string TomlPlace::Prefix(const toml::source_region& at) const {
  return fmt::format("{}: line {}, column {}: {}", Printable(file, kMaxPathBytes), at.begin.line, at.begin.column,
                     name.empty() ? "" : Printable(name, kMaxNameBytes) + ": ");
}

void TomlPlace::Refuse(const toml::source_region& at, const std::string& what) const {
  throw Error(ErrorCode::kUsage, Prefix(at) + what);
}

void TomlPlace::RefuseKey(const toml::key& key, std::span<const std::string_view> known) const {
  const int nearest = NearestName(key.str(), known);
  Refuse(key.source(), fmt::format("unknown key '{}'{}", Printable(key.str()),
                                   nearest < 0 ? std::string()
                                               : fmt::format("; the nearest known key is '{}'",
                                                             known[static_cast<size_t>(nearest)])));
}

toml::table ParseToml(std::string_view text, const std::string& file) {
  try {
    return toml::parse(text, std::string_view(file));
  } catch (const toml::parse_error& error) {
    TomlPlace{file}.Refuse(error.source(), std::string(error.description()));
  }
}

void CheckTomlSchema(const toml::table& table, const std::string& file, int64_t known) {
  const toml::node* version = table.get("schema_version");
  const std::string path = Printable(file, kMaxPathBytes);
  if (version == nullptr)
    throw Error(ErrorCode::kUsage, fmt::format("{}: no schema_version; expected schema_version = {}", path, known));
  if (!version->is_integer() || version->as_integer()->get() < 1)
    TomlPlace{file}.Refuse(*version, fmt::format("expected schema_version = {}", known));
  if (version->as_integer()->get() > known)
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: schema_version {}; this program reads up to {}: use a newer one", path,
                            version->as_integer()->get(), known));
}

const char* TomlKind(const toml::node& node) {
  if (node.is_string()) return "a text";
  if (node.is_integer() || node.is_floating_point()) return "a number";
  if (node.is_boolean()) return "true or false";
  if (node.is_array()) return "a list";
  if (node.is_table()) return "a table";
  return "a date or time";
}

TomlTable::TomlTable(const toml::table& table, TomlPlace place, std::span<const std::string_view> known)
    : table_(table), place_(std::move(place)) {
  for (const auto& [key, node] : table)
    if (std::find(known.begin(), known.end(), key.str()) == known.end()) place_.RefuseKey(key, known);
}

void TomlTable::Refuse(std::string_view key, const std::string& what) const {
  const toml::node* node = Find(key);
  place_.Refuse(node == nullptr ? table_.source() : node->source(), what);
}

const std::string* TomlTable::Text(std::string_view key) const {
  const toml::node* node = Find(key);
  if (node == nullptr) return nullptr;
  if (!node->is_string() || node->as_string()->get().empty())
    place_.Refuse(*node, fmt::format("'{}' is {}; expected a text", key, node->is_string() ? "empty" : "no text"));
  return &node->as_string()->get();
}

std::vector<std::string> TomlTable::Texts(std::string_view key) const {
  const toml::node* node = Find(key);
  if (node == nullptr) return {};
  std::vector<std::string> texts;
  const auto add = [&](const toml::node& one) {
    if (!one.is_string() || one.as_string()->get().empty())
      place_.Refuse(one, fmt::format("'{}' is neither a text nor a list of texts, as expected", key));
    texts.push_back(one.as_string()->get());
  };
  if (!node->is_array()) {
    add(*node);
    return texts;
  }
  for (const toml::node& one : *node->as_array()) add(one);
  if (texts.empty()) place_.Refuse(*node, fmt::format("'{}' is an empty list", key));
  return texts;
}

const toml::table* TomlTable::Table(std::string_view key) const {
  const toml::node* node = Find(key);
  if (node != nullptr && !node->is_table())
    place_.Refuse(*node, fmt::format("'{}' is {}; expected a table, written [{}]", key, TomlKind(*node), key));
  return node == nullptr ? nullptr : node->as_table();
}

std::vector<const toml::table*> TomlTable::Tables(std::string_view key) const {
  const toml::node* node = Find(key);
  if (node == nullptr) return {};
  const toml::array* tables = node->as_array();
  if (tables == nullptr) place_.Refuse(*node, fmt::format("'{}' is no list of tables; write [[{}]]", key, key));
  std::vector<const toml::table*> found;
  for (const toml::node& table : *tables) {
    if (!table.is_table())
      place_.Refuse(table, fmt::format("'{}' holds something else than tables; write [[{}]]", key, key));
    found.push_back(table.as_table());
  }
  return found;
}

void TomlTable::Read(std::string_view key, std::string& value) const {
  if (const std::string* text = Text(key)) value = *text;
}

void TomlTable::Read(std::string_view key, bool& value) const {
  const toml::node* node = Find(key);
  if (node == nullptr) return;
  if (!node->is_boolean()) place_.Refuse(*node, fmt::format("'{}' is not true or false, as expected", key));
  value = node->as_boolean()->get();
}

void TomlTable::Read(std::string_view key, int64_t& value, int64_t least, int64_t most) const {
  const toml::node* node = Find(key);
  if (node == nullptr) return;
  if (!node->is_integer()) place_.Refuse(*node, fmt::format("'{}' is no whole number, as expected", key));
  const int64_t found = node->as_integer()->get();
  if (found < least || found > most)
    place_.Refuse(*node, fmt::format("'{}' is {}; expected {} to {}", key, found, least, most));
  value = found;
}

void TomlTable::Read(std::string_view key, double& value, double least, double most) const {
  const toml::node* node = Find(key);
  if (node == nullptr) return;
  if (!node->is_number()) place_.Refuse(*node, fmt::format("'{}' is no number, as expected", key));
  const double found =
      node->is_integer() ? static_cast<double>(node->as_integer()->get()) : node->as_floating_point()->get();
  if (!(found >= least && found <= most))  // nor NaN
    place_.Refuse(*node, fmt::format("'{}' is {}; expected {} to {}", key, found, least, most));
  value = found;
}

void TomlTable::CheckName(std::string_view key, std::string_view found, std::span<const std::string_view> known) const {
  if (std::find(known.begin(), known.end(), found) != known.end()) return;
  std::string expected;
  for (size_t i = 0; i < known.size(); ++i)
    expected += fmt::format("{}'{}'", i == 0 ? "" : i + 1 == known.size() ? " or " : ", ", known[i]);
  Refuse(key, fmt::format("'{}' is '{}'; expected {}", key, Printable(found), expected));
}

}  // namespace kindred
