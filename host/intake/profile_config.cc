#include "host/intake/profile_config.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "host/intake/inputs.h"
#include "host/store/files.h"
#include "host/text/text.h"
#include "host/text/toml_table.h"
#include "kernels/error.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxBytes = int64_t{1} << 20;
constexpr const char* kTypes = "number, category, tags, text, boolean or time";

/// One character between fields.
void ReadCharacter(const TomlTable& settings, std::string_view key, char& value) {
  const std::string* text = settings.Text(key);
  if (text == nullptr) return;
  const auto byte = static_cast<unsigned char>((*text)[0]);
  if (text->size() != 1 || byte == '\0' || byte >= 0x80 || byte == '\n' || byte == '\r' || byte == '"')
    settings.Refuse(key, fmt::format("'{}' is '{}'; expected one character of ASCII, no quote and no line end", key,
                                     Printable(*text)));
  value = (*text)[0];
}

/// What columns and whole tables have in common.
void ReadRules(const TomlTable& settings, const TomlPlace& place, AttributeRules& rules) {
  ReadCharacter(settings, "separator", rules.separator);
  settings.Read("decimal", rules.number.decimal, {{".", '.'}, {",", ','}});
  const std::string* time = settings.Text("time_format");
  if (time == nullptr) return;
  try {
    rules.time = TimeFormat(*time);
  } catch (const Error& error) {
    place.Refuse(*settings.Find("time_format"), error.what());
  }
}

AttributeType TypeNamed(const std::string& name, const toml::node& node, const TomlPlace& place) {
  const std::optional<AttributeType> type = AttributeTypeNamed(name);
  if (!type) place.Refuse(node, fmt::format("unknown type '{}'; expected {}", Printable(name), kTypes));
  return *type;
}

AttributeDeclaration ReadColumn(std::string_view column, const toml::node& node, const AttributeRules& defaults,
                                const TomlPlace& place) {
  AttributeDeclaration declaration{std::string(column), {}, defaults};
  if (node.is_string()) {
    declaration.rules.type = TypeNamed(node.as_string()->get(), node, place);
    return declaration;
  }
  if (!node.is_table())
    place.Refuse(node,
                 fmt::format("column '{}' has neither a type ({}) nor a table with one", Printable(column), kTypes));
  const TomlTable settings(*node.as_table(), place, {"type", "name", "separator", "decimal", "time_format"});
  if (const std::string* type = settings.Text("type"))
    declaration.rules.type = TypeNamed(*type, *settings.Find("type"), place);
  settings.Read("name", declaration.name);
  ReadRules(settings, place, declaration.rules);
  return declaration;
}

void ReadInputs(const toml::table& table, const TomlTable& settings, const fs::path& folder, const TomlPlace& place,
                AttributeSource& source) {
  const toml::node* path = settings.Find("path");
  const std::string* query = settings.Text("query");
  if ((path == nullptr) == (query == nullptr)) place.Refuse(table, "expected one of 'path' and 'query' for each table");
  if (query != nullptr) {
    source.inputs = {*query};
    source.format = InputFormat::kSql;
    source.label = Printable(*query);
    for (const char* of_files : {"format", "delimiter", "header", "encoding"})
      if (settings.Find(of_files) != nullptr)
        place.Refuse(*settings.Find(of_files), fmt::format("'{}' says how files are read; here is a query", of_files));
    return;
  }
  if (settings.Find("database") != nullptr)
    place.Refuse(*settings.Find("database"), "'database' is for a 'query'; here is a path");
  for (const std::string& written : settings.Texts("path")) {
    source.inputs.push_back(written == "-" ? written : (folder / written).string());
    source.label += (source.label.empty() ? "" : ", ") + written;
  }
}

InputFormat FormatNamed(const std::string& name, const toml::node& node, const TomlPlace& place) {
  InputFormat format{};
  try {
    format = ParseInputFormat(name);
  } catch (const Error& error) {
    place.Refuse(node, error.what());
  }
  if (format == InputFormat::kSql) place.Refuse(node, "a query is named with 'query', not with 'format'");
  if (format == InputFormat::kAdjacency || format == InputFormat::kMatrixMarket || format == InputFormat::kNpz)
    place.Refuse(node, fmt::format("the format '{}' has no columns of attributes", name));
  return format;
}

AttributeSource ReadSource(const toml::table& table, const fs::path& folder, const TomlPlace& place) {
  const TomlTable settings(table, place,
                           {"path", "query", "database", "format", "delimiter", "header", "encoding", "key", "ids",
                            "columns", "all_columns", "separator", "decimal", "time_format"});
  AttributeSource source;
  ReadInputs(table, settings, folder, place, source);
  if (const std::string* format = settings.Text("format"))
    source.format = FormatNamed(*format, *settings.Find("format"), place);
  settings.Read("database", source.read.database);
  ReadCharacter(settings, "delimiter", source.read.delimiter);
  settings.Read("header", source.read.header);
  settings.Read("encoding", source.read.encoding,
                {{"utf-8", Encoding::kUtf8}, {"latin-1", Encoding::kLatin1}, {"bytes", Encoding::kBytes}});
  settings.Read("key", source.key);
  settings.Read("ids", source.id_format, {{"text", IdFormat::kText}, {"integer", IdFormat::kInteger}});
  ReadRules(settings, place, source.rules);
  const toml::node* columns = settings.Find("columns");
  source.all_columns = columns == nullptr;
  settings.Read("all_columns", source.all_columns);
  if (columns == nullptr) {
    if (!source.all_columns) place.Refuse(*settings.Find("all_columns"), "no 'columns' say which are meant instead");
    return source;
  }
  if (!columns->is_table()) place.Refuse(*columns, "'columns' is no table of columns and their types, as expected");
  for (const auto& [column, node] : *columns->as_table())
    source.columns.push_back(ReadColumn(column.str(), node, source.rules, place));
  return source;
}

void ReadSources(const TomlTable& settings, std::string_view key, const fs::path& folder, const TomlPlace& place,
                 std::vector<AttributeSource>& sources) {
  for (const toml::table* table : settings.Tables(key)) sources.push_back(ReadSource(*table, folder, place));
}

}  // namespace

ProfileConfig ReadProfileConfig(const std::string& path) {
  ProfileConfig config = ParseProfileConfig(ReadFile(path, kMaxBytes), path);
  for (std::vector<AttributeSource>* sources : {&config.items, &config.users})
    for (AttributeSource& source : *sources)
      if (source.format != InputFormat::kSql) source.inputs = ExpandInputs(source.inputs);
  return config;
}

ProfileConfig ParseProfileConfig(std::string_view text, const std::string& path) {
  const TomlPlace place{path};
  const toml::table file = ParseToml(text, path);
  CheckTomlSchema(file, path, kProfileSchema);
  const TomlTable settings(file, place, {"schema_version", "items", "users"});
  const fs::path folder = fs::path(path).parent_path();
  ProfileConfig config;
  ReadSources(settings, "items", folder, place, config.items);
  ReadSources(settings, "users", folder, place, config.users);
  if (config.items.empty() && config.users.empty())
    throw Error(ErrorCode::kUsage, fmt::format("{}: neither [[items]] nor [[users]]", Printable(path, 4096)));
  return config;
}

}  // namespace kindred
