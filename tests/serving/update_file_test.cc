#include "serving/update_file.h"

#include <gmock/gmock.h>

#include "serving/json.h"
#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using testing::ElementsAre;

const AttributeTypes kTypes = {{"price", AttributeType::kNumber}, {"in_stock", AttributeType::kBoolean},
                               {"tags", AttributeType::kTags},    {"category", AttributeType::kCategory},
                               {"title", AttributeType::kText},   {"until", AttributeType::kTime}};

class UpdateFileTest : public testing::Test {
 protected:
  /// "LINE ITEM {attributes}" of each update.
  std::vector<std::string> Read(const std::string& text, InputFormat format = InputFormat::kCsv) {
    options_.path = folder_.Write("updates", text);
    options_.format = format;
    std::vector<std::string> read;
    ReadUpdates(options_, kTypes, [&](int64_t line, const v1::ItemUpdate& update) {
      nlohmann::json attributes = nlohmann::json::object();
      for (const auto& [name, value] : update.attributes()) attributes[name] = ToJson(value);
      read.push_back(std::to_string(line) + " " + update.item_id() + " " + attributes.dump());
    });
    return read;
  }
  void ExpectRefused(const std::string& message, const std::string& text, InputFormat format = InputFormat::kCsv) {
    ExpectError(ErrorCode::kInvalidArgument, "/updates: " + message, [&] { Read(text, format); });
  }

  TemporaryFolder folder_;
  UpdateFileOptions options_;
};

TEST_F(UpdateFileTest, CsvIsReadByTheTypesOfTheModel) {
  const std::string text =
      "price,item_id,in_stock,tags,until,title\r\n"
      "3.5,a,no,\"x| y|\",2026-01-02,\"one, \"\"two\"\"\"\r\n"
      ",b,TRUE,,,\n"
      ",c,,,,\n"
      "007,d,0,x,1767322800,007\n";
  EXPECT_THAT(Read(text), ElementsAre("2 a {\"in_stock\":false,\"price\":3.5,\"tags\":[\"x\",\"y\"],\"title\":\"one, "
                                      "\\\"two\\\"\",\"until\":1767312000.0}",
                                      "3 b {\"in_stock\":true}",
                                      "5 d {\"in_stock\":false,\"price\":7.0,\"tags\":[\"x\"],\"title\":\"007\","
                                      "\"until\":1767322800.0}"));
  options_.empty_is_missing = true;
  EXPECT_THAT(Read("item_id,price,tags\na,,x\n"), ElementsAre("2 a {\"price\":null,\"tags\":[\"x\"]}"));
  options_.key = "SKU";
  EXPECT_THAT(Read("SKU\tprice\na\t1\n", InputFormat::kTsv), ElementsAre("2 a {\"price\":1.0}"));
}

TEST_F(UpdateFileTest, WhatIsWrongWithCsvIsNamedByItsLine) {
  ExpectRefused("line 1: 'prise' is no attribute of the model's items; the nearest is 'price'", "item_id,prise\na,1\n");
  ExpectRefused("line 1: has no column 'item_id'", "id,price\na,1\n");
  ExpectRefused("line 3: column 'price': found 'x'; expected a number", "item_id,price\na,1\nb,x\n");
  ExpectRefused("line 2: column 'in_stock': found 'maybe'; expected true, false", "item_id,in_stock\na,maybe\n");
  ExpectRefused("line 3: column 'item_id': is empty", "item_id,price\na,1\n,2\n");
  ExpectRefused("line 3: ", "item_id,price\na,1\nb\nc,x\n");
  ExpectRefused("line 2: column 'price': found 'x'", "item_id,price\na,x\nb\n");  // the first of two
  ExpectRefused("line 2: is not UTF-8, which updates are sent in; convert the file", "item_id,title\na,\xff\n");
  ExpectRefused("line 3: column 'price': found 'nan'; expected a finite number", "item_id,price\na,1\nb,nan\n");
  ExpectRefused("line 1: has two columns 'price'", "item_id,price,price\na,1,2\n");
  ExpectRefused("line 1: has two columns 'item_id'", "item_id,price,item_id\na,1,b\n");
}

TEST_F(UpdateFileTest, JsonLinesAreTakenAsTheyAre) {
  const std::string text =
      "{\"item_id\": \"a\", \"price\": 3.5, \"in_stock\": null, \"tags\": [\"x\", \"y\"]}\n"
      "\n"
      "{\"title\": \"Gr\\u00f6\\u00dfe\", \"item_id\": 17850}\n"
      "{\"item_id\": \"c\"}\n"
      "{\"item_id\": \"d\", \"tags\": [], \"anything\": true}\n";
  EXPECT_THAT(Read(text, InputFormat::kJsonLines),
              ElementsAre("1 a {\"in_stock\":null,\"price\":3.5,\"tags\":[\"x\",\"y\"]}",
                          "3 17850 {\"title\":\"Größe\"}", "5 d {\"anything\":true,\"tags\":[]}"));
}

TEST_F(UpdateFileTest, WhatIsWrongWithJsonLinesIsNamedByItsLine) {
  const std::string first = "{\"item_id\": \"a\", \"price\": 1}\n";
  const auto refused = [&](const std::string& message, const std::string& line) {
    ExpectRefused(message, first + line + "\n", InputFormat::kJsonLines);
  };
  refused("line 2: is no JSON object", "{\"item_id\": ");
  refused("line 2: is no JSON object", "[1]");
  refused("line 2: is no JSON object", "{\"item_id\": \"\xff\"}");
  refused("line 2: is no JSON object", std::string(100'000, '['));
  refused("line 2: has no key 'item_id'", "{\"price\": 1}");
  refused("line 2: 'item_id': expected an item id", "{\"item_id\": \"\", \"price\": 1}");
  refused("line 2: 'item_id': expected an item id", "{\"item_id\": 1.5, \"price\": 1}");
  refused("line 2: 'price': expected null, a number", "{\"item_id\": \"b\", \"price\": {\"a\": 1}}");
  refused("line 2: has 'price' twice", "{\"item_id\": \"b\", \"price\": 1, \"price\": 2}");
  refused("line 2: has '' twice", "{\"item_id\": \"b\", \"\": 1, \"\": 2}");
  refused("line 2: has 'item_id' twice", "{\"item_id\": \"b\", \"price\": 1, \"item_id\": \"c\"}");
  refused("line 2: 'tags': expected null, a number", "{\"item_id\": \"b\", \"tags\": [\"a\", 1]}");
}

TEST_F(UpdateFileTest, TextsAsValues) {
  EXPECT_EQ(ToJson(ValueOf("", AttributeType::kNumber)).dump(), "null");
  EXPECT_EQ(ToJson(ValueOf("-1e3", AttributeType::kNumber)).dump(), "-1000.0");
  EXPECT_EQ(ToJson(ValueOf("Yes", AttributeType::kBoolean)).dump(), "true");
  EXPECT_EQ(ToJson(ValueOf("a | b", AttributeType::kTags)).dump(), "[\"a\",\"b\"]");
  ExpectError(ErrorCode::kInvalidArgument, "found '9'; expected true", [] { ValueOf("9", AttributeType::kBoolean); });
  EXPECT_EQ(ToJson(ValueOf("|", AttributeType::kTags)).dump(), "[]");
  for (const char* none : {"nan", "NaN"})
    ExpectError(ErrorCode::kInvalidArgument, "'; expected a finite number",
                [&] { ValueOf(none, AttributeType::kNumber); });
  ExpectError(ErrorCode::kInvalidArgument, "found 'inf'", [] { ValueOf("inf", AttributeType::kNumber); });
  ExpectError(ErrorCode::kInvalidArgument, "which have none", [] { TypeOf({}, "price"); });
}

}  // namespace
}  // namespace kindred
