#include "host/intake/prepare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>

#include "host/data/dataset.h"
#include "host/store/checksum.h"
#include "tests/support/gzip.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class PrepareTest : public testing::Test {
 protected:
  PrepareTest() { options_.out = folder_.path() / "out" / "dataset"; }

  void Input(const std::string& name, std::string_view text) { options_.inputs.push_back(folder_.Write(name, text)); }

  std::shared_ptr<const Dataset> Run() {
    report_ = Prepare(options_);
    return Dataset::Open(options_.out);
  }
  Error Fail() {
    try {
      Prepare(options_);
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "no error";
    return {ErrorCode::kUsage, ""};
  }
  /// Nothing but the inputs is there, hidden files included.
  void ExpectNothingWritten() {
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
      if (entry.is_directory()) continue;
      EXPECT_THAT(options_.inputs, testing::Contains(entry.path().string())) << "was written";
    }
  }
  fs::path BadRows() const { return folder_.path() / "out" / "dataset.bad-rows.tsv"; }

  TemporaryFolder folder_;
  PrepareOptions options_;
  nlohmann::json report_;
};

TEST_F(PrepareTest, AnExportBecomesADataset) {
  const std::string text =
      "user,item,event,value,time\nu1,i1,view,1,20\nu1,i2,buy,2.5,10\nu2,\"i,1\",view,1,30\nu1,i1,view,1,25\n";
  Input("a.csv", text);
  const auto dataset = Run();
  EXPECT_EQ(dataset->users().Find("u2"), 1);
  EXPECT_EQ(dataset->items().Find("i,1"), 2);
  EXPECT_EQ(dataset->events().size(), 4);
  EXPECT_EQ(dataset->events().items[0], 1);
  EXPECT_EQ(dataset->events().values[0], 2.5f);
  EXPECT_EQ(report_["n_files"], 1);
  EXPECT_EQ(report_["n_rows"], 4);
  EXPECT_EQ(report_["n_events"], 4);
  EXPECT_EQ(report_["n_users"], 2);
  EXPECT_EQ(report_["n_items"], 3);
  EXPECT_EQ(report_["n_entries"], 3);
  EXPECT_EQ(report_["density"], 0.5);
  EXPECT_EQ(report_["time_range"], nlohmann::json({10, 30}));
  EXPECT_EQ(report_["event_types"][1]["name"], "buy");
  EXPECT_EQ(report_["n_bad_rows"], 0);
  EXPECT_EQ(report_["bad_rows_file"], nullptr);
  const nlohmann::json& source = dataset->manifest()["sources"][0];
  EXPECT_EQ(source["path"], options_.inputs[0]);
  EXPECT_EQ(source["bytes"], text.size());
  EXPECT_EQ(source["sha256"], Sha256(text));
  EXPECT_EQ(dataset->manifest()["reader"]["format"], "csv");
  EXPECT_EQ(dataset->manifest()["reader"]["user_column"], "user");
  EXPECT_FALSE(fs::exists(BadRows()));
}

TEST_F(PrepareTest, PlainAndPackedGiveTheSame) {
  const std::string text = "user,item,value\nu1,i1,1\nu2,i2,3\nu1,i1,2\n";
  Input("a.csv.gz", Gzip(text));
  Run();
  const fs::path packed = options_.out;
  options_.inputs = {folder_.Write("a.csv", text)};
  options_.out = folder_.path() / "plain";
  Run();
  for (const auto& entry : fs::directory_iterator(packed)) {
    if (entry.path().extension() != ".npy") continue;
    EXPECT_EQ(Content(entry.path()), Content(options_.out / entry.path().filename())) << entry.path();
  }
}

TEST_F(PrepareTest, OneUserOneItemAndAUserWithEveryItem) {
  Input("one.csv", "user,item\nu,i\n");
  EXPECT_EQ(Run()->events().size(), 1);
  options_.overwrite = true;

  std::string all = "user,item\n";
  for (int i = 0; i < 5000; ++i) all += "u,i" + std::to_string(i) + "\n";
  options_.inputs = {folder_.Write("all.csv", all)};
  Run();
  EXPECT_EQ(report_["n_users"], 1);
  EXPECT_EQ(report_["n_items"], 5000);
  EXPECT_EQ(report_["density"], 1.0);

  std::string one_item = "user,item\n";
  for (int i = 0; i < 5000; ++i) one_item += "u" + std::to_string(i) + ",i\n";
  options_.inputs = {folder_.Write("item.csv", one_item)};
  Run();
  EXPECT_EQ(report_["n_users"], 5000);
  EXPECT_EQ(report_["n_items"], 1);
}

TEST_F(PrepareTest, ABadRowStopsEverything) {
  Input("a.csv", "user,item,value\nu1,i1,1\nu2,i2,abc\nu3,i3,1\n");
  const Error error = Fail();
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.what(), HasSubstr("a.csv: line 3: value 'abc' in column 'value': expected a number"));
  ExpectNothingWritten();
}

TEST_F(PrepareTest, BadRowsThatAreAllowedGoIntoAFile) {
  Input("a.csv", "user,item,value\nu1,i1,1\nu2,\"i\t2\\\n\",abc\nu3,i3,1\nu4,i4\nu5,i5,nan\n");
  options_.max_bad_rows = 3;
  EXPECT_EQ(Run()->events().size(), 2);
  EXPECT_EQ(report_["n_bad_rows"], 3);
  EXPECT_EQ(report_["bad_rows_file"], BadRows().string());
  EXPECT_EQ(report_["bad_rows"]["value: expected a number"], 1);
  EXPECT_EQ(report_["bad_rows"]["too few fields"], 1);
  const std::string& file = options_.inputs[0];
  EXPECT_EQ(Content(BadRows()), "file\tline\treason\ttext\n" + file +
                                    "\t3\tvalue 'abc' in column 'value': expected a number\tu2,\"i\\t2\\\\\\n\",abc\n" +
                                    file + "\t6\t2 fields; the header has 3\tu4,i4\n" + file +
                                    "\t7\tvalue 'nan' in column 'value': NaN; expected a number >= 0\tu5,i5,nan\n");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path() / "out"), {}), 2) << "no temporary file stays";
}

TEST_F(PrepareTest, TheFileOfBadRowsLiesOutsideTheDataset) {
  Input("a.csv", "user,item\nu,i\nbad\n");
  options_.max_bad_rows = 1;
  const fs::path out = options_.out;
  for (const fs::path& slash : {out, out / ""}) {
    options_.out = slash;
    for (const fs::path& place : {out, out / "", out / "bad.tsv", out / "a" / ".." / "b" / "bad.tsv",
                                  out.parent_path() / "x" / ".." / "dataset" / "bad.tsv"}) {
      SCOPED_TRACE(place);
      options_.bad_rows_file = place;
      const Error error = Fail();
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      EXPECT_THAT(error.what(), HasSubstr("would lie in the dataset"));
      ExpectNothingWritten();
    }
  }
  options_.bad_rows_file = out.string() + "-bad.tsv";
  Run();
  EXPECT_TRUE(fs::exists(options_.bad_rows_file));
}

TEST_F(PrepareTest, OneBadRowTooMany) {
  Input("a.csv", "user,item\nu1\nu,i\nu2\n,i\n");
  options_.max_bad_rows = 2;
  const Error error = Fail();
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("--max-bad-rows 2"), HasSubstr("number 3"), HasSubstr("a.csv: line 2: "),
                                  HasSubstr("a.csv: line 4: "), HasSubstr("a.csv: line 5: ")));
  ExpectNothingWritten();
}

TEST_F(PrepareTest, ManyBadRowsSpill) {
  std::string text = "user,item\nu,i\n";
  const std::string filler(500, 'x');
  for (int i = 0; i < 10000; ++i) text += filler + std::to_string(i) + "\n";
  Input("a.csv", text);
  options_.max_bad_rows = 10000;
  options_.bad_rows_file = folder_.path() / "elsewhere" / "bad.tsv";
  Run();
  const std::string content = Content(options_.bad_rows_file);
  EXPECT_EQ(std::count(content.begin(), content.end(), '\n'), 10001);
  EXPECT_THAT(content, AllOf(testing::StartsWith("file\t"), testing::EndsWith("\t" + filler + "9999\n")));
}

TEST_F(PrepareTest, WhatIsThereIsKept) {
  Input("a.csv", "user,item\nu,i\n");
  Run();
  EXPECT_EQ(Fail().code(), ErrorCode::kAlreadyExists);
  options_.overwrite = true;
  Run();

  options_.out = folder_.path() / "other";
  fs::create_directory(options_.out);
  std::ofstream(options_.out / "mine.txt") << "mine";
  EXPECT_EQ(Fail().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(Content(options_.out / "mine.txt"), "mine");
}

TEST_F(PrepareTest, NoBadRowsWithoutTheirDataset) {
  Input("a.csv", "user,item\nu,i\nbad\n");
  options_.max_bad_rows = 1;
  options_.overwrite = true;
  fs::create_directories(options_.out);
  options_.inputs.push_back((options_.out / "mine.txt").string());
  std::ofstream(options_.inputs.back()) << "user,item\nu,i\n";
  EXPECT_EQ(Fail().code(), ErrorCode::kAlreadyExists) << "not a dataset";
  ExpectNothingWritten();
}

TEST_F(PrepareTest, AFileOfBadRowsIsReplacedOnlyWhenAskedAndOnlyIfItIsOne) {
  Input("a.csv", "user,item\nu,i\nbad\n");
  options_.max_bad_rows = 1;
  fs::create_directory(folder_.path() / "out");
  std::ofstream(BadRows()) << "file\tline\treason\ttext\nold\n";
  EXPECT_EQ(Fail().code(), ErrorCode::kAlreadyExists);
  options_.overwrite = true;
  Run();
  EXPECT_THAT(Content(BadRows()), HasSubstr("\t3\t"));

  options_.inputs = {folder_.Write("good.csv", "user,item\nu,i\n")};
  Run();
  EXPECT_EQ(Content(BadRows()), "file\tline\treason\ttext\n") << "no rows of the dataset before";

  options_.bad_rows_file = options_.inputs[0];
  EXPECT_EQ(Fail().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(Content(options_.inputs[0]), "user,item\nu,i\n");
}

TEST_F(PrepareTest, ExportsWithoutEvents) {
  Input("a.csv", "user,item\n");
  EXPECT_EQ(Fail().code(), ErrorCode::kInvalidArgument);
  options_.inputs = {folder_.Write("b.txt", "u1\nu2\n")};
  options_.reader.read.format = InputFormat::kAdjacency;
  EXPECT_THAT(Fail().what(), HasSubstr("no events in"));
  options_.inputs = {folder_.Write("c.csv", "")};
  EXPECT_THAT(Fail().what(), HasSubstr("is empty"));
  options_.inputs = {(folder_.path() / "none.csv").string()};
  EXPECT_EQ(Fail().code(), ErrorCode::kNotFound);
}

TEST_F(PrepareTest, ATruncatedGzipWritesNothing) {
  std::string text = "user,item\n";
  for (int i = 0; i < 1000; ++i) text += "u" + std::to_string(i * 7919 % 1000) + ",i" + std::to_string(i) + "\n";
  const std::string packed = Gzip(text);
  Input("a.csv.gz", packed.substr(0, packed.size() / 2));
  options_.max_bad_rows = 1000;
  const Error error = Fail();
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("a.csv.gz"), HasSubstr(std::to_string(packed.size() / 2) + " bytes")));
  ExpectNothingWritten();
}

TEST_F(PrepareTest, NamesThatAreNotUtf8DoNotSpoilTheManifest) {
  Input("caf\xe9.csv", "us\xe9r,item\nu\xe9,i\n");
  options_.reader.read.encoding = Encoding::kBytes;
  options_.reader.user_column = "us\xe9r";
  const auto dataset = Run();
  EXPECT_EQ(dataset->users().Id(0), "u\xe9");
  EXPECT_EQ(dataset->manifest()["reader"]["user_column"], "us\\xe9r");
  EXPECT_THAT(dataset->manifest()["sources"][0]["path"].get<std::string>(), testing::EndsWith("caf\\xe9.csv"));
}

class PrepareRealData : public PrepareTest {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("KINDRED_DATA_DIR");
    if (folder == nullptr) GTEST_SKIP() << "KINDRED_DATA_DIR names no folder of real data";
    data_ = folder;
  }
  void ExpectCounts(int64_t n_users, int64_t n_items, int64_t n_events, int64_t n_entries) {
    const auto dataset = Run();
    EXPECT_EQ(report_["n_users"], n_users);
    EXPECT_EQ(report_["n_items"], n_items);
    EXPECT_EQ(report_["n_events"], n_events);
    EXPECT_EQ(report_["n_entries"], n_entries);
    EXPECT_EQ(dataset->events().size(), n_events);
  }
  fs::path data_;
};

TEST_F(PrepareRealData, Gowalla) {
  options_.inputs = {data_ / "gowalla" / "train.txt"};
  options_.reader.read.format = InputFormat::kAdjacency;
  ExpectCounts(29858, 40981, 810128, 810128);
}

TEST_F(PrepareRealData, AmazonElectronics) {
  options_.inputs = {data_ / "amazonelectronics" / "train.txt"};
  options_.reader.read.format = InputFormat::kAdjacency;
  ExpectCounts(1435, 1522, 31887, 31887);
}

TEST_F(PrepareRealData, OnlineRetail) {
  options_.inputs = {data_ / "online_retail" / "online_retail.csv.gz"};
  options_.reader.user_column = "CustomerID";
  options_.reader.item_column = "StockCode";
  options_.reader.time_column = "InvoiceDate";
  options_.max_bad_rows = 135080;
  ExpectCounts(4372, 3684, 406829, 267615);
  EXPECT_EQ(report_["n_rows"], 541909);
  EXPECT_EQ(report_["n_bad_rows"], 135080);
  EXPECT_EQ(report_["bad_rows"]["empty user"], 135080);
  EXPECT_EQ(report_["time_range"], nlohmann::json({1291191960, 1323435000}));
}

TEST_F(PrepareRealData, Tmall) {
  options_.inputs = {data_ / "tmall" / "events.csv.gz"};
  ExpectCounts(31882, 30985, 357412, 318333);
  std::map<std::string, int64_t> types;
  for (const auto& type : report_["event_types"]) types[type["name"]] = type["n_events"];
  EXPECT_EQ(types, (std::map<std::string, int64_t>{{"buy", 167862}, {"cart", 140068}, {"fav", 49482}}));
}

}  // namespace
}  // namespace kindred
