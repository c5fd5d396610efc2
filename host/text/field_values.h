// Numbers, times and ids as exports write them. Functions return nullptr, or what is wrong.
#pragma once

#include <cstdint>
#include <string_view>

#include "host/text/time_format.h"

namespace kindred {

struct NumberFormat {
  char decimal = '.';     // or ','
  bool negative = false;  // whether values may be
};

/// A finite decimal number ("3", "-0.5", "+1e3"), rounded to double. Thousands separators are not read. About 5 ns for
/// up to 15 digits.
const char* ParseNumber(std::string_view text, double* number, NumberFormat format = {});

/// The same of a number >= 0 (or any, where values may be negative), then rounded to float32: what a file that holds
/// doubles gives too. Never -0.
const char* ParseValue(std::string_view text, float* value, NumberFormat format = {});

enum class IdFormat : uint8_t {
  kText,     // as it is
  kInteger,  // whole numbers that were written as reals, without their zeros: "17850.0" is "17850"
};

/// The id that a text stands for, as a part of the text. Refuses numbers that are not whole, or in powers of ten, where
/// ids are integers; texts that are no numbers are ids as they are.
const char* FormatId(std::string_view text, IdFormat format, std::string_view* id);

}  // namespace kindred
