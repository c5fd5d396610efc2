// Random expressions over random columns of every storage, against the same evaluated row by row.
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <thread>
#include <tuple>

#include "tests/host/expression/random_expression.h"

namespace kindred {
namespace {

using Errors = std::set<std::tuple<int64_t, int, ValueType>>;

Errors ErrorsOf(const RandomRows& rows, const std::vector<std::pair<int, ValueType>>& reads) {
  Errors errors;
  for (const auto& [column, type] : reads) {
    for (int64_t row = 0; row < rows.n_rows(); ++row) {
      const UntypedCell* cell = rows.Untyped(column, row);
      if (cell == nullptr || type == ValueType::kText) continue;
      const bool readable = type == ValueType::kBoolean  ? cell->boolean.has_value()
                            : type == ValueType::kNumber ? cell->number.has_value()
                                                         : cell->time.has_value();
      if (!readable) errors.insert({row, column, type});
    }
  }
  return errors;
}

/// Evaluated by the library: a RowValue a row.
std::vector<RowValue> Evaluate(Evaluator& evaluator, const RandomRows& rows, std::vector<RowError>& errors) {
  const auto n = static_cast<size_t>(rows.n_rows());
  const std::vector<Column> columns = rows.Columns(evaluator.expression());
  std::vector<RowValue> values(n);
  if (evaluator.expression().type() == ValueType::kBoolean) {
    std::vector<uint8_t> out(n, 77);
    evaluator.Select(columns, rows.n_rows(), out, errors);
    for (size_t i = 0; i < n; ++i)
      if (out[i] <= 1) values[i].boolean = out[i] == 1;
  } else if (evaluator.expression().type() == ValueType::kText) {
    int64_t next = 0;
    const auto take = [&](int64_t first, std::span<const std::string_view> texts) {
      EXPECT_EQ(first, next);
      next += static_cast<int64_t>(texts.size());
      for (size_t i = 0; i < texts.size(); ++i)
        if (!texts[i].empty()) values[static_cast<size_t>(first) + i].text = texts[i];
    };
    evaluator.Texts(columns, rows.n_rows(), take, errors);
    EXPECT_EQ(next, rows.n_rows());
  } else {
    std::vector<double> out(n, 77);
    evaluator.Numbers(columns, rows.n_rows(), out, errors);
    for (size_t i = 0; i < n; ++i)
      if (!std::isnan(out[i])) values[i].number = out[i];
  }
  return values;
}

void ExpectSame(const RandomRows& rows, const RandomExpression& expected, const Errors& bad, Evaluator& evaluator) {
  std::vector<RowError> errors;
  const std::vector<RowValue> values = Evaluate(evaluator, rows, errors);
  ASSERT_EQ(errors.size(), bad.size());
  size_t next = 0;
  for (const auto& [row, column, type] : bad) {
    const RowError& error = errors[next++];
    ASSERT_EQ(std::tuple(error.row, error.column, error.expected), std::tuple(row, column, type));
    ASSERT_EQ(error.found, rows.Untyped(column, row)->text);
  }
  const bool condition = evaluator.expression().type() == ValueType::kBoolean;
  for (int64_t row = 0; row < rows.n_rows(); ++row) {
    const RowValue& found = values[static_cast<size_t>(row)];
    const RowValue wanted = expected.value(row);
    const bool bad_row = bad.lower_bound({row, 0, ValueType{}}) != bad.lower_bound({row + 1, 0, ValueType{}});
    if (condition) {
      ASSERT_EQ(found.boolean, !bad_row && wanted.boolean.value_or(false)) << "row " << row;
    } else if (evaluator.expression().type() == ValueType::kText) {
      ASSERT_EQ(found.text.value_or(""), wanted.text.value_or("")) << "row " << row;
    } else {
      ASSERT_EQ(found.number, bad_row ? std::nullopt : wanted.number) << "row " << row;
    }
  }
}

TEST(RandomExpressions, GiveWhatTheReferenceGives) {
  constexpr ValueType kTypes[] = {ValueType::kBoolean, ValueType::kBoolean, ValueType::kNumber,
                                  ValueType::kText,    ValueType::kTime,    ValueType::kDuration};
  for (const int64_t n_rows : {0, 1, 31, 32, 33, 1023, 1024, 1025, 5000}) {
    const uint64_t seed = 1000 + static_cast<uint64_t>(n_rows);
    const RandomRows rows(n_rows, seed);
    RandomExpressions expressions(rows, seed + 1);
    const int64_t n_expressions = n_rows < 100 ? 1500 : 300000 / n_rows;
    for (int64_t i = 0; i < n_expressions; ++i) {
      const RandomExpression expected = expressions.Next(kTypes[i % 6], static_cast<int>(i % 7));
      const Errors bad = ErrorsOf(rows, expressions.TakeReads());
      SCOPED_TRACE(testing::Message() << n_rows << " rows, seed " << seed << ", expression " << i << ": "
                                      << expected.text);
      const Expression expression = Expression::Compile(expected.text, rows.schema());
      ASSERT_EQ(expression.type(), expected.type);
      Evaluator evaluator(expression, kRandomNow);
      ASSERT_NO_FATAL_FAILURE(ExpectSame(rows, expected, bad, evaluator));

      SCOPED_TRACE("canonical: " + expression.ToString());
      const Expression canonical = Expression::Compile(expression.ToString(), rows.schema());
      ASSERT_EQ(canonical.ToString(), expression.ToString());
      Evaluator again(canonical, kRandomNow);
      ASSERT_NO_FATAL_FAILURE(ExpectSame(rows, expected, bad, again));
      ASSERT_NO_FATAL_FAILURE(ExpectSame(rows, expected, bad, again));  // what was left by the first time
    }
  }
}

TEST(RandomExpressions, ThreadsShareOne) {
  const RandomRows rows(3000, 5);
  RandomExpressions expressions(rows, 6);
  for (int i = 0; i < 20; ++i) {
    const RandomExpression expected = expressions.Next(ValueType::kBoolean, 5);
    expressions.TakeReads();
    const Expression expression = Expression::Compile(expected.text, rows.schema());
    std::vector<std::vector<uint8_t>> results(4, std::vector<uint8_t>(3000));
    std::vector<std::thread> threads;
    for (auto& result : results)
      threads.emplace_back([&] {
        Evaluator evaluator(expression, kRandomNow);
        std::vector<RowError> errors;
        evaluator.Select(rows.Columns(expression), 3000, result, errors);
      });
    for (std::thread& thread : threads) thread.join();
    for (const auto& result : results) ASSERT_EQ(result, results[0]) << expected.text;
  }
}

}  // namespace
}  // namespace kindred
