#include "host/intake/profile_config.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "host/intake/inputs.h"
#include "host/store/files.h"
#include "host/text/edit_distance.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxBytes = int64_t{1} << 20;
constexpr const char* kTypes = "number, category, tags, text, boolean or time";

/// Errors with the place in the file.
struct Place {
  template <class... Args>
  [[noreturn]] void Refuse(const toml::source_region& at, fmt::format_string<Args...> what, Args&&... args) const {
    throw Error(ErrorCode::kUsage, fmt::format("{}: line {}, column {}: {}", Printable(path, 4096), at.begin.line,
                                               at.begin.column, fmt::format(what, std::forward<Args>(args)...)));
  }
  template <class... Args>
  [[noreturn]] void Refuse(const toml::node& at, fmt::format_string<Args...> what, Args&&... args) const {
    Refuse(at.source(), what, std::forward<Args>(args)...);
  }

  const std::string& path;
};

/// One table of the file, whose keys are known.
class Settings {
 public:
  Settings(const toml::table& table, Place place, const std::vector<std::string_view>& known)
      : table_(table), place_(place) {
    for (const auto& [key, node] : table) {
      const std::string_view name = key.str();
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      const int nearest = NearestName(name, known);
      place_.Refuse(key.source(), "unknown key '{}'{}", Printable(name),
                    nearest < 0 ? std::string()
                                : fmt::format("; the nearest known key is '{}'", known[static_cast<size_t>(nearest)]));
    }
  }

  const toml::node* Find(std::string_view key) const { return table_.get(key); }

  /// Null where the key is not there.
  const std::string* Text(std::string_view key) const {
    const toml::node* node = Find(key);
    if (node == nullptr) return nullptr;
    if (!node->is_string() || node->as_string()->get().empty())
      place_.Refuse(*node, "'{}' is no text, as expected", key);
    return &node->as_string()->get();
  }

  void Read(std::string_view key, std::string& value) const {
    if (const std::string* text = Text(key)) value = *text;
  }

  void Read(std::string_view key, bool& value) const {
    const toml::node* node = Find(key);
    if (node != nullptr && !node->is_boolean()) place_.Refuse(*node, "'{}' is not true or false, as expected", key);
    if (node != nullptr) value = node->as_boolean()->get();
  }

  void Read(std::string_view key, char& value) const {
    const std::string* text = Text(key);
    if (text == nullptr) return;
    const auto byte = static_cast<unsigned char>((*text)[0]);
    if (text->size() != 1 || byte == '\0' || byte >= 0x80 || byte == '\n' || byte == '\r' || byte == '"')
      place_.Refuse(*Find(key), "'{}' is '{}'; expected one character of ASCII, no quote and no line end", key,
                    Printable(*text));
    value = (*text)[0];
  }

  /// A text that is one of several names.
  template <class T>
  void Read(std::string_view key, T& value, std::initializer_list<std::pair<std::string_view, T>> names) const {
    const std::string* text = Text(key);
    if (text == nullptr) return;
    std::string expected;
    for (const auto& [name, meaning] : names) {
      if (*text == name) {
        value = meaning;
        return;
      }
      expected += fmt::format("{}'{}'", expected.empty() ? "" : " or ", name);
    }
    place_.Refuse(*Find(key), "'{}' is '{}'; expected {}", key, Printable(*text), expected);
  }

 private:
  const toml::table& table_;
  Place place_;
};

/// What columns and whole tables have in common.
void ReadRules(const Settings& settings, const Place& place, AttributeRules& rules) {
  settings.Read("separator", rules.separator);
  settings.Read("decimal", rules.number.decimal, {{".", '.'}, {",", ','}});
  const std::string* time = settings.Text("time_format");
  if (time == nullptr) return;
  try {
    rules.time = TimeFormat(*time);
  } catch (const Error& error) {
    place.Refuse(*settings.Find("time_format"), "{}", error.what());
  }
}

AttributeType TypeNamed(const std::string& name, const toml::node& node, const Place& place) {
  const std::optional<AttributeType> type = AttributeTypeNamed(name);
  if (!type) place.Refuse(node, "unknown type '{}'; expected {}", Printable(name), kTypes);
  return *type;
}

AttributeDeclaration ReadColumn(std::string_view column, const toml::node& node, const AttributeRules& defaults,
                                const Place& place) {
  AttributeDeclaration declaration{std::string(column), {}, defaults};
  if (node.is_string()) {
    declaration.rules.type = TypeNamed(node.as_string()->get(), node, place);
    return declaration;
  }
  if (!node.is_table())
    place.Refuse(node, "column '{}' has neither a type ({}) nor a table with one", Printable(column), kTypes);
  const Settings settings(*node.as_table(), place, {"type", "name", "separator", "decimal", "time_format"});
  if (const std::string* type = settings.Text("type"))
    declaration.rules.type = TypeNamed(*type, *settings.Find("type"), place);
  settings.Read("name", declaration.name);
  ReadRules(settings, place, declaration.rules);
  return declaration;
}

void ReadInputs(const toml::table& table, const Settings& settings, const fs::path& folder, const Place& place,
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
        place.Refuse(*settings.Find(of_files), "'{}' says how files are read; here is a query", of_files);
    return;
  }
  if (settings.Find("database") != nullptr)
    place.Refuse(*settings.Find("database"), "'database' is for a 'query'; here is a path");
  const auto add = [&](const toml::node& node) {
    if (!node.is_string() || node.as_string()->get().empty())
      place.Refuse(node, "'path' is neither a text nor a list of texts, as expected");
    const std::string& written = node.as_string()->get();
    source.inputs.push_back(written == "-" ? written : (folder / written).string());
    source.label += (source.label.empty() ? "" : ", ") + written;
  };
  if (!path->is_array()) return add(*path);
  for (const toml::node& node : *path->as_array()) add(node);
  if (source.inputs.empty()) place.Refuse(*path, "'path' is an empty list");
}

InputFormat FormatNamed(const std::string& name, const toml::node& node, const Place& place) {
  InputFormat format{};
  try {
    format = ParseInputFormat(name);
  } catch (const Error& error) {
    place.Refuse(node, "{}", error.what());
  }
  if (format == InputFormat::kSql) place.Refuse(node, "a query is named with 'query', not with 'format'");
  if (format == InputFormat::kAdjacency || format == InputFormat::kMatrixMarket || format == InputFormat::kNpz)
    place.Refuse(node, "the format '{}' has no columns of attributes", name);
  return format;
}

AttributeSource ReadSource(const toml::table& table, const fs::path& folder, const Place& place) {
  const Settings settings(table, place,
                          {"path", "query", "database", "format", "delimiter", "header", "encoding", "key", "ids",
                           "columns", "all_columns", "separator", "decimal", "time_format"});
  AttributeSource source;
  ReadInputs(table, settings, folder, place, source);
  if (const std::string* format = settings.Text("format"))
    source.format = FormatNamed(*format, *settings.Find("format"), place);
  settings.Read("database", source.read.database);
  settings.Read("delimiter", source.read.delimiter);
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

void ReadSources(const Settings& settings, std::string_view key, const fs::path& folder, const Place& place,
                 std::vector<AttributeSource>& sources) {
  const toml::node* node = settings.Find(key);
  if (node == nullptr) return;
  const toml::array* tables = node->as_array();
  if (tables == nullptr) place.Refuse(*node, "'{}' is no list of tables; write [[{}]]", key, key);
  for (const toml::node& table : *tables) {
    if (!table.is_table()) place.Refuse(table, "'{}' holds something else than tables; write [[{}]]", key, key);
    sources.push_back(ReadSource(*table.as_table(), folder, place));
  }
}

void CheckSchema(const toml::table& file, const Place& place) {
  const toml::node* version = file.get("schema_version");
  if (version == nullptr || !version->is_integer() || version->as_integer()->get() < 1) {
    const std::string expected = fmt::format("expected schema_version = {}", kProfileSchema);
    if (version != nullptr) place.Refuse(*version, "{}", expected);
    throw Error(ErrorCode::kUsage, fmt::format("{}: no schema_version; {}", Printable(place.path, 4096), expected));
  }
  if (version->as_integer()->get() > kProfileSchema)
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: schema_version {}; this program reads up to {}: use a newer one",
                            Printable(place.path, 4096), version->as_integer()->get(), kProfileSchema));
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
  const Place place{path};
  toml::table file;
  try {
    file = toml::parse(text, std::string_view(path));
  } catch (const toml::parse_error& error) {
    place.Refuse(error.source(), "{}", error.description());
  }
  CheckSchema(file, place);  // first: what is unknown here may be known to a newer one
  const Settings settings(file, place, {"schema_version", "items", "users"});
  const fs::path folder = fs::path(path).parent_path();
  ProfileConfig config;
  ReadSources(settings, "items", folder, place, config.items);
  ReadSources(settings, "users", folder, place, config.users);
  if (config.items.empty() && config.users.empty())
    throw Error(ErrorCode::kUsage, fmt::format("{}: neither [[items]] nor [[users]]", Printable(path, 4096)));
  return config;
}

}  // namespace kindred
