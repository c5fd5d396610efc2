// A segments job on data and files that are not as one would wish.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "host/segments/segment_model.h"
#include "tests/support/dataset_writer.h"
#include "tests/support/errors.h"
#include "tests/training/segment_job_fixture.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(SegmentJob, AllConstantFeatures) {
  const json report = Make(Dataset(), Declared(R"([[features]]
name = "n"
kind = "count"
events = "cart"
window = "1s"
[[features]]
name = "m"
kind = "share"
where = 'category = "none"'
)"));
  for (const char* name : {"n", "m"})
    EXPECT_THAT(warnings_,
                Contains(HasSubstr(fmt::format("feature '{}' is the same for all: it tells nobody apart", name))));
  EXPECT_THAT(warnings_, Contains(HasSubstr("all users are alike")));
  EXPECT_THAT(report["segments"], SizeIs(1));
  EXPECT_EQ(report["features"][1]["constant"], true);
  EXPECT_GE(SegmentModel::Open(store_, "s")->Of(0).segment, 0);
}

TEST_F(SegmentJob, AFeatureWithOneHugeValue) {
  DatasetWriter writer;
  for (int user = 0; user < 30; ++user)
    for (int e = 0; e <= user % 3; ++e)
      writer.Add(
          {"u" + std::to_string(user), "i", "buy", user == 7 ? 3e38f : static_cast<float>(user % 5), 1000 + e * 1000});
  const std::string dataset = (folder_.path() / "huge").string();
  writer.Write(dataset, true, true, {{"reader", {{"value_column", "v"}}}}, false);
  for (const char* normalize : {"z", "log", "robust", "quantile", "none"}) {
    SCOPED_TRACE(normalize);
    const json report =
        Make(dataset, Declared(std::string("[[features]]\nname = \"v\"\nkind = \"sum\"\nnormalize = \"") + normalize +
                               "\"\n[drift]\nmax_psi = 1e9\nmax_movers = 1\n"));
    EXPECT_TRUE(report["metrics"]["inertia"].is_number());
    EXPECT_GE(report["segments"].size(), 2u);
  }
  const json clipped =
      Make(dataset, Declared("[[features]]\nname = \"v\"\nkind = \"sum\"\nclip = \"iqr\"\n[drift]\nmax_psi = "
                             "1e9\nmax_movers = 1\n"));
  EXPECT_EQ(clipped["features"][0]["normalization"]["n_clipped"], 1);
}

TEST_F(SegmentJob, ColumnsWithoutAnyValue) {
  Shoppers shoppers;
  const json report = Make(Dataset(shoppers), Declared("[[features]]\nname = \"gap\"\nkind = \"gap\"\nwindow = \"1s\"\n"
                                                       "[[features]]\nname = \"n\"\nkind = \"count\"\n"));
  EXPECT_EQ(report["features"][0]["n_missing"], 60);
  EXPECT_EQ(report["features"][0]["constant"], true);
  EXPECT_THAT(warnings_, Contains(HasSubstr("feature 'gap' is the same for all")));
  EXPECT_GE(report["segments"].size(), 2u);
  const auto model = SegmentModel::Open(store_, "s");
  EXPECT_TRUE(std::isnan(model->Of(0).values[0]));
}

TEST_F(SegmentJob, FewerUsersThanK) {
  Shoppers few;
  few.n_users = 3;
  few.n_idle = 0;
  const std::string features = "[[features]]\nname = \"n\"\nkind = \"count\"\n[clusters]\nk = 7\n";
  const json report = Make(Dataset(few), Declared(features));
  EXPECT_THAT(warnings_, Contains("7 clusters were asked for, and there are only 3 users"));
  EXPECT_THAT(report["segments"], SizeIs(3));
  few.n_users = 1;
  const json one = Make(Dataset(few), Declared(features + "[drift]\nmax_psi = 1e9\nmax_movers = 1\n"));
  EXPECT_THAT(one["segments"], SizeIs(1));
  EXPECT_EQ(one["metrics"]["silhouette"], nullptr);
}

TEST_F(SegmentJob, OneSegment) {
  const std::string dataset = Dataset(), toml = Replaced(Replaced(kShoppersToml, "k = 3", "k = 1"), "\"2\"", "\"9\"");
  const json report = Make(dataset, toml);
  ASSERT_THAT(report["segments"], SizeIs(1));
  EXPECT_EQ(report["metrics"]["silhouette"], nullptr);
  EXPECT_EQ(report["dendrogram"], nullptr);
  EXPECT_THAT(warnings_, Contains("the name 'Second' is for segment '9', which is not there"));
  ASSERT_EQ(Run(dataset, toml), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("s version 2: 1 segment of 60 users, 5 features; k as configured\n"));
  SegmentOptions options = Options(dataset, toml);
  options.keep_clusters = true;
  EXPECT_EQ(Make(options)["curves"]["silhouette"], json({nullptr}));
}

TEST_F(SegmentJob, UsersWithoutEvents) {
  Shoppers idle;
  idle.n_idle = 40;
  const json report = Make(Dataset(idle));
  EXPECT_EQ(report["n_users_without_events"], 40);
  Shoppers nobody;
  nobody.n_users = 0;
  ExpectError(ErrorCode::kInvalidArgument, "no user has an event", [&] { Make(Dataset(nobody), Declared("")); });
}

TEST_F(SegmentJob, AWindowLongerThanTheData) {
  Make(Dataset(),
       Declared("[[features]]\nname = \"n\"\nkind = \"count\"\nwindow = \"400d\"\n[[rules]]\nname = \"r\"\nwhen = "
                "\"view >= 1 in 500d\"\n"));
  EXPECT_THAT(warnings_, Contains(HasSubstr("feature 'n': its window of 400 days is longer than the data")));
  EXPECT_THAT(warnings_, Contains(testing::AllOf(HasSubstr("r"), HasSubstr("500d"))));
}

TEST_F(SegmentJob, ClocksInTheFuture) {
  Shoppers ahead;
  ahead.shift = 100 * 365 * Shoppers::kDay;
  Make(Dataset(ahead), Declared(""));
  EXPECT_THAT(warnings_,
              Contains(HasSubstr("days in the future, and features look back from there; 'reference' says")));
  std::string toml = kShoppersToml;
  toml.insert(toml.find("[events]"), "reference = " + std::to_string(Shoppers().last()) + "\n");
  fs::remove_all(store_.root());
  const json report = Make(Dataset(ahead), toml);
  EXPECT_EQ(report["n_future_events"], 1);
  EXPECT_EQ(report["reference_time"], Shoppers().last());
  EXPECT_THAT(warnings_, Contains(HasSubstr("an event is later than 2020-11-11 12:26:40: left out")));
  Shoppers lost;  // in no calendar
  lost.shift = int64_t{1} << 60;
  ExpectError(ErrorCode::kInvalidArgument, "is not of the years 1 to 9999", [&] { Make(Dataset(lost)); });
  toml = Declared("reference = \"2001-01-01\"\n");
  ExpectError(ErrorCode::kInvalidArgument, "all events are later than the reference", [&] { Make(Dataset(), toml); });
}

TEST_F(SegmentJob, RulesThatCannotBe) {
  const std::string dataset = Dataset(), rule = "[[rules]]\nname = \"r\"\nwhen = \"";
  const auto expect = [&](const std::string& message, const std::string& toml) {
    SCOPED_TRACE(toml);
    ExpectError(ErrorCode::kInvalidArgument, message, [&] { Make(dataset, Declared(toml)); });
    EXPECT_FALSE(fs::exists(store_.ModelPath("s") / "1"));
  };
  expect("segments.toml: line 2, column 1: rule 'r'", rule + "vews >= 1\"\n");
  expect("view", rule + "vews >= 1\"\n");
  expect("threshold.big", rule + "view >= threshold.big\"\n");
  expect("likelihood", rule + "likelihood >= 0.5\"\n");
  expect("user.contry", rule + "user.contry = 'DE'\"\n");
  expect("'r'", rule + "view >= 1\"\n" + rule + "cart >= 1\"\n");
  expect("segments.toml: line 2, column 1: likelihood: no events are of type 'byu'; the nearest known name is 'buy'",
         "[likelihood]\nevent = \"byu\"\nhorizon = \"7d\"\n");
}

TEST_F(SegmentJob, ContradictoryRulesHoldForNobody) {
  const json report = Make(
      Dataset(), std::string(kShoppersToml) + "[[rules]]\nname = \"Nobody\"\nwhen = \"views >= 3 and views < 2\"\n");
  EXPECT_EQ(report["rules"][4]["size"], 0);
  EXPECT_THAT(warnings_, Contains(testing::AllOf(HasSubstr("Nobody"), HasSubstr("views"))));
}

TEST_F(SegmentJob, WhatAFileAsksForIsLookedForBeforeTheClusters) {
  const std::string dataset = Dataset();
  for (const char* toml :
       {"[[rules]]\nname = \"r\"\nwhen = \"vews >= 1\"\n", "[audit]\nattributes = [\"contry\"]\n",
        "[audit]\nattributes = [\"country\"]\nmodel = \"shop\"\n", "[clusters]\nnames = { \"1\" = \"\\u0007\" }\n"}) {
    const SegmentOptions options = Options(dataset, Declared(toml));
    SegmentEvents events;
    bool clustered = false;
    events.runs = [&](int64_t, int64_t) { clustered = true; };
    EXPECT_THROW(MakeSegments(options, events), Error) << toml;
    EXPECT_FALSE(clustered) << toml;
  }
}

TEST_F(SegmentJob, DatasetsWithoutTimesTypesOrValues) {
  Shoppers bare;
  bare.times = bare.types = bare.values = bare.attributes = false;
  const json report = Make(Dataset(bare), Declared(""));
  EXPECT_EQ(report["reference"], nullptr);
  EXPECT_GE(report["segments"].size(), 2u);
  EXPECT_THAT(report["audit"]["anomalies"], IsEmpty());
  EXPECT_GE(SegmentModel::Open(store_, "s")->Of(0).segment, 0);
  const std::string features = "[[features]]\nname = \"n\"\nkind = \"count\"\n";
  ExpectError(ErrorCode::kInvalidArgument, "times",
              [&] { Make(Dataset(bare), Declared("[[features]]\nname = \"r\"\nkind = \"recency\"\n")); });
  ExpectError(ErrorCode::kInvalidArgument, "times",
              [&] { Make(Dataset(bare), Declared(features + "[likelihood]\nevent = \"buy\"\nhorizon = \"7d\"\n")); });
  Shoppers timed;
  timed.values = false;
  fs::remove_all(store_.root());
  const json without = Make(Dataset(timed), Declared(""));
  for (const json& feature : without["features"]) EXPECT_NE(feature["name"], "monetary");
}

// As a first publication leaves it that is killed before the version is the current one.
TEST_F(SegmentJob, AVersionThatNothingNames) {
  const std::string dataset = Dataset();
  Make(dataset);
  fs::remove(store_.ModelPath("s") / "CURRENT");
  const json report = Make(dataset);
  EXPECT_EQ(report["version"], 2);
  EXPECT_EQ(report["lineage"], nullptr);
  EXPECT_EQ(store_.Current("s"), 2);
  folder_.Write("store/s/CURRENT", "7");
  EXPECT_THROW(Make(dataset), Error) << "one that is not there";
}

TEST_F(SegmentJob, StoresThatCannotBeWritten) {
  SegmentOptions options = Options(Dataset());
  options.store = folder_.Write("file", "x");
  EXPECT_THROW(Make(options), Error);
  options.store = store_.root().string();
  options.model = "../s";
  ExpectError(ErrorCode::kInvalidArgument, "../s", [&] { Make(options); });
  options.model = "s";
  const ModelLock lock = store_.Lock("s");
  ExpectError(ErrorCode::kAlreadyExists, "is being changed by process", [&] { Make(options); });
  EXPECT_THROW(Make(Options((folder_.path() / "nowhere").string())), Error);
}

TEST_F(SegmentJob, TwoResultsInOnePlace) {
  const std::string page = (folder_.path() / "page.html").string();
  EXPECT_EQ(Run(Dataset(), Declared(""),
                {"--report", page, "--overwrite", "--dendrogram", (folder_.path() / "." / "page.html").string()}),
            2);
  EXPECT_THAT(err_, HasSubstr("page.html' is to be two files; expected different ones"));
  EXPECT_FALSE(fs::exists(page));
  EXPECT_EQ(Run(Dataset(), Declared(""), {"--report", "two_results.html", "--dendrogram", "./two_results.html"}), 2);
  EXPECT_FALSE(fs::exists(store_.ModelPath("s")));
}

TEST_F(SegmentJob, WhatIsDeclaredIsCheckedAlone) {
  EXPECT_EQ(Run("nowhere", Declared("[clusters]\nk = 3\n"), {"--check-config"}), 0) << err_;
  EXPECT_EQ(Run("nowhere", Declared("[clusters]\nkk = 3\n"), {"--check-config"}), 2);
  EXPECT_THAT(err_, HasSubstr("unknown key 'kk'"));
}

TEST_F(SegmentJob, WhatIsPrintedOfOneSegment) {
  Shoppers few;
  few.n_users = 1;
  few.n_idle = 0;
  ASSERT_EQ(Run(Dataset(few), Declared("[[features]]\nname = \"n\"\nkind = \"count\"\n[clusters]\nk = 1\n")), 0)
      << err_;
  EXPECT_THAT(out_, testing::StartsWith("s version 1: 1 segment of 1 user, 1 feature; k as configured\n"));
  ASSERT_EQ(Run(Dataset(), Declared("[clusters]\nmin_share = 1.0\n"), {"--accept-drift"}), 0) << err_;
  EXPECT_THAT(out_, testing::ContainsRegex("  [0-9]+ users without events: in no cluster\n"));
  EXPECT_THAT(out_, testing::ContainsRegex("a cluster of [0-9]+ was too small, and joined segment [0-9]+\n"));
}

}  // namespace
}  // namespace kindred
