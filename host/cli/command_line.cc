#include "host/cli/command_line.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iostream>
#include <numeric>

#include "kernels/error.h"

namespace kindred {
namespace {

std::string EnvironmentName(const std::string& key) {
  std::string name = "KINDRED_";
  for (char c : key) name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
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

std::string Nearest(const std::string& word, const std::vector<std::string>& known) {
  return *std::min_element(known.begin(), known.end(), [&](const std::string& a, const std::string& b) {
    return EditDistance(word, a) < EditDistance(word, b);
  });
}

const char* const kFrameOptions[] = {"help", "config", "print-config", "check-config"};

bool IsFrameOption(const std::string& name) {
  return std::find(std::begin(kFrameOptions), std::end(kFrameOptions), name) != std::end(kFrameOptions);
}

std::vector<std::string> ConfigurableOptions(const CLI::App* app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app->get_options())
    if (!option->get_lnames().empty() && !IsFrameOption(option->get_lnames()[0]))
      names.push_back(option->get_lnames()[0]);
  return names;
}

std::string ScalarText(const toml::node& node, const std::string& key) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* integer = node.as_integer()) return std::to_string(integer->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (node.is_floating_point()) {
    std::ostringstream text;
    text.precision(17);
    text << *node.value<double>();
    return text.str();
  }
  throw Error(ErrorCode::kUsage, "config: '" + key + "' must be a text, a number, true, false or a list of these");
}

/// Reads TOML for one subcommand; leaves out what the environment sets, which counts for more.
class TomlConfig : public CLI::Config {
 public:
  explicit TomlConfig(const CLI::App* app) : app_(app) {}

  std::string to_config(const CLI::App* app, bool, bool, std::string) const override {
    std::ostringstream out;
    for (const CLI::Option* option : app->get_options()) {
      if (option->get_lnames().empty() || IsFrameOption(option->get_lnames()[0])) continue;
      const std::vector<std::string> values = option->reduced_results();
      const bool flag = option->get_expected_min() == 0;
      out << option->get_lnames()[0] << " = ";
      if (option->count() == 0) {
        const std::string text = option->get_default_str();
        out << (flag ? "false" : Quoted(text)) << "\n";
      } else if (option->get_expected_max() > 1) {
        out << "[";
        for (size_t i = 0; i < values.size(); ++i) out << (i ? ", " : "") << Quoted(values[i]);
        out << "]\n";
      } else {
        out << (flag ? values[0] : Quoted(values[0])) << "\n";
      }
    }
    return out.str();
  }

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    toml::table table;
    try {
      table = toml::parse(input);
    } catch (const toml::parse_error& error) {
      const auto& at = error.source().begin;
      throw Error(ErrorCode::kUsage, "config: line " + std::to_string(at.line) + ", column " +
                                         std::to_string(at.column) + ": " + std::string(error.description()));
    }
    std::vector<CLI::ConfigItem> found;
    for (const auto& [key, node] : table)
      if (!node.is_table()) AddItem(std::string(key.str()), node, found);
    if (const auto* own = table[app_->get_name()].as_table())
      for (const auto& [key, node] : *own) AddItem(std::string(key.str()), node, found);
    return found;
  }

 private:
  static std::string Quoted(const std::string& text) {
    char* end = nullptr;
    std::strtod(text.c_str(), &end);
    if (!text.empty() && *end == '\0') return text;
    std::ostringstream out;
    out << toml::value<std::string>(text);
    return out.str();
  }

  void AddItem(const std::string& key, const toml::node& node, std::vector<CLI::ConfigItem>& found) const {
    const std::vector<std::string> known = ConfigurableOptions(app_);
    if (std::find(known.begin(), known.end(), key) == known.end())
      throw Error(ErrorCode::kUsage, "config: unknown key '" + key + "' for 'kindred " + app_->get_name() +
                                         "'; the nearest known key is '" + Nearest(key, known) + "'");
    if (std::getenv(EnvironmentName(key).c_str()) != nullptr) return;
    CLI::ConfigItem item;
    item.name = key;
    if (const auto* list = node.as_array()) {
      for (const auto& element : *list) item.inputs.push_back(ScalarText(element, key));
    } else {
      item.inputs.push_back(ScalarText(node, key));
    }
    found.erase(std::remove_if(found.begin(), found.end(), [&](const CLI::ConfigItem& old) { return old.name == key; }),
                found.end());
    found.push_back(std::move(item));
  }

  const CLI::App* app_;
};

int StatusOf(const Error& error) {
  return error.code() == ErrorCode::kUsage ? 2 : 1;
}

}  // namespace

CommandLine::CommandLine() : app_("Recommendations and user segments from exported interactions.", "kindred") {
  app_.require_subcommand(1);
  app_.set_version_flag("--version", std::string("kindred ") + KINDRED_VERSION);
  app_.option_defaults()->always_capture_default();
  app_.failure_message(CLI::FailureMessage::help);
  spdlog::set_default_logger(spdlog::stderr_color_mt("kindred"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
}

CLI::App* CommandLine::Add(const std::string& name, const std::string& description, std::function<int()> run) {
  return AddTo(&app_, name, description, std::move(run));
}

CLI::App* CommandLine::AddTo(CLI::App* parent, const std::string& name, const std::string& description,
                             std::function<int()> run) {
  CLI::App* app = parent->add_subcommand(name, description);
  app->option_defaults()->always_capture_default();
  app->add_flag("--print-config")->description("print the settings as TOML and stop");
  app->add_flag("--check-config")->description("check the settings and stop");
  app->set_config("--config", "", "read settings from this TOML file");
  app->config_formatter(std::make_shared<TomlConfig>(app));
  app->allow_config_extras(false);
  app->final_callback([this, app, run = std::move(run)] {
    chosen_ = run;
    chosen_app_ = app;
  });
  return app;
}

int CommandLine::Run(int argc, const char* const* argv) {
  const std::function<void(CLI::App*)> bind_environment = [&](CLI::App* app) {
    for (const std::string& name : ConfigurableOptions(app))
      if (app != &app_) app->get_option("--" + name)->envname(EnvironmentName(name));
    for (CLI::App* sub : app->get_subcommands([](CLI::App*) { return true; })) bind_environment(sub);
  };
  bind_environment(&app_);
  try {
    app_.parse(argc, argv);
    if (chosen_app_->count("--print-config") > 0) {
      std::cout << chosen_app_->config_to_str(true);
      return 0;
    }
    if (chosen_app_->count("--check-config") > 0) return 0;
    return chosen_();
  } catch (const CLI::ParseError& error) {
    return app_.exit(error, std::cout, std::cerr) == 0 ? 0 : 2;
  } catch (const Error& error) {
    std::cerr << "kindred: " << error.what() << "\n";
    return StatusOf(error);
  } catch (const std::bad_alloc&) {
    std::cerr << "kindred: out of memory\n";
    return 1;
  } catch (const std::exception& error) {
    std::cerr << "kindred: " << error.what() << "\n";
    return 1;
  }
}

void PrintJson(const nlohmann::json& value) {
  std::cout << value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
}

}  // namespace kindred
