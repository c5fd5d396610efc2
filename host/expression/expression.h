// Conditions and values over attributes: `price < 50 and category in ["shoes", "bags"]`.
//
// One small typed language for everything in Kindred that filters or computes: docs/expressions.md has its grammar, its
// types and what it does about missing values. An Expression is compiled once against the columns there are and is then
// evaluated over columns at about the speed of reading them: a linear program runs over tiles of 1024 rows whose
// intermediate values stay in the L1 cache.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/expression/column.h"
#include "host/text/field_values.h"

namespace kindred {

/// What an expression, or a part of one, is.
enum class ValueType : uint8_t { kBoolean, kNumber, kText, kTime, kDuration, kTags };

/// "boolean", "number", "text", "time", "duration" or "tags".
const char* NameOf(ValueType type);

struct ExpressionOptions {
  /// How texts of untyped columns are read as numbers and times. In the expression itself it is always the point, and
  /// ISO 8601.
  NumberFormat number = {};
  TimeFormat time = TimeFormat();
};

/// A cell of an untyped column that is not readable as what the expression uses it as.
struct RowError {
  int64_t row = 0;
  int column = 0;  // index into the schema
  ValueType expected = ValueType::kNumber;
  std::string_view found;        // views the column
  const char* reason = nullptr;  // "expected a number"
};

/// What a comparison with a window counts: the attribute and seconds, of `views >= 3 in 7d` ("views", 604800).
struct WindowedName {
  std::string name;
  int64_t window = 0;

  auto operator<=>(const WindowedName&) const = default;
};

/// All that the text has, each once, by name and window: for who adds columns of these (ColumnInfo::window) to the
/// schema before it is compiled. Of `views > carts in 7d` both; names that are no events (a threshold on the other
/// side) are among them, and need no such column. Throws as Expression::Compile does, for what is wrong without a
/// schema.
std::vector<WindowedName> WindowedNames(std::string_view text);

struct Program;  // program.h

/// Compiled: immutable, cheap to copy, usable by many threads at once.
class Expression {
 public:
  /// Longer texts, and texts that nest deeper (parentheses, operators within operators, calls), are refused.
  static constexpr size_t kMaxBytes = size_t{1} << 20;
  static constexpr int kMaxDepth = 256;
  /// Longer windows are refused: 10,000 years of 365 days.
  static constexpr int64_t kLongestWindow = int64_t{10'000} * 365 * 86400;

  /// Attributes are columns of the schema, by name; those of a comparison with a window are the columns with that
  /// window where there are such, at least one. Time: about linear in the text.
  ///
  /// Throws kInvalidArgument with the line and column (in characters, from 1), what was found and what was expected,
  /// the line itself, and a caret under the place; for a name that is not known, the nearest that is.
  static Expression Compile(std::string_view text, std::span<const ColumnInfo> schema,
                            const ExpressionOptions& options = {});
  /// A condition: throws kInvalidArgument as well where the text is well-formed but no boolean. An untyped column alone
  /// is read as one.
  static Expression CompileCondition(std::string_view text, std::span<const ColumnInfo> schema,
                                     const ExpressionOptions& options = {});

  /// Never kTags.
  ValueType type() const;
  /// Indices into the schema of the columns it reads, increasing: what a reader has to give, and no more.
  std::span<const int> columns() const;
  /// Whether it calls now().
  bool uses_now() const;
  /// The canonical form: fewest parentheses, one blank around operators, one way to write each literal. Compiles to the
  /// same, and to itself.
  const std::string& ToString() const;

  /// For a file of bad rows: "'abc' in column 'price': expected a number", and the same without what was found.
  std::string Reason(const RowError& error) const;
  std::string Kind(const RowError& error) const;

 private:
  friend class Evaluator;
  explicit Expression(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
  static Expression CompileAs(std::string_view text, std::span<const ColumnInfo> schema,
                              const ExpressionOptions& options, bool condition);

  std::shared_ptr<const Program> program_;
};

/// Runs an expression over columns: the scratch of one thread. Nothing is allocated a tile once the first has been
/// seen, but for errors and for texts longer than before.
///
/// `columns` are those of Expression::columns(), in that order, each with at least n_rows rows. Their types must be
/// those of the schema (else kInvalidArgument); how they are stored may change from call to call. Every part of the
/// expression is evaluated for every row, whatever the other parts give, so that errors depend on nothing but the
/// cells. They replace what `errors` holds, by row, then by column.
class Evaluator {
 public:
  /// `now`, in unix seconds, is what now() gives; kInvalidArgument where it is NaN but needed.
  explicit Evaluator(Expression expression, double now = std::numeric_limits<double>::quiet_NaN());
  ~Evaluator();
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;

  const Expression& expression() const;
  void set_now(double now);

  /// A boolean expression: 1 where it is true; 0 where it is false or missing, and in rows with errors.
  void Select(std::span<const Column> columns, int64_t n_rows, std::span<uint8_t> out, std::vector<RowError>& errors);
  /// A number, a time (unix seconds) or a duration (seconds): NaN where it is missing, and in rows with errors.
  void Numbers(std::span<const Column> columns, int64_t n_rows, std::span<double> out, std::vector<RowError>& errors);
  /// A text, in pieces: `take(first_row, texts)`, whose views are valid during the call; empty where it is missing.
  /// Rows with errors are known only at the end.
  using TakeTexts = std::function<void(int64_t first_row, std::span<const std::string_view> texts)>;
  void Texts(std::span<const Column> columns, int64_t n_rows, const TakeTexts& take, std::vector<RowError>& errors);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kindred
