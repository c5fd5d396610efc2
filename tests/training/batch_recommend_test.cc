// The lists in a file are those that serving answers, in every format, and the same bytes however often a run was
// ended.
#include "training/batch_recommend.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "host/models/model.h"
#include "kernels/cpu/backend.h"
#include "tests/host/intake/source_rows.h"
#include "tests/serving/tiny_model.h"
#include "tests/support/errors.h"
#include "tests/support/gzip.h"
#include "tests/support/small_model.h"
#include "tests/support/temporary_folder.h"
#include "tests/training/served_lines.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// The end of a process, as far as a test can have it.
struct Crash : std::runtime_error {
  Crash() : std::runtime_error("crash") {}
};

class BatchRecommendTest : public testing::Test {
 protected:
  BatchRecommendTest() {
    options_.store = Path("models");
    options_.model = "m";
    options_.out = Path("lists.csv");
    options_.n = 7;
    options_.backend = "cpu";
  }

  std::string Path(const std::string& name) const { return (folder_.path() / name).string(); }
  void Publish(const TinyModelOptions& options) { TinyModel(*backend_, options).Publish(Store(), "m"); }
  ModelStore Store() const { return ModelStore(options_.store); }
  std::shared_ptr<const Model> Published() const { return Model::Open(Store(), "m"); }

  json Run() { return RecommendToFile(options_, {}); }
  json Overwrite() {
    options_.overwrite = true;
    return Run();
  }
  /// Ends the run when it looks for the n-th time whether to stop; false where it was done before.
  bool StopAt(int n) {
    BatchEvents events;
    events.stop = [&n] { return --n > 0 ? "" : "SIGTERM"; };
    try {
      RecommendToFile(options_, events);
      return false;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("stopped by SIGTERM after "), HasSubstr("--resume")));
      return true;
    }
  }
  /// Ends it after so many tiles, as kill -9 would while the next one is written.
  void CrashAfter(int n) {
    BatchEvents events;
    events.progress = [&n](int64_t, int64_t) {
      if (--n == 0) throw Crash();
    };
    EXPECT_THROW(RecommendToFile(options_, events), Crash);
    Append(options_.out + ".partial", "half a til");
    Append(options_.out + ".journal", R"({"lists": 5, "ro)");
  }
  static void Append(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary | std::ios::app) << text;
  }
  json Resume() {
    BatchOptions options = options_;
    options.resume = true;
    return RecommendToFile(options, {});
  }
  std::string Bytes() const { return Content(options_.out); }
  SourceRows Rows(InputFormat format = InputFormat::kCsv) const {
    return ReadSource(*OpenRows(options_.out, {.format = format}));
  }
  void ExpectRefused(ErrorCode code, const std::string& part) {
    SCOPED_TRACE(part);
    ExpectError(code, part, [&] { Run(); });
  }
  void ExpectNothingLeft() const {
    EXPECT_FALSE(fs::exists(options_.out + ".partial"));
    EXPECT_FALSE(fs::exists(options_.out + ".journal"));
  }

  TemporaryFolder folder_;
  const std::unique_ptr<Backend> backend_ = std::make_unique<CpuBackend>(1);
  BatchOptions options_;
};

class EveryModel : public BatchRecommendTest, public testing::WithParamInterface<TinyModelOptions> {};

TEST_P(EveryModel, AnswersWhatServingDoes) {
  Publish(GetParam());
  const auto model = Published();
  std::vector<std::string> users = AllIds(model->view().users);
  std::reverse(users.begin(), users.end());
  users.insert(users.begin() + 3, {"nobody", "u", "another"});
  std::string listed;
  for (const std::string& user : users) listed += user + "\n";
  options_.users = folder_.Write("users.txt", listed);
  options_.with_scores = true;
  options_.with_probabilities = GetParam().calibrated;
  options_.batch = 6;
  for (const int32_t n : {1, 7, 1000}) {
    SCOPED_TRACE(n);
    options_.n = n;
    const json report = Overwrite();
    std::vector<std::string> lines = LinesOf(Bytes());
    EXPECT_EQ(lines[0], GetParam().calibrated ? "user,position,item,score,probability" : "user,position,item,score");
    lines.erase(lines.begin());
    EXPECT_EQ(lines, ServedLines(*backend_, *model, users, n, GetParam().calibrated));
    EXPECT_EQ(report["items_written"], lines.size());
    EXPECT_EQ(report["users"]["unknown"], 3);
    EXPECT_EQ(report["users"]["first_unknown"], "nobody");
    int64_t n_answered = 0;
    for (const auto& [source, count] : report["answered_by"].items()) n_answered += count.get<int64_t>();
    EXPECT_EQ(n_answered, std::ssize(users));
  }
}

TEST_P(EveryModel, SimilarItemsAreServings) {
  Publish(GetParam());
  const auto model = Published();
  options_.similar_items = true;
  options_.with_scores = true;
  options_.batch = 4;
  const json report = Run();
  const Ranker ranker(*backend_, model->view(), nullptr);
  const auto context = backend_->NewContext();
  std::vector<std::string> lines = {"item,position,similar_item,score"};
  for (const std::string& item : AllIds(model->view().items)) {
    const Recommendation served = SimilarItems(*context, ranker, item, 7);
    for (size_t j = 0; j < served.items.size(); ++j)
      lines.push_back(fmt::format("{},{},{},{}", item, j + 1, served.items[j].item_id, served.items[j].score));
  }
  EXPECT_EQ(LinesOf(Bytes()), lines);
  EXPECT_EQ(report["of"], "items");
  EXPECT_EQ(report["lists"], 30);
}

INSTANTIATE_TEST_SUITE_P(All, EveryModel,
                         testing::Values(TinyModelOptions{}, TinyModelOptions{.calibrated = true},
                                         TinyModelOptions{.ratings = true}, TinyModelOptions{.by_attributes = true},
                                         TinyModelOptions{.algorithm = "popular"},
                                         TinyModelOptions{.algorithm = "popularity"}));

TEST_F(BatchRecommendTest, TheSummarySaysWhereListsAreFrom) {
  Publish({});
  options_.users = folder_.Write("users.txt", "u0\nu5\nnobody\nu6\n");
  EXPECT_EQ(Run()["answered_by"], (json{{"history", 2}, {"no_history", 1}, {"unknown_user", 1}}));
  options_.users.clear();
  EXPECT_EQ(Overwrite()["answered_by"], (json{{"history", 39}, {"no_history", 1}}));
  Publish({.by_attributes = true});
  EXPECT_EQ(Overwrite()["answered_by"], (json{{"history", 39}, {"attributes", 1}}));
  Publish({.algorithm = "popular"});
  EXPECT_EQ(Overwrite()["answered_by"], (json{{"everybody", 14}, {"group", 26}}));
  Publish({.algorithm = "popularity"});
  EXPECT_EQ(Overwrite()["answered_by"], (json{{"everybody", 40}}));
}

TEST_F(BatchRecommendTest, TilesAndThreadsDecideNothing) {
  for (const int n_users : {1, 31, 32, 33}) {
    SCOPED_TRACE(n_users);
    Publish({.n_users = n_users});
    options_.batch = 0;
    options_.with_scores = true;
    Overwrite();
    const std::string bytes = Bytes();
    EXPECT_EQ(LinesOf(bytes).size(), 1 + static_cast<size_t>(n_users > 1 ? n_users - 1 : n_users) * 7);
    for (const int64_t batch : {1, 7, 32, 100}) {
      options_.batch = batch;
      options_.n_threads = static_cast<int>(batch % 4);
      Overwrite();
      EXPECT_EQ(Bytes(), bytes) << batch;
    }
  }
}

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
    EXPECT_THAT(Rows(InputFormat::kJsonLines).rows, IsEmpty()) << name;
  }
}

TEST_F(BatchRecommendTest, HistoriesAndLowScoresAreLeftOut) {
  Publish({});
  const auto model = Published();
  const auto seen = [&](const std::string& line) {
    const auto cells = line.substr(0, line.find(','));
    const auto item = line.substr(line.rfind(',') + 1);
    const auto row = model->view().history.row(model->view().users.Find(cells));
    return std::binary_search(row.begin(), row.end(), model->view().items.Find(item));
  };
  Run();
  for (const std::string& line : LinesOf(Bytes())) EXPECT_FALSE(line != "user,position,item" && seen(line)) << line;
  options_.include_seen = true;
  Overwrite();
  const std::vector<std::string> all = LinesOf(Bytes());
  EXPECT_EQ(all.size(), 1u + 40 * 7) << "u1 has every item";
  EXPECT_GT(std::count_if(all.begin() + 1, all.end(), seen), 40);

  options_.with_scores = true;
  options_.n = 30;
  Overwrite();
  std::vector<std::string> expected;
  for (const std::string& line : LinesOf(Bytes()))
    if (line == "user,position,item,score" || std::stof(line.substr(line.rfind(',') + 1)) >= 0.25f)
      expected.push_back(line);
  options_.min_score = 0.25f;
  const json report = Overwrite();
  EXPECT_EQ(LinesOf(Bytes()), expected);
  EXPECT_EQ(report["items_written"], expected.size() - 1);
  EXPECT_LT(expected.size(), 40u * 30);
}

TEST_F(BatchRecommendTest, UnknownUsersAreAnsweredSkippedOrRefused) {
  Publish({});
  options_.users = folder_.Write("users.txt", "u3\nx\nu4\nx\nu3\ny\n");
  options_.n = 1;
  const auto users = [&] {
    std::vector<std::string> of;
    for (const std::string& line : LinesOf(Bytes())) of.push_back(line.substr(0, line.find(',')));
    of.erase(of.begin());
    return of;
  };
  json report = Run();
  EXPECT_THAT(users(), ElementsAre("u3", "x", "u4", "y"));
  EXPECT_EQ(report["users"],
            (json{{"repeated", 2}, {"unknown", 2}, {"unknown_users", "popular"}, {"first_unknown", "x"}}));
  options_.unknown_users = UnknownUsers::kSkip;
  report = Overwrite();
  EXPECT_THAT(users(), ElementsAre("u3", "u4"));
  EXPECT_EQ(report["lists"], 2);
  EXPECT_EQ(report["users"]["unknown"], 2);
  options_.unknown_users = UnknownUsers::kFail;
  const std::string before = Bytes();
  ExpectRefused(ErrorCode::kInvalidArgument, "users.txt': line 2: the model has no user 'x'");
  EXPECT_EQ(Bytes(), before);
  ExpectNothingLeft();
}

TEST_F(BatchRecommendTest, ListedUsersAreReadAsTheyStand) {
  Publish({.n_users = 3000, .n_items = 5, .max_history = 1});
  const auto users_of = [&](const std::string& text) {
    options_.users = folder_.Write("users.txt", text);
    options_.n = 1;
    options_.include_seen = true;
    Overwrite();
    std::string users;
    for (const std::string& line : LinesOf(Bytes())) users += line.substr(0, line.find(',')) + ";";
    return users;
  };
  EXPECT_EQ(users_of("u1\nu2\n"), "user;u1;u2;");
  EXPECT_EQ(users_of("u1\nu2"), "user;u1;u2;");
  EXPECT_EQ(users_of("\xEF\xBB\xBFu1\r\nu2\r\n"), "user;u1;u2;");
  EXPECT_EQ(users_of(" u1\nu1 \n"), "user; u1;u1 ;");
  EXPECT_EQ(users_of(Gzip("u1\nu2\n")), "user;u1;u2;");
  std::string many, expected = "user;";  // over several pieces of what is read at a time
  for (int u = 2999; u >= 0; --u) {
    const std::string padding(static_cast<size_t>(u % 500), 'x');
    many += "u" + std::to_string(u) + "\n" + padding + std::to_string(u) + "\n";
    expected += "u" + std::to_string(u) + ";" + padding + std::to_string(u) + ";";
  }
  EXPECT_EQ(users_of(many), expected);

  const auto refused = [&](const std::string& text, const std::string& part) {
    options_.users = folder_.Write("users.txt", text);
    ExpectRefused(ErrorCode::kInvalidArgument, part);
  };
  refused("u1\n\nu2\n", "users.txt': line 2: is empty; expected the id of a user");
  refused("\r\n", "line 1: is empty");
  refused("\xEF\xBB\xBF\n", "line 1: is empty");
  refused("u1\n" + std::string((1 << 16) + 1, 'a') + "\nu2\n", "line 2: has more than 65536 bytes");
  refused("u1\n" + std::string(1 << 20, 'a'), "line 2: has more than 65536 bytes");
  options_.users = Path("absent.txt");
  ExpectRefused(ErrorCode::kNotFound, "absent.txt");
  options_.users = folder_.Write("users.gz", Gzip("u1\nu2\n").substr(0, 20));
  ExpectRefused(ErrorCode::kCorrupt, "users.gz");
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
  std::string Float(float value) const { return fmt::format("{}", value); }

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
        const bool personal = user > 0;
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
    EXPECT_THAT(served_by, ElementsAre("popular", "personal", "personal"));
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
    for (const std::string& row : rows.rows) texts.push_back(row.substr(row.find(' ') + 1));
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
  ExpectRefused(ErrorCode::kUnsupported, "--users: the id '\\xc3' is not UTF-8");
  options_.users = folder_.Write("users.txt", "u0\n");
  Run();
}

class ResumedRun : public BatchRecommendTest, public testing::WithParamInterface<const char*> {};

TEST_P(ResumedRun, HasTheBytesOfOneThatWasNeverEnded) {
  Publish({.calibrated = true});
  options_.with_scores = options_.with_probabilities = true;
  options_.batch = 9;  // five tiles
  options_.out = Path(std::string("whole.") + GetParam());
  json expected = Run();
  const std::string bytes = Bytes();
  for (int n = 1; n <= 5; ++n)
    for (const bool crash : {false, true}) {
      SCOPED_TRACE(n + (crash ? 100 : 0));
      options_.out = Path(fmt::format("{}{}.{}", crash ? "crash" : "stop", n, GetParam()));
      if (crash)
        CrashAfter(n);
      else
        EXPECT_TRUE(StopAt(n));
      EXPECT_FALSE(fs::exists(options_.out));
      ExpectRefused(ErrorCode::kAlreadyExists, "--resume goes on with it, --overwrite begins anew");
      options_.n_threads = n % 3;
      const json report = Resume();
      EXPECT_EQ(Bytes(), bytes);
      ExpectNothingLeft();
      for (const char* part : {"answered_by", "items_written", "bytes", "lists"})
        EXPECT_EQ(report[part], expected[part]);
      EXPECT_EQ(report["n_resumed"], std::min(40, crash ? n * 9 : n * 9 - 9));
    }
  options_.out = Path(std::string("twice.") + GetParam());
  for (int n = 1; n <= 5; ++n) {
    EXPECT_TRUE(StopAt(n == 1 ? 3 : 2)) << n;
    options_.resume = true;
    if (n == 3) break;
  }
  Run();
  EXPECT_EQ(Bytes(), bytes);
}

INSTANTIATE_TEST_SUITE_P(EachFormat, ResumedRun,
                         testing::Values("csv", "csv.gz", "csv.zst", "jsonl", "jsonl.zst", "parquet"));

TEST_F(BatchRecommendTest, OnlyTheSameRunGoesOn) {
  Publish({.calibrated = true});
  options_.users = folder_.Write("users.txt", "u1\nu2\nu3\nu4\n");
  options_.batch = 2;
  ASSERT_TRUE(StopAt(2));
  const std::string journal = Content(options_.out + ".journal"), partial = Content(options_.out + ".partial");
  const BatchOptions good = options_;
  const auto refused = [&](const std::string& part, const auto& change) {
    options_ = good;
    options_.resume = true;
    change(options_);
    ExpectRefused(ErrorCode::kInvalidArgument, part);
    EXPECT_EQ(Content(options_.out + ".journal"), journal);
    EXPECT_EQ(Content(options_.out + ".partial"), partial);
  };
  refused("n is 7 in the journal and 8 here", [](BatchOptions& o) { o.n = 8; });
  refused("with_scores is false in the journal and true here", [](BatchOptions& o) { o.with_scores = true; });
  refused("with_probabilities is false", [](BatchOptions& o) { o.with_probabilities = true; });
  refused("min_score is nothing in the journal and 1.0 here", [](BatchOptions& o) { o.min_score = 1; });
  refused("include_seen is false", [](BatchOptions& o) { o.include_seen = true; });
  refused("format is \"csv\" in the journal and \"jsonl\" here", [](BatchOptions& o) { o.format = "jsonl"; });
  refused("batch is 2 in the journal and 3 here", [](BatchOptions& o) { o.batch = 3; });
  refused("unknown_users is \"popular\"", [](BatchOptions& o) { o.unknown_users = UnknownUsers::kSkip; });
  refused("lists is \"users\" in the journal and \"all users\" here", [](BatchOptions& o) { o.users.clear(); });
  refused("users_sha256 is", [&](BatchOptions&) { folder_.Write("users.txt", "u1\nu2\nu3\nu5\n"); });
  folder_.Write("users.txt", "u1\nu2\nu3\nu4\n");
  Publish({.seed = 2});
  refused("version is 1 in the journal and 2 here", [](BatchOptions&) {});
  options_ = good;
  options_.version = "1";
  EXPECT_EQ(Resume()["n_resumed"], 2);
  ExpectError(ErrorCode::kAlreadyExists, "lists.csv' is there already", [&] { Resume(); });
  options_.overwrite = true;
  ExpectError(ErrorCode::kNotFound, "nothing to resume", [&] { Resume(); });
}

TEST_F(BatchRecommendTest, NothingIsOverwrittenUnasked) {
  Publish({});
  folder_.Write("lists.csv", "mine");
  ExpectRefused(ErrorCode::kAlreadyExists, "lists.csv' is there already; --overwrite replaces it");
  EXPECT_EQ(Bytes(), "mine");
  Overwrite();
  EXPECT_THAT(Bytes(), HasSubstr("user,position,item\n"));
  options_.overwrite = false;
  options_.out = Path("models/m/lists.csv");
  ExpectRefused(ErrorCode::kUsage, "would lie in");
  options_.out = Path("other.csv");
  folder_.Write("other.csv.partial", "");
  const int other = ::open(Path("other.csv.partial").c_str(), O_RDWR);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  options_.overwrite = true;
  ExpectRefused(ErrorCode::kAlreadyExists, "another process writes");
  ::close(other);
  Run();
  ExpectNothingLeft();
}

TEST_F(BatchRecommendTest, DamagedLeftoversAreRefused) {
  Publish({});
  options_.batch = 10;
  ASSERT_TRUE(StopAt(3));
  const std::string journal = Content(options_.out + ".journal"), partial = Content(options_.out + ".partial");
  folder_.Write("lists.csv.partial", partial.substr(0, partial.size() - 1));
  ExpectError(ErrorCode::kCorrupt, "and its journal names", [&] { Resume(); });
  folder_.Write("lists.csv.partial", partial);
  folder_.Write("lists.csv.journal", "");
  ExpectError(ErrorCode::kCorrupt, "has no whole line", [&] { Resume(); });
  folder_.Write("lists.csv.journal", "{\"kindred_tune\": 1, \"settings\": {}}\n");
  ExpectError(ErrorCode::kCorrupt, "line 1 is not the head of a journal of lists", [&] { Resume(); });
  fs::remove(options_.out + ".journal");
  ExpectError(ErrorCode::kNotFound, "lists.csv.journal' is not there", [&] { Resume(); });
  folder_.Write("lists.csv.journal", journal);
  EXPECT_EQ(Resume()["n_resumed"], 20);
}

TEST_F(BatchRecommendTest, OptionsThatDoNotGoTogetherAreRefused) {
  Publish({});
  const BatchOptions good = options_;
  const auto refused = [&](ErrorCode code, const std::string& part, const auto& change) {
    options_ = good;
    change(options_);
    ExpectRefused(code, part);
    ExpectNothingLeft();
  };
  refused(ErrorCode::kUsage, "its name says no format", [&](BatchOptions& o) { o.out = Path("lists"); });
  refused(ErrorCode::kUsage, "its name says no format", [&](BatchOptions& o) { o.out = Path("lists.gz"); });
  refused(ErrorCode::kUsage, "expected a name without .gz", [&](BatchOptions& o) { o.out = Path("a.parquet.gz"); });
  refused(ErrorCode::kUnsupported, "has no calibration", [](BatchOptions& o) { o.with_probabilities = true; });
  refused(ErrorCode::kUsage, "--unknown-users needs --users",
          [](BatchOptions& o) { o.unknown_users = UnknownUsers::kSkip; });
  refused(ErrorCode::kUsage, "--users is for lists of users", [](BatchOptions& o) {
    o.similar_items = true;
    o.users = "users.txt";
  });
  refused(ErrorCode::kUsage, "--include-seen is for lists of users",
          [](BatchOptions& o) { o.similar_items = o.include_seen = true; });
  refused(ErrorCode::kUsage, "--with-probabilities is for lists of users",
          [](BatchOptions& o) { o.similar_items = o.with_probabilities = true; });
  refused(ErrorCode::kNotFound, "has no model 'n'", [](BatchOptions& o) { o.model = "n"; });
}

}  // namespace
}  // namespace kindred
