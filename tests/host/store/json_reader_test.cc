// Members of manifests: what is read, and what a message says of what cannot be.
#include "host/store/json_reader.h"

#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "kernels/error.h"

namespace kindred {
namespace {

using nlohmann::json;

TEST(JsonReader, ReadsWhatIsThere) {
  const json object = {{"text", "t"},     {"number", 1.5},       {"whole", -3},         {"flag", true},
                       {"none", nullptr}, {"texts", {"a", "b"}}, {"numbers", {1, 2.5}}, {"object", {{"x", 1}}}};
  const JsonReader reader(object, "here");
  EXPECT_EQ(reader.Text("text"), "t");
  EXPECT_EQ(reader.Number("number"), 1.5);
  EXPECT_EQ(reader.Number("whole", -3, -3), -3);
  EXPECT_EQ(reader.Integer("whole", -3, 0), -3);
  EXPECT_TRUE(reader.Boolean("flag"));
  EXPECT_EQ(reader.Texts("texts"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(reader.Numbers("numbers"), (std::vector<double>{1, 2.5}));
  EXPECT_EQ(reader.List("texts").size(), 2u);
  EXPECT_EQ(&reader.Object("object"), &object["object"]);
  EXPECT_TRUE(reader.Has("text"));
  EXPECT_FALSE(reader.Has("none"));
  EXPECT_FALSE(reader.Has("nothing"));
}

TEST(JsonReader, SaysWhereWhatIsWrong) {
  const json object = {{"a", 1.5}, {"text", "t"}, {"list", {1, "t"}}, {"large", UINT64_MAX}, {"\x1b", 0}};
  const JsonReader reader(object, "here");
  const std::pair<std::function<void()>, const char*> refused[] = {
      {[&] { reader.Get("b"); }, "here: no 'b'"},
      {[&] { reader.Text("a"); }, "here: 'a' is not a text"},
      {[&] { reader.Number("text"); }, "here: 'text' is not a number"},
      {[&] { reader.Number("a", 2, 3); }, "here: 'a' is not a number from 2 to 3"},
      {[&] { reader.Integer("a", 0, 9); }, "here: 'a' is not a whole number from 0 to 9"},
      {[&] { reader.Integer("large", 0, INT64_MAX); },
       "here: 'large' is not a whole number from 0 to 9223372036854775807"},
      {[&] { reader.Boolean("a"); }, "here: 'a' is not true or false"},
      {[&] { reader.Texts("list"); }, "here: 'list' is not a list of texts"},
      {[&] { reader.Numbers("list"); }, "here: 'list' is not a list of finite numbers"},
      {[&] { reader.List("a"); }, "here: 'a' is not a list"},
      {[&] { reader.Object("list"); }, "here: 'list' is not an object"},
      {[&] { reader.Text("\x1b"); }, "here: '\\x1b' is not a text"},
      {[&] { JsonReader(object["list"], "there"); }, "there: found array; expected an object"}};
  for (const auto& [read, message] : refused) {
    try {
      read();
      ADD_FAILURE() << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
      EXPECT_STREQ(error.what(), message);
    }
  }
}

}  // namespace
}  // namespace kindred
