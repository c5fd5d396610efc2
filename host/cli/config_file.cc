#include "host/cli/config_file.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <sstream>

#include "kernels/error.h"

namespace kindred {
namespace {

const std::string& NameOf(const CLI::Option& option) {
  return option.get_lnames()[0];
}

size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

// Throws for a key that no option has.
void CheckKey(const CLI::App& app, const std::string& path, const std::string& key) {
  std::vector<std::string> known;
  for (const CLI::Option* option : ConfigurableOptions(app)) known.push_back(NameOf(*option));
  if (std::find(known.begin(), known.end(), key) != known.end()) return;
  std::string message = path + ": unknown key '" + key + "' for 'kindred " + app.get_name() + "'";
  if (!known.empty())
    message += "; the nearest known key is '" +
               *std::min_element(known.begin(), known.end(),
                                 [&](const std::string& a, const std::string& b) {
                                   return EditDistance(key, a) < EditDistance(key, b);
                                 }) +
               "'";
  throw Error(ErrorCode::kUsage, message);
}

std::string ScalarText(const toml::node& node, const std::string& path, const std::string& key) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* integer = node.as_integer()) return std::to_string(integer->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (const auto* real = node.as_floating_point()) {
    std::ostringstream text;
    text.precision(17);
    text << real->get();
    return text.str();
  }
  throw Error(ErrorCode::kUsage,
              path + ": '" + key + "' is not a text, a number, true, false or a list of these, as expected");
}

toml::table ReadToml(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw Error(ErrorCode::kUsage, path + ": cannot be read");
  try {
    return toml::parse(file, path);
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    throw Error(ErrorCode::kUsage, path + ": line " + std::to_string(at.line) + ", column " +
                                       std::to_string(at.column) + ": " + std::string(error.description()));
  }
}

bool IsSet(const std::string& key, const std::vector<std::string>& arguments) {
  const std::string flag = "--" + key;
  return std::getenv(EnvironmentName(key).c_str()) != nullptr ||
         std::any_of(arguments.begin(), arguments.end(),
                     [&](const std::string& argument) { return argument == flag || argument.starts_with(flag + "="); });
}

bool IsFlag(const CLI::Option& option) {
  return option.get_expected_max() == 0;
}
bool IsList(const CLI::Option& option) {
  return option.get_items_expected_max() > 1;
}

// A number as it is, all else as a TOML string.
std::string TomlText(const std::string& text) {
  char* end = nullptr;
  std::strtod(text.c_str(), &end);
  std::ostringstream out;
  if (!text.empty() && *end == '\0') {
    out << text;
  } else {
    out << toml::value<std::string>(text);
  }
  return out.str();
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

std::string EnvironmentName(const std::string& key) {
  std::string name = "KINDRED_";
  for (char c : key) name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

std::vector<std::string> ConfigArguments(const CLI::App& app, const std::string& path,
                                         const std::vector<std::string>& arguments) {
  toml::table settings;
  const toml::table file = ReadToml(path);
  for (const auto& [key, node] : file)
    if (!node.is_table()) settings.insert_or_assign(key, node);
  if (const auto* own = file[app.get_name()].as_table())
    for (const auto& [key, node] : *own) settings.insert_or_assign(key, node);

  std::vector<std::string> added;
  for (const auto& [toml_key, node] : settings) {
    const std::string key(toml_key.str());
    CheckKey(app, path, key);
    if (IsSet(key, arguments)) continue;
    std::vector<std::string> values;
    if (const auto* list = node.as_array()) {
      for (const auto& element : *list) values.push_back(ScalarText(element, path, key));
    } else {
      values.push_back(ScalarText(node, path, key));
    }
    for (const std::string& value : values) added.push_back("--" + key + "=" + value);
  }
  return added;
}

std::string PrintConfig(const CLI::App& app) {
  std::ostringstream out;
  for (const CLI::Option* option : ConfigurableOptions(app)) {
    const std::vector<std::string> values =
        option->count() > 0 ? option->reduced_results() : std::vector<std::string>{};
    if (IsFlag(*option)) {
      out << NameOf(*option) << " = " << (values.empty() ? "false" : values[0]) << "\n";
    } else if (IsList(*option)) {
      out << NameOf(*option) << " = [";
      for (size_t i = 0; i < values.size(); ++i) out << (i > 0 ? ", " : "") << TomlText(values[i]);
      out << "]\n";
    } else if (!values.empty() || !option->get_required()) {
      out << NameOf(*option) << " = " << TomlText(values.empty() ? option->get_default_str() : values[0]) << "\n";
    }
  }
  return out.str();
}

}  // namespace kindred
