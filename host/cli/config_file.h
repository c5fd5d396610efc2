// Settings of one subcommand as a TOML file: read before the command line is parsed, printed after.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace kindred {

/// The option of subcommands that declare more in their file than flags: in it, tables and keys at the top level are
/// theirs to read, and only the table of the subcommand's name has flags. The option's value is the file's path; a file
/// without declarations may name another that has them by it.
inline constexpr const char* kDeclarations = "declarations";

/// The options that may stand in a file: all with a long name but --help and the frame's own.
std::vector<const CLI::Option*> ConfigurableOptions(const CLI::App& app);

std::vector<const CLI::App*> Subcommands(const CLI::App& app);

/// "KINDRED_N_FACTORS" for "n-factors".
std::string EnvironmentName(const std::string& key);

/// What the file adds to `arguments`: a `--key=value` for each of its keys that neither the arguments nor the
/// environment set. Throws kUsage naming the file and the line, or the key or table and the nearest known one.
std::vector<std::string> ConfigArguments(const CLI::App& app, const std::string& path,
                                         const std::vector<std::string>& arguments);

/// A value as TOML: bare where TOML reads the same text back as a number, else as a string.
std::string TomlText(const std::string& text);

/// The settings of a parsed subcommand as TOML that ConfigArguments reads back to the same. Options that have no
/// value are left out.
std::string PrintConfig(const CLI::App& app);

}  // namespace kindred
