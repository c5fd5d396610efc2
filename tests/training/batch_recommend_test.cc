// The lists in a file are those that serving answers, in every format.
#include "training/batch_recommend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/support/gzip.h"
#include "tests/training/batch_fixture.h"
#include "tests/training/served_lines.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

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

TEST_F(BatchRecommendTest, OnlyItemsThatAFilterLetsThroughAreAnswered) {
  for (const char* algorithm : {"als", "popular", "popularity"}) {
    SCOPED_TRACE(algorithm);
    Publish({.algorithm = algorithm, .described = true});
    options_.filter = R"(price < 50 and category in ["shoes", "bags"])";
    options_.with_scores = true;
    const json report = Overwrite();
    const auto model = Published();
    std::vector<std::string> lines =
        ServedLines(*backend_, *model, AllIds(model->view().users), 7, false, options_.filter);
    EXPECT_GT(lines.size(), 40u);
    lines.insert(lines.begin(), "user,position,item,score");
    EXPECT_EQ(LinesOf(Bytes()), lines);
    EXPECT_GT(report["eligible_items"], 1);
    EXPECT_LT(report["eligible_items"], 20);
    EXPECT_GT(report["items_scanned"], 0);
  }
  options_.out = Path("other.csv");
  options_.batch = 10;
  ASSERT_TRUE(StopAt(2));
  options_.filter = "price < 51";
  ExpectError(ErrorCode::kInvalidArgument, "filter is ", [&] { Resume(); });
  options_.filter = "prise < 51";
  ExpectError(ErrorCode::kInvalidArgument, "--filter: ", [&] { Resume(); });
  options_.filter = "user.likes = category";
  ExpectError(ErrorCode::kInvalidArgument, "it has attributes of items, and neither user. nor context.",
              [&] { Resume(); });
  Publish({});
  options_.filter = "price < 51";
  ExpectRefused(ErrorCode::kInvalidArgument, "the version keeps no attributes of items");
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

// What else than a text or a number could stand in a filter may say so in a string.
TEST_F(BatchRecommendTest, AFilterThatNamesUsersInATextAloneGetsNoHint) {
  Publish({.described = true});
  options_.filter = "prise = 'user.likes'";
  try {
    Run();
    ADD_FAILURE() << "it was taken";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("--filter: "), Not(HasSubstr("neither user. nor context."))));
  }
}

// A tile is bounded by bytes, and so are its pieces: long ids take no more memory than short ones.
TEST_F(BatchRecommendTest, TilesAndPiecesHoldSoManyBytes) {
  Publish({});
  options_.n = 20;
  std::string users;
  for (int user = 0; user < 200; ++user)
    users += "x" + std::to_string(user) + std::string(user < 100 ? 60'000 : 10, 'x') + "\n";
  options_.users = folder_.Write("users.txt", users);
  for (const char* name : {"lists.csv.zst", "lists.jsonl", "lists.parquet"}) {
    SCOPED_TRACE(name);
    options_.out = Path(name);
    std::vector<int64_t> done;
    BatchEvents events;
    events.progress = [&](int64_t now, int64_t) { done.push_back(now); };
    EXPECT_EQ(RecommendToFile(options_, events)["items_written"], 200 * 20);
    EXPECT_THAT(done, ElementsAre(27, 54, 81, 200)) << "27 of 60 kB, 20 times, twice are 64 MiB";
  }
  options_.out = Path("lists.csv.zst");
  int n_frames = 0;
  const std::string bytes = Bytes();
  for (size_t at = 0; (at = bytes.find("\x28\xB5\x2F\xFD", at)) != bytes.npos; ++at) ++n_frames;
  EXPECT_EQ(n_frames, 1 + 3 * 9 + 7) << "3 of 60 kB, 20 times, are 4 MiB";
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
  refused(ErrorCode::kNotFound, "has no current version of model 'n'", [](BatchOptions& o) { o.model = "n"; });
}

}  // namespace
}  // namespace kindred
