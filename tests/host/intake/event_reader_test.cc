#include "host/intake/event_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/store/checksum.h"
#include "tests/host/intake/export.h"
#include "tests/support/gzip.h"

namespace kindred {
namespace {

using namespace std::string_view_literals;
using testing::ElementsAre;
using testing::HasSubstr;

EventReaderOptions Reading(InputFormat format, Encoding encoding = Encoding::kUtf8) {
  EventReaderOptions options;
  options.read.format = format;
  options.read.encoding = encoding;
  return options;
}
const EventReaderOptions kTsv = Reading(InputFormat::kTsv);
const EventReaderOptions kAdjacency = Reading(InputFormat::kAdjacency);

TEST(EventReader, AllColumnsInAnyOrder) {
  const Export read =
      ReadText("note,timestamp,item_id,value,event,user_id\nn,17,i1,2.5,buy,u1\n,1511481600,i2,0,view,u2\n");
  EXPECT_THAT(read.events,
              ElementsAre(OwnedEvent{"u1", "i1", "buy", 2.5f, 17}, OwnedEvent{"u2", "i2", "view", 0, 1511481600}));
  EXPECT_TRUE(read.summary.has_types && read.summary.has_values && read.summary.has_times);
  EXPECT_EQ(read.summary.n_rows, 2);
  EXPECT_EQ(read.summary.n_files, 1);
  EXPECT_EQ(read.summary.options.user_column, "user_id");
  EXPECT_EQ(read.summary.options.time_column, "timestamp");
}

TEST(EventReader, UserAndItemAreEnough) {
  const Export read = ReadText("user,item\nu,i\n");
  EXPECT_THAT(read.events, ElementsAre(OwnedEvent{"u", "i", "", 1, 0}));
  EXPECT_FALSE(read.summary.has_types || read.summary.has_values || read.summary.has_times);
  EXPECT_EQ(read.summary.options.event_column, "");
}

TEST(EventReader, NamedColumnsComeFirst) {
  EventReaderOptions options;
  options.user_column = "CustomerID";
  options.item_column = "Stock,Code";
  options.value_column = "n";
  const Export read = ReadText("CustomerID,\"Stock,Code\",n,user,value\nc,s,3,u,x\n", options);
  EXPECT_THAT(read.events, ElementsAre(OwnedEvent{"c", "s", "", 3, 0}));
}

TEST(EventReader, LineEndsAndByteOrderMarkAndBlankLines) {
  const std::vector<OwnedEvent> expected = {{"u1", "i1", "", 1, 0}, {"u2", "i2", "", 1, 0}};
  for (const auto text :
       {"user,item\nu1,i1\nu2,i2\n"sv, "user,item\nu1,i1\nu2,i2"sv, "user,item\r\nu1,i1\r\nu2,i2\r\n"sv,
        "user,item\r\nu1,i1\r\nu2,i2\r"sv, "\xEF\xBB\xBFuser,item\nu1,i1\nu2,i2\n"sv,
        "\n\r\nuser,item\n\nu1,i1\n\r\n\nu2,i2\n\n"sv, "\"user\",\"item\"\n\"u1\",i1\n\"u2\",\"i2\"\r\n"sv}) {
    const Export read = ReadText(text);
    EXPECT_EQ(read.events, expected) << text;
    EXPECT_EQ(read.summary.n_rows, 2) << text;
    EXPECT_TRUE(read.bad_rows.empty()) << text;
  }
  EXPECT_EQ(ReadText("\xEF\xBB\xBFuser\titem\r\nu1\ti1\r\nu2\ti2", kTsv).events, expected);
  EXPECT_EQ(ReadText("\xEF\xBB\xBFu1 i1\r\n\r\n \t\nu2\ti2", kAdjacency).events, expected);
}

TEST(EventReader, IdsComeBackByteForByte) {
  const Export read = ReadText(
      "user,item\n\"a,b\",\"say \"\"hi\"\"\"\n\"two\nlines\",\"cr\r\nlf\"\n x , y\n"
      "Z\u00fcrich,\"\u20ac\"\nin\"side,\"\"\"\"\nnul\0nul,\xff\xfe\n007,7\n"sv,
      Reading(InputFormat::kCsv, Encoding::kBytes));
  EXPECT_THAT(read.events,
              ElementsAre(OwnedEvent{"a,b", "say \"hi\""}, OwnedEvent{"two\nlines", "cr\r\nlf"},
                          OwnedEvent{" x ", " y"}, OwnedEvent{"Z\u00fcrich", "\u20ac"}, OwnedEvent{"in\"side", "\""},
                          OwnedEvent{std::string("nul\0nul"sv), "\xff\xfe"}, OwnedEvent{"007", "7"}));
  EXPECT_TRUE(read.bad_rows.empty());
  EXPECT_EQ(read.summary.n_rows, 7);
}

TEST(EventReader, TsvHasNoQuotes) {
  const Export read = ReadText("user\titem\n\"u\t\"i,j\"\n", kTsv);
  EXPECT_THAT(read.events, ElementsAre(OwnedEvent{"\"u", "\"i,j\""}));
}

TEST(EventReader, AdjacencyLists) {
  const Export read = ReadText("u1 a b  a\n\tu2\t \"c\" \nalone\n", kAdjacency, "train.txt");
  EXPECT_THAT(read.events, ElementsAre(OwnedEvent{"u1", "a"}, OwnedEvent{"u1", "b"}, OwnedEvent{"u1", "a"},
                                       OwnedEvent{"u2", "\"c\""}));
  EXPECT_EQ(read.summary.n_rows, 4);
  EXPECT_TRUE(read.bad_rows.empty());
}

struct BadLine {
  std::string_view text;
  const char* reason;
  const char* kind;
};

TEST(EventReader, BadRowsAreNamedAndTheOthersRead) {
  const BadLine cases[] = {
      {"u,i,view,abc,1", "value 'abc' in column 'value': expected a number", "value: expected a number"},
      {"u,i,view,,1", "value '' in column 'value': expected a number", "value: expected a number"},
      {"u,i,view,nan,1", "value 'nan' in column 'value': NaN", "value: NaN"},
      {"u,i,view,inf,1", "value 'inf' in column 'value': infinite", "value: infinite"},
      {"u,i,view,-2,1", "value '-2' in column 'value': negative", "value: negative"},
      {"u,i,view,1e60,1", "value '1e60' in column 'value': larger", "value: larger"},
      {"u,i,view,1,never", "time 'never' in column 'time': expected unix seconds", "time: expected"},
      {"u,i,view,1,2017-13-01", "time '2017-13-01' in column 'time': there is no such date", "time: there is no"},
      {"u,i,view,1,1511539200000", "looks like milliseconds", "time: looks like milliseconds"},
      {"u,i,,1,1", "event '' in column 'event'", "event: expected the type"},
      {"u,i,\xff,1,1", "'\\xff' in column 'event' is not UTF-8 (--encoding", "not UTF-8"},
      {",i,view,1,1", "column 'user' is empty; expected a user id", "empty user"},
      {"\"\",i,view,1,1", "column 'user' is empty; expected a user id", "empty user"},
      {"u,,view,1,1", "column 'item' is empty; expected an item id", "empty item"},
      {"u,i,view,1", "4 fields; the header has 5", "too few fields"},
      {" ", "1 fields; the header has 5", "too few fields"},
      {"u,i,view,1,1,", "6 fields; the header has 5", "too many fields"},
      {"u,i,view,1,1,2,3,4,5,6,\"7\"", "11 fields; the header has 5", "too many fields"},
      {"u,\"i\"x,view,1,1", "field 2 goes on after its closing quote", "text after a closing quote"},
      {"u,\"i\" ,view,1,1", "field 2 goes on after its closing quote", "text after a closing quote"},
  };
  for (const BadLine& bad : cases) {
    const Export read =
        ReadText("user,item,event,value,time\nu1,i1,view,1,1\n" + std::string(bad.text) + "\nu2,i2,view,1,1\n");
    EXPECT_THAT(read.events, ElementsAre(OwnedEvent{"u1", "i1", "view", 1, 1}, OwnedEvent{"u2", "i2", "view", 1, 1}))
        << bad.text;
    ASSERT_EQ(read.bad_rows.size(), 1u) << bad.text;
    const BadRow& row = read.bad_rows[0];
    EXPECT_EQ(row.line, 3) << bad.text;
    EXPECT_EQ(row.text, bad.text);
    EXPECT_THAT(row.reason, HasSubstr(bad.reason));
    EXPECT_THAT(row.kind, testing::StartsWith(bad.kind));
    EXPECT_THAT(row.Message(), HasSubstr("events.csv: line 3: "));
    EXPECT_EQ(read.summary.n_rows, 3);
  }
}

TEST(EventReader, LinesAreCountedAsAnEditorCountsThem) {
  const Export read = ReadText("user,item\n\"a\nb\nc\",i\n\nbad\n\"d\n\",j,bad\nbad\n");
  EXPECT_EQ(read.events.size(), 1u);
  ASSERT_EQ(read.bad_rows.size(), 3u);
  EXPECT_EQ(read.bad_rows[0].line, 6);
  EXPECT_EQ(read.bad_rows[1].line, 7);
  EXPECT_EQ(read.bad_rows[1].text, "\"d\n\",j,bad");
  EXPECT_EQ(read.bad_rows[2].line, 9);
  EXPECT_EQ(read.summary.n_rows, 4);
}

TEST(EventReader, AQuoteNeverClosedCostsOneLineOnly) {
  const Export read = ReadText("user,item\nu1,i1\nu2,\"i2\nu3,i3\r\n\"u,\",i4\n");
  // The third line's quote closes at the fifth's: what is between belongs to it.
  EXPECT_THAT(read.events, ElementsAre(OwnedEvent{"u1", "i1"}));
  ASSERT_EQ(read.bad_rows.size(), 1u);
  EXPECT_EQ(read.bad_rows[0].text, "u2,\"i2\nu3,i3\r\n\"u,\",i4");

  const Export open = ReadText("user,item\nu1,i1\r\nu2,\"i2\r\nu3,i3\r\nu4,i\"\"4\nbad\n");
  EXPECT_THAT(open.events, ElementsAre(OwnedEvent{"u1", "i1"}, OwnedEvent{"u3", "i3"}, OwnedEvent{"u4", "i\"\"4"}));
  ASSERT_EQ(open.bad_rows.size(), 2u);
  EXPECT_EQ(open.bad_rows[1].line, 6);
  EXPECT_EQ(open.bad_rows[0].line, 3);
  EXPECT_EQ(open.bad_rows[0].text, "u2,\"i2");
  EXPECT_EQ(open.bad_rows[0].reason, "the quote that opens field 2 in line 3 is never closed");
  EXPECT_EQ(open.bad_rows[0].kind, "quote never closed");

  EXPECT_EQ(ReadText("user,item\nu,\"i").bad_rows.size(), 1u);
  EXPECT_EQ(ReadText("user,item\nu,\"").bad_rows.size(), 1u);
}

TEST(EventReader, AVeryLongLineIsABadRow) {
  EventReaderOptions options;
  options.read.max_line_bytes = 100;
  options.read.block_bytes = 16;
  const std::string long_id(99, 'x'), longer_id(5000, 'y');
  for (const size_t buffer : {size_t{4}, size_t{64}, size_t{1000}, size_t{1} << 20}) {
    options.read.block_bytes = buffer;
    const Export read = ReadText("user,item\nu," + long_id.substr(1) + "\nu," + longer_id + "\nu2,i2\nu," + long_id +
                                     "\n\"u3\",i3\nu," + longer_id,
                                 options);
    EXPECT_THAT(read.events,
                ElementsAre(OwnedEvent{"u", long_id.substr(1)}, OwnedEvent{"u2", "i2"}, OwnedEvent{"u3", "i3"}));
    ASSERT_EQ(read.bad_rows.size(), 3u);
    EXPECT_EQ(read.bad_rows[0].line, 3);
    EXPECT_EQ(read.bad_rows[0].reason, "the line has more than 100 bytes");
    EXPECT_EQ(read.bad_rows[0].text.substr(0, 5), "u,yyy");
    EXPECT_LE(read.bad_rows[0].text.size(), 100u);
    EXPECT_EQ(read.bad_rows[1].line, 5);
    EXPECT_EQ(read.bad_rows[2].line, 7);

    EventReaderOptions adjacency = options;
    adjacency.read.format = InputFormat::kAdjacency;
    const Export lists = ReadText("u1 i1\nu2 " + longer_id + "\nu3 i3\n", adjacency);
    EXPECT_THAT(lists.events, ElementsAre(OwnedEvent{"u1", "i1"}, OwnedEvent{"u3", "i3"}));
    ASSERT_EQ(lists.bad_rows.size(), 1u);
    EXPECT_EQ(lists.bad_rows[0].line, 2);
  }
}

TEST(EventReader, AQuotedFieldLongerThanTheLimitCostsOneLineOnly) {
  EventReaderOptions options;
  options.read.max_line_bytes = 100;
  std::string text = "user,item\nu0,\"open\n";
  for (int i = 0; i < 50; ++i) text += "u" + std::to_string(i) + ",i\n";
  const Export read = ReadText(text + "u,\"closed\"\n", options);
  EXPECT_EQ(read.events.size(), 51u);
  ASSERT_EQ(read.bad_rows.size(), 1u);
  EXPECT_EQ(read.bad_rows[0].line, 2);
  EXPECT_EQ(read.bad_rows[0].reason, "the quote that opens field 2 in line 2 is not closed within 100 bytes");
}

TEST(EventReader, ALongIdWithinTheDefaultLimit) {
  const std::string id(3 << 20, 'x');
  const Export read = ReadText("user,item\n" + id + ",\"" + id + "\n\"\"\"\nu,i\n");
  ASSERT_EQ(read.events.size(), 2u);
  EXPECT_EQ(read.events[0].user, id);
  EXPECT_EQ(read.events[0].item, id + "\n\"");
}

TEST(EventReader, ManyQuotedLineEndsTakeLinearTime) {
  EventReaderOptions options;
  options.read.max_line_bytes = 4 << 20;
  std::string text = "user,item\nu,\"";
  text.append(3 << 20, '\n');
  const Export closed = ReadText(text + "\"\n", options);
  EXPECT_EQ(closed.events.size(), 1u);
  const Export open = ReadText(text, options);
  EXPECT_EQ(open.bad_rows.size(), 1u);
}

TEST(EventReader, HeadersThatCannotBeUsed) {
  const auto expect = [](std::string_view text, const EventReaderOptions& options, ErrorCode code, const char* what) {
    const Error error = ErrorOf(text, options);
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_THAT(error.what(), HasSubstr(what));
    EXPECT_THAT(error.what(), HasSubstr("events.csv"));
  };
  const auto invalid = ErrorCode::kInvalidArgument;
  expect("", {}, invalid, "is empty; expected a header line");
  expect("\n\r\n", {}, invalid, "is empty; expected a header line");
  expect("\xEF\xBB\xBF", {}, invalid, "is empty; expected a header line");
  expect("", kAdjacency, invalid, "is empty; expected lines of a user and items");
  expect(" \n", kAdjacency, invalid, "is empty");
  expect("a,item\nu,i\n", {}, invalid,
         "no column 'user' or 'user_id'; the columns are 'a', 'item'; name the one that is meant with --user-column");
  expect("user,b\nu,i\n", {}, invalid, "--item-column");
  expect("user\titem\nu\ti\n", {}, invalid, "no column 'user' or 'user_id'; the columns are 'user\\x09item'");
  expect("user,user_id,item\n", {}, invalid,
         "both 'user' and 'user_id' are there; say which is meant with --user-column");
  expect("user,item,x,y,x\n", {}, invalid, "the header has the column 'x' twice");
  expect("user,\"item\nu,i\n", {}, invalid,
         "line 1: this is no header: the quote that opens field 2 in line 1 is never closed");
  expect("\xFF\xFEu\0s\0e\0r\0"sv, {}, invalid, "UTF-16");
  EventReaderOptions named;
  named.value_column = "weight";
  expect("user,item,value\n", named, invalid,
         "no column 'weight' (--value-column); the columns are 'user', 'item', 'value'");
  named.read.format = InputFormat::kAdjacency;
  EXPECT_EQ(ErrorOf("u i\n", named).code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(ReadText("user,item,,\nu,i,,\n").bad_rows.empty());
}

TEST(EventReader, SeveralFilesAreOneExport) {
  const TemporaryFolder folder;
  const std::string a = folder.Write("a.csv", "user,item,value\nu1,i1,2\n");
  const std::string b = folder.Write("b.csv.gz", Gzip("extra,value,item,user\nx,3,i2,u2\nx,bad,i2,u2\n"));
  const Export read = ReadFiles({a, b}, {});
  EXPECT_THAT(read.events, ElementsAre(OwnedEvent{"u1", "i1", "", 2, 0}, OwnedEvent{"u2", "i2", "", 3, 0}));
  ASSERT_EQ(read.bad_rows.size(), 1u);
  EXPECT_EQ(read.bad_rows[0].file, b);
  EXPECT_EQ(read.bad_rows[0].line, 3);
  EXPECT_EQ(read.summary.n_files, 2);
  ASSERT_EQ(read.summary.sources.size(), 2u);
  EXPECT_EQ(read.summary.sources[1].path, b);
  EXPECT_EQ(read.summary.sources[0].bytes, 24);
  EXPECT_EQ(read.summary.sources[0].sha256, Sha256("user,item,value\nu1,i1,2\n"));

  for (const char* other : {"user,item\nu,i\n", "user,item,value,time\nu,i,1,2\n"}) {
    try {
      ReadFiles({a, folder.Write("c.csv", other)}, {});
      FAIL() << other;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("a.csv"), HasSubstr("c.csv")));
    }
  }
}

TEST(EventReader, FilesThatAreNotThere) {
  const TemporaryFolder folder;
  const auto code = [](const std::string& path) {
    try {
      ReadFiles({path}, {});
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(path));
      return error.code();
    }
    return ErrorCode::kUsage;
  };
  EXPECT_EQ(code((folder.path() / "none.csv").string()), ErrorCode::kNotFound);
  EXPECT_EQ(code(folder.path().string()), ErrorCode::kIo);
}

TEST(EventReader, ASinkMayStop) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("a.csv", "user,item\nu,i\nbad\nu,i\n");
  int n_events = 0;
  EventSink sink;
  sink.events = [&](const EventBatch& batch) { n_events += static_cast<int>(batch.size()); };
  sink.bad_row = [](const BadRow& row) { throw Error(ErrorCode::kInvalidArgument, row.Message()); };
  EXPECT_THROW(ReadEvents(std::vector{path}, {}, sink), Error);
  EXPECT_EQ(n_events, 2);  // what the sink was given by then is of no use
}

TEST(EventReader, ProgressEndsAtAllBytes) {
  const TemporaryFolder folder;
  std::string text = "user,item\n";
  for (int i = 0; i < 10000; ++i) text += "u,i\n";
  const std::vector<std::string> paths = {folder.Write("a.csv", text), folder.Write("b.csv", text)};
  std::vector<std::pair<int64_t, int64_t>> seen;
  EventSink sink;
  sink.events = [](const EventBatch&) {};
  sink.progress = [&](int64_t done, int64_t total) { seen.emplace_back(done, total); };
  ReadEvents(paths, {}, sink);
  ASSERT_GE(seen.size(), 4u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  const auto total = static_cast<int64_t>(2 * text.size());
  EXPECT_EQ(seen.back(), std::pair(total, total));
}

TEST(EventReader, TextThatIsNotUtf8) {
  const std::string text = "user,item,note\nZ\u00fcrich,i,x\nZ\xfcrich,i,x\nu,i,\xff\n";
  const Export read = ReadText(text);
  EXPECT_THAT(read.events, ElementsAre(OwnedEvent{"Z\u00fcrich", "i"}, OwnedEvent{"u", "i"})) << "the note is not read";
  ASSERT_EQ(read.bad_rows.size(), 1u);
  EXPECT_EQ(read.bad_rows[0].line, 3);
  EXPECT_EQ(read.bad_rows[0].reason,
            "'Z\\xfcrich' in column 'user' is not UTF-8 (--encoding latin-1 or bytes reads it)");
  EXPECT_EQ(read.bad_rows[0].text, "Z\xfcrich,i,x");

  EventReaderOptions latin1 = Reading(InputFormat::kAdjacency, Encoding::kLatin1);
  EXPECT_THAT(ReadText("u\xe9 i\n", latin1).events, ElementsAre(OwnedEvent{"u\u00e9", "i"}));
  latin1.read.format = InputFormat::kCsv;
  latin1.user_column = "us\u00e9r";
  EXPECT_THAT(ReadText("us\xe9r,item\nZ\xfcrich,\"\xff\"\n", latin1).events,
              ElementsAre(OwnedEvent{"Z\u00fcrich", "\u00ff"}));
  EXPECT_EQ(ReadText("u\xe9 i\nu i\n", kAdjacency).bad_rows.at(0).kind, "not UTF-8");
}

TEST(EventReader, AnyDelimiterAndNoHeader) {
  EventReaderOptions options;
  options.read.delimiter = ';';
  EXPECT_THAT(ReadText("user;item\n\"a;b\";c,d\n", options).events, ElementsAre(OwnedEvent{"a;b", "c,d"}));
  options.read.header = false;
  options.user_column = "2";
  options.item_column = "1";
  const Export read = ReadText("\ni1;u1\ni2;u2\nbad\n", options);
  EXPECT_THAT(read.events, ElementsAre(OwnedEvent{"u1", "i1"}, OwnedEvent{"u2", "i2"}));
  ASSERT_EQ(read.bad_rows.size(), 1u);
  EXPECT_EQ(read.bad_rows[0].line, 4);
  EXPECT_EQ(read.bad_rows[0].reason, "1 fields; the first row has 2");
  options.user_column = "3";
  EXPECT_THAT(ErrorOf("a;b\n", options).what(), HasSubstr("no column '3' (--user-column); the columns are '1', '2'"));
  EXPECT_THAT(ErrorOf("user;item\nu;i\n").what(), HasSubstr("(is the delimiter ';'? say so with --delimiter)"));
}

TEST(EventReader, EventIds) {
  const Export read = ReadText("user,item,event_id\nu,i,e1\nu,i,\n");
  EXPECT_TRUE(read.summary.has_ids);
  EXPECT_THAT(read.ids, ElementsAre("e1"));
  ASSERT_EQ(read.bad_rows.size(), 1u);
  EXPECT_EQ(read.bad_rows[0].reason, "event id '' in column 'event_id': expected an id");
}

TEST(EventReader, ValuesThatAreComputed) {
  EventReaderOptions options;
  options.value = "n * price";
  const Export read = ReadText(
      "user,item,n,price,value\nu,i,2,1.25,9\nu,j,3,0,x\nu,k,,1,1\nu,l,two,1,1\nu,m,-1,1,1\nu,n,1e30,1e30,1\n,o,two,1,1"
      "\nu,p,-0,1,1\n",
      options);
  EXPECT_THAT(read.events,
              ElementsAre(OwnedEvent{"u", "i", "", 2.5f}, OwnedEvent{"u", "j", "", 0}, OwnedEvent{"u", "p", "", 0}));
  EXPECT_TRUE(read.summary.has_values);
  EXPECT_EQ(read.summary.options.value_column, "");
  std::vector<std::string> reasons, kinds;
  for (const BadRow& row : read.bad_rows) {
    reasons.push_back(std::to_string(row.line) + ": " + row.reason);
    kinds.push_back(row.kind);
  }
  EXPECT_THAT(reasons, ElementsAre("4: --value: missing; expected a number",
                                   "5: --value: 'two' in column 'n': expected a number",
                                   "6: --value: -1 is negative; expected a number >= 0",
                                   "7: --value: 1e+60 is larger than a float32 holds (3.4e38)",
                                   "8: column 'user' is empty; expected a user id"));
  EXPECT_THAT(kinds, ElementsAre("value: missing; expected a number", "value: column 'n': expected a number",
                                 "value: negative; expected a number >= 0",
                                 "value: larger than a float32 holds (3.4e38)", "empty user"));
  options.negative_values = true;
  options.where = "n < 0";
  const Export negative = ReadText("user,item,n,price\nu,i,-2,1.25\nu,j,1,x\nu,k,x,x\n", options);
  EXPECT_THAT(negative.events, ElementsAre(OwnedEvent{"u", "i", "", -2.5f}));
  EXPECT_EQ(negative.summary.n_filtered, 1);  // whose price nobody reads
  ASSERT_EQ(negative.bad_rows.size(), 1u);
  EXPECT_THAT(negative.bad_rows[0].reason, HasSubstr("--where: 'x' in column 'n'"));
}

TEST(EventReader, ValuesThatCannotBeComputed) {
  const auto error = [](const std::string& value) {
    EventReaderOptions options;
    options.value = value;
    return std::string(ErrorOf("user,item,n\nu,i,1\n", options).what());
  };
  EXPECT_THAT(error("m * 2"), HasSubstr("--value: line 1, column 1: unknown attribute 'm'"));
  EXPECT_THAT(error("n > 2"), HasSubstr("--value: 'n > 2' is a boolean; expected a number"));
  EXPECT_THAT(error("n"), HasSubstr("--value: 'n' is a text; expected a number (number(NAME) reads a column as one)"));
}

TEST(EventReader, ValuesThatAreComputedOfOtherFormats) {
  EventReaderOptions options = Reading(InputFormat::kJsonLines);
  options.value = "n * 2";
  const Export read = ReadText("{\"user\":\"u\",\"item\":\"i\",\"n\":1.5}\n{\"user\":\"u\",\"item\":\"j\"}\n", options);
  EXPECT_THAT(read.events, ElementsAre(OwnedEvent{"u", "i", "", 3}));
  EXPECT_EQ(read.bad_rows.size(), 1u);
  options = {};
  options.number.decimal = ',';
  options.read.delimiter = ';';
  options.value = "number(n)";
  EXPECT_THAT(ReadText("user;item;n\nu;i;1,5\n", options).events, ElementsAre(OwnedEvent{"u", "i", "", 1.5f}));
}

TEST(InputFormats, Names) {
  for (const auto format : {InputFormat::kCsv, InputFormat::kTsv, InputFormat::kJsonLines, InputFormat::kAdjacency,
                            InputFormat::kMatrixMarket, InputFormat::kNpz, InputFormat::kParquet, InputFormat::kSql})
    EXPECT_EQ(ParseInputFormat(NameOf(format)), format);
  try {
    ParseInputFormat("xml");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("unknown format 'xml'; expected one of csv, tsv, "));
  }
}

}  // namespace
}  // namespace kindred
