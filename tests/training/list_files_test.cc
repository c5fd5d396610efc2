// Files of lists, read again by what reads such files: ids with anything in them, and no lists at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "host/intake/input_file.h"
#include "host/ranking/user_lists.h"
#include "tests/support/small_model.h"
#include "tests/training/batch_fixture.h"
#include "tests/training/served_lines.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(BatchRecommendTest, NoUsersMakeAWholeFile) {
  Publish({});
  options_.users = folder_.Write("users.txt", "");
  for (const auto& [name, bytes] : {std::pair("a.csv", std::string("user,position,item\n")), {"a.jsonl", ""}}) {
    options_.out = Path(name);
    EXPECT_EQ(Run()["lists"], 0);
    EXPECT_EQ(Bytes(), bytes);
    EXPECT_TRUE(fs::exists(options_.out));
    ExpectNothingLeft();
  }
  for (const char* name : {"a.jsonl.gz", "a.jsonl.zst"}) {
    options_.out = Path(name);
    Run();
    InputFile file(options_.out);
    char byte = 0;
    EXPECT_GT(file.size(), 0) << name;
    EXPECT_EQ(file.Read(&byte, 1), 0u) << name;
  }
}

// As ids may be anything: quotes in CSV, escapes in JSON, and no text where a format needs one.
class StrangeIds : public BatchRecommendTest {
 protected:
  void PublishStrange(const std::string& user, const std::string& item) {
    SmallModel small(3, 4);
    IdMapBuilder users, items;
    for (const std::string& id : {std::string("u0"), user, std::string("plain")}) users.Intern(id);
    for (const std::string& id : {item, std::string("i1"), std::string("i,2"), std::string("\xC3\xA9")})
      items.Intern(id);
    ModelView view = small.view();
    view.users = users.view();
    view.items = items.view();
    const ModelLock lock = Store().Lock("m");
    PublishModel(Store(), "m", view, json::object());
    options_.include_seen = true;
    options_.with_scores = options_.with_probabilities = true;
  }
  static std::string Float(float value) { return fmt::format("{}", value); }
  /// Its last two cells, which are read as doubles, as floats.
  static std::string WithFloats(const std::string& row) {
    const size_t second = row.rfind(' '), first = row.rfind(' ', second - 1);
    const auto cell = [](const std::string& text) { return text == "~" ? text : Float(std::stof(text)); };
    return row.substr(0, first + 1) + cell(row.substr(first + 1, second - first - 1)) + " " +
           cell(row.substr(second + 1));
  }

  /// The rows that any format must have: user, position, item, score, probability ("~": none).
  std::vector<std::string> ExpectedRows(bool with_lines) const {
    const auto model = Published();
    const Ranker ranker(*backend_, model->view(), nullptr);
    const auto context = backend_->NewContext();
    std::vector<int32_t> users = {0, 1, 2};
    const RankedLists lists = RankUsers(*context, ranker, users, {options_.n, true});
    std::vector<std::string> rows;
    for (const int32_t user : users)
      for (size_t j = 0; j < lists.Items(user).size(); ++j) {
        const float score = lists.Scores(user)[j];
        const bool personal = IsPersonal(ListSourceOf(model->view(), user));
        rows.push_back(fmt::format("{} {} {} {} {}", model->view().users.Id(user), j + 1,
                                   model->view().items.Id(lists.Items(user)[j]), score,
                                   personal ? Float(model->view().calibration.Probability(score)) : "~"));
        if (with_lines) rows.back() = fmt::format("{}: {}", rows.size() + 1, rows.back());
      }
    return rows;
  }
};

TEST_F(StrangeIds, CsvQuotesThem) {
  PublishStrange("a \"b\",c", "x, \"y\"");
  for (const char* name : {"a.csv", "a.csv.gz", "a.csv.zst"}) {
    options_.out = Path(name);
    Run();
    const SourceRows rows = Rows();
    EXPECT_THAT(rows.columns, ElementsAre("user", "position", "item", "score", "probability"));
    EXPECT_EQ(rows.rows, ExpectedRows(true)) << name;
    EXPECT_THAT(rows.bad, IsEmpty());
  }
}

TEST_F(StrangeIds, JsonLinesEscapeThem) {
  PublishStrange("a \"b\"\n\\", "x\t\x01");
  for (const char* name : {"a.jsonl", "a.ndjson"}) {
    options_.out = Path(name);
    Run();
    std::vector<std::string> rows;
    std::vector<std::string> served_by;
    for (const std::string& line : LinesOf(Bytes())) {
      const json list = json::parse(line);
      served_by.push_back(list["served_by"]);
      for (size_t j = 0; j < list["items"].size(); ++j) {
        const json& item = list["items"][j];
        rows.push_back(
            fmt::format("{} {} {} {} {}", list["user"].get<std::string>(), j + 1, item["item"].get<std::string>(),
                        Float(item["score"].get<float>()),
                        item.contains("probability") ? Float(item["probability"].get<float>()) : std::string("~")));
      }
    }
    EXPECT_EQ(rows, ExpectedRows(false));
    EXPECT_THAT(served_by, ElementsAre("popular", "personal", "popular")) << "plain has no history either";
  }
  options_.out = Path("similar.jsonl");
  options_.similar_items = true;
  options_.include_seen = options_.with_probabilities = false;
  Run();
  const json first = json::parse(LinesOf(Bytes())[0]);
  EXPECT_EQ(first["item"], "x\t\x01");
  EXPECT_EQ(first["served_by"], "similar");
  EXPECT_EQ(first["similar_items"].size(), 3u);
}

TEST_F(StrangeIds, ParquetHasAWholeFrame) {
  PublishStrange("\xF0\x9F\x98\x80", "x, \"y\"");
  for (const int64_t batch : {0, 1, 2}) {
    options_.batch = batch;
    options_.out = Path("a.parquet");
    Overwrite();
    const std::string bytes = Bytes();
    ASSERT_GT(bytes.size(), 12u);
    EXPECT_EQ(bytes.substr(0, 4) + bytes.substr(bytes.size() - 4), "PAR1PAR1");
    uint32_t footer = 0;
    std::memcpy(&footer, bytes.data() + bytes.size() - 8, 4);
    EXPECT_LT(footer + 12, bytes.size());
#ifdef KINDRED_READS_PARQUET
    const SourceRows rows = Rows(InputFormat::kParquet);
    EXPECT_THAT(rows.columns, ElementsAre("user", "position", "item", "score", "probability"));
    std::vector<std::string> texts;
    for (const std::string& row : rows.rows) texts.push_back(WithFloats(row.substr(row.find(' ') + 1)));
    EXPECT_EQ(texts, ExpectedRows(false)) << batch;
#endif
  }
}

TEST_F(StrangeIds, NoTextIsForCsvOnly) {
  PublishStrange("u1", "x\xFF");
  for (const char* name : {"a.jsonl", "a.parquet"}) {
    options_.out = Path(name);
    ExpectRefused(ErrorCode::kUnsupported, "item 0: its id 'x\\xff' is not UTF-8");
  }
  options_.out = Path("a.csv");
  Run();
  EXPECT_THAT(Bytes(), HasSubstr("x\xFF"));
  PublishStrange("\xFE", "x");
  options_.out = Path("a.parquet");
  ExpectRefused(ErrorCode::kUnsupported, "user 1: its id '\\xfe' is not UTF-8");
  options_.users = folder_.Write("users.txt", "u0\n\xC3\n");
  ExpectRefused(ErrorCode::kUnsupported, "--users: user 1: its id '\\xc3' is not UTF-8");
  options_.users = folder_.Write("users.txt", "u0\n");
  Run();
}

}  // namespace
}  // namespace kindred
