#include "host/intake/profile_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using Type = AttributeType;

ProfileConfig Parse(const std::string& text) {
  return ParseProfileConfig("schema_version = 1\n" + text, "shop/profile.toml");
}

TEST(ProfileConfig, ATableNeedsNoMoreThanAPath) {
  const ProfileConfig config = Parse("[[items]]\npath = \"items.csv\"\n");
  ASSERT_EQ(config.items.size(), 1u);
  EXPECT_TRUE(config.users.empty());
  const AttributeSource& source = config.items[0];
  EXPECT_THAT(source.inputs, ElementsAre("shop/items.csv"));
  EXPECT_EQ(source.label, "items.csv");
  EXPECT_FALSE(source.format);
  EXPECT_EQ(source.key, "");
  EXPECT_TRUE(source.all_columns);
  EXPECT_TRUE(source.columns.empty());
}

TEST(ProfileConfig, EverythingThatCanBeSaid) {
  const ProfileConfig config = Parse(R"(
[[users]]
path = ["/absolute/a.tsv", "b/*.tsv", "-"]
format = "tsv"
delimiter = "\t"
header = false
encoding = "latin-1"
key = "1"
ids = "integer"
decimal = ","
time_format = "%d.%m.%Y"
separator = ";"
all_columns = true
columns = { price = "number", "Unit price" = { name = "unit_price", type = "number", decimal = ".", time_format = "iso8601" }, tags = { type = "tags", separator = "," }, x = { name = "y" } }

[[users]]
query = "select 1"
database = "postgresql:///shop"
)");
  ASSERT_EQ(config.users.size(), 2u);
  const AttributeSource& files = config.users[0];
  EXPECT_THAT(files.inputs, ElementsAre("/absolute/a.tsv", "shop/b/*.tsv", "-"));
  EXPECT_EQ(files.label, "/absolute/a.tsv, b/*.tsv, -");
  EXPECT_EQ(files.format, InputFormat::kTsv);
  EXPECT_EQ(files.read.delimiter, '\t');
  EXPECT_FALSE(files.read.header);
  EXPECT_EQ(files.read.encoding, Encoding::kLatin1);
  EXPECT_EQ(files.key, "1");
  EXPECT_EQ(files.id_format, IdFormat::kInteger);
  EXPECT_TRUE(files.all_columns);
  EXPECT_EQ(files.rules.separator, ';');
  EXPECT_EQ(files.rules.number.decimal, ',');
  EXPECT_EQ(files.rules.time.spec(), "%d.%m.%Y");
  ASSERT_EQ(files.columns.size(), 4u);
  std::map<std::string, AttributeDeclaration> columns;
  for (const AttributeDeclaration& column : files.columns) columns[column.column] = column;
  EXPECT_EQ(columns.at("price").rules.type, Type::kNumber);
  EXPECT_EQ(columns.at("price").rules.number.decimal, ',');
  EXPECT_EQ(columns.at("price").name, "");
  EXPECT_EQ(columns.at("Unit price").name, "unit_price");
  EXPECT_EQ(columns.at("Unit price").rules.number.decimal, '.');
  EXPECT_EQ(columns.at("Unit price").rules.time.spec(), "iso8601");
  EXPECT_EQ(columns.at("tags").rules.time.spec(), "%d.%m.%Y");
  EXPECT_EQ(columns.at("tags").rules.type, Type::kTags);
  EXPECT_EQ(columns.at("tags").rules.separator, ',');
  EXPECT_EQ(columns.at("x").name, "y");
  EXPECT_FALSE(columns.at("x").rules.type);
  const AttributeSource& query = config.users[1];
  EXPECT_THAT(query.inputs, ElementsAre("select 1"));
  EXPECT_EQ(query.format, InputFormat::kSql);
  EXPECT_EQ(query.read.database, "postgresql:///shop");
}

TEST(ProfileConfig, ColumnsThatAreListedAreTheOnlyOnes) {
  EXPECT_FALSE(Parse("[[items]]\npath = \"x\"\ncolumns = { a = \"text\" }\n").items[0].all_columns);
}

TEST(ProfileConfig, WhatIsWrongAndWhere) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"items = 1", "line 2, column 9: 'items' is no list of tables; write [[items]]"},
      {"items = [1]", "line 2, column 10: 'items' holds something else than tables"},
      {"[[item]]\npath = \"x\"", "unknown key 'item'; the nearest known key is 'items'"},
      {"", "shop/profile.toml: neither [[items]] nor [[users]]"},
      {"[[items]]", "line 2, column 1: expected one of 'path' and 'query' for each table"},
      {"[[items]]\npath = \"x\"\nquery = \"y\"", "expected one of 'path' and 'query'"},
      {"[[items]]\npath = 7", "line 3, column 8: 'path' is neither a text nor a list of texts"},
      {"[[items]]\npath = \"\"", "'path' is neither a text nor a list of texts"},
      {"[[items]]\npath = []", "'path' is an empty list"},
      {"[[items]]\npath = [\"x\", 7]", "line 3, column 14: 'path' is neither"},
      {"[[items]]\npath = \"x\"\ncolums = {}",
       "line 4, column 1: unknown key 'colums'; the nearest known key is 'columns'"},
      {"[[items]]\npath = \"x\"\ncolumns = { a = \"float\" }",
       "line 4, column 17: unknown type 'float'; expected number,"},
      {"[[items]]\npath = \"x\"\ncolumns = { a = { type = \"\" } }", "'type' is empty; expected a text"},
      {"[[items]]\npath = \"x\"\ncolumns = { a = { tipe = \"text\" } }", "the nearest known key is 'type'"},
      {"[[items]]\npath = \"x\"\ncolumns = { a = 1 }", "column 'a' has neither a type (number, category"},
      {"[[items]]\npath = \"x\"\ncolumns = 1", "'columns' is no table"},
      {"[[items]]\npath = \"x\"\nall_columns = false", "no 'columns' say which are meant"},
      {"[[items]]\npath = \"x\"\nall_columns = \"yes\"", "'all_columns' is not true or false"},
      {"[[items]]\npath = \"x\"\nformat = \"xls\"",
       "line 4, column 10: unknown format 'xls'; expected one of csv, tsv"},
      {"[[items]]\npath = \"x\"\nformat = \"sql\"", "a query is named with 'query'"},
      {"[[items]]\npath = \"x\"\nformat = \"npz\"", "the format 'npz' has no columns of attributes"},
      {"[[items]]\npath = \"x\"\ndelimiter = \"--\"", "'delimiter' is '--'; expected one character"},
      {"[[items]]\npath = \"x\"\ndelimiter = \"\\n\"", "'delimiter' is '\\x0a'; expected one character"},
      {"[[items]]\npath = \"x\"\nencoding = \"utf-16\"",
       "'encoding' is 'utf-16'; expected 'utf-8', 'latin-1' or 'bytes'"},
      {"[[items]]\npath = \"x\"\ndecimal = \";\"", "'decimal' is ';'; expected '.' or ','"},
      {"[[items]]\npath = \"x\"\ntime_format = \"%d\"", "line 4, column 15: "},
      {"[[items]]\npath = \"x\"\ndatabase = \"y\"", "'database' is for a 'query'"},
      {"[[items]]\nquery = \"x\"\nheader = true", "'header' says how files are read; here is a query"},
      {"[[items]]\npath = \"x\npath = \"y\"", "shop/profile.toml: line 3, column"},
      {"[[items]]\npath = \"x\"\npath = \"y\"", "shop/profile.toml: line 4, column"},
  };
  for (const auto& [text, message] : cases) {
    SCOPED_TRACE(text);
    ExpectError(ErrorCode::kUsage, message, [&] { Parse(text); });
  }
}

TEST(ProfileConfig, AKeyThatIsLikeNoneHasNoNearest) {
  ExpectError(ErrorCode::kUsage, "unknown key 'xxxxx", [] { Parse(std::string(1000, 'x') + " = 1"); });
}

TEST(ProfileConfig, TheSchemaIsCheckedFirst) {
  const auto parse = [](const char* text) { return [=] { ParseProfileConfig(text, "p.toml"); }; };
  ExpectError(ErrorCode::kUnsupported, "p.toml: schema_version 2; this program reads up to 1: use a newer one",
              parse("schema_version = 2\n[[things]]\nnew = 1\n"));
  ExpectError(ErrorCode::kUsage, "p.toml: no schema_version; expected schema_version = 1",
              parse("[[items]]\npath = \"x\"\n"));
  ExpectError(ErrorCode::kUsage, "line 1, column 18: expected schema_version = 1", parse("schema_version = \"1\""));
  ExpectError(ErrorCode::kUsage, "expected schema_version = 1", parse("schema_version = 0"));
}

TEST(ProfileConfig, FromAFile) {
  const TemporaryFolder folder;
  const auto path = [&](const char* name) { return (folder.path() / name).string(); };
  folder.Write("p.toml",
               "schema_version = 1\n[[items]]\npath = [\"items.csv\", \"b*.csv\"]\n[[users]]\nquery = \"*\"\n");
  for (const char* name : {"items.csv", "b2.csv", "b1.csv"}) folder.Write(name, "id\n");
  const ProfileConfig config = ReadProfileConfig(path("p.toml"));
  EXPECT_THAT(config.items[0].inputs, ElementsAre(path("items.csv"), path("b1.csv"), path("b2.csv")));
  EXPECT_THAT(config.users[0].inputs, ElementsAre("*"));
  ExpectError(ErrorCode::kNotFound, "none.toml", [&] { ReadProfileConfig(path("none.toml")); });
}

}  // namespace
}  // namespace kindred
