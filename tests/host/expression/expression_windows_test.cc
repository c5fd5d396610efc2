// Counts of events in windows: `views >= 3 in 7d`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "host/expression/expression.h"
#include "kernels/error.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr int64_t kDay = 86400;

const std::vector<ColumnInfo> kSchema = {{"views", ColumnType::kNumber},
                                         {"views", ColumnType::kNumber, 7 * kDay},
                                         {"views", ColumnType::kNumber, 30 * kDay},
                                         {"carts", ColumnType::kNumber},
                                         {"carts", ColumnType::kNumber, 7 * kDay},
                                         {"threshold.big", ColumnType::kNumber},
                                         {"add to cart", ColumnType::kNumber, 3600},
                                         {"country", ColumnType::kText}};
// Of one row: all views, of 7 days, of 30; all carts, of 7 days; the threshold; the last hour.
const std::vector<int64_t> kValues = {100, 3, 40, 9, 1, 5, 2};

bool Holds(std::string_view text) {
  Evaluator evaluator(Expression::CompileCondition(text, kSchema));
  std::vector<Column> columns;
  for (const int column : evaluator.expression().columns())
    columns.push_back({.type = ColumnType::kNumber, .integers = std::span(kValues).subspan(column, 1)});
  std::vector<uint8_t> out(1);
  std::vector<RowError> errors;
  evaluator.Select(columns, 1, out, errors);
  return out[0] == 1;
}

std::string Canonical(std::string_view text) {
  const std::string canonical = Expression::CompileCondition(text, kSchema).ToString();
  EXPECT_EQ(Expression::CompileCondition(canonical, kSchema).ToString(), canonical);
  EXPECT_EQ(WindowedNames(canonical), WindowedNames(text));
  return canonical;
}

std::string Refusal(std::string_view text, std::span<const ColumnInfo> schema = kSchema) {
  try {
    Expression::CompileCondition(text, schema);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "compiles";
}

TEST(ExpressionWindows, ComparisonsReadTheColumnOfTheirWindow) {
  for (const auto& [text, holds] : std::initializer_list<std::pair<const char*, bool>>{
           {"views = 3 in 7d", true},
           {"views = 40 in 30d", true},
           {"views = 100", true},
           {"views = 100 in 7d", false},
           {"3 >= views in 1w", true},
           {"views != 3 in 168h", false},
           {"views between 3 and 5 in 7d", true},
           {"views in 39..41 in 30d", true},
           {"views not in 39..41 in 30d", false},
           {"not views > 3 in 7d", true},
           {"views > carts in 7d", true},
           {"views < carts in 7d", false},
           {"views < threshold.big in 7d", true},
           {"views > threshold.big in 30d", true},
           {"threshold.big in views..10 in 7d", true},
           {"`add to cart` = 2 in 60m", true},
           {"views >= 3 in 7d and views = 100 and carts = 1 in 7d and carts = 9", true},
           {"(views = 3 in 7d) = (carts = 1 in 7d)", true},
           {"if(views = 3 in 7d, 1, 2) = 1", true},
           {"views + 0 = 100 and views + carts in [109]", true},
       })
    EXPECT_EQ(Holds(text), holds) << text;
}

TEST(ExpressionWindows, CanonicalForm) {
  EXPECT_EQ(Canonical("views>=3 in 168h"), "views >= 3 in 7d");
  EXPECT_EQ(Canonical("((3<=views in 7d))and(not(views==0 in 30d))"), "3 <= views in 7d and not views = 0 in 30d");
  EXPECT_EQ(Canonical("views not between 1 and 2 in 7d"), "views not in 1..2 in 7d");
  EXPECT_EQ(Canonical("(views = 3 in 7d) != (carts = 1 in 7d)"), "(views = 3 in 7d) != (carts = 1 in 7d)");
  EXPECT_EQ(Canonical("'add to cart' = country or `add to cart` > 1 in 3600s"),
            "\"add to cart\" = country or `add to cart` > 1 in 1h");
  EXPECT_EQ(Canonical("views > threshold.big in 7d"), "views > threshold.big in 7d");
}

TEST(ExpressionWindows, NamesAreKnownBeforeAnythingIsCompiled) {
  EXPECT_THAT(WindowedNames("views >= 3 in 7d and x = 1 and (y < views in 1h or views = 2 in 1w)"),
              ElementsAre(WindowedName{"views", 3600}, WindowedName{"views", 7 * kDay}, WindowedName{"y", 3600}));
  EXPECT_THAT(WindowedNames("views >= 3 and x in [1, 2]"), IsEmpty());
  EXPECT_THAT([] { WindowedNames("views >= 3 in"); }, testing::Throws<Error>());
}

TEST(ExpressionWindows, Refusals) {
  struct Case {
    const char* text;
    int column;
    const char* message;
  };
  for (const auto& [text, column, message] : std::initializer_list<Case>{
           {"views >= 3 in 0s", 15, "expected a window of whole seconds, from 1s to 3650000d"},
           {"views >= 3 in 0.5s", 15, "expected a window of whole seconds"},
           {"views >= 3 in 3650001d", 15, "expected a window of whole seconds"},
           {"views >= 3 in 1e300d", 15, "expected a window of whole seconds"},
           {"views >= 3 in 7", 12, "found 'in'; expected 'and' or 'or' between comparisons"},
           {"views >= 3 in [7d]", 12, "found 'in'; expected 'and' or 'or' between comparisons"},
           {"views >= 3 in -7d", 12, "found 'in'; expected 'and' or 'or' between comparisons"},
           {"views >= 3 in 7d in 7d", 18, "found 'in'; expected 'and' or 'or' between comparisons"},
           {"views >= 3 in 7x", 16, "found 'x' behind a number"},
           {"views + carts >= 3 in 7d", 20, "a window stands behind a comparison of events that it counts"},
           {"3 > 2 in 7d", 7, "a window stands behind a comparison of events that it counts"},
           {"views in [3] in 7d", 14, "a window stands behind a comparison of events that it counts"},
           {"views is present in 7d", 18, "a window stands behind a comparison of events that it counts"},
           {"views is missing in 7d", 18, "a window stands behind a comparison of events that it counts"},
           {"views in 7d >= 3", 7, "a window stands behind the comparison, as in views >= 3 in 7d"},
           {"views in 7d", 7, "a window stands behind the comparison"},
           {"veiws >= 3 in 7d", 1, "unknown attribute 'veiws'; the nearest is 'views'"},
           {"threshold.big > 3 in 7d", 1, "'threshold.big' is not counted in windows; expected a name of events"},
           {"3 > threshold.big in 7d", 5, "'threshold.big' is not counted in windows; expected a name of events"},
           {"carts > 3 in 30d", 1, "'carts' is not counted in windows; expected a name of events"},
           {"views = 'a' in 7d", 9, "found a text; expected a number, as the other side of '='"},
           {"country = views in 7d", 11, "found a number; expected a text, as the other side of '='"},
       }) {
    const std::string refusal = Refusal(text);
    EXPECT_THAT(refusal, StartsWith("line 1, column " + std::to_string(column) + ": ")) << text;
    EXPECT_THAT(refusal, HasSubstr(message)) << text;
  }
}

TEST(ExpressionWindows, AreOnlyWhereTheSchemaCounts) {
  const std::vector<ColumnInfo> schema = {{"price", ColumnType::kNumber}, {"price in 7d", ColumnType::kNumber}};
  EXPECT_EQ(
      Refusal("price >= 3 in 7d", schema),
      "line 1, column 1: 'price' is not counted in windows; expected a name of events, which only rules of segments "
      "have\n"
      "  price >= 3 in 7d\n"
      "  ^");
  EXPECT_EQ(Refusal("`price in 7d` >= 3", schema), "compiles");  // a column of that name
}

}  // namespace
}  // namespace kindred
