#include "host/data/attribute_table.h"

#include <limits>

#include "tests/host/intake/attribute_fixture.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using testing::HasSubstr;

constexpr const char* kPrefix = "item_column";

class AttributeFile : public AttributeTables {
 protected:
  /// A column of each type, of `n` items with every third value missing.
  void Fill(int n) {
    Texts ids, numbers, categories, tags, texts, booleans, times;
    for (int i = 0; i < n; ++i) {
      const bool missing = i % 3 == 1;
      ids.push_back(fmt::format("i{}", i));
      numbers.push_back(missing ? "" : fmt::format("{}.25", i));
      categories.push_back(missing ? "" : fmt::format("c{}", i % 4));
      tags.push_back(missing ? "" : fmt::format("t{}|u{}", i % 5, i % 2));
      texts.push_back(missing ? "" : fmt::format("text {}", i));
      booleans.push_back(missing ? "" : i % 2 == 0 ? "yes" : "no");
      times.push_back(missing ? "" : fmt::format("{}", i));
    }
    files_["items"] = RowTable().Texts("id", ids).Texts("number", numbers).Texts("category", categories);
    files_["items"].Texts("tags", tags).Texts("text", texts).Texts("boolean", booleans).Texts("time", times);
    std::vector<AttributeDeclaration> columns;
    for (const char* type : {"number", "category", "tags", "text", "boolean", "time"})
      columns.push_back({type, "", {AttributeTypeNamed(type)}});
    builder_ = {"item", {"id"}};
    ids_ = {};
    Read({"items"}, columns);
    table_ = builder_.Finish(ids_);
  }

  AttributeTable Reopen(const nlohmann::json& described, int64_t n_rows) {
    artifact_ = Artifact::Open(folder_.path() / "table", "dataset");
    return AttributeTable::FromArtifact(*artifact_, kPrefix, described, n_rows);
  }

  AttributeTable Reopen() {
    ArtifactWriter writer(folder_.path() / "table", "dataset");
    table_.AddTo(writer, kPrefix);
    writer.Commit({{"item_columns", table_.Describe()}}, true);
    return Reopen(Artifact::Open(folder_.path() / "table", "dataset")->manifest()["item_columns"], table_.n_rows());
  }

  void ExpectCorrupt(const AttributeColumn& column, const std::string& message) {
    table_ = AttributeTable(2, {column});
    ExpectError(ErrorCode::kCorrupt, message, [&] { Reopen(); });
  }

  TemporaryFolder folder_;
  std::shared_ptr<const Artifact> artifact_;
};

TEST_F(AttributeFile, ComesBackFromAnArtifact) {
  for (const int n : {0, 1, 2, 31, 32, 33, 1000}) {
    SCOPED_TRACE(n);
    Fill(n);
    const AttributeTable again = Reopen();
    EXPECT_EQ(again.n_rows(), n);
    EXPECT_EQ(again.Describe(), table_.Describe());
    ASSERT_EQ(again.columns().size(), 6u);
    for (int64_t k = 0; k < 6; ++k) {
      EXPECT_EQ(Cells(again, k), Cells(table_, k));
      EXPECT_EQ(again.columns()[static_cast<size_t>(k)].n_missing, (n + 1) / 3);
    }
  }
}

TEST_F(AttributeFile, WithoutColumnsThereAreNoArrays) {
  table_ = AttributeTable(7, {});
  EXPECT_EQ(Reopen().n_rows(), 7);
  EXPECT_TRUE(artifact_->manifest()["files"].empty());
}

TEST_F(AttributeFile, DescriptionsSayWhatIsKnown) {
  Fill(4);
  EXPECT_EQ(table_.Describe()[0], nlohmann::json::parse(R"({"name": "number", "type": "number", "source": "items",
                                                            "inferred": false, "n_missing": 1})"));
  EXPECT_EQ(table_.Describe()[1]["n_distinct"], 3);
  EXPECT_EQ(table_.Find("time"), 5);
  EXPECT_EQ(table_.Find("price"), -1);
}

TEST_F(AttributeFile, ColumnsAsExpressionsReadThem) {
  Fill(4);
  const ColumnType types[] = {ColumnType::kNumber, ColumnType::kText,    ColumnType::kTags,
                              ColumnType::kText,   ColumnType::kBoolean, ColumnType::kTime};
  for (int64_t k = 0; k < 6; ++k) {
    std::vector<std::string_view> texts;
    EXPECT_EQ(table_.AsColumn(k, texts).type, types[k]);
  }
}

TEST_F(AttributeFile, ArraysThatDoNotFitAreRefused) {
  const double infinite[] = {1, std::numeric_limits<double>::infinity()};
  const double three[] = {1, 2, 3};
  const uint8_t booleans[] = {2, 3};
  const int64_t times[] = {0, kLastTime + 1};
  AttributeColumn column;
  column.name = "x";
  column.type = AttributeType::kNumber;
  column.numbers = infinite;
  ExpectCorrupt(column, "item_column_0_values.npy': holds inf; expected finite numbers");
  column.numbers = three;
  ExpectCorrupt(column, "item_column_0_values.npy': 3 entries; expected 2");
  column.type = AttributeType::kBoolean;
  column.booleans = booleans;
  ExpectCorrupt(column, "item_column_0_values.npy': holds 3; expected 0, 1 or 2");
  column.type = AttributeType::kTime;
  column.times = times;
  ExpectCorrupt(column, "item_column_0_values.npy': holds 253402300800; expected unix seconds");
}

TEST_F(AttributeFile, TextsThatDoNotFitAreRefused) {
  const uint8_t bytes[] = {'a', 'b'};
  const int64_t whole[] = {0, 1, 2}, late[] = {1, 1, 2}, falling[] = {0, 3, 2}, low[] = {0, -1, 2}, end[] = {0, 1, 3};
  const int64_t short_one[] = {0, 2};
  AttributeColumn column;
  column.name = "x";
  column.type = AttributeType::kText;
  column.texts = {bytes, whole};
  table_ = AttributeTable(2, {column});
  EXPECT_EQ(Reopen().columns()[0].texts[1], "b");
  for (const auto& [offsets, message] : {std::pair<std::span<const int64_t>, const char*>{late, "does not start at 0"},
                                         {falling, "falls"},
                                         {low, "falls"},
                                         {end, "ends at 3; expected 2"},
                                         {short_one, "2 entries; expected 3"}}) {
    column.texts.offsets = offsets;
    ExpectCorrupt(column, fmt::format("item_column_0_offsets.npy': {}", message));
  }
}

TEST_F(AttributeFile, CodesThatDoNotFitAreRefused) {
  const uint8_t bytes[] = {'a', 'b'};
  const int64_t offsets[] = {0, 1, 2}, falling[] = {0, 3, 2}, indptr[] = {0, 2, 2}, long_one[] = {0, 2, 3};
  const int64_t rows[] = {0, 1, 1, 2};
  const int32_t codes[] = {0, -1}, high[] = {0, 2}, low[] = {-2, 0};
  AttributeColumn column;
  column.name = "x";
  column.type = AttributeType::kCategory;
  column.dictionary = {bytes, offsets};
  column.codes = codes;
  table_ = AttributeTable(2, {column});
  EXPECT_EQ(Reopen().columns()[0].n_missing, 1);
  column.codes = high;
  ExpectCorrupt(column, "item_column_0_codes.npy': names entry 2 of a dictionary of 2");
  column.codes = low;
  ExpectCorrupt(column, "item_column_0_codes.npy': names entry -2");
  column.type = AttributeType::kTags;
  column.indptr = indptr;
  column.codes = codes;
  ExpectCorrupt(column, "item_column_0_codes.npy': names entry -1");  // no row of tags has a missing one
  column.codes = high;
  ExpectCorrupt(column, "item_column_0_codes.npy': names entry 2");
  column.indptr = long_one;
  ExpectCorrupt(column, "item_column_0_indptr.npy': ends at 3; expected 2");
  column.indptr = rows;
  ExpectCorrupt(column, "item_column_0_indptr.npy': 4 entries; expected 3");
  column.dictionary.offsets = falling;
  ExpectCorrupt(column, "item_column_0_dictionary_offsets.npy': falls");
}

TEST_F(AttributeFile, DescriptionsThatDoNotFitAreRefused) {
  Fill(4);
  Reopen();
  const nlohmann::json described = table_.Describe();
  const auto refused = [&](const nlohmann::json& changed, const std::string& message) {
    ExpectError(ErrorCode::kCorrupt, message, [&] { Reopen(changed, 4); });
  };
  refused({}, "no list item_columns");
  refused({1}, "no name for item_column 0");
  nlohmann::json changed = described;
  changed[1]["name"] = "number";
  refused(changed, "'number' twice");
  changed[1]["name"] = "";
  refused(changed, "without a name");
  changed[1].erase("name");
  refused(changed, "no name for item_column 1");
  changed = described;
  changed[0]["type"] = "float";
  refused(changed, "the unknown type 'float' for item_column 0");
  changed[0]["type"] = "time";
  refused(changed, "type '<f8' in 1 dimensions; expected '<i8'");
  changed = described;
  changed.push_back({{"name", "seventh"}, {"type", "number"}, {"source", ""}});
  refused(changed, "has no item_column_6_values.npy");
  ExpectError(ErrorCode::kCorrupt, "4 entries; expected 5", [&] { Reopen(described, 5); });
}

TEST(AttributeTypes, NamesComeBack) {
  for (const char* name : {"number", "category", "tags", "text", "boolean", "time"})
    EXPECT_STREQ(AttributeTypeName(*AttributeTypeNamed(name)), name);
  EXPECT_FALSE(AttributeTypeNamed("untyped"));
}

}  // namespace
}  // namespace kindred
