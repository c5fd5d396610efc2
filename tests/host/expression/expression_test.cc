// What expressions mean, by hand: precedence, missing values, untyped columns, functions, the canonical form.
#include "host/expression/expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/error.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Bytes = std::vector<uint8_t>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Columns of a few rows.
class Rows {
 public:
  explicit Rows(int64_t n_rows) : n_rows_(n_rows) {}

  Rows& Add(std::string_view name, Column column) {
    schema_.push_back({name, column.type});
    columns_.push_back(column);
    return *this;
  }
  Rows& Untyped(std::string_view name, std::span<const std::string_view> texts) {
    return Add(name, {.type = ColumnType::kUntyped, .texts = texts});
  }

  Bytes Select(std::string_view text, const ExpressionOptions& options = {}) {
    Evaluator evaluator(Expression::CompileCondition(text, schema_, options), /*now=*/1732464000);
    Bytes out(static_cast<size_t>(n_rows_), 99);
    evaluator.Select(Columns(evaluator.expression()), n_rows_, out, errors);
    return out;
  }
  std::vector<double> Numbers(std::string_view text) {
    Evaluator evaluator(Expression::Compile(text, schema_), /*now=*/1732464000);
    std::vector<double> out(static_cast<size_t>(n_rows_), 99);
    evaluator.Numbers(Columns(evaluator.expression()), n_rows_, out, errors);
    return out;
  }
  std::vector<std::string> Texts(std::string_view text) {
    Evaluator evaluator(Expression::Compile(text, schema_), /*now=*/1732464000);
    std::vector<std::string> out;
    evaluator.Texts(
        Columns(evaluator.expression()), n_rows_,
        [&](int64_t, std::span<const std::string_view> texts) { out.insert(out.end(), texts.begin(), texts.end()); },
        errors);
    return out;
  }
  std::string Canonical(std::string_view text) {
    const std::string canonical = Expression::Compile(text, schema_).ToString();
    EXPECT_EQ(Expression::Compile(canonical, schema_).ToString(), canonical);
    return canonical;
  }

  std::vector<Column> Columns(const Expression& expression) const {
    std::vector<Column> columns;
    for (const int column : expression.columns()) columns.push_back(columns_[static_cast<size_t>(column)]);
    return columns;
  }
  const std::vector<ColumnInfo>& schema() const { return schema_; }

  std::vector<RowError> errors;

 private:
  int64_t n_rows_;
  std::vector<ColumnInfo> schema_;
  std::vector<Column> columns_;
};

/// One row, nothing to read: constants.
double Number(const std::string& text) {
  return Rows(1).Numbers(text)[0];
}
bool Holds(const std::string& text) {
  return Rows(1).Select(text)[0] == 1;
}

TEST(Expression, TheConditionOfAnExport) {
  const std::string_view quantities[] = {"6", "-1", "3", "2", "8"}, prices[] = {"2.55", "3", "0", "1.25", "1"};
  const std::string_view customers[] = {"17850", "17850", "1", "", "2"},
                         invoices[] = {"536365", "1", "2", "3", "C5363"};
  Rows rows(5);
  rows.Untyped("Quantity", quantities).Untyped("UnitPrice", prices).Untyped("CustomerID", customers);
  rows.Untyped("InvoiceNo", invoices);
  EXPECT_THAT(rows.Select("Quantity > 0 and UnitPrice > 0 and CustomerID is present and not starts_with(InvoiceNo, "
                          "\"C\")"),
              ElementsAre(1, 0, 0, 0, 0));
  EXPECT_TRUE(rows.errors.empty());
}

TEST(Expression, TheConditionOfACatalogue) {
  const std::string_view categories[] = {"shoes", "bags", "hats"};
  const int32_t codes[] = {0, 1, 2, 0, 0, kMissingCode};
  const float prices[] = {10, 49.99f, 10, 50, 10, 10};
  const uint8_t in_stock[] = {1, 1, 1, 1, kMissingBoolean, 1};
  Rows rows(6);
  rows.Add("category", {.type = ColumnType::kText, .codes = codes, .dictionary = categories});
  rows.Add("unused", {.type = ColumnType::kNumber});
  rows.Add("price", {.type = ColumnType::kNumber, .floats = prices});
  rows.Add("in_stock", {.type = ColumnType::kBoolean, .booleans = in_stock});
  EXPECT_THAT(rows.Select("category in [\"shoes\",\"bags\"] and price < 50 and in_stock"),
              ElementsAre(1, 1, 0, 0, 0, 0));
  EXPECT_THAT(Expression::Compile("in_stock and price < 50", rows.schema()).columns(), ElementsAre(2, 3));
}

TEST(Expression, Precedence) {
  EXPECT_EQ(Number("2 + 3 * 4"), 14);
  EXPECT_EQ(Number("(2 + 3) * 4"), 20);
  EXPECT_EQ(Number("10 - 4 - 3"), 3);
  EXPECT_EQ(Number("24 / 4 / 2"), 3);
  EXPECT_EQ(Number("-2 * -3 - -4"), 10);
  EXPECT_EQ(Number("7 % 4 * 2"), 6);
  EXPECT_TRUE(Holds("true or false and false"));
  EXPECT_FALSE(Holds("(true or false) and false"));
  EXPECT_TRUE(Holds("not false or true"));
  EXPECT_FALSE(Holds("not (false or true)"));
  EXPECT_FALSE(Holds("not 1 = 1 and true"));
  EXPECT_TRUE(Holds("1 + 1 = 2 and 3 > 2 - 1"));
  EXPECT_TRUE(Holds("not 5 in [1, 2]"));
  EXPECT_TRUE(Holds("5 between 2 + 3 and 6 and true"));
}

TEST(Expression, CanonicalForm) {
  const double reals[] = {1};
  Rows rows(1);
  rows.Add("x", {.type = ColumnType::kNumber, .reals = reals}).Add("Unit price", {.type = ColumnType::kNumber});
  rows.Add("user.name", {.type = ColumnType::kText}).Add("in", {.type = ColumnType::kBoolean});
  rows.Add("t\\`\n\xff", {.type = ColumnType::kBoolean}).Add("tags", {.type = ColumnType::kTags});
  const std::pair<const char*, const char*> cases[] = {
      {"((x))", "x"},
      {"`x`+ 1.50", "x + 1.5"},
      {"`Unit price`==1e3", "`Unit price` = 1000"},
      {"`user.name`!='it\\'s \"\\\\'", "user.name != \"it's \\\"\\\\\""},
      {"`in`", "`in`"},
      {"`t\\\\\\`\\n\\xff`", "`t\\\\\\`\\x0a\\xff`"},
      {"x - (1 - (2 - x))", "x - (1 - (2 - x))"},
      {"(x - 1) - 2", "x - 1 - 2"},
      {"x * (1 * 2)", "x * (1 * 2)"},
      {"-(x + 1) * -(-2)", "-(x + 1) * --2"},
      {"(x > 1 and `in`) and (x < 2 or not(`in`))", "x > 1 and `in` and (x < 2 or not `in`)"},
      {"not (x in [1,-2])", "x not in [1, -2]"},
      {"x not in [1]", "x not in [1]"},
      {"not not x is present", "not x is missing"},
      {"x not between 1 and 2", "x not in 1..2"},
      {"x in (1)..(x+1)", "x in 1..x + 1"},
      {"not x = 1", "not x = 1"},
      {"(x = 1) = (not `in`)", "(x = 1) = (not `in`)"},
      {"'a' in tags or contains(tags,'a')", "\"a\" in tags or contains(tags, \"a\")"},
      {"now()-2w<now()-36h-90s", "now() - 14d < now() - 36h - 90s"},
      {"2024-11-24T17:00+01:00 > 2024-11-24T00:00Z", "2024-11-24T16:00:00Z > 2024-11-24"},
      {"1969-12-31T23:59:59 > 0001-01-01", "1969-12-31T23:59:59Z > 0001-01-01"},
      {"0.5s + 1.5m = 0d", "0.5s + 90s = 0s"},
      {"if(true,x,min(1,2,3))", "if(true, x, min(1, 2, 3))"},
  };
  for (const auto& [text, canonical] : cases) EXPECT_EQ(rows.Canonical(text), canonical) << text;
}

TEST(Expression, MissingValues) {
  const double reals[] = {1, kNan};
  const std::string_view texts[] = {"a", ""}, tags[] = {"a|b", ""};
  const uint8_t booleans[] = {1, kMissingBoolean};
  Rows rows(2);
  rows.Add("x", {.type = ColumnType::kNumber, .reals = reals}).Add("t", {.type = ColumnType::kText, .texts = texts});
  rows.Add("b", {.type = ColumnType::kBoolean, .booleans = booleans});
  rows.Add("g", {.type = ColumnType::kTags, .texts = tags}).Untyped("u", texts);
  const std::pair<const char*, uint8_t> of_the_missing[] = {
      {"x = x", 0},
      {"x != 5", 0},
      {"x < 5", 0},
      {"not x < 5", 1},
      {"x in [1, 2]", 0},
      {"x not in [1, 2]", 1},
      {"x in 0..9", 0},
      {"x not in 0..9", 1},
      {"x is present", 0},
      {"x is missing", 1},
      {"x + 1 is missing", 1},
      {"-x is missing", 1},
      {"t = t", 0},
      {"t != 'b'", 0},
      {"not t = 'b'", 1},
      {"t in ['a']", 0},
      {"t is missing", 1},
      {"u is missing", 1},
      {"lower(t) is missing", 1},
      {"length(t) is missing", 1},
      {"starts_with(t, 'a')", 0},
      {"not starts_with(t, 'a')", 1},
      {"'a' in g", 0},
      {"g in ['a']", 0},
      {"g is missing", 1},
      {"length(g) is missing", 1},
      {"t in g", 0},
      {"b", 0},
      {"not b", 1},
      {"b or true", 1},
      {"b = false", 0},
      {"b != true", 0},
      {"b is missing", 1},
      {"coalesce(b, true)", 1},
      {"if(b, false, true)", 1},
      {"min(x, 1) is missing", 1},
      {"coalesce(x, 7) = 7", 1},
      {"coalesce(t, 'z') = 'z'", 1},
      {"if(true, x, 1) is missing", 1},
      {"not if(true, b, b)", 1},
  };
  for (const auto& [text, expected] : of_the_missing) EXPECT_EQ(rows.Select(text)[1], expected) << text;
  EXPECT_TRUE(rows.errors.empty());
}

TEST(Expression, WhatIsNoNumberIsMissing) {
  for (const char* text : {"1 / 0", "0 / 0", "5 % 0", "1e308 * 10", "-1e308 - 1e308", "1e308 * 10 - 1e308 * 10"})
    EXPECT_TRUE(std::isnan(Number(text))) << text;
  EXPECT_EQ(Number("-7 % 3"), -1);
  EXPECT_EQ(Number("7 % -3"), 1);
}

TEST(Expression, UntypedColumnsAreReadAsWhatTheyAreUsedAs) {
  const std::string_view x[] = {"1", "007", "true", "2024-11-24", "", "1732464000"};
  Rows rows(6);
  rows.Untyped("x", x).Untyped("y", x);
  EXPECT_THAT(rows.Select("x = '1'"), ElementsAre(1, 0, 0, 0, 0, 0));
  EXPECT_TRUE(rows.errors.empty());
  EXPECT_THAT(rows.Select("x = y"), ElementsAre(1, 1, 1, 1, 0, 1));
  EXPECT_THAT(rows.Select("x >= 7"), ElementsAre(0, 1, 0, 0, 0, 1));
  ASSERT_EQ(rows.errors.size(), 2);
  EXPECT_EQ(rows.errors[0].row, 2);
  EXPECT_EQ(rows.errors[0].found, "true");
  EXPECT_EQ(rows.errors[1].row, 3);
  EXPECT_THAT(rows.Select("x"), ElementsAre(1, 0, 1, 0, 0, 0));
  EXPECT_EQ(rows.errors.size(), 3);
  EXPECT_THAT(rows.Select("now() - x < 1d"), ElementsAre(0, 0, 0, 1, 0, 1));
  EXPECT_EQ(rows.errors.size(), 1);
  EXPECT_THAT(rows.Select("year(x) = 2024"), ElementsAre(0, 0, 0, 1, 0, 1));
  EXPECT_THAT(rows.Select("x + y > 1"), ElementsAre(1, 1, 0, 0, 0, 1));
  EXPECT_THAT(rows.Select("coalesce(x, y) = 1"), ElementsAre(1, 0, 0, 0, 0, 0));
  EXPECT_THAT(rows.Select("number(x) < number(y) or 'true' in x"), ElementsAre(0, 0, 0, 0, 0, 0));
  EXPECT_THAT(rows.Select("'true' in x and tags(y) is present"), ElementsAre(0, 0, 1, 0, 0, 0));
  EXPECT_TRUE(rows.errors.empty());
  EXPECT_THAT(rows.Texts("x"), ElementsAre("1", "007", "true", "2024-11-24", "", "1732464000"));
}

TEST(Expression, EveryUseIsEvaluated) {
  const std::string_view x[] = {"1", "abc", "2"};
  Rows rows(3);
  rows.Untyped("x", x);
  // As a text it is fine, as a number it is not: an error, whatever the rest of the expression gives.
  EXPECT_THAT(rows.Select("x != 'zzz' or x > 0"), ElementsAre(1, 0, 1));
  ASSERT_EQ(rows.errors.size(), 1);
  const Expression expression = Expression::Compile("x != 'zzz' or x > 0", rows.schema());
  EXPECT_EQ(expression.Reason(rows.errors[0]), "'abc' in column 'x': expected a number");
  EXPECT_EQ(expression.Kind(rows.errors[0]), "column 'x': expected a number");
  EXPECT_THAT(rows.Select("x > 0 and time(x) > 1970-01-01"), ElementsAre(1, 0, 1));
  ASSERT_EQ(rows.errors.size(), 2);  // of one row: as a number, then as a time
  EXPECT_EQ(rows.errors[0].expected, ValueType::kNumber);
  EXPECT_EQ(rows.errors[1].expected, ValueType::kTime);
  EXPECT_TRUE(std::isnan(rows.Numbers("x * 2")[1]));
}

TEST(Expression, DecimalSign) {
  const std::string_view x[] = {"1,5", "1.5", "-2"};
  Rows rows(3);
  rows.Untyped("x", x);
  EXPECT_THAT(rows.Select("x < 1.75", {.number = {','}}), ElementsAre(1, 0, 1));
  ASSERT_EQ(rows.errors.size(), 1);
  EXPECT_EQ(rows.errors[0].row, 1);
}

TEST(Expression, Functions) {
  EXPECT_EQ(Number("round(2.5)"), 3);
  EXPECT_EQ(Number("round(-2.5)"), -3);
  EXPECT_EQ(Number("round(0.49999999999999994)"), 0);
  EXPECT_EQ(Number("floor(-1.5)"), -2);
  EXPECT_EQ(Number("ceil(-1.5)"), -1);
  EXPECT_EQ(Number("abs(-3d)"), 3 * 86400);
  EXPECT_EQ(Number("min(3, 1, 2)"), 1);
  EXPECT_EQ(Number("max(2024-11-24, now())"), 1732464000);
  EXPECT_EQ(Number("length('\u00e9t\u00e9')"), 3);
  EXPECT_EQ(Number("if(1 > 2, 3, 4)"), 4);
  EXPECT_EQ(Number("now() - 2024-11-24"), 16 * 3600);
  EXPECT_EQ(Number("1d / 1h"), 24);
  EXPECT_EQ(Number("year(2024-02-29T23:00Z)"), 2024);
  EXPECT_EQ(Number("month(2024-02-29T23:00Z)"), 2);
  EXPECT_EQ(Number("day(2024-02-29T23:00Z)"), 29);
  EXPECT_EQ(Number("hour(2024-02-29T23:00Z)"), 23);
  EXPECT_EQ(Number("weekday(2024-11-24)"), 7);
  EXPECT_EQ(Number("weekday(1969-12-29)"), 1);
  EXPECT_EQ(Number("hour(1969-12-31T23:59:59)"), 23);
  EXPECT_TRUE(std::isnan(Number("year(9999-12-31 + 1d)")));
  EXPECT_TRUE(std::isnan(Number("year(0001-01-01 - 1s)")));
  EXPECT_TRUE(Holds("lower(' \u00c9A ') = ' \u00c9a '"));
  EXPECT_TRUE(Holds("trim(' \\t a b\\n') = 'a b'"));
  EXPECT_TRUE(Holds("trim(' ') is missing"));
  EXPECT_TRUE(Holds("'b' > 'a' and 'ab' > 'a' and '\u00e9' > 'z'"));
  EXPECT_TRUE(Holds("ends_with('abc', 'bc') and not ends_with('bc', 'abc') and contains('abc', 'b')"));
}

TEST(Expression, ComparesFloatsAsTheNumbersTheyAre) {
  const float floats[] = {0.1f, 0.5f, 16777216.0f};
  const int64_t integers[] = {5, kMissingInteger, -5};
  Rows rows(3);
  rows.Add("f", {.type = ColumnType::kNumber, .floats = floats});
  rows.Add("i", {.type = ColumnType::kNumber, .integers = integers});
  EXPECT_THAT(rows.Select("f > 0.1"), ElementsAre(1, 1, 1));
  EXPECT_THAT(rows.Select("f = 0.1"), ElementsAre(0, 0, 0));
  EXPECT_THAT(rows.Select("16777217 > f"), ElementsAre(1, 1, 1));
  EXPECT_THAT(rows.Select("i < 6"), ElementsAre(1, 0, 1));
  EXPECT_THAT(rows.Select("0 <= i"), ElementsAre(1, 0, 0));
}

TEST(Expression, NowIsGiven) {
  const Expression expression = Expression::Compile("now()", {});
  EXPECT_TRUE(expression.uses_now());
  EXPECT_FALSE(Expression::Compile("1 + 1", {}).uses_now());
  EXPECT_THAT([&] { Evaluator evaluator(expression); }, testing::ThrowsMessage<Error>(HasSubstr("calls now()")));
  Evaluator evaluator(expression, 5);
  evaluator.set_now(6);
  std::vector<double> out(1);
  std::vector<RowError> errors;
  evaluator.Numbers({}, 1, out, errors);
  EXPECT_EQ(out[0], 6);
}

TEST(Expression, ColumnsMustBeThoseItWasCompiledFor) {
  const double reals[] = {1, 2};
  Rows rows(2);
  rows.Add("x", {.type = ColumnType::kNumber, .reals = reals});
  Evaluator evaluator(Expression::Compile("x > 1", rows.schema()));
  std::vector<uint8_t> out(3);
  std::vector<RowError> errors;
  const Column good = {.type = ColumnType::kNumber, .reals = reals};
  const Column other_type = {.type = ColumnType::kTime, .reals = reals};
  evaluator.Select(std::span(&good, 1), 2, out, errors);
  EXPECT_THROW(evaluator.Select({}, 2, out, errors), Error);
  EXPECT_THROW(evaluator.Select(std::span(&good, 1), 3, out, errors), Error);
  EXPECT_THROW(evaluator.Select(std::span(&other_type, 1), 2, out, errors), Error);
  EXPECT_THROW(evaluator.Select(std::span(&good, 1), 2, std::span(out).first(1), errors), Error);
  std::vector<double> numbers(2);
  EXPECT_THAT([&] { evaluator.Numbers(std::span(&good, 1), 2, numbers, errors); },
              testing::ThrowsMessage<Error>(HasSubstr("an expression of type boolean; expected a number")));
}

}  // namespace
}  // namespace kindred
