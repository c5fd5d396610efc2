// A segments job from a dataset to a version: what its report has, what a refresh keeps, and what holds it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/models/model.h"
#include "host/segments/segment_model.h"
#include "tests/support/errors.h"
#include "tests/support/small_model.h"
#include "tests/training/segment_job_fixture.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST_F(SegmentJob, TheReportHasAllMembers) {
  const std::string dataset = Dataset();
  const json report = Make(dataset);
  for (const char* key : {"model",
                          "version",
                          "created_at",
                          "dataset",
                          "reference",
                          "reference_time",
                          "n_users",
                          "n_users_without_events",
                          "n_future_events",
                          "backend",
                          "seconds",
                          "seed",
                          "features",
                          "metrics",
                          "curves",
                          "segments",
                          "merged",
                          "silhouettes",
                          "map",
                          "dendrogram",
                          "rules",
                          "thresholds",
                          "stages",
                          "likelihood",
                          "lineage",
                          "audit",
                          "warnings",
                          "declared",
                          "next_id",
                          "stability_bins",
                          "published",
                          "reasons",
                          "path",
                          "kindred_version"})
    EXPECT_TRUE(report.contains(key)) << key;
  EXPECT_EQ(report["model"], "s");
  EXPECT_EQ(report["version"], 1);
  EXPECT_EQ(report["dataset"]["path"], dataset);
  EXPECT_EQ(report["n_users"], 62);
  EXPECT_EQ(report["n_users_without_events"], 2);
  EXPECT_EQ(report["n_future_events"], 0);
  EXPECT_EQ(report["published"], true);
  EXPECT_THAT(report["reasons"], IsEmpty());
  EXPECT_EQ(report["lineage"], nullptr);
  EXPECT_THAT(warnings_, Not(Contains(HasSubstr("reference")))) << "the clocks are right";

  ASSERT_THAT(report["features"], SizeIs(5));
  for (const json& feature : report["features"])
    for (const char* key :
         {"name", "kind", "declared", "normalization", "n_missing", "mean", "std", "quantiles", "constant"})
      EXPECT_TRUE(feature.contains(key)) << key;
  EXPECT_EQ(report["features"][2]["normalization"]["kind"], "log");
  EXPECT_THAT(report["features"][2]["normalization"]["clip"], SizeIs(2));

  EXPECT_EQ(report["metrics"]["k"], 3);
  EXPECT_EQ(report["metrics"]["silhouette_kind"], "exact");
  EXPECT_EQ(report["metrics"]["n_silhouettes"], 60);
  EXPECT_GT(report["metrics"]["silhouette"].get<double>(), 0.5);
  EXPECT_GT(report["metrics"]["inertia"].get<double>(), 0);
  EXPECT_EQ(report["curves"]["chosen_by"], "fixed");
  EXPECT_EQ(report["curves"]["k"], json{3});

  ASSERT_THAT(report["segments"], SizeIs(3));
  int64_t n = 0;
  double inertia = 0, share = 0;
  for (const json& segment : report["segments"]) {
    n += segment["size"].get<int64_t>();
    share += segment["share"].get<double>();
    inertia += segment["inertia"].get<double>();
    EXPECT_EQ(segment["kept_from"], nullptr);
    EXPECT_THAT(segment["profile"], SizeIs(5));
    EXPECT_FALSE(segment["in_words"].get<std::string>().empty());
    EXPECT_FALSE(segment["examples"].empty());
    EXPECT_GT(segment["mean_silhouette"].get<double>(), 0);
  }
  EXPECT_EQ(n, 60);
  EXPECT_NEAR(share, 1, 1e-12);
  EXPECT_NEAR(inertia, report["metrics"]["inertia"].get<double>(), 1e-9 * inertia);
  EXPECT_EQ(report["segments"][1]["name"], "Second");
  EXPECT_EQ(report["segments"][1]["named_by"], "person");
  EXPECT_EQ(report["segments"][0]["named_by"], "profile");
  EXPECT_THAT(Names(report), SizeIs(3));
  EXPECT_EQ(report["next_id"], 4);
  EXPECT_THAT(report["silhouettes"], SizeIs(3));
  EXPECT_THAT(report["map"]["points"], SizeIs(60));
  EXPECT_THAT(report["dendrogram"]["merges"], SizeIs(2));

  ASSERT_THAT(report["rules"], SizeIs(4));
  EXPECT_EQ(report["rules"][0]["name"], "Cart Abandoners");
  EXPECT_EQ(report["rules"][1]["thresholds"].size(), 1u);
  EXPECT_EQ(report["thresholds"]["fixed"]["value"], 100);
  EXPECT_EQ(report["thresholds"]["big"]["last"], nullptr);
  EXPECT_EQ(report["stages"]["names"], (json{"awareness", "consideration", "purchase"}));
  EXPECT_EQ(report["stages"]["transitions"], nullptr);
  for (const char* key : {"event", "horizon", "base_rate", "auc", "brier", "log_loss", "calibration", "coefficients",
                          "intercept", "split_time", "n_train", "n_test", "n_likely"})
    EXPECT_TRUE(report["likelihood"].contains(key)) << key;
  EXPECT_THAT(report["audit"]["attributes"], IsEmpty());
  EXPECT_EQ(report["audit"]["gate"]["passed"], true);

  // The manifest has the same but for what only the publication brings.
  json manifest = SegmentModel::Open(store_, "s")->manifest(), same = report;
  for (const char* key : {"version", "path", "seconds"}) same.erase(key);
  for (const auto& [key, value] : same.items()) EXPECT_EQ(manifest[key], value) << key;
}

TEST_F(SegmentJob, TheVersionSaysOfEveryUserWhatTheReportCounts) {
  const json report = Make(Dataset());
  const auto model = SegmentModel::Open(store_, "s");
  std::vector<int64_t> sizes(3), rules(4), stages(3);
  int64_t n_likely = 0;
  for (int64_t u = 0; u < model->users().size(); ++u) {
    const UserSegments of = model->Of(u);
    if (of.segment >= 0) ++sizes[static_cast<size_t>(of.segment)];
    for (const UserSegments::Rule& rule : of.rules) ++rules[static_cast<size_t>(rule.rule)];
    if (of.stage >= 0) ++stages[static_cast<size_t>(of.stage)];
    n_likely += of.is_likely ? 1 : 0;
    EXPECT_EQ(of.likelihood.has_value(), of.segment >= 0);
  }
  for (size_t s = 0; s < 3; ++s) EXPECT_EQ(report["segments"][s]["size"], sizes[s]);
  for (size_t r = 0; r < 4; ++r) EXPECT_EQ(report["rules"][r]["size"], rules[r]);
  EXPECT_EQ(report["stages"]["sizes"], json(stages));
  EXPECT_EQ(report["likelihood"]["n_likely"], n_likely);
}

TEST_F(SegmentJob, TheSameBitsForAnyNumberOfThreads) {
  const std::string dataset = Dataset();
  json first;
  for (const int n_threads : {1, 2, 5}) {
    SegmentOptions options = Options(dataset);
    options.n_threads = n_threads;
    options.model = "t" + std::to_string(n_threads);
    json report = Make(options);
    for (const char* key : {"model", "created_at", "seconds", "path", "backend"}) report.erase(key);
    if (first.is_null()) first = report;
    EXPECT_EQ(report, first) << n_threads << " threads: " << json::diff(first, report);
  }
}

TEST_F(SegmentJob, EveryAlgorithm) {
  const std::string dataset = Dataset();
  for (const char* algorithm : {"kmeans", "mini_batch_kmeans", "ward", "average", "complete", "single"}) {
    const json report = Make(dataset, Replaced(kShoppersToml, "k = 3",
                                               std::string("k = \"silhouette\"\nalgorithm = \"") + algorithm + "\""));
    EXPECT_THAT(report["dendrogram"]["merges"], Not(IsEmpty())) << algorithm;
    EXPECT_EQ(report["curves"]["k"].size(), 9u) << algorithm;
    EXPECT_EQ(report["declared"]["clusters"]["algorithm"], algorithm);
    fs::remove_all(store_.root());
  }
}

TEST_F(SegmentJob, ARefreshKeepsIdsNamesAndThresholds) {
  const json first = Make(Dataset());
  const auto before = SegmentModel::Open(store_, "s");
  Shoppers later;
  later.n_users = 66;
  later.n_days = 70;
  later.price = 90;  // who is big is twice as big
  std::string toml = Replaced(kShoppersToml, "names = { \"2\" = \"Second\" }", "");
  toml += "[drift]\nmax_psi = 1e9\nmax_movers = 1\n";
  const json second = Make(Dataset(later), toml);
  EXPECT_EQ(second["version"], 2);
  const json& lineage = second["lineage"];
  for (const char* key :
       {"from_version", "flows", "kept", "split", "merged", "new", "gone", "n_movers", "share_movers", "psi", "held"})
    EXPECT_TRUE(lineage.contains(key)) << key;
  EXPECT_EQ(lineage["from_version"], 1);
  EXPECT_THAT(lineage["kept"], SizeIs(3));
  EXPECT_THAT(lineage["psi"], SizeIs(5));
  EXPECT_EQ(lineage["held"], false);
  EXPECT_EQ(second["next_id"], 4);
  for (const json& segment : second["segments"]) {
    bool found = false;
    for (const json& old : first["segments"])
      if (old["id"] == segment["id"]) {
        found = true;
        EXPECT_EQ(segment["name"], old["name"]) << "kept, though no file says it any more";
        EXPECT_EQ(segment["named_by"], old["named_by"]);
        EXPECT_EQ(segment["kept_from"], old["id"]);
      }
    EXPECT_TRUE(found) << segment["id"];
  }
  const double was = first["thresholds"]["big"]["value"].get<double>();
  const json& big = second["thresholds"]["big"];
  EXPECT_EQ(big["last"], was);
  EXPECT_NEAR(big["value"].get<double>(), 1.1 * was, 1e-9 * was);
  EXPECT_GT(big["wanted"].get<double>(), 1.1 * was);
  EXPECT_NEAR(big["moved"].get<double>(), 0.1 * was, 1e-9 * was);
  // From each stage before (and from none) to each of now (and to none): all users of both.
  int64_t n = 0;
  for (const json& row : second["stages"]["transitions"])
    for (const json& count : row) n += count.get<int64_t>();
  EXPECT_GE(n, 62);
}

TEST_F(SegmentJob, IdsAreNotUsedAgainAfterARollback) {
  const std::string dataset = Dataset(), more = "[drift]\nmax_psi = 1e9\nmax_movers = 1\n";
  Make(dataset, Replaced(kShoppersToml, "k = 3", "k = 2") + more);
  const json second = Make(dataset, Replaced(kShoppersToml, "k = 3", "k = 6") + more);
  EXPECT_GT(second["next_id"], 3);
  store_.SetCurrent("s", 1);
  const json third = Make(dataset, Replaced(kShoppersToml, "k = 3", "k = 7") + more);
  EXPECT_EQ(third["lineage"]["from_version"], 1);
  ASSERT_THAT(third["lineage"]["new"], Not(IsEmpty()));
  for (const json& id : third["lineage"]["new"])
    EXPECT_GE(std::stoll(id.get<std::string>()), second["next_id"].get<int64_t>());
}

TEST_F(SegmentJob, MoversAreCounted) {
  Make(Dataset());
  Shoppers moved;
  moved.n_days = 70;
  moved.n_movers = 12;
  moved.moving_day = 20;
  const json report = Make(Dataset(moved), std::string(kShoppersToml) + "[drift]\nmax_psi = 1e9\nmax_movers = 1\n");
  const json& lineage = report["lineage"];
  EXPECT_GT(lineage["n_movers"].get<int64_t>(), 0);
  EXPECT_EQ(lineage["n_in_both"], 60);
  EXPECT_NEAR(lineage["share_movers"].get<double>(), lineage["n_movers"].get<double>() / 60, 1e-12);
  int64_t n = 0;
  for (const json& row : lineage["flows"])
    for (const json& count : row) n += count.get<int64_t>();
  EXPECT_EQ(n, 60) << "everybody who is in a segment of either, once";
}

// Who was likely stays so down to `leave`.
TEST_F(SegmentJob, Hysteresis) {
  const std::string dataset = Dataset();
  Make(dataset, std::string(kShoppersToml) + "enter = 0.01\nleave = 0.01\n");
  const auto before = SegmentModel::Open(store_, "s");
  Make(dataset, std::string(kShoppersToml) + "enter = 1\nleave = 0.01\n");
  const auto after = SegmentModel::Open(store_, "s");
  ASSERT_EQ(after->version(), 2);
  EXPECT_GT(before->LikelyMembers().size(), 0u);
  EXPECT_EQ(after->LikelyMembers(), before->LikelyMembers());
  for (int64_t u = 0; u < 60; ++u)
    EXPECT_EQ(after->Assign(EventsOf(after->events(), u), u, after->reference()).is_likely, after->IsLikely(u)) << u;
  // Likely to do something else, or within another time, is not likely to do this.
  for (const auto& [what, other] :
       {std::pair("event = \"purchases\"\nh", "event = \"views\"\nh"), {"horizon = \"7d\"", "horizon = \"8d\""}}) {
    Make(dataset, std::string(kShoppersToml) + "enter = 0.01\nleave = 0.01\n");
    Make(dataset, Replaced(kShoppersToml, what, other) + "enter = 1\nleave = 0.01\n");
    EXPECT_THAT(SegmentModel::Open(store_, "s")->LikelyMembers(), IsEmpty()) << other;
  }
}

TEST_F(SegmentJob, DriftHoldsTheVersion) {
  ASSERT_EQ(Run(Dataset(), kShoppersToml), 0) << err_;
  Shoppers other;
  other.price = 4000;
  other.n_days = 90;
  other.n_movers = 30;
  const std::string dataset = Dataset(other),
                    toml = std::string(kShoppersToml) + "[drift]\nmax_psi = 0.1\nmax_movers = 0.05\n";
  EXPECT_EQ(Run(dataset, toml, {"--json"}), 1);
  const json report = json::parse(out_);
  EXPECT_EQ(report["published"], false);
  EXPECT_EQ(report["lineage"]["held"], true);
  EXPECT_THAT(report["reasons"], Not(IsEmpty()));
  EXPECT_FALSE(report.contains("version"));
  EXPECT_THAT(err_, HasSubstr("'s' was not published:\n  "));
  EXPECT_THAT(err_, HasSubstr("above max_psi 0.1"));
  EXPECT_THAT(err_, HasSubstr("--accept-drift publishes it nevertheless"));
  EXPECT_THAT(store_.Versions("s"), ElementsAre(1));
  EXPECT_EQ(Run(dataset, toml), 1);
  EXPECT_THAT(out_, Not(HasSubstr("published")));
  ASSERT_EQ(Run(dataset, toml, {"--accept-drift", "--json"}), 0) << err_;
  const json accepted = json::parse(out_);
  EXPECT_EQ(accepted["version"], 2);
  EXPECT_EQ(accepted["lineage"]["held"], false);
  EXPECT_EQ(accepted["reasons"], report["reasons"]);
  EXPECT_EQ(store_.Current("s"), 2);
}

TEST_F(SegmentJob, KeptClusters) {
  const std::string dataset = Dataset();
  SegmentOptions options = Options(dataset);
  options.keep_clusters = true;
  ExpectError(ErrorCode::kNotFound, "'s' has no version whose clusters could be kept", [&] { Make(options); });
  const json first = Make(dataset);
  const auto before = SegmentModel::Open(store_, "s");
  const json same = Make(options);
  const auto after = SegmentModel::Open(store_, "s");
  EXPECT_EQ(same["curves"]["chosen_by"], "kept");
  EXPECT_TRUE(std::ranges::equal(before->labels(), after->labels()));
  EXPECT_TRUE(std::ranges::equal(before->centroids().all(), after->centroids().all()));
  EXPECT_EQ(same["lineage"]["n_movers"], 0);
  EXPECT_EQ(Names(same), Names(first));
  for (const bool exact : {true, false}) {  // of more users than a sample has
    options.spec.clusters.sample_size = 20;
    if (exact)
      options.spec.clusters.sampled = false;
    else
      options.spec.clusters.sampled.reset();
    const json again = Make(options);
    EXPECT_EQ(again["metrics"]["silhouette_kind"], exact ? "exact" : "sampled");
    EXPECT_EQ(again["metrics"]["n_silhouettes"], exact ? 60 : 20);
  }
  // Of a dataset that lacks what the version's features ask for.
  Shoppers bare;
  bare.attributes = false;
  options = Options(Dataset(bare), Declared(""));
  options.keep_clusters = true;
  ExpectError(ErrorCode::kInvalidArgument, "category", [&] { Make(options); });
}

TEST_F(SegmentJob, KeptClustersMayHaveOtherRules) {
  const std::string dataset = Dataset();
  Make(dataset);
  SegmentOptions options =
      Options(dataset, Declared("[events]\npurchases = \"buy\"\nlooks = [\"view\", \"cart\"]\n"
                                "[[rules]]\nname = \"r\"\nwhen = \"looks >= 1 and views >= 1\"\n"));
  options.keep_clusters = true;
  const json report = Make(options);
  ASSERT_THAT(report["rules"], SizeIs(1));
  EXPECT_EQ(report["rules"][0]["size"], 60);
  EXPECT_THAT(report["features"], SizeIs(5));
  options.spec = ParseSegmentSpec(Declared("[events]\npurchases = [\"buy\", \"cart\"]\n"), "segments.toml");
  ExpectError(ErrorCode::kInvalidArgument, "'purchases' in [events] names other types than in version 2 of 's'",
              [&] { Make(options); });
  // A type that a feature counts by its own name stays what it is.
  const std::string counts = Declared("[[features]]\nname = \"n\"\nkind = \"count\"\nevents = \"view\"\n");
  options.keep_clusters = false;
  options.model = "by_types";
  options.spec = ParseSegmentSpec(counts, "segments.toml");
  Make(options);
  options.keep_clusters = true;
  options.spec = ParseSegmentSpec(Declared("[events]\nview = \"cart\"\n"), "segments.toml");
  ExpectError(ErrorCode::kInvalidArgument, "'view' in [events] names other types", [&] { Make(options); });
  options.spec = ParseSegmentSpec(Declared("[events]\nview = \"view\"\ncart = \"buy\"\n"), "segments.toml");
  EXPECT_EQ(Make(options)["lineage"]["n_movers"], 0);
}

TEST_F(SegmentJob, KeptClustersMayBecomeEmpty) {
  const std::string toml = Declared(R"([[features]]
name = "n"
kind = "count"
[clusters]
k = 3
)");
  Make(Dataset(), toml);
  Shoppers few;
  few.n_users = 2;  // of two habits
  SegmentOptions options = Options(Dataset(few), toml);
  options.keep_clusters = true;
  options.accept_drift = true;
  const json report = Make(options);
  EXPECT_EQ(report["version"], 2);
  ASSERT_THAT(report["segments"], SizeIs(3));
  int64_t n_empty = 0, n = 0;
  for (const json& segment : report["segments"]) {
    n += segment["size"].get<int64_t>();
    n_empty += segment["size"] == 0 ? 1 : 0;
  }
  EXPECT_EQ(n, 2);
  EXPECT_EQ(n_empty, 1);
  EXPECT_EQ(SegmentModel::Open(store_, "s")->n_segments(), 3);
  const json refreshed = Make(options);  // from a version that has an empty one
  EXPECT_EQ(refreshed["version"], 3);
}

TEST_F(SegmentJob, SmallSegmentsAreMerged) {
  const json report = Make(Dataset(), Replaced(kShoppersToml, "k = 3", "k = 6\nmin_size = 15"));
  EXPECT_THAT(report["merged"], Not(IsEmpty()));
  for (const json& segment : report["segments"]) EXPECT_GE(segment["size"].get<int64_t>(), 15);
  EXPECT_EQ(report["metrics"]["k"], report["segments"].size());
}

// The audit's gate, with a model whose lists are worse for one country.
TEST_F(SegmentJob, AuditHoldsTheVersion) {
  const auto group = [](const char* name, double ndcg) {
    return json{{"group", name},
                {"n_users", 40},
                {"ndcg_at_10", {{"mean", ndcg}, {"low", ndcg - 0.01}, {"high", ndcg + 0.01}}},
                {"novelty_at_10", {{"mean", 5}, {"low", 4}, {"high", 6}}},
                {"popularity_lift_at_10", 1.1}};
  };
  const auto publish = [&](const json& evaluation) {
    const ModelLock lock = store_.Lock("shop");
    PublishModel(store_, "shop", SmallModel().view(), {{"evaluation", evaluation}});
  };
  publish(nullptr);
  const std::string dataset = Dataset();
  const std::string toml =
      std::string(kShoppersToml) +
      "[audit]\nattributes = [\"country\"]\nmodel = \"shop\"\nmin_group = 5\nmax_quality_gap = 0.1\n";
  json report = Make(dataset, toml);
  EXPECT_THAT(warnings_, Contains(HasSubstr("the current version of 'shop' was not evaluated")));
  ASSERT_THAT(report["audit"]["attributes"], SizeIs(1));
  EXPECT_THAT(report["audit"]["attributes"][0]["groups"], SizeIs(testing::Ge(2u)));
  publish({{"k", 10}, {"user_groups", {{{"attribute", "country"}, {"groups", {group("DE", 0.2), group("FR", 0.1)}}}}}});
  EXPECT_EQ(Run(dataset, toml), 1);
  EXPECT_THAT(err_, HasSubstr("below that of DE"));
  EXPECT_THAT(err_, HasSubstr("above max_quality_gap"));
  EXPECT_THAT(store_.Versions("s"), ElementsAre(1));
  EXPECT_EQ(Run(dataset, toml, {"--accept-drift"}), 0) << err_;
  ExpectError(ErrorCode::kNotFound, "has no current version of model 'shopp'",
              [&] { Make(dataset, Replaced(toml, "\"shop\"", "\"shopp\"")); });
  ExpectError(ErrorCode::kInvalidArgument, "users have no attribute 'contry' to audit; did you mean 'country'?",
              [&] { Make(dataset, Replaced(toml, "[\"country\"]", "[\"contry\"]")); });
}

}  // namespace
}  // namespace kindred
