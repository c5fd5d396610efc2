// Any text as an expression: refused with an error, or evaluated without a crash over columns of every storage; its
// canonical form compiles to itself and gives the same.
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#include "host/expression/expression.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr int64_t kRows = 3;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

const double kReals[] = {1, kNan, -1e300};
const float kFloats[] = {2.5f, -0.0f, std::numeric_limits<float>::quiet_NaN()};
const int64_t kIntegers[] = {7, kMissingInteger, std::numeric_limits<int64_t>::max()};
const uint8_t kBooleans[] = {1, 0, kMissingBoolean};
const std::string_view kTexts[] = {"a", "", "\xc3\xa9|B|"}, kCells[] = {"1", "2024-11-24", "x|y"};
const std::string_view kDictionary[] = {"a", "Z"};
const int32_t kCodes[] = {0, kMissingCode, 1};
const int64_t kIndptr[] = {0, 2, 2, 3};

const ColumnInfo kSchema[] = {{"n", ColumnType::kNumber},
                              {"f", ColumnType::kNumber},
                              {"i", ColumnType::kNumber},
                              {"b", ColumnType::kBoolean},
                              {"t", ColumnType::kText},
                              {"c", ColumnType::kText},
                              {"s", ColumnType::kTime},
                              {"g", ColumnType::kTags},
                              {"h", ColumnType::kTags},
                              {"u", ColumnType::kUntyped},
                              {"Unit price", ColumnType::kUntyped},
                              {"n", ColumnType::kNumber, 7 * 86400},
                              {"views", ColumnType::kNumber, 3600}};
const Column kColumns[] = {{.type = ColumnType::kNumber, .reals = kReals},
                           {.type = ColumnType::kNumber, .floats = kFloats},
                           {.type = ColumnType::kNumber, .integers = kIntegers},
                           {.type = ColumnType::kBoolean, .booleans = kBooleans},
                           {.type = ColumnType::kText, .texts = kTexts},
                           {.type = ColumnType::kText, .codes = kCodes, .dictionary = kDictionary},
                           {.type = ColumnType::kTime, .reals = kReals},
                           {.type = ColumnType::kTags, .texts = kTexts},
                           {.type = ColumnType::kTags, .codes = kCodes, .dictionary = kDictionary, .indptr = kIndptr},
                           {.type = ColumnType::kUntyped, .texts = kCells},
                           {.type = ColumnType::kUntyped, .texts = kCells},
                           {.type = ColumnType::kNumber, .integers = kIntegers},
                           {.type = ColumnType::kNumber, .integers = kIntegers}};

void Expect(bool holds) {
  if (!holds) std::abort();
}

/// Everything it gives, as text.
std::string Results(const Expression& expression) {
  std::vector<Column> columns;
  for (const int column : expression.columns()) columns.push_back(kColumns[column]);
  std::vector<RowError> errors;
  std::string results(NameOf(expression.type()));
  Evaluator evaluator(expression, 1.7e9);
  if (expression.type() == ValueType::kBoolean) {
    std::vector<uint8_t> out(kRows);
    evaluator.Select(columns, kRows, out, errors);
    for (const uint8_t value : out) Expect(value <= 1);
    results.append(out.begin(), out.end());
  } else if (expression.type() == ValueType::kText) {
    evaluator.Texts(
        columns, kRows,
        [&](int64_t, std::span<const std::string_view> texts) {
          for (const std::string_view text : texts) results.append(text).append(1, '\n');
        },
        errors);
  } else {
    std::vector<double> out(kRows);
    evaluator.Numbers(columns, kRows, out, errors);
    for (const double value : out) results += std::to_string(value) + "\n";
  }
  for (const RowError& error : errors) {
    const std::string reason = expression.Reason(error);
    Expect(IsUtf8(reason));
    results += std::to_string(error.row) + reason;
  }
  return results;
}

void Run(std::string_view text) {
  try {
    const std::vector<WindowedName> windows = WindowedNames(text);
    const Expression expression = Expression::Compile(text, kSchema);
    const std::string results = Results(expression);
    Expect(IsUtf8(expression.ToString()));
    Expect(WindowedNames(expression.ToString()) == windows);
    const Expression again = Expression::Compile(expression.ToString(), kSchema);
    Expect(again.ToString() == expression.ToString() && Results(again) == results);
  } catch (const Error& error) {
    Expect(error.code() == ErrorCode::kInvalidArgument && IsUtf8(error.what()));
    Expect(std::string_view(error.what()).starts_with("line ") || !IsUtf8(text));
  }
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
