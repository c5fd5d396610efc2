#include "host/cli/config_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "host/text/edit_distance.h"
#include "kernels/error.h"

namespace kindred {
namespace {

const std::string& NameOf(const CLI::Option& option) {
  return option.get_lnames()[0];
}

// The nearest to what was written, as the end of a message.
std::string Nearest(const char* what, const std::string& written, const std::vector<std::string>& known) {
  const std::vector<std::string_view> names(known.begin(), known.end());
  const int nearest = NearestName(written, names);
  return nearest < 0 ? "" : fmt::format("; the nearest known {} is '{}'", what, names[static_cast<size_t>(nearest)]);
}

// Throws for a key that no option has.
void CheckKey(const CLI::App& app, const std::string& path, const std::string& key) {
  std::vector<std::string> known;
  for (const CLI::Option* option : ConfigurableOptions(app)) known.push_back(NameOf(*option));
  if (std::find(known.begin(), known.end(), key) == known.end())
    throw Error(ErrorCode::kUsage, fmt::format("{}: unknown key '{}' for 'kindred {}'{}", path, key, app.get_name(),
                                               Nearest("key", key, known)));
}

// Throws for a table that no subcommand is named by; those of the tables in it are subcommands of that one.
void CheckTables(const CLI::App& app, const std::string& path, const toml::table& table, const std::string& above) {
  std::vector<std::string> known;
  for (const CLI::App* sub : Subcommands(app)) known.push_back(above + sub->get_name());
  for (const auto& [key, node] : table) {
    if (!node.is_table()) continue;
    const std::string name = above + std::string(key.str());
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end())
      throw Error(ErrorCode::kUsage,
                  fmt::format("{}: unknown table [{}]{}", path, name, Nearest("table", name, known)));
    CheckTables(*Subcommands(app)[static_cast<size_t>(found - known.begin())], path, *node.as_table(), name + ".");
  }
}

// The tables that subcommands are named by, alone: what else there is in the file, others read.
void CheckSubcommandTables(const CLI::App& top, const std::string& path, const toml::table& file) {
  for (const CLI::App* sub : Subcommands(top))
    if (const toml::table* table = file[sub->get_name()].as_table())
      CheckTables(*sub, path, *table, sub->get_name() + ".");
}

bool Declares(const CLI::App& app) {
  return app.get_option_no_throw(std::string("--") + kDeclarations) != nullptr;
}

// Whether the file has more than tables of subcommands.
bool HasDeclarations(const CLI::App& app, const toml::table& file) {
  const CLI::App* top = &app;
  while (top->get_parent() != nullptr) top = top->get_parent();
  return std::ranges::any_of(file, [&](const auto& entry) {
    return !entry.second.is_table() || std::ranges::none_of(Subcommands(*top), [&](const CLI::App* sub) {
      return sub->get_name() == entry.first.str();
    });
  });
}

// What the file says for the subcommand: its own table's keys before those of the tables around it.
toml::table SettingsOf(const CLI::App& app, const toml::table& file, const std::string& path) {
  std::vector<std::string> names;  // from the subcommand outwards
  const CLI::App* top = &app;
  for (; top->get_parent() != nullptr; top = top->get_parent()) names.push_back(top->get_name());
  if (Declares(app))
    CheckSubcommandTables(*top, path, file);
  else
    CheckTables(*top, path, file, "");
  toml::table settings;
  const toml::table* table = &file;
  while (table != nullptr) {
    for (const auto& [key, node] : *table)
      if (!node.is_table() && !(table == &file && Declares(app))) settings.insert_or_assign(key, node);
    if (names.empty()) break;
    table = (*table)[names.back()].as_table();
    names.pop_back();
  }
  return settings;
}

std::string ScalarText(const toml::node& node, const std::string& path, const std::string& key) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* integer = node.as_integer()) return std::to_string(integer->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (const auto* real = node.as_floating_point()) return fmt::format("{}", real->get());
  throw Error(ErrorCode::kUsage,
              path + ": '" + key + "' is not a text, a number, true, false or a list of these, as expected");
}

toml::table ReadToml(const std::string& path) {
  std::ifstream file(path);
  if (!file || std::filesystem::is_directory(path)) throw Error(ErrorCode::kUsage, path + ": cannot be read");
  std::ostringstream text;  // toml++ goes back in a stream, and takes one that cannot, a pipe, for an empty one
  text << file.rdbuf();
  try {
    return toml::parse(text.str(), path);
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    throw Error(ErrorCode::kUsage, path + ": line " + std::to_string(at.line) + ", column " +
                                       std::to_string(at.column) + ": " + std::string(error.description()));
  }
}

/// By the arguments, or by the environment where that is looked at.
bool IsSet(const CLI::App& app, const std::string& key, const std::vector<std::string>& arguments) {
  const std::string flag = "--" + key, variable = app.get_option(flag)->get_envname();
  return (!variable.empty() && std::getenv(variable.c_str()) != nullptr) ||
         std::any_of(arguments.begin(), arguments.end(),
                     [&](const std::string& argument) { return argument == flag || argument.starts_with(flag + "="); });
}

bool IsFlag(const CLI::Option& option) {
  return option.get_expected_max() == 0;
}
bool IsList(const CLI::Option& option) {
  return option.get_items_expected_max() > 1;
}

}  // namespace

std::vector<const CLI::Option*> ConfigurableOptions(const CLI::App& app) {
  std::vector<const CLI::Option*> options;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_lnames().empty()) continue;
    const std::string& name = NameOf(*option);
    if (name != "help" && name != "version" && name != "config" && name != "print-config" && name != "check-config")
      options.push_back(option);
  }
  return options;
}

std::vector<const CLI::App*> Subcommands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::string EnvironmentName(const std::string& key) {
  std::string name = "KINDRED_";
  for (char c : key) name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

std::vector<std::string> ConfigArguments(const CLI::App& app, const std::string& path,
                                         const std::vector<std::string>& arguments) {
  const toml::table file = ReadToml(path), settings = SettingsOf(app, file, path);
  std::vector<std::string> added;
  if (Declares(app) && HasDeclarations(app, file)) {
    if (settings.contains(kDeclarations))
      throw Error(ErrorCode::kUsage, fmt::format("{}: [{}] names other '{}', and the file declares by itself", path,
                                                 app.get_name(), kDeclarations));
    if (!IsSet(app, kDeclarations, arguments)) added.push_back(std::string("--") + kDeclarations + "=" + path);
  }
  for (const auto& [toml_key, node] : settings) {
    const std::string key(toml_key.str());
    CheckKey(app, path, key);
    if (IsSet(app, key, arguments)) continue;
    std::vector<std::string> values;
    if (const auto* list = node.as_array()) {
      for (const auto& element : *list) values.push_back(ScalarText(element, path, key));
    } else {
      values.push_back(ScalarText(node, path, key));
    }
    for (const std::string& value : values) {
      added.push_back("--" + key + (value.empty() ? "" : "=" + value));
      if (value.empty()) added.emplace_back();  // after '=' nothing would stand for the next argument
    }
  }
  return added;
}

std::string TomlText(const std::string& text) {
  try {
    const toml::table read = toml::parse("number = " + text);
    const toml::node& number = *read.get("number");
    if (number.is_number() && ScalarText(number, "", "") == text) return text;
  } catch (const toml::parse_error&) {  // no number
  }
  std::ostringstream out;
  out << toml::value<std::string>(text);
  return out.str();
}

std::string PrintConfig(const CLI::App& app) {
  std::ostringstream out;
  if (Declares(app)) out << "[" << app.get_name() << "]\n";
  for (const CLI::Option* option : ConfigurableOptions(app)) {
    const std::vector<std::string> values =
        option->count() > 0 ? option->reduced_results() : std::vector<std::string>{};
    if (IsFlag(*option)) {
      out << NameOf(*option) << " = " << (values.empty() ? "false" : values[0]) << "\n";
    } else if (IsList(*option)) {
      out << NameOf(*option) << " = [";
      for (size_t i = 0; i < values.size(); ++i) out << (i > 0 ? ", " : "") << TomlText(values[i]);
      out << "]\n";
    } else if (!values.empty() || !option->get_default_str().empty()) {
      out << NameOf(*option) << " = " << TomlText(values.empty() ? option->get_default_str() : values[0]) << "\n";
    }
  }
  return out.str();
}

}  // namespace kindred
