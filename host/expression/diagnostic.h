// Errors that point into an expression.
#pragma once

#include <string>
#include <string_view>

namespace kindred {

/// Throws kInvalidArgument: "line 1, column 14: MESSAGE", the line of the source (the part around the place, if it is
/// long) and a caret under byte `at` of the source.
[[noreturn]] void FailAt(std::string_view source, size_t at, const std::string& message);

/// Such a message without the source, for whoever has it.
std::string FirstLine(std::string_view message);

}  // namespace kindred
