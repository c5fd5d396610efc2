// Random expressions as text, and what they give, row by row: the language once more, plainly, without its parser.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/host/expression/random_rows.h"

namespace kindred {

inline constexpr double kRandomNow = 1.75e9;

struct RandomExpression {
  std::string text;
  int level =
      0;  // how tightly its outermost operator binds: or, and, not, comparisons, sums, products, minus, the rest
  ValueType type = ValueType::kNumber;
  std::function<RowValue(int64_t row)> value;
};

class RandomExpressions {
 public:
  RandomExpressions(const RandomRows& rows, uint64_t seed) : rows_(rows), random_(seed) {}

  RandomExpression Next(ValueType type, int depth);
  /// Untyped columns that the last one reads, and as what.
  std::vector<std::pair<int, ValueType>> TakeReads() { return std::exchange(reads_, {}); }

 private:
  size_t Below(size_t n) { return static_cast<size_t>(random_() % n); }
  std::string In(const RandomExpression& part, int level);
  RandomExpression Leaf(ValueType type);
  RandomExpression Literal(ValueType type);
  RandomExpression Attribute(ValueType type);
  RandomExpression Boolean(int depth);
  RandomExpression Comparison(int depth);
  RandomExpression InList(int depth);
  RandomExpression Range(int depth);
  RandomExpression Presence(int depth);
  RandomExpression TextTest(int depth);
  RandomExpression TagTest(int depth);
  RandomExpression Number(int depth);
  RandomExpression Arithmetic(int depth);
  RandomExpression Text(int depth);
  RandomExpression Time(int depth);
  RandomExpression Duration(int depth);
  RandomExpression MinMax(ValueType type, int depth);
  RandomExpression Either(ValueType type, int depth);
  int TagsColumn();

  const RandomRows& rows_;
  std::mt19937_64 random_;
  std::vector<std::pair<int, ValueType>> reads_;
};

}  // namespace kindred
