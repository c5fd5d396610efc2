#include "host/models/attribute_features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "tests/support/attributes.h"

namespace kindred {
namespace {

using Row = std::map<std::string, double>;

Row RowOf(const AttributeFeatures& features, int64_t row) {
  Row found;
  const CsrView matrix = features.matrix.view();
  for (size_t e = 0; e < matrix.row(row).size(); ++e)
    found[features.names[static_cast<size_t>(matrix.row(row)[e])]] = matrix.row_values(row)[e];
  return found;
}

void ExpectRow(const AttributeFeatures& features, int64_t row, const Row& expected) {
  SCOPED_TRACE(testing::Message() << "row " << row);
  const Row found = RowOf(features, row);
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [name, value] : expected) {
    ASSERT_TRUE(found.contains(name)) << name;
    EXPECT_NEAR(found.at(name), value, 1e-6) << name;
  }
}

TEST(AttributeFeatures, RareWordsWeighMoreAndThoseOfAllOrOneRowNothing) {
  const AttributeFeatures features = MakeAttributeFeatures(
      TestAttributes(5).Texts("text", {"red oak oak the", "red lamp the", "oak lamp the", "", "only the"}).table());
  EXPECT_EQ(features.names, (std::vector<std::string>{"text: red", "text: oak", "text: lamp"}));
  // Each is in two of the four rows with a text; "oak" is twice in the first.
  ExpectRow(features, 0, {{"text: red", 1 / std::sqrt(5)}, {"text: oak", 2 / std::sqrt(5)}});
  ExpectRow(features, 1, {{"text: red", std::sqrt(0.5)}, {"text: lamp", std::sqrt(0.5)}});
  ExpectRow(features, 3, {});
  ExpectRow(features, 4, {});
  ASSERT_EQ(features.columns.size(), 1u);
  EXPECT_EQ(features.columns[0].n_rows, 4);
  EXPECT_EQ(features.columns[0].n_features, 3);
  EXPECT_EQ(features.columns[0].n_left_out, 2);
}

TEST(AttributeFeatures, ValuesOfCategoriesTagsAndBooleansAreFeatures) {
  const AttributeFeatures features =
      MakeAttributeFeatures(TestAttributes(6)
                                .Categories("kind", {0, 0, 1, 1, 1, 1}, {"a", "b"})
                                .Tags("tags", {{0, 1}, {0}, {1}, {2}, {}, {0}}, {"x", "y", "z"})
                                .Booleans("new", {1, 0, 2, 2, 1, 0})
                                .table());
  EXPECT_EQ(features.names,
            (std::vector<std::string>{"kind: a", "kind: b", "tags: x", "tags: y", "new: false", "new: true"}));
  const double x = std::log(5.0 / 3), y = std::log(5.0 / 2), tags = std::hypot(x, y) * std::sqrt(3);
  ExpectRow(features, 0,
            {{"kind: a", std::sqrt(1.0 / 3)},
             {"tags: x", x / tags},
             {"tags: y", y / tags},
             {"new: true", std::sqrt(1.0 / 3)}});
  ExpectRow(features, 2, {{"kind: b", std::sqrt(0.5)}, {"tags: y", std::sqrt(0.5)}});
  ExpectRow(features, 3, {{"kind: b", 1}});  // its tag nobody else has
}

TEST(AttributeFeatures, NumbersAreSharedOutBetweenDeciles) {
  std::vector<double> values;
  for (int v = 0; v <= 100; ++v) values.push_back(v);
  values.push_back(std::nan(""));
  const AttributeFeatures features = MakeAttributeFeatures(TestAttributes(102).Numbers("price", values).table());
  EXPECT_EQ(features.names.size(), 11u);
  ExpectRow(features, 0, {{"price: 0", 1}});
  ExpectRow(features, 100, {{"price: 100", 1}});
  ExpectRow(features, 30, {{"price: 30", 1}});
  ExpectRow(features, 32, {{"price: 30", 0.8 / std::hypot(0.8, 0.2)}, {"price: 40", 0.2 / std::hypot(0.8, 0.2)}});
  ExpectRow(features, 101, {});
}

TEST(AttributeFeatures, TimesAreNumbers) {
  const int64_t day = 86400, none = std::numeric_limits<int64_t>::min();
  const AttributeFeatures features =
      MakeAttributeFeatures(TestAttributes(4).Times("released", {0, 2 * day, 4 * day, none}).table());
  EXPECT_THAT(features.names,
              testing::ElementsAre("released: 1970-01-01", "released: 1970-01-03", "released: 1970-01-05"));
  ExpectRow(features, 1, {{"released: 1970-01-03", 1}});
  ExpectRow(features, 3, {});
}

TEST(AttributeFeatures, ColumnsThatSayNothingHaveNone) {
  const double none = std::nan("");
  const AttributeFeatures features = MakeAttributeFeatures(TestAttributes(3)
                                                               .Numbers("missing", {none, none, none})
                                                               .Numbers("constant", {7, 7, 7})
                                                               .Categories("same", {0, 0, 0}, {"a"})
                                                               .Categories("all different", {0, 1, 2}, {"a", "b", "c"})
                                                               .Texts("nothing", {"", "", ""})
                                                               .Booleans("true", {1, 1, 2})
                                                               .table());
  EXPECT_EQ(features.matrix.n_cols, 0);
  EXPECT_EQ(features.matrix.n_rows, 3);
  EXPECT_EQ(features.matrix.view().nnz(), 0);
  EXPECT_EQ(features.columns.size(), 6u);
}

TEST(AttributeFeatures, OfNoRowsAndNoColumns) {
  EXPECT_EQ(MakeAttributeFeatures(AttributeTable(0, {})).matrix.n_rows, 0);
  EXPECT_EQ(MakeAttributeFeatures(TestAttributes(1).Texts("t", {"a b"}).Numbers("n", {1}).table()).matrix.view().nnz(),
            0);
  EXPECT_EQ(MakeAttributeFeatures(AttributeTable(31, {})).matrix.indptr.size(), 32u);
}

TEST(AttributeFeatures, KeepTheMostFrequentOfManyWords) {
  std::vector<std::string> texts(6);
  for (int64_t word = 0; word < kMostFeatures + 10; ++word) {
    const bool frequent = word >= 15;
    for (const size_t row : frequent ? std::vector<size_t>{0, 1, 2} : std::vector<size_t>{0, 1})
      texts[row] += " w" + std::to_string(word);
  }
  texts[3] = texts[4] = texts[5] = "x";
  const AttributeFeatures features = MakeAttributeFeatures(TestAttributes(6).Texts("t", texts).table());
  ASSERT_EQ(features.matrix.n_cols, kMostFeatures);
  EXPECT_EQ(features.names[0], "t: w0");  // of those in two rows the first are kept
  EXPECT_EQ(features.names[3], "t: w3");
  EXPECT_EQ(features.names[4], "t: w15");
  EXPECT_EQ(features.columns[0].n_left_out, 11);
}

}  // namespace
}  // namespace kindred
