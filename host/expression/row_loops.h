// Loops over texts, tags and times, and cells of untyped columns read as what they are used as.
//
// A missing text is empty, a missing number NaN, a missing boolean kMissingBoolean. Where two texts are compared, a
// step of 0 stands for one value for all rows.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "host/expression/program.h"

namespace kindred {

struct TextOperand {
  const std::string_view* texts = nullptr;
  int64_t step = 1;
};

/// kTextsEqual to kTextsGreaterEqual (by bytes), kStartsWith, kEndsWith, kContains. With a missing text: 0.
void CompareTexts(Op op, TextOperand a, TextOperand b, int64_t n, uint8_t* out);
void InTexts(const TextSet& set, const std::string_view* a, int64_t n, uint8_t* out);
void TextsPresent(const std::string_view* a, int64_t n, uint8_t* out);
/// In UTF-8 characters.
void TextLengths(const std::string_view* a, int64_t n, double* out);
/// Without blanks, tabs and line ends around them.
void Trim(const std::string_view* a, int64_t n, std::string_view* out);
/// ASCII letters to lower or upper case; `arena` keeps the bytes and grows where it must.
void ChangeCase(bool upper, const std::string_view* a, int64_t n, std::vector<char>* arena, std::string_view* out);
void CoalesceTexts(const std::string_view* a, const std::string_view* b, int64_t n, std::string_view* out);
void ChooseTexts(const uint8_t* condition, const std::string_view* yes, const std::string_view* no, int64_t n,
                 std::string_view* out);
void DecodeTexts(const int32_t* codes, const std::string_view* dictionary, int64_t n, std::string_view* out);

/// kYear, kMonth, kDay, kWeekday (Monday is 1) or kHour of times in UTC; missing outside of the years 1 to 9999.
void CalendarFields(Op op, const double* times, int64_t n, double* out);
bool InNumbers(const std::vector<double>& sorted, double value);

/// Rows [first, first + n) of a column of tags. `matches`, by code, says whether a tag does; null: asks `is_match`.
void TagsPresent(const Column& column, int64_t first, int64_t n, uint8_t* out);
void CountTags(const Column& column, int64_t first, int64_t n, double* out);
void HasTag(const Column& column, int64_t first, int64_t n, TextOperand wanted, const uint8_t* matches, uint8_t* out);
void HasAnyTag(const Column& column, int64_t first, int64_t n, const TextSet& set, const uint8_t* matches,
               uint8_t* out);

/// A cell that is not empty. Each returns nullptr, or what is wrong.
const char* ReadCell(std::string_view cell, NumberFormat format, double* number);
const char* ReadCell(std::string_view cell, uint8_t* boolean);
const char* ReadCellTime(std::string_view cell, const TimeFormat& format, double* time);

}  // namespace kindred
