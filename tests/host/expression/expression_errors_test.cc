// What is refused, where, and in which words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/expression/expression.h"
#include "kernels/error.h"

namespace kindred {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::vector<ColumnInfo> kSchema = {{"price", ColumnType::kNumber},     {"name", ColumnType::kText},
                                         {"in_stock", ColumnType::kBoolean}, {"seen", ColumnType::kTime},
                                         {"tags", ColumnType::kTags},        {"Quantity", ColumnType::kUntyped},
                                         {"Date", ColumnType::kUntyped},     {"Unit price", ColumnType::kNumber}};

std::string Refusal(std::string_view text, std::span<const ColumnInfo> schema = kSchema) {
  try {
    Expression::CompileCondition(text, schema);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "compiles";
}

TEST(ExpressionErrors, PointIntoTheSource) {
  EXPECT_EQ(Refusal("in_stock and prise < 50"),
            "line 1, column 14: unknown attribute 'prise'; the nearest is 'price'\n"
            "  in_stock and prise < 50\n"
            "               ^");
  EXPECT_EQ(Refusal("in_stock\n  and price <"),
            "line 2, column 14: the expression ends; expected a value\n"
            "    and price <\n"
            "               ^");
  EXPECT_EQ(Refusal("name = \"\u00e9t\u00e9\" & price > 1"),
            "line 1, column 14: found '&', which no expression has\n"
            "  name = \"\u00e9t\u00e9\" & price > 1\n"
            "               ^");
  EXPECT_EQ(
      Refusal("in_stock and\tprise < 1"),  // what is not printable is shown escaped, with the caret under the place
      "line 1, column 14: unknown attribute 'prise'; the nearest is 'price'\n"
      "  in_stock and\\x09prise < 1\n"
      "                  ^");
}

TEST(ExpressionErrors, LongLinesAreCut) {
  std::string chain;
  for (int i = 0; i < 100; ++i) chain += "price > 1 and ";
  EXPECT_EQ(
      Refusal(chain + "prise < 2 and " + chain + "in_stock"),
      "line 1, column 1401: unknown attribute 'prise'; the nearest is 'price'\n"
      "  ...and price > 1 and price > 1 and price > 1 and price > 1 and prise < 2 and price > 1 and price > 1 an...\n"
      "                                                                 ^");
}

struct Case {
  const char* text;
  int column;
  const char* message;
};

void ExpectRefusals(std::initializer_list<Case> cases) {
  for (const auto& [text, column, message] : cases) {
    const std::string refusal = Refusal(text);
    EXPECT_THAT(refusal, StartsWith("line 1, column " + std::to_string(column) + ": ")) << text;
    EXPECT_THAT(refusal, HasSubstr(message)) << text;
  }
}

TEST(ExpressionErrors, Syntax) {
  ExpectRefusals({
      {"", 1, "the expression ends; expected a value"},
      {"  ", 3, "the expression ends; expected a value"},
      {"price > 1 price", 11, "found 'price'; expected an operator or the end"},
      {"price > 1 AND in_stock", 11, "found 'AND'; expected an operator or the end; write 'and'"},
      {"price > 1 && in_stock", 11, "found '&&'; write 'and'"},
      {"price <> 1", 7, "found '<>'; write '!='"},
      {"!in_stock", 1, "found '!'; write 'not'"},
      {"(price > 1", 11, "expected ')' that closes '('"},
      {"price > 1)", 10, "found ')'; expected an operator or the end"},
      {"1 < price < 5", 11, "found '<'; expected 'and' or 'or' between comparisons"},
      {"price = 1 = 2", 11, "expected 'and' or 'or' between comparisons"},
      {"price = not in_stock", 9, "found 'not'; expected a value; put what 'not' is about into parentheses with it"},
      {"price not 5", 11, "found '5'; expected 'in' or 'between'"},
      {"price is 5", 10, "found '5'; expected 'present' or 'missing'"},
      {"price in 1", 10, "found a number; expected tags, a list or a range behind 'in'"},
      {"price between 1 or 2", 17, "found 'or'; expected 'and' between the ends of the range"},
      {"price in [1, 2", 15, "expected ']' or ',' behind a value of the list"},
      {"price in [1, ]", 14, "found ']'; expected a text, a number, a time, a duration, true or false"},
      {"price in [1, 'a']", 14, "found a text in a list that begins with a number"},
      {"name in [-'a']", 11, "found ''a''; expected"},
      {"price in [price]", 11, "found 'price'; expected a text, a number"},
      {"price = [1]", 9, "found '['; expected a value; a list stands behind 'in'"},
      {"starts_with(name)", 1, "starts_with has 1 argument; expected 2"},
      {"min(price) = 1", 1, "min has 1 argument; expected 2 or more"},
      {"now(1) > seen", 1, "now has 1 argument; expected 0"},
      {"lenght(name) > 1", 1, "unknown function 'lenght'; the nearest is 'length'"},
      {"lower(name, ) = 'a'", 13, "found ')'; expected a value"},
  });
}

TEST(ExpressionErrors, Literals) {
  ExpectRefusals({
      {"name = \"abc", 8, "this \" is never closed"},
      {"name = `abc", 8, "this ` is never closed"},
      {"name = 'a\\q'", 10, "unknown escape; expected"},
      {"name = 'a\\x1'", 10, "unknown escape; expected"},
      {"name = 'a\\", 10, "unknown escape; expected"},
      {"name = \"\"", 8, "an empty text stands for a missing value; write 'is missing' or 'is present'"},
      {"name in ['']", 10, "an empty text stands for a missing value"},
      {"price > 1e999", 9, "'1e999' is larger than a number may be"},
      {"seen > 1e308w", 8, "this duration is larger than a number may be"},
      {"price > 5x", 10, "found 'x' behind a number; expected an operator, or a unit of time: s, m, h, d or w"},
      {"price > 5days", 10, "found 'days' behind a number"},
      {"seen > 2024-02-30", 8, "'2024-02-30': there is no such date or time of day"},
      {"seen > 2024-11-24T25:00", 8, "there is no such date or time of day"},
      {"seen > 2024-11-24x", 8, "expected a time such as 2024-11-24"},
      {"price > 1 # no", 11, "found '#', which no expression has"},
  });
  EXPECT_THAT(Refusal("name = '\xff'"), HasSubstr("not UTF-8"));
  EXPECT_THAT(Refusal(std::string_view("price\0> 1", 9)), StartsWith("line 1, column 6: found '\\x00'"));
}

TEST(ExpressionErrors, Types) {
  ExpectRefusals({
      {"price", 1, "found a number; expected a boolean, as a condition is one"},
      {"price + 1", 1, "found a number; expected a boolean, as a condition is one"},
      {"tags", 1, "found tags; expected a boolean"},
      {"price and in_stock", 1, "found a number; expected a boolean, as an operand of 'and'"},
      {"in_stock or name", 13, "found a text; expected a boolean, as an operand of 'or'"},
      {"not seen", 5, "found a time; expected a boolean, as an operand of 'not'"},
      {"price = 'a'", 9, "found a text; expected a number, as the other side of '='"},
      {"name < 5", 8, "found a number; expected a text, as the other side of '<'"},
      {"seen > 1732406400", 8, "found a number; expected a time, as the other side of '>'"},
      {"in_stock < true", 10, "'<' compares booleans; expected '=' or '!='"},
      {"tags = 'a'", 8, "found a text; expected tags"},
      {"tags = tags", 6, "'=' compares tags; expected single values, or a text in tags"},
      {"price in 1..'a'", 13, "found a text; expected a number, as the other side of a range"},
      {"in_stock in true..false", 10, "a range compares booleans"},
      {"price in ['a']", 1, "found a number; expected a text, as the list has"},
      {"in_stock in [true]", 10, "found a list of booleans"},
      {"tags in [1]", 6, "found a list with a number behind tags; expected texts"},
      {"name in name", 9, "found a text; expected tags, a list or a range behind 'in'"},
      {"price in tags", 1, "found a number; expected a text, before 'in' and tags"},
      {"name + 'a' = 'b'", 6, "'+' stands between a text and a text; expected numbers, or times and durations"},
      {"seen + seen = seen", 6, "'+' stands between a time and a time"},
      {"seen * 2 = seen", 6, "'*' stands between a time and a number"},
      {"2 - 1d = 1d", 3, "'-' stands between a number and a duration"},
      {"-seen < seen", 2, "found a time; expected a number or a duration behind '-'"},
      {"lower(price) = 'a'", 7, "found a number; expected a text, as an argument of lower"},
      {"year(price) = 1", 6, "found a number; expected a time, as an argument of year"},
      {"min(name, 'a') = 'a'", 5, "found a text; expected a number, a time or a duration as an argument of min"},
      {"max(price, 'a') = 1", 12, "found a text; expected a number, as the other arguments of max"},
      {"abs(seen) = seen", 5, "found a time; expected a number or a duration as an argument of abs"},
      {"if(price, 1, 2) = 1", 4, "found a number; expected a boolean, as the condition of an if"},
      {"if(in_stock, 1, 'a') = 1", 17, "found a text; expected a number, as the other values of if"},
      {"coalesce(tags, tags) is present", 10, "found tags; expected single values in coalesce"},
      {"number(name) > 1", 8, "found a text; expected a number, as an argument of number"},
  });
  EXPECT_THAT([] { Expression::Compile("tags", kSchema); },
              testing::ThrowsMessage<Error>(HasSubstr("found tags; expected an expression with one value a row")));
}

TEST(ExpressionErrors, UntypedColumns) {
  ExpectRefusals({
      {"Quantity < Date", 10, "'<' stands between untyped columns; say how they are read, as in number(Quantity)"},
      {"Quantity between Date and Date", 10, "a range stands between untyped columns"},
      {"Quantity < 7d", 1, "found an untyped column, which is never read as a duration; expected a duration"},
      {"seen + Quantity > seen", 8, "found an untyped column, which is never read as a duration"},
      {"Quantity / 7d > 1", 10, "'/' stands between a number and a duration"},
      {"coalesce(Quantity, Date) in tags and 'a' in coalesce(Quantity, Date)", 45,
       "found coalesce(...); expected tags"},
  });
}

TEST(ExpressionErrors, AttributesAreNamedAsTheyAre) {
  ExpectRefusals({
      {"Unit > 1", 1, "unknown attribute 'Unit'; the nearest is 'price'"},
      {"`unit price` > 1", 1, "unknown attribute 'unit price'; the nearest is 'Unit price'"},
      {"user.country = 'a'", 1, "unknown attribute 'user.country'"},
  });
  EXPECT_THAT(Refusal("price > 1", {}), HasSubstr("unknown attribute 'price'\n"));
}

}  // namespace
}  // namespace kindred
