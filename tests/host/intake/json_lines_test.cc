#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "host/intake/json_line.h"
#include "host/intake/record_blocks.h"
#include "host/store/checksum.h"
#include "tests/host/intake/source_rows.h"
#include "tests/support/errors.h"
#include "tests/support/gzip.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

SourceRows ReadJson(std::string_view text, const std::vector<std::string>& names = {}, size_t block_bytes = 1 << 20) {
  return ReadSourceText(text, "a.jsonl", {.format = InputFormat::kJsonLines, .block_bytes = block_bytes}, names);
}

TEST(JsonLines, CellsAreTheTextsOfValues) {
  const SourceRows read = ReadJson(R"({"user":"u1","item":17850,"value":4.50,"on":true,"none":null}
{"item":1e5,"user":"u2","on":false,"none":"","value":-0.0}

 { "user" : "u3" , "item" : 123456789012345678901234567890 } )"
                                   "\r\n{}\n");
  EXPECT_THAT(read.columns, ElementsAre("user", "item", "value", "on", "none"));
  EXPECT_THAT(read.rows, ElementsAre("1: u1 17850 4.50 true ~", "2: u2 1e5 -0.0 false ~",
                                     "4: u3 123456789012345678901234567890 ~ ~ ~", "5: ~ ~ ~ ~ ~"));
  EXPECT_EQ(read.texts[3], "{}");
  EXPECT_THAT(read.bad, ElementsAre());
}

TEST(JsonLines, StringsAreUnescaped) {
  const SourceRows read = ReadJson(R"({"a":"x\"y\\","b\u0063":"\u00e9\ud83d\ude00\/\b\f\n\r\t"}
{"a":"plain","bc":"\\"}
{"a":"\u0041","\u0062c":""})");
  EXPECT_THAT(read.columns, ElementsAre("a", "bc"));
  EXPECT_THAT(read.rows, ElementsAre("1: x\"y\\ \xC3\xA9\xF0\x9F\x98\x80/\b\f\n\r\t", "2: plain \\", "3: A ~"));
}

TEST(JsonLines, KeysWithinKeys) {
  const SourceRows read = ReadJson(R"({"user":{"id":"u1","address":{"city":"c"}},"n":1}
{"n":2,"user":{"address":{"zip":"z"},"id":"u2"},"user.id":null,"late":{}}
{"user":"u3","n":3}
{"user.id":"u4"})");
  EXPECT_THAT(read.columns, ElementsAre("user.id", "user.address.city", "n", "user.address.zip", "user"));
  EXPECT_THAT(read.rows, ElementsAre("3: ~ ~ 3 ~ u3", "4: u4 ~ ~ ~ ~"));
  const std::string reason = "column 'user' holds an object; expected a text, a number or an array";
  EXPECT_THAT(read.bad, ElementsAre("1: " + reason, "2: " + reason));
}

TEST(JsonLines, OnlyColumnsThatAreSelectedMatter) {
  const std::string text = R"({"user":{"id":"u1"},"tags":["a","b|c"],"n":1,"n":2}
{"user":"u2","tags":[[]]}
)";
  EXPECT_THAT(ReadJson(text, {"user.id"}).rows, ElementsAre("1: u1", "2: ~"));
  EXPECT_THAT(ReadJson(text, {"user"}).bad,
              ElementsAre("1: column 'user' holds an object; expected a text, a number or an array"));
  EXPECT_THAT(ReadJson(text, {"n"}).bad, ElementsAre("1: column 'n' is there twice"));
  EXPECT_THAT(ReadJson(R"({"a.b":1,"a":{"b":2}})", {"a.b"}).bad, ElementsAre("1: column 'a.b' is there twice"));
  EXPECT_THAT(ReadJson(text, {"tags"}).bad,
              ElementsAre("1: column 'tags' has '|' within an element, which stands between elements",
                          "2: column 'tags' has arrays or objects in its array"));
}

TEST(JsonLines, ArraysAreTags) {
  const SourceRows read = ReadJson(R"({"t":["a","b","c"]}
{"t":[]}
{"t":[ 1 , 2.5,true,null,"","\u0041"]}
{"t":["one"]}
{"t":"no|array"})");
  EXPECT_THAT(read.rows, ElementsAre("1: a|b|c", "2: ~", "3: 1|2.5|true|A", "4: one", "5: no|array"));
}

TEST(JsonLines, ColumnsAreThoseOfTheFirstLines) {
  std::string text = "{\"a\":1}\nnone\n{\"b\":2}\n";
  const std::string line = "{\"a\":\"" + std::string(1000, 'x') + "\"}\n";
  while (text.size() < (4 << 20)) text += line;
  text += "{\"late\":1,\"a\":\"end\"}\n";
  for (const size_t bytes : {1 << 10, 1 << 20, 64 << 20}) {
    const SourceRows read = ReadJson(text, {"a"}, bytes);
    EXPECT_THAT(read.columns, ElementsAre("a", "b")) << bytes;
    EXPECT_THAT(read.rows.back(), HasSubstr(": end"));
    EXPECT_EQ(read.bad.size(), 1u);
  }
}

TEST(JsonLines, WhatIsNoObjectIsABadRow) {
  const std::pair<std::string, const char*> cases[] = {
      {"5", "no object"},
      {"[]", "no object"},
      {"\"a\"", "no object"},
      {"null", "no object"},
      {" ", "nothing in the line"},
      {"{", ""},
      {"{\"a\":1", ""},
      {"{\"a\":1,}", ""},
      {"{\"a\" 1}", ""},
      {"{\"a\":}", ""},
      {"{\"a\":1 \"b\":2}", ""},
      {"{a:1}", ""},
      {"{'a':1}", ""},
      {"{\"a\":1}}", ""},
      {"{\"a\":1} {}", "goes on behind its end, at byte 9"},
      {"{\"a\":1} x", ""},
      {"{\"a\":1}x", ""},
      {"{\"a\":01}", "'01' is no value, at byte 6"},
      {"{\"a\":+1}", ""},
      {"{\"a\":1.}", "no value"},
      {"{\"a\":.5}", ""},
      {"{\"a\":1e}", "no value"},
      {"{\"a\":-}", "no value"},
      {"{\"a\":0x10}", "no value"},
      {"{\"a\":tru}", "'tru' is no value, at byte 6"},
      {"{\"a\":nul}", "no value"},
      {"{\"a\":NaN}", ""},
      {"{\"b\":[1,]}", ""},
      {"{\"b\":[1 2]}", ""},
      {"{\"b\":[tru]}", "no value"},
      {"{\"b\":{\"c\":01}}", "no value"},
      {"{\"a\":\"open}", ""},
      {"{\"a\":\"\x01\"}", ""},
      {"{\"a\":\"\xff\"}", "UTF-8"},
      {"{\"a\":\"\xed\xa0\x80\"}", "UTF-8"},
      {"{\"a\":\"\\x\"}", "an escape in the string"},
      {"{\"b\":\"\\u12\"}", "an escape in the string"},
      {"{\"a\":\"\\ud800\"}", "an escape in the string"},
      {"{\"a\":\"\\udc00\"}", "an escape in the string"},
      {"{\"a\":\"\\ud800\\u0041\"}", "an escape in the string"},
      {"{\"a\":\"\\ud800x\"}", "an escape in the string"},
      {"{\"a\\q\":1}", "an escape in the string"},
      {"{\"a\":\"\\q\\\\\",\"b\":\"\"}", "an escape in the string '\\q\\\\' is none, at byte 7"},
  };
  for (const auto& [line, expected] : cases) {
    const SourceRows read = ReadJson("{\"a\":\"first\"}\n" + line + "\n{\"a\":\"last\"}", {"a"});
    EXPECT_THAT(read.rows, ElementsAre("1: first", "3: last")) << line;
    ASSERT_THAT(read.bad, ElementsAre(HasSubstr(expected))) << line;
    EXPECT_THAT(read.bad[0], HasSubstr("2: no JSON object: ")) << line;
    EXPECT_EQ(read.bad_rows[0].text, line);
  }
}

TEST(JsonLines, DepthHasALimit) {
  for (const int depth : {1, 31, JsonLineReader::kMaxDepth, JsonLineReader::kMaxDepth + 1, 100000}) {
    const std::string open(static_cast<size_t>(depth), '['), close(static_cast<size_t>(depth), ']');
    std::string objects;
    for (int i = 0; i < depth; ++i) objects += "{\"x\":";
    for (const std::string& value : {open + close, objects + "1" + std::string(static_cast<size_t>(depth), '}')}) {
      const SourceRows read = ReadJson("{\"a\":1}\n{\"b\":" + value + ",\"a\":2}\n", {"a"});
      EXPECT_EQ(read.rows.size(), depth <= JsonLineReader::kMaxDepth ? 2u : 1u) << depth;
      for (const std::string& reason : read.bad) EXPECT_THAT(reason, HasSubstr("nested more than 128 deep"));
    }
  }
}

TEST(JsonLines, LinesThatAreTooLong) {
  const ReadOptions options{.format = InputFormat::kJsonLines, .block_bytes = 16, .max_line_bytes = 20};
  const SourceRows read =
      ReadSourceText("{\"a\":1}\n{\"a\":\"" + std::string(50, 'x') + "\"}\n{\"a\":3}", "a.jsonl", options);
  EXPECT_THAT(read.rows, ElementsAre("1: 1", "3: 3"));
  EXPECT_THAT(read.bad, ElementsAre("2: the line has more than 20 bytes"));
  EXPECT_EQ(read.bad_rows[0].text, "{\"a\":\"xxxxxxxxxxxxxx");
}

TEST(JsonLines, FilesThatAreNone) {
  const auto fails = [](const std::string& text, const std::string& part) {
    ExpectError(ErrorCode::kInvalidArgument, part, [&] { ReadJson(text); });
  };
  fails("", "a.jsonl' is empty; expected JSON objects, one a line");
  fails("\n\r\n", "is empty");
  fails("user,item\nu,i\n", "a.jsonl: line 1: no JSON object: ");
  fails("[\n{\"a\":1},\n", "jq -c '.[]'");
  fails("\xFF\xFE{", "UTF-16");
  std::string keys = "{\"k\":0";
  for (size_t i = 0; i < JsonKeys::kMaxKeys; ++i) keys += ",\"k" + std::to_string(i) + "\":0";
  fails(keys + "}", "more than 65536 different keys");
}

TEST(JsonLines, KeysThatAreTooLongAreNoColumns) {
  const std::string longest(JsonKeys::kMaxNameBytes, 'k'), within(JsonKeys::kMaxNameBytes - 2, 'k');
  const SourceRows read =
      ReadJson("{\"" + longest + "\":1,\"" + longest + "k\":2,\"b\":{\"" + within + "\":3,\"" + within + "k\":4}}");
  EXPECT_THAT(read.columns, ElementsAre(longest, "b." + within));
  EXPECT_THAT(read.rows, ElementsAre("1: 1 3"));
}

TEST(JsonLines, BlocksOfAnySizeGiveTheSame) {
  std::string text = "\xEF\xBB\xBF{\"u\":\"first\",\"i\":0}\r\n";
  std::mt19937 random(3);
  for (int i = 0; i < 5000; ++i)
    text += i % 37 == 0
                ? "bad" + std::string(random() % 50, 'x') + "\n"
                : "{\"i\":" + std::to_string(random() % 1000) + ",\"u\":\"\\u0041" + std::to_string(i) + "\"}\n";
  const SourceRows expected = ReadJson(text);
  EXPECT_EQ(expected.rows.size() + expected.bad.size(), 5001u);
  EXPECT_EQ(expected.info.sha256, Sha256(text));
  EXPECT_EQ(expected.info.bytes, static_cast<int64_t>(text.size()));
  for (const size_t bytes : {1, 31, 32, 33, 1000, 65536}) {
    const SourceRows read = ReadJson(text, {}, bytes);
    EXPECT_EQ(read.rows, expected.rows) << bytes;
    EXPECT_EQ(read.bad, expected.bad) << bytes;
    EXPECT_EQ(read.texts, expected.texts) << bytes;
  }
  const SourceRows packed = ReadSourceText(Gzip(text), "a.jsonl.gz", {.format = InputFormat::kJsonLines});
  EXPECT_EQ(packed.rows, expected.rows);
}

/// A random value, written with blanks here and there.
std::string RandomJson(std::mt19937& random, int depth) {
  const auto blank = [&] { return std::string(random() % 8 == 0 ? random() % 3 : 0, ' '); };
  const char* scalars[] = {"0",        "-1",        "1.5",  "2e3",   "-0.0E-7",        "true",
                           "false",    "null",      "\"\"", "\"a\"", "\"\\n\\u00e9\"", "\"\\\\\"",
                           "\"\\\"\"", "\"{[,:]}\""};
  if (depth > 3 || random() % 3 == 0) return blank() + scalars[random() % std::size(scalars)] + blank();
  const bool object = random() % 2 == 0;
  std::string text = object ? "{" : "[";
  for (unsigned n = random() % 4, i = 0; i < n; ++i) {
    if (i > 0) text += ",";
    if (object) text += blank() + "\"k" + std::to_string(i) + "\"" + blank() + ":";
    text += RandomJson(random, depth + 1);
  }
  return blank() + text + blank() + (object ? "}" : "]") + blank();
}

TEST(JsonLines, LinesAreObjectsWhereAnotherParserSaysSo) {
  std::mt19937 random(11);
  constexpr std::string_view kBytes = "{}[]:,\"\\ 01-+.eEtrufalsn\x01\xC3\xA9\xFF";
  JsonLineReader reader;
  int good = 0;
  for (int i = 0; i < 100000; ++i) {
    std::string line = "{\"a\":" + RandomJson(random, 0) + "}";
    for (unsigned n = random() % 3; n > 0; --n) {
      const size_t at = random() % line.size();
      if (random() % 2 == 0)
        line.erase(at, 1);
      else
        line.insert(at, 1, kBytes[random() % kBytes.size()]);
      if (line.empty()) line = " ";
    }
    const auto other = nlohmann::json::parse(line, nullptr, false);
    const std::string padded = line + std::string(TextBlock::kPaddingBytes, '}');
    JsonKeys keys;
    const bool read = reader.Explore(std::string_view(padded).substr(0, line.size()), keys);
    ASSERT_EQ(read, other.is_object()) << line << " " << reader.fault().reason;
    good += read ? 1 : 0;
  }
  EXPECT_GT(good, 30000);
}

}  // namespace
}  // namespace kindred
