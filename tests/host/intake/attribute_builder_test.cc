#include "host/intake/attribute_builder.h"

#include "host/intake/profile_config.h"
#include "tests/host/intake/attribute_fixture.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(AttributeTables, JoinsByIdInTheOrderOfTheDataset) {
  ids_.Intern("c");
  ids_.Intern("nobody");
  ids_.Intern("a");
  files_["items.csv"].Texts("price", {"1", "2.5", "", "-4e1"}).Texts("item_id", {"a", "b", "c", "d"});
  Read({"items.csv"});
  EXPECT_THAT(Finish(), ElementsAre("price number: - - 1 2.5 -40"));
  ASSERT_EQ(ids_.size(), 5);
  EXPECT_EQ(ids_.view().Id(3), "b");
  EXPECT_EQ(ids_.view().Id(4), "d");
  const nlohmann::json& report = builder_.report();
  EXPECT_EQ(report["n_rows"], 4);
  EXPECT_EQ(report["n_matched"], 2);
  EXPECT_EQ(report["n_only_in_table"], 2);
  EXPECT_EQ(report["only_in_table"], nlohmann::json({"b", "d"}));
  EXPECT_EQ(report["n_without_row"], 1);
  EXPECT_EQ(report["without_row"], nlohmann::json({"nobody"}));
  const nlohmann::json& source = report["sources"][0];
  EXPECT_EQ(source["source"], "items.csv");
  EXPECT_EQ(source["key"], "item_id");
  EXPECT_EQ(source["files"][0]["sha256"], "digest of items.csv");
}

TEST_F(AttributeTables, OnlyTheFirstExamplesAreNamed) {
  RowTable& file = files_["items.csv"];
  Texts ids;
  for (int i = 0; i < 20; ++i) {
    ids.push_back("new" + std::to_string(i));
    ids_.Intern("old" + std::to_string(i));
  }
  file.Texts("id", ids);
  Read({"items.csv"});
  EXPECT_THAT(Finish(), IsEmpty());
  EXPECT_EQ(builder_.report()["only_in_table"], nlohmann::json({"new0", "new1", "new2", "new3", "new4"}));
  EXPECT_EQ(builder_.report()["without_row"], nlohmann::json({"old0", "old1", "old2", "old3", "old4"}));
  EXPECT_EQ(builder_.report()["n_only_in_table"], 20);
  EXPECT_EQ(builder_.report()["n_without_row"], 20);
}

TEST_F(AttributeTables, EveryLengthOfTableAndBatch) {
  for (const int n : {0, 1, 31, 32, 33, 100}) {
    for (const int64_t batch : {1, 32, 2048}) {
      SCOPED_TRACE(fmt::format("{} rows in batches of {}", n, batch));
      batch_rows_ = batch;
      Texts keys, numbers, tags, texts;
      for (int i = 0; i < n; ++i) {
        keys.push_back(fmt::format("i{}", i));
        numbers.push_back(i % 5 == 0 ? "" : std::to_string(i));
        tags.push_back(i % 3 == 0 ? "" : fmt::format("a|b{}|a", i % 2));
        texts.push_back(i % 7 == 0 ? "" : fmt::format("text {}", i));
      }
      files_["items.csv"] = RowTable().Texts("number", numbers).Texts("id", keys).Texts("tags", tags);
      files_["items.csv"].Texts("title", texts);
      ids_ = {};
      for (int i = n; i-- > n / 2;) ids_.Intern(keys[static_cast<size_t>(i)]);
      builder_ = {"item", {"id"}};
      Read({"items.csv"}, {{"title", "", {AttributeType::kText}}});
      Finish();
      ASSERT_EQ(table_.n_rows(), n);
      const int64_t number = table_.Find("number"), tag = table_.Find("tags"), title = table_.Find("title");
      for (int i = 0; i < n; ++i) {
        const auto row = static_cast<size_t>(ids_.view().Find(keys[static_cast<size_t>(i)]));
        EXPECT_EQ(Cells(table_, number)[row], i % 5 == 0 ? "-" : std::to_string(i));
        EXPECT_EQ(Cells(table_, tag)[row], i % 3 == 0 ? "-" : fmt::format("[a][b{}]", i % 2));
        EXPECT_EQ(Cells(table_, title)[row], i % 7 == 0 ? "-" : fmt::format("text {}", i));
      }
    }
  }
}

TEST_F(AttributeTables, SeveralSourcesBecomeOne) {
  ids_.Intern("b");
  files_["catalogue.csv"].Texts("item_id", {"a", "b"}).Texts("price", {"1", "2"});
  files_["stock.csv"].Texts("sku", {"c", "b"}).Texts("left", {"7", "8"}).Texts("price", {"x", "y"});
  Read({"catalogue.csv"});
  Read({"stock.csv"}, {{"price", "supplier price", {AttributeType::kText}}}, "sku");
  EXPECT_THAT(Finish(), ElementsAre("price number: 2 1 -", "supplier price text: y - x", "left number: 8 - 7"));
  const nlohmann::json& report = builder_.report();
  EXPECT_EQ(report["n_rows"], 3);
  EXPECT_EQ(report["n_without_row"], 0);
  EXPECT_EQ(report["sources"][0]["n_rows"], 2);
  EXPECT_EQ(report["sources"][1]["n_only_in_table"], 1);
  EXPECT_EQ(report["sources"][1]["only_in_table"], nlohmann::json({"c"}));
  EXPECT_EQ(table_.columns()[1].source, "stock.csv");
}

TEST_F(AttributeTables, OneNameInTwoSourcesIsAnError) {
  files_["a.csv"].Texts("id", {"a"}).Texts("price", {"1"});
  files_["b.csv"].Texts("id", {"a"}).Texts("price", {"1"});
  Read({"a.csv"});
  ExpectError(ErrorCode::kInvalidArgument, "'a.csv' and 'b.csv' both have a column 'price' of items",
              [&] { Read({"b.csv"}); });
}

TEST_F(AttributeTables, FilesOfOneSourceHaveTheirColumnsInAnyOrder) {
  files_["1.csv"].Texts("id", {"a"}).Texts("price", {"1"}).Texts("size", {"M"});
  files_["2.csv"].Texts("size", {"L", ""}).Texts("id", {"b", "c"}).Texts("price", {"2", "3"});
  Read({"1.csv", "2.csv"});
  EXPECT_THAT(Finish(), ElementsAre("price number: 1 2 3", "size text: M L -"));
}

TEST_F(AttributeTables, FilesOfOneSourceHaveTheSameColumns) {
  files_["1.csv"].Texts("id", {"a"}).Texts("price", {"1"});
  files_["2.csv"].Texts("id", {"b"});
  files_["3.csv"].Texts("id", {"b"}).Texts("price", {"2"}).Texts("size", {"M"});
  files_["4.csv"].Texts("item", {"b"}).Texts("price", {"2"});
  ExpectError(ErrorCode::kInvalidArgument, "2.csv: no column 'price', but '1.csv' has it", [&] {
    Read({"1.csv", "2.csv"});
  });
  ExpectError(ErrorCode::kInvalidArgument, "3.csv: the column 'size' is not in '1.csv'", [&] {
    Read({"1.csv", "3.csv"});
  });
  ExpectError(ErrorCode::kInvalidArgument, "4.csv: no column 'id', which is the key in '1.csv'", [&] {
    Read({"1.csv", "4.csv"});
  });
  AttributeSource source = Source({"1.csv", "3.csv"}, {{"price"}});
  source.all_columns = false;
  Read(source);
  EXPECT_THAT(Finish(), ElementsAre("price number: 1 2"));
}

TEST_F(AttributeTables, FilesOfOneSourceHaveTheSameTypes) {
  files_["1.csv"].Texts("id", {"a"}).Texts("price", {"1"});
  files_["2.csv"].Texts("id", {"b"}).Texts("price", {"free"});
  files_["3.parquet"].Texts("id", {"c"}, ColumnType::kText).Integers("price", {3});
  ExpectError(ErrorCode::kInvalidArgument, "column 'price' holds numbers in '1.csv' and texts in '2.csv'", [&] {
    Read({"1.csv", "2.csv"});
  });
  ExpectError(ErrorCode::kInvalidArgument, "column 'price' holds texts in '2.csv' and numbers in '1.csv'", [&] {
    Read({"2.csv", "1.csv"});
  });
  ExpectError(ErrorCode::kInvalidArgument,
              "3.parquet: the column 'price' is of type number, but untyped in '1.csv': declare what it is", [&] {
                Read({"1.csv", "3.parquet"});
              });
  Read({"1.csv", "2.csv", "3.parquet"}, {{"price", "", {AttributeType::kText}}});
  EXPECT_THAT(Finish(), ElementsAre("price text: 1 free 3"));
}

TEST_F(AttributeTables, ColumnsThatAreNotThereOrTwice) {
  files_["items.csv"].Texts("id", {"a"}).Texts("price", {"1"}).Texts("size", {"M"});
  const auto read = [&](std::vector<AttributeDeclaration> columns, const char* key = "") {
    return [=, this] { Read({"items.csv"}, columns, key); };
  };
  ExpectError(ErrorCode::kInvalidArgument, "items.csv: no column 'prize'; the columns are 'id', 'price', 'size'",
              read({{"prize"}}));
  ExpectError(ErrorCode::kInvalidArgument, "would both be called 'x'", read({{"price", "x"}, {"size", "x"}}));
  ExpectError(ErrorCode::kInvalidArgument, "would both be called 'size'", read({{"price", "size"}}));
  ExpectError(ErrorCode::kInvalidArgument, "the column 'id' is the key", read({{"id"}}));
  ExpectError(ErrorCode::kInvalidArgument, "no column 'sku' with the id of the item", read({}, "sku"));
  files_["items.csv"] = RowTable().Texts("sku", {"a"});
  ExpectError(ErrorCode::kInvalidArgument,
              "no column 'item_id' or 'item' or 'id' with the id of the item; the columns are 'sku'", read({}));
  files_["items.csv"] = RowTable().Texts("id", {"a"}).Texts("x", {"1"}).Texts("x", {"2"});
  ExpectError(ErrorCode::kInvalidArgument, "items.csv: the column 'x' is there twice", read({}));
}

TEST_F(AttributeTables, HostileNames) {
  const Texts names = {"a\"b\\", "line\nend", "\xF0\x9F\x91\x9F", "../x", "item_id ", "null", std::string("n\0l", 3)};
  RowTable& file = files_["items.csv"];
  file.Texts("id", {"a"}).Texts("", {"left out"}).Texts("", {"too"});
  for (const std::string& name : names) file.Texts(name, {"1"});
  Read({"items.csv"});
  Finish();
  ASSERT_EQ(table_.columns().size(), names.size());
  for (size_t k = 0; k < names.size(); ++k) EXPECT_EQ(table_.columns()[k].name, names[k]);
  files_["items.csv"] = RowTable().Texts("id", {"a"}).Texts("pr\xE9is", {"1"});
  ExpectError(ErrorCode::kInvalidArgument, "the name of column 2, 'pr\\xe9is', is not UTF-8",
              [&] { Read({"items.csv"}); });
}

TEST_F(AttributeTables, RowsWithoutAnIdOrWithOneThatWasThere) {
  files_["1.csv"].Texts("id", {"a", "", "a", "b"}).Texts("price", {"1", "2", "3", "4"}).BadLine(4).BadLine(2);
  files_["2.csv"].Texts("price", {"5", "6"}).Texts("id", {"c", "b"});
  Read({"1.csv", "2.csv"});
  EXPECT_THAT(BadRows(),
              ElementsAre("1.csv:2: no row", "1.csv:3: column 'id' is empty; expected the id of the item",
                          "1.csv:4: the item 'a' is in line 2 already; expected one row for each", "1.csv:4: no row",
                          "2.csv:3: the item 'b' is in line 5 of '1.csv' already; expected one row for each"));
  EXPECT_EQ(bad_[1].text, "row 1");
  EXPECT_EQ(bad_[1].kind, "column 'id': empty");
  EXPECT_EQ(bad_[2].kind, "column 'id': an id twice");
  EXPECT_THAT(Finish(), ElementsAre("price number: 1 4 5"));
  EXPECT_EQ(builder_.report()["sources"][0]["n_bad_rows"], 5);
}

TEST_F(AttributeTables, ARowThatIsBadIsNotThere) {
  files_["items.csv"].Texts("id", {"a", "b", "a"}).Texts("price", {"x", "2", "3"}).Texts("on", {"1", "yes", ""});
  Read({"items.csv"}, {{"price", "", {AttributeType::kNumber}}, {"on", "", {AttributeType::kBoolean}}});
  EXPECT_THAT(BadRows(), ElementsAre("items.csv:2: 'x' in column 'price': expected a number"));
  EXPECT_EQ(bad_[0].kind, "column 'price': expected a number");
  EXPECT_THAT(Finish(), ElementsAre("price number: 2 3", "on boolean: true -"));
}

TEST_F(AttributeTables, KeysAreWhatTheEventsHave) {
  files_["1"].Integers("id", {7, kMissingInteger, -1, 9007199254740993}).Texts("x", {"a", "b", "c", "d"});
  files_["2"].Reals("id", {8, 8.5, std::nan("")}).Texts("y", {"a", "b", "c"});
  Read({"1"});
  AttributeSource source = Source({"2"});
  source.id_format = IdFormat::kInteger;
  Read(source);
  Finish();
  EXPECT_EQ(ids_.size(), 4);
  for (const char* id : {"7", "-1", "9007199254740993", "8"}) EXPECT_GE(ids_.view().Find(id), 0) << id;
  EXPECT_THAT(BadRows(), ElementsAre("1:3: column 'id' is empty; expected the id of the item",
                                     "2:3: '8.5' in column 'id': expected an integer",
                                     "2:4: column 'id' is empty; expected the id of the item"));
  files_["3"].Tags("id", {0, 0}, {}, {});
  ExpectError(ErrorCode::kInvalidArgument,
              "3: the column 'id' with the id of the item is of type tags; expected texts or numbers",
              [&] { Read({"3"}); });
}

/// The whole way: a file that declares CSV tables of several encodings and forms.
TEST(AttributeFiles, FromDeclaredFiles) {
  const TemporaryFolder folder;
  folder.Write("catalogue.csv",
               "\xEF\xBB\xBFitem_id,\"Unit price\",title,tags,since\r\n"
               "s1,\"1.234,5\",\"A \"\"big\"\" shoe\",red|big,24.11.2017\r\n"
               "s2,\"12,5\",\"two\nlines\",,\r\n"
               "s3,7,,red,25.11.2017\r\n");
  folder.Write("stock.tsv", "left\tsku\tcolour\n5\ts3\tgr\xFCn\n\ts4\tgr\xFCn\n");
  const std::string config = folder.Write("profile.toml", R"(schema_version = 1
[[items]]
path = "catalogue.csv"
decimal = ","
time_format = "%d.%m.%Y"
all_columns = true
columns = { "Unit price" = { name = "price", type = "number" } }

[[items]]
path = "*.tsv"
key = "sku"
encoding = "latin-1"
)");
  std::vector<std::string> bad;
  AttributeBuilder builder("item", {"item_id"});
  for (const AttributeSource& source : ReadProfileConfig(config).items)
    builder.Read(source, OpenAttributes, {[&](const BadRow& row) { bad.push_back(row.reason); }});
  IdMapBuilder ids;
  ids.Intern("s3");
  const AttributeTable table = builder.Finish(ids);
  ASSERT_EQ(bad.size(), 1u);
  EXPECT_THAT(bad[0], testing::StartsWith("'1.234,5' in column 'Unit price': expected a number"));
  std::vector<std::vector<std::string>> cells;
  for (int64_t k = 0; k < 6; ++k) cells.push_back(Cells(table, k));
  EXPECT_THAT(cells, ElementsAre(ElementsAre("7", "12.5", "-"), ElementsAre("-", "two\nlines", "-"),
                                 ElementsAre("[red]", "-", "-"), ElementsAre("1511568000", "-", "-"),
                                 ElementsAre("5", "-", "-"), ElementsAre("gr\u00fcn", "-", "gr\u00fcn")));
  EXPECT_EQ(table.columns()[0].name, "price");
  ExpectError(ErrorCode::kUsage, "its name does not say which format it has",
              [&] { builder.Read(FileSource(folder.Write("table", "id\n")), OpenAttributes, {[](const BadRow&) {}}); });
}

}  // namespace
}  // namespace kindred
