#include "host/cli/command_line.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <utility>

#include "host/cli/config_file.h"
#include "kernels/error.h"

namespace kindred {
namespace {

// A file opened later must not become standard output because that was closed: results would be written into it.
void KeepStandardDescriptors() {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor)
    if (::fcntl(descriptor, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_RDONLY));
}

}  // namespace

CommandLine::CommandLine() : app_("Recommendations and user segments from exported interactions.", "kindred") {
  app_.require_subcommand(1);
  app_.set_version_flag("--version", std::string("kindred ") + KINDRED_VERSION);
  app_.option_defaults()->always_capture_default();
  app_.failure_message([this](const CLI::App*, const CLI::Error& error) {
    std::string name;
    for (const CLI::App* app : app_.get_subcommands()) name += " " + app->get_name();
    return fmt::format("kindred: {}\n(kindred{} --help explains the options)\n", error.what(), name);
  });
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("kindred", std::make_shared<spdlog::sinks::stderr_color_sink_mt>()));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
}

CLI::App* CommandLine::Add(const std::string& name, const std::string& description, std::function<int()> run,
                           std::function<void()> check) {
  return AddTo(&app_, name, description, std::move(run), std::move(check));
}

CLI::App* CommandLine::AddTo(CLI::App* parent, const std::string& name, const std::string& description,
                             std::function<int()> run, std::function<void()> check) {
  CLI::App* app = parent->add_subcommand(name, description);
  if (parent != &app_) {
    parent->require_subcommand(1);
    parent->final_callback(nullptr);
  }
  app->option_defaults()->always_capture_default();
  app->add_option("--config", "read settings from this TOML file")->type_name("FILE");
  app->add_flag("--print-config")->description("print the settings as TOML and stop");
  app->add_flag("--check-config")->description("check the settings and stop");
  app->final_callback([this, app, run = std::move(run), check = std::move(check)] {
    chosen_ = run;
    chosen_check_ = check;
    chosen_app_ = app;
  });
  return app;
}

CLI::App* CommandLine::Named(const std::vector<std::string>& arguments) {
  CLI::App* app = &app_;
  for (const std::string& argument : arguments)
    if (const auto subs = app->get_subcommands([&](CLI::App* sub) { return sub->get_name() == argument; });
        !subs.empty())
      app = subs[0];
  return app;
}

std::vector<std::string> CommandLine::WithConfig(std::vector<std::string> arguments) {
  const std::string flag = "--config";
  for (size_t i = 0; i < arguments.size(); ++i) {
    const bool apart = arguments[i] == flag && i + 1 < arguments.size();
    if (!apart && !arguments[i].starts_with(flag + "=")) continue;
    const std::string path = apart ? arguments[i + 1] : arguments[i].substr(flag.size() + 1);
    const std::vector<std::string> added = ConfigArguments(*Named(arguments), path, arguments);
    arguments.insert(arguments.end(), added.begin(), added.end());
    break;
  }
  return arguments;
}

void CommandLine::BindEnvironment(CLI::App* app) {
  for (; app != &app_; app = app->get_parent())
    for (const CLI::Option* option : ConfigurableOptions(*app))
      app->get_option("--" + option->get_lnames()[0])->envname(EnvironmentName(option->get_lnames()[0]));
}

int CommandLine::Run(int argc, const char* const* argv) {
  KeepStandardDescriptors();
  const int status = ParseAndRun({argv + std::min(argc, 1), argv + argc});
  try {
    FlushOutput();
  } catch (const Error& error) {
    std::cerr << "kindred: " << error.what() << "\n";
    return std::max(status, 1);
  }
  return status;
}

int CommandLine::ParseAndRun(std::vector<std::string> arguments) {
  BindEnvironment(Named(arguments));
  try {
    if (std::find(arguments.begin(), arguments.end(), "--print-config") != arguments.end())
      for (CLI::Option* option : Named(arguments)->get_options([](const CLI::Option*) { return true; }))
        option->required(false);
    arguments = WithConfig(std::move(arguments));
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    app_.parse(std::move(arguments));
    if (chosen_app_->count("--print-config") > 0) {
      std::cout << PrintConfig(*chosen_app_);
      return 0;
    }
    if (chosen_app_->count("--check-config") > 0) {
      if (chosen_check_) chosen_check_();
      return 0;
    }
    return chosen_();
  } catch (const CLI::ParseError& error) {
    return app_.exit(error, std::cout, std::cerr) == 0 ? 0 : 2;
  } catch (const Error& error) {
    std::cerr << "kindred: " << error.what() << "\n";
    return error.code() == ErrorCode::kUsage ? 2 : 1;
  } catch (const std::bad_alloc&) {
    std::cerr << "kindred: out of memory\n";
    return 1;
  } catch (const std::exception& error) {
    std::cerr << "kindred: " << error.what() << "\n";
    return 1;
  }
}

CLI::Validator Within(double least, double most) {
  const std::string range = fmt::format("from {} to {}", least, most);
  const auto check = [=](const std::string& text) {
    double value = 0;
    const bool good = CLI::detail::lexical_cast(text, value) && value >= least && value <= most;
    return good ? std::string() : fmt::format("'{}' is not a number {}", text, range);
  };
  return CLI::Validator(check, range, "within");
}

CLI::Validator Accepts(std::function<void(const std::string&)> parse, const std::string& name) {
  const auto check = [parse = std::move(parse)](const std::string& text) {
    try {
      parse(text);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  return CLI::Validator(check, name, name);
}

void FlushOutput() {
  errno = 0;
  if (!std::cout.flush() || std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
    throw Error(ErrorCode::kIo, fmt::format("cannot write to standard output{}{}", errno != 0 ? ": " : "",
                                            errno != 0 ? std::strerror(errno) : ""));
}

void PrintJson(const nlohmann::json& value) {
  std::cout << value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
}

void PrintJsonLine(const nlohmann::json& value) {
  std::cout << value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
}

}  // namespace kindred
