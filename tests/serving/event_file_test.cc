#include "serving/event_file.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

std::vector<v1::UserEvent> Parse(const std::string& text) {
  std::istringstream stream(text);
  return ParseEvents(stream, "e.jsonl");
}

TEST(EventFile, EveryFormOfAnEvent) {
  const std::string text =
      "{\"item_id\": \"a\", \"type\": \"buy\", \"time\": \"2011-12-09T10:00:00Z\", \"value\": 39.5}\n"
      "\n \t\r\n"
      "{\"item_id\": \"b\", \"time\": 1323424800.9}\r\n"
      "{\"item_id\": \"c\", \"type\": null, \"time\": null, \"value\": null}\n"
      "{\"item_id\": \"d\", \"time\": \"1323424800\"}";
  const auto events = Parse(text);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].item_id(), "a");
  EXPECT_EQ(events[0].type(), "buy");
  EXPECT_EQ(events[0].value(), 39.5f);
  for (const size_t i : {0, 1, 3}) EXPECT_EQ(events[i].time().seconds(), 1323424800);
  EXPECT_FALSE(events[1].has_value());
  EXPECT_FALSE(events[2].has_time() || events[2].has_value());
  EXPECT_TRUE(Parse("").empty());
  const TemporaryFolder folder;
  EXPECT_EQ(ReadEventFile(folder.Write("e.jsonl", text)).size(), 4u);
  ExpectError(ErrorCode::kNotFound, "gone.jsonl", [&] { ReadEventFile((folder.path() / "gone.jsonl").string()); });
}

TEST(EventFile, WhatIsWrongIsSaidWithItsLine) {
  const auto refused = [](const std::string& line, const std::string& message) {
    ExpectError(ErrorCode::kInvalidArgument, "e.jsonl: line 2" + message,
                [&] { Parse("{\"item_id\": \"a\"}\n" + line); });
  };
  refused("{\"item_id\": ", ": is no JSON object");
  refused("[1]", ": is no JSON object");
  refused("{\"item_id\": \"a\", \"value\": 1, \"value\": 2}", ": has 'value' twice");
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  refused("{\"item_id\": " + deep + "}", ": item_id: found array; expected a text");
  for (const std::string field : {"type", "time"})
    refused("{\"item_id\": \"a\", \"" + field + "\": " + deep + "}", ": " + field + ": found array; expected a text");
  refused("{\"item_id\": \"a\", \"value\": " + deep + "}", ": value: found array; expected a number");
  refused("{}", ": there is no item_id");
  refused("{\"item_id\": \"\"}", ": there is no item_id");
  refused("{\"item_id\": 7}", ": item_id: found 7; expected a text");
  refused("{\"item_id\": null}", ": item_id: found null; expected a text");
  refused("{\"item_id\": \"a\", \"item\": \"a\"}", ": item: is no field of an event");
  refused("{\"item_id\": \"a\", \"type\": 1}", ": type: found 1; expected a text");
  refused("{\"item_id\": \"a\", \"value\": \"1\"}", ": value: found \"1\"; expected a number");
  refused("{\"item_id\": \"a\", \"time\": \"yesterday\"}", ": time: found 'yesterday'; ");
  refused("{\"item_id\": \"a\", \"time\": true}", ": time: found true; expected a text");
  refused("{\"item_id\": \"a\", \"time\": 1e300}", ": time: found 1e+300; expected unix seconds");
  refused("{\"item_id\": \"a\xff\"}", ": is no JSON object");
}

}  // namespace
}  // namespace kindred
