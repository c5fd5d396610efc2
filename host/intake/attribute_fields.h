// One field of a column as an attribute of some type.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "host/data/attribute_table.h"
#include "host/expression/column.h"
#include "host/text/field_values.h"
#include "host/text/time_format.h"

namespace kindred {

/// How a column is to be read.
struct AttributeRules {
  std::optional<AttributeType> type = {};  // none: as the source has it, or inferred
  char separator = '|';                    // between the tags of a text; blanks around tags are dropped
  NumberFormat number = {};                // of texts
  TimeFormat time = TimeFormat();          // likewise
};

/// Whether columns of this type can be read as attributes of that one; single fields may still not fit.
///   untyped, text   all
///   number          number, category and text (as CellText writes them), boolean (0 and 1), time (unix seconds)
///   boolean         boolean, number (0 and 1), category and text ("true" and "false")
///   time            time
///   tags            tags
bool Converts(ColumnType from, AttributeType to);

// Row `i` of a column that converts, by rules whose type does not matter here. They set `value`, to what column.h calls
// missing where the field is, and return nullptr; or they return what is wrong with the field.

/// A finite decimal number ("-3", "0.5", "1e3"). "NaN" is missing.
const char* ReadNumber(const Column& column, int64_t i, const AttributeRules& rules, double* value);
/// 1 for true, t, yes, y and 1, 0 for false, f, no, n and 0, in any case.
const char* ReadBoolean(const Column& column, int64_t i, const AttributeRules& rules, uint8_t* value);
/// Of the years 1 to 9999. A text is in the format of the rules.
const char* ReadTime(const Column& column, int64_t i, const AttributeRules& rules, int64_t* value);

/// Without blanks around it.
inline std::string_view TagIn(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  const size_t begin = text.find_first_not_of(kBlanks);
  return begin == text.npos ? std::string_view() : text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

/// take(tag) for each tag of a text that is not empty.
template <class Take>
void ForEachTag(std::string_view text, char separator, const Take& take) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (const std::string_view tag = TagIn(text.substr(0, end)); !tag.empty()) take(tag);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

/// Where times may be in more than one form ("auto"), leaves the form of the first that is read: a column that mixes
/// them, as unix seconds and dates, does not say what is meant.
void SettleTimeForm(const Column& column, int64_t n_rows, AttributeRules& rules);

/// Row `i` for a message: as CellText has it, but times as seconds, since they may be of no year that can be written.
std::string FoundIn(const Column& column, int64_t i);

/// What a text may be, as bits.
using Shapes = uint8_t;
inline constexpr Shapes kNumberShape = 1;
inline constexpr Shapes kTimeShape = 2;
inline constexpr Shapes kBooleanShape = 4;
inline constexpr Shapes kAllShapes = kNumberShape | kTimeShape | kBooleanShape;

/// By the rules of inference (attribute_values.h); 0: no more than a text.
Shapes ShapesOf(std::string_view text, const AttributeRules& rules);
/// "numbers", "times" or "booleans", for the lowest bit; "texts" for 0.
const char* NameOfShapes(Shapes shapes);

}  // namespace kindred
