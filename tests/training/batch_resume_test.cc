// A file of lists has the same bytes however often its run was ended, and nothing that is there is lost.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <algorithm>
#include <ctime>

#include "tests/training/batch_fixture.h"
#include "training/batch_recommend.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

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
  for (int n = 1; n <= 3; ++n) {
    CrashAfter(1);
    options_.resume = true;
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

// What a filter says of now() is said of the time that the lists in the file are of.
TEST_F(BatchRecommendTest, AResumedRunHasTheTimeOfTheOneThatWasEnded) {
  Publish({.described = true});
  options_.batch = 10;
  options_.filter = "released < now() - 30d";
  ASSERT_TRUE(StopAt(3));
  // As if it had been begun when no item had been out for so long.
  const std::string path = options_.out + ".journal";
  json head;
  std::string journal = Content(path);
  const auto set_time = [&](int64_t time) {
    const size_t end = journal.find('\n');
    head = json::parse(journal.substr(0, end));
    head["settings"]["filter_time"] = time;
    folder_.Write("lists.csv.journal", head.dump() + journal.substr(end));
  };
  const int64_t begun = json::parse(journal.substr(0, journal.find('\n')))["settings"]["filter_time"];
  EXPECT_NEAR(static_cast<double>(begun), static_cast<double>(std::time(nullptr)), 100);
  set_time(1'700'000'000);
  ExpectError(ErrorCode::kInvalidArgument, "eligible_sha256 is ", [&] { Resume(); });
  set_time(begun - 3600);
  EXPECT_EQ(Resume()["n_resumed"], 20);
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

  options_.overwrite = false;
  options_.out = Path("third.csv");
  for (const char* name : {"third.csv.partial", "third.csv.journal"}) {
    folder_.Write(name, "mine");
    ExpectRefused(ErrorCode::kAlreadyExists, std::string(name) + "' is there");
    EXPECT_EQ(Content(Path(name)), "mine");
    EXPECT_FALSE(fs::exists(options_.out));
    fs::remove(Path(name));
  }
}

// Wherever a run ends while it begins, or puts its file in place, the next one knows what to do.
TEST_F(BatchRecommendTest, ARunThatHasNoTileYetIsNoneThatWasEnded) {
  Publish({});
  options_.batch = 10;
  const json report = Run();
  const std::string bytes = Bytes();
  fs::remove(options_.out);
  folder_.Write("lists.csv.partial", "");  // and no journal
  ExpectError(ErrorCode::kNotFound, "lists.csv.journal' is not there; without --resume the file is begun",
              [&] { Resume(); });
  Run();
  EXPECT_EQ(Bytes(), bytes);
  fs::remove(options_.out);

  ASSERT_TRUE(StopAt(1));  // the head and its journal, and no list
  EXPECT_EQ(Resume()["n_resumed"], 0);
  EXPECT_EQ(Bytes(), bytes);
  fs::remove(options_.out);

  ASSERT_TRUE(StopAt(3));
  fs::remove(options_.out + ".journal");  // while one that overwrites begins
  ExpectRefused(ErrorCode::kAlreadyExists, "lists.csv.partial' is there without a journal: --overwrite begins anew");
  ExpectError(ErrorCode::kNotFound, "lists.csv.journal' is not there; --overwrite begins anew", [&] { Resume(); });
  Overwrite();
  EXPECT_EQ(Bytes(), bytes);
  options_.overwrite = false;

  fs::remove(options_.out);
  ASSERT_TRUE(StopAt(3));
  fs::rename(options_.out + ".partial", options_.out);  // it was whole, and its journal is left
  ExpectRefused(ErrorCode::kAlreadyExists, "lists.csv' is there already");
  fs::remove(options_.out);
  Run();
  EXPECT_EQ(Bytes(), bytes);
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
  folder_.Write(
      "lists.csv.journal",
      journal + "{\"lists\": 21, \"rows\": 0, \"bytes\": 0, \"columns\": [{\"packed\": 0, \"unpacked\": 0}]}\n");
  ExpectError(ErrorCode::kCorrupt, "lists.csv.journal' names 41 lists of 40", [&] { Resume(); });
  const size_t head = journal.find('\n') + 1, first = journal.find('\n', head) + 1;
  const auto damaged = [&](const std::string& part, const std::string& lines) {
    folder_.Write("lists.csv.journal", journal.substr(0, head) + lines);
    ExpectError(ErrorCode::kCorrupt, part, [&] { Resume(); });
    EXPECT_EQ(Content(options_.out + ".partial"), partial);
  };
  damaged("line 2: a head of 18 bytes; expected 19", "{\"lists\": 0, \"rows\": 0, \"bytes\": 18}\n");
  damaged("line 2: has lists; expected the file's head", journal.substr(first));
  const auto tile = [](const std::string& lists, const std::string& bytes, const std::string& columns) {
    return fmt::format("{{\"lists\": {}, \"rows\": 0, \"bytes\": {}, \"columns\": [{}]}}\n", lists, bytes, columns);
  };
  const std::string of_head = journal.substr(head, first - head), column = "{\"packed\": 7, \"unpacked\": 7}";
  damaged("line 3: has no lists", of_head + tile("0", "7", column));
  damaged("line 3: has 8 bytes, and its columns have 7 together", of_head + tile("1", "8", column));
  damaged("line 3 has 2 columns; expected 1", of_head + tile("1", "14", column + ", " + column));
  damaged("line 3: 'bytes' is no count", of_head + tile("1", "9223372036854775807", column));
  damaged("line 3: 'lists' is no count", of_head + tile("-1", "7", column));
  damaged("line 3: 'packed' is no count",
          of_head + tile("1", "7", "{\"packed\": 9223372036854775800, \"unpacked\": 7}, " + column));
  damaged("line 3: has 1 lists, and the sources of 2",
          of_head + R"({"lists": 1, "rows": 0, "bytes": 0, "sources": {"history": 2}})" + "\n");
  fs::remove(options_.out + ".journal");
  ExpectError(ErrorCode::kNotFound, "lists.csv.journal' is not there", [&] { Resume(); });
  folder_.Write("lists.csv.journal", journal);
  EXPECT_EQ(Resume()["n_resumed"], 20);
}

}  // namespace
}  // namespace kindred
