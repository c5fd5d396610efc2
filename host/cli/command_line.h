// The frame every subcommand stands in: options, configuration, exit status.
//
// An option's value is the last found of: its default, the TOML file of --config (keys are the long flags
// without dashes, at the top level or in a table of the subcommand's name, as [train] or [query.recommend]), the
// environment (KINDRED_ and the flag in capitals, '-' as '_'), the command line. Unknown keys and tables are errors
// that name the nearest known one. Every subcommand has --config, --print-config and --check-config.
//
// Exit status: 0 done, 1 failed, 2 usage. Results go to standard output, everything else to standard error. Output
// that could not be written is a failure.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace kindred {

class CommandLine {
 public:
  CommandLine();

  /// Adds a subcommand. `run` is called after its options are set, and returns the exit status; `check`, where there
  /// is one, by --check-config, and throws an Error for what options alone do not show.
  CLI::App* Add(const std::string& name, const std::string& description, std::function<int()> run,
                std::function<void()> check = nullptr);
  /// The same, nested under another subcommand, which then needs one of its own.
  CLI::App* AddTo(CLI::App* parent, const std::string& name, const std::string& description, std::function<int()> run,
                  std::function<void()> check = nullptr);

  /// Parses, runs the chosen subcommand and turns an Error into a message and a status.
  int Run(int argc, const char* const* argv);

 private:
  /// The subcommand the arguments name, or the program.
  CLI::App* Named(const std::vector<std::string>& arguments);
  /// The arguments with what a --config among them adds.
  std::vector<std::string> WithConfig(std::vector<std::string> arguments);
  /// Of a subcommand and its parents; what the environment says for others is not looked at.
  void BindEnvironment(CLI::App* app);
  int ParseAndRun(std::vector<std::string> arguments);

  CLI::App app_;
  std::function<int()> chosen_;
  std::function<void()> chosen_check_;
  CLI::App* chosen_app_ = nullptr;
};

/// Refuses what is no number from `least` to `most`, both included.
CLI::Validator Within(double least, double most);

/// Refuses what `parse` throws an Error for, with its message. `name` stands for such a value in the help.
CLI::Validator Accepts(std::function<void(const std::string&)> parse, const std::string& name);

/// Throws kIo where something printed so far could not be written.
void FlushOutput();

/// One JSON object on standard output, and a newline. Bytes that are not UTF-8 are replaced.
void PrintJson(const nlohmann::json& value);
/// The same on one line, of many.
void PrintJsonLine(const nlohmann::json& value);

}  // namespace kindred
