// Which files a command line means, and what their names say of their format.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/intake/row_source.h"

namespace kindred {

/// Each input is a file; "-"; a folder, of which all files are meant, those in folders within it too; or a pattern
/// of *, ? and [...] for files and folders. Files of a folder or a pattern come sorted by path, byte by byte; names
/// that begin with '.' or '_' (".part.crc", "_SUCCESS") are passed over, unless a pattern begins so too. Throws
/// kNotFound for what is not there, a pattern that matches nothing and a folder without files, kIo, and kUsage for "-"
/// twice.
std::vector<std::string> ExpandInputs(std::span<const std::string> inputs);

/// By what the name ends with, without .gz and .zst; none where that does not tell.
std::optional<InputFormat> FormatOf(std::string_view path);

}  // namespace kindred
