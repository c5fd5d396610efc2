// A compiled expression: a linear program over registers.
//
// There are three files of registers: numbers (also times and durations, as doubles; NaN is missing), texts (an empty
// one is missing) and booleans (bytes: 0, 1 or kMissingBoolean). A register is a scalar (one value for all rows: what
// reads no attribute, computed once), a load (a column as one of the three) or a temporary of kTile values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "host/expression/expression.h"
#include "host/expression/syntax.h"

namespace kindred {

inline constexpr int64_t kTile = 1024;

enum class Op : uint8_t {
  // Numbers from two numbers, in the order of Loops::binary.
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kMinimum,
  kMaximum,
  kCoalesceNumbers,
  // Numbers from one, in the order of Loops::unary.
  kNegate,
  kAbsolute,
  kRound,
  kFloor,
  kCeil,
  // Numbers from times.
  kYear,
  kMonth,
  kDay,
  kWeekday,
  kHour,
  kTextLength,
  kTagsLength,  // data: place of the column
  kIfNumbers,   // a: boolean
  kBroadcastNumber,
  // Booleans from two numbers, in the order of Loops::compare.
  kEqual,
  kDiffer,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  // Booleans from two texts, in the same order.
  kTextsEqual,
  kTextsDiffer,
  kTextsLess,
  kTextsLessEqual,
  kTextsGreater,
  kTextsGreaterEqual,
  kStartsWith,
  kEndsWith,
  kContains,
  kInNumbers,  // data: set
  kInTexts,    // data: set
  kHasTag,     // a: text; data: place of the column; c.index: table
  kAnyTag,     // data: place of the column; b.index: set; c.index: table
  kNumberPresent,
  kTextPresent,
  kTagsPresent,  // data: place of the column
  // Booleans from booleans. kAnd, kOr and kNot take and give conditions: 0 or 1.
  kIsTrue,
  kAnd,
  kOr,
  kNot,
  kBooleansEqual,
  kBooleansDiffer,
  kBooleanPresent,
  kCoalesceBooleans,
  kIfBooleans,
  kBroadcastBoolean,
  // Texts.
  kLower,  // data: arena
  kUpper,  // data: arena
  kTrim,
  kCoalesceTexts,
  kIfTexts,  // a: boolean
  kBroadcastText,
  // The instructions up to `data` depend on nothing but the text column of load `a`. Where that has a dictionary, they
  // have been run once over its entries, and the result is looked up by code in table `b.index`.
  kTabulatedNumbers,
  kTabulatedBooleans,
};

enum class RegisterKind : uint8_t { kScalar, kLoad, kTemporary };

struct Register {
  RegisterKind kind = RegisterKind::kScalar;
  int32_t index = 0;

  bool scalar() const { return kind == RegisterKind::kScalar; }
};

struct Instruction {
  Op op = Op::kAdd;
  Register out, a, b, c;
  int32_t data = 0;
};

/// A column as numbers, texts or booleans.
struct Load {
  int place = 0;  // in Program::columns
  ValueType as = ValueType::kNumber;
};

/// The texts of a list.
struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
using TextSet = std::unordered_set<std::string, TextHash, std::equal_to<>>;

struct Program {
  std::string text;                // canonical
  std::vector<std::string> names;  // of `columns`
  ValueType type = ValueType::kBoolean;
  NumberFormat number_format;
  TimeFormat time_format;
  bool uses_now = false;

  std::vector<int> columns;              // of the schema, increasing
  std::vector<ColumnType> column_types;  // of `columns`
  std::vector<Load> loads;
  std::vector<std::vector<double>> number_sets;  // sorted, each value once
  std::vector<TextSet> text_sets;

  // The values scalars begin with: literals, and room for what the prologue computes. Number 0 is now().
  std::vector<double> numbers = {0};
  std::vector<std::string> texts;
  std::vector<uint8_t> booleans;
  int n_number_temporaries = 0, n_text_temporaries = 0, n_boolean_temporaries = 0;
  int n_arenas = 0, n_tables = 0;

  std::vector<Instruction> prologue;  // scalars, once
  std::vector<Instruction> body;      // a tile
  Register result;
};

/// generator.cc. Of a syntax whose types have been found.
Program Generate(const Syntax& syntax, std::span<const ColumnInfo> schema);

}  // namespace kindred
