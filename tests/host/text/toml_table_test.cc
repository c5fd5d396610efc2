#include "host/text/toml_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/support/errors.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::string kFile = "a/b.toml";
const std::vector<std::string_view> kKeys = {"name", "names", "count", "share", "on", "colour", "one", "many"};

/// A text as a table whose keys are known.
struct Read {
  explicit Read(const std::string& text, std::string name = {})
      : file(ParseToml(text, kFile)), table(file, {kFile, std::move(name)}, kKeys) {}

  toml::table file;
  TomlTable table;
};

void Refuses(const std::string& text, const std::string& message, const std::function<void(const TomlTable&)>& read) {
  ExpectError(ErrorCode::kUsage, message, [&] { read(Read(text).table); });
}

TEST(TomlTable, WhatIsAbsentIsLeftAlone) {
  const Read read("");
  std::string name = "n";
  bool on = true;
  int64_t count = 7;
  double share = .5;
  char colour = 'r';
  read.table.Read("name", name);
  read.table.Read("on", on);
  read.table.Read("count", count, 0, 1);
  read.table.Read("share", share, 0, .1);
  read.table.Read("colour", colour, {{"red", 'r'}});
  EXPECT_EQ(name, "n");
  EXPECT_TRUE(on);
  EXPECT_EQ(count, 7);
  EXPECT_EQ(share, .5);
  EXPECT_EQ(colour, 'r');
  EXPECT_EQ(read.table.Text("name"), nullptr);
  EXPECT_EQ(read.table.Table("one"), nullptr);
  EXPECT_THAT(read.table.Texts("names"), IsEmpty());
  EXPECT_THAT(read.table.Tables("many"), IsEmpty());
}

TEST(TomlTable, ValuesOfEachKind) {
  const Read read(
      "name = 'x'\nnames = ['a', 'b']\ncount = 3\nshare = 1\non = false\ncolour = 'blue'\n[one]\n[[many]]\n[[many]]\n");
  std::string name;
  bool on = true;
  int64_t count = 0;
  double share = 0;
  char colour = 'r';
  read.table.Read("name", name);
  read.table.Read("on", on);
  read.table.Read("count", count, 3, 3);
  read.table.Read("share", share, 0, 1);
  read.table.Read("colour", colour, {{"red", 'r'}, {"blue", 'b'}});
  EXPECT_EQ(name, "x");
  EXPECT_FALSE(on);
  EXPECT_EQ(count, 3);
  EXPECT_EQ(share, 1);
  EXPECT_EQ(colour, 'b');
  EXPECT_THAT(read.table.Texts("names"), ElementsAre("a", "b"));
  EXPECT_THAT(read.table.Texts("name"), ElementsAre("x"));
  EXPECT_NE(read.table.Table("one"), nullptr);
  EXPECT_EQ(read.table.Tables("many").size(), 2u);
}

TEST(TomlTable, WrongValuesAreNamedByPlace) {
  const auto read = [](const TomlTable& table) {
    std::string name;
    bool on = true;
    int64_t count = 0;
    double share = 0;
    char colour = 'r';
    table.Read("name", name);
    table.Texts("names");
    table.Read("count", count, 1, 9);
    table.Read("share", share, 0, 1);
    table.Read("on", on);
    table.Read("colour", colour, {{"red", 'r'}, {"green", 'g'}, {"blue", 'b'}});
    table.Table("one");
    table.Tables("many");
  };
  Refuses("\n name = 1", "a/b.toml: line 2, column 9: 'name' is no text; expected a text", read);
  Refuses("name = ''", "line 1, column 8: 'name' is empty; expected a text", read);
  Refuses("names = ['a', 1]", "line 1, column 15: 'names' is neither a text nor a list of texts", read);
  Refuses("names = []", "'names' is an empty list", read);
  Refuses("count = 10", "'count' is 10; expected 1 to 9", read);
  Refuses("count = 1.0", "'count' is no whole number", read);
  Refuses("share = nan", "'share' is nan; expected 0 to 1", read);
  Refuses("share = 'x'", "'share' is no number", read);
  Refuses("on = 1", "'on' is not true or false", read);
  Refuses("colour = 'pink'", "'colour' is 'pink'; expected 'red', 'green' or 'blue'", read);
  Refuses("one = 2020-01-01", "'one' is a date or time; expected a table, written [one]", read);
  Refuses("[many]", "'many' is no list of tables; write [[many]]", read);
  Refuses("many = [1]", "'many' holds something else than tables", read);
  Refuses("nam = 1", "line 1, column 1: unknown key 'nam'; the nearest known key is 'name'", read);
  Refuses("name = ", "a/b.toml: line 1, column", read);
  ExpectError(ErrorCode::kUsage, "a/b.toml: line 1, column 1: things: unknown key", [] { Read("x = 1", "things"); });
}

TEST(TomlTable, SchemasThatAreKnown) {
  const auto check = [](const std::string& text) { CheckTomlSchema(ParseToml(text, kFile), kFile, 2); };
  check("schema_version = 1");
  check("schema_version = 2\nwhat = 1");
  ExpectError(ErrorCode::kUsage, "a/b.toml: no schema_version; expected schema_version = 2", [&] { check(""); });
  ExpectError(ErrorCode::kUsage, "line 1, column 18: expected schema_version = 2",
              [&] { check("schema_version = 0"); });
  ExpectError(ErrorCode::kUnsupported, "schema_version 3; this program reads up to 2",
              [&] { check("schema_version = 3"); });
}

TEST(TomlTable, PlacesWithinPlaces) {
  EXPECT_EQ(TomlPlace({kFile}).In("a").In("b").name, "a.b");
}

}  // namespace
}  // namespace kindred
