// Long and deep expressions: they work or are refused with an error.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/expression/expression.h"
#include "kernels/error.h"

namespace kindred {
namespace {

using testing::HasSubstr;

const std::vector<ColumnInfo> kSchema = {
    {"a", ColumnType::kNumber}, {"t", ColumnType::kText}, {"b", ColumnType::kBoolean}};
constexpr double kNumbers[] = {1, 2, 250000};
constexpr std::string_view kTexts[] = {"w1", "", "w70000"};
constexpr uint8_t kBooleans[] = {1, 0, 2};

std::vector<uint8_t> Select(const Expression& expression) {
  std::vector<Column> all(3);
  all[0] = {.type = ColumnType::kNumber, .reals = kNumbers};
  all[1] = {.type = ColumnType::kText, .texts = kTexts};
  all[2] = {.type = ColumnType::kBoolean, .booleans = kBooleans};
  std::vector<Column> columns;
  for (const int column : expression.columns()) columns.push_back(all[static_cast<size_t>(column)]);
  std::vector<uint8_t> out(3);
  std::vector<RowError> errors;
  Evaluator(expression).Select(columns, 3, out, errors);
  return out;
}

std::string Repeat(std::string_view part, size_t n_bytes) {
  std::string text;
  while (!part.empty() && text.size() + part.size() <= n_bytes) text += part;
  return text;
}

std::vector<uint8_t> Expect(const std::string& text) {
  const Expression expression = Expression::CompileCondition(text, kSchema);
  if (text.size() < Expression::kMaxBytes / 2) {
    EXPECT_EQ(Expression::CompileCondition(expression.ToString(), kSchema).ToString(), expression.ToString());
  }
  return Select(expression);
}

void ExpectTooDeep(const std::string& text) {
  EXPECT_THAT([&] { Expression::CompileCondition(text, kSchema); },
              testing::ThrowsMessage<Error>(HasSubstr("this nests deeper than 256 levels")))
      << text.substr(0, 50);
}

constexpr size_t kMiB = Expression::kMaxBytes;

TEST(ExpressionLimits, LongChains) {
  EXPECT_EQ(Expect(Repeat("a > 1 and ", kMiB - 10) + "a > 2"), (std::vector<uint8_t>{0, 0, 1}));
  EXPECT_EQ(Expect(Repeat("a > 2 or ", kMiB - 10) + "a = 1"), (std::vector<uint8_t>{1, 0, 1}));
  EXPECT_EQ(Expect(Repeat("a=1 and b or ", kMiB - 10) + "b"), (std::vector<uint8_t>{1, 0, 0}));
  EXPECT_EQ(Expect("max(" + Repeat("a, ", kMiB - 20) + "a) = 2"), (std::vector<uint8_t>{0, 1, 0}));
}

TEST(ExpressionLimits, LongLists) {
  std::string numbers = "a in [-1", texts = "t not in ['x'";
  for (int i = 2; numbers.size() < kMiB - 20; ++i) numbers += "," + std::to_string(i * 2);
  for (int i = 2; texts.size() < kMiB - 20; ++i) texts += ",'w" + std::to_string(i) + "'";
  EXPECT_EQ(Expect(numbers + "]"), (std::vector<uint8_t>{0, 0, 1}));
  EXPECT_EQ(Expect(texts + "]"), (std::vector<uint8_t>{1, 1, 0}));
}

TEST(ExpressionLimits, LongLiteralsAndNames) {
  EXPECT_EQ(Expect("t = '" + std::string(kMiB - 10, 'x') + "'"), (std::vector<uint8_t>{0, 0, 0}));
  EXPECT_THROW(Expression::Compile(std::string(kMiB, 'x'), kSchema), Error);
  EXPECT_EQ(Expect("a < " + std::string(300, '9')), (std::vector<uint8_t>{1, 1, 1}));
  EXPECT_THROW(Expression::Compile("a < " + std::string(kMiB - 4, '9'), kSchema), Error);
  EXPECT_EQ(Expect(std::string(kMiB - 5, ' ') + "a > 1"), (std::vector<uint8_t>{0, 1, 1}));
}

TEST(ExpressionLimits, TooLong) {
  EXPECT_THAT([] { Expression::Compile(std::string(kMiB + 1, ' '), kSchema); },
              testing::ThrowsMessage<Error>(HasSubstr("the expression has 1048577 bytes; at most 1048576 may be")));
}

TEST(ExpressionLimits, Deep) {
  const auto nested = [](size_t n, const std::string& open, const std::string& inner, const std::string& close) {
    return Repeat(open, n * open.size()) + inner + Repeat(close, n * close.size());
  };
  EXPECT_EQ(Expect(nested(256, "(", "a > 1", ")")), (std::vector<uint8_t>{0, 1, 1}));
  EXPECT_EQ(Expect(nested(250, "not ", "a > 1", "")), (std::vector<uint8_t>{0, 1, 1}));
  EXPECT_EQ(Expect(nested(250, "-", "a", "") + " > 1"), (std::vector<uint8_t>{0, 1, 1}));
  EXPECT_EQ(Expect(nested(120, "not (b or ", "a > 1", ")")).size(), 3);
  EXPECT_EQ(Expect(nested(120, "abs(1 - ", "a", ")") + " > 1").size(), 3);
  EXPECT_EQ(Expect("a" + Repeat("+1", 500) + " > 252"), (std::vector<uint8_t>{0, 0, 1}));
  for (const size_t n : {size_t{10000}, size_t{100000}}) {
    ExpectTooDeep(nested(n, "(", "a > 1", ")"));
    ExpectTooDeep(nested(n, "(", "", ""));
    ExpectTooDeep(nested(n, "not ", "a > 1", ""));
    ExpectTooDeep(nested(n, "-", "a", "") + " > 1");
    ExpectTooDeep(nested(n, "abs(", "a", ")") + " > 1");
    ExpectTooDeep(nested(n / 10, "not (b or ", "b", ")"));
    ExpectTooDeep("a" + nested(n, "+a", "", "") + " > 1");
    ExpectTooDeep(nested(n, "a-(", "a", ")") + " > 1");
    ExpectTooDeep(nested(n / 10, "if(b, a, ", "a", ")") + " > 1");
  }
}

}  // namespace
}  // namespace kindred
