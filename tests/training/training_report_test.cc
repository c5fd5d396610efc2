#include "training/training_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "tests/support/html.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

const std::string kHostile = "</td><script>alert(1)</script><img src=x onerror=\"alert(2)\">'&amp;";

json Interval(double mean, double low, double high) {
  return {{"mean", mean}, {"low", low}, {"high", high}};
}

/// A report with something in every section.
json Report() {
  json report = {{"model", "shop"},
                 {"version", 3},
                 {"algorithm", "als"},
                 {"kindred_version", "0.1.0"},
                 {"created_at", "2026-01-02T03:04:05Z"},
                 {"dataset", {{"path", "data/shop"}, {"digest", "abc"}}},
                 {"n_users", 1000},
                 {"n_items", 200},
                 {"n_entries", 5000},
                 {"n_factors", 64},
                 {"objective", {{"regularization", 0.01}}},
                 {"holdout", {{"kind", "random"}, {"n_users", 900}, {"n_pairs", 2000}, {"n_cold_users", 0}}},
                 {"epochs", {{{"epoch", 1}, {"loss", 2e6}}, {{"epoch", 2}, {"loss", 1.5e6}}}},
                 {"seconds", {{"load", 0.5}, {"fit", 2}}},
                 {"backend", {{"name", "cpu"}, {"device", "a processor"}}},
                 {"data", {{"n_events", 7000}, {"event_types", {{{"name", "view"}, {"n_events", 7000}}}}}},
                 {"peak_memory_bytes", 5000000}};
  report["metrics"] = {{"ndcg_at_20", 0.3},     {"popularity_ndcg_at_20", 0.1},     {"recall_at_20", 0.4},
                       {"coverage_at_20", 0.5}, {"popularity_coverage_at_20", 0.1}, {"popularity_recall_at_20", 0.2}};
  json& evaluation = report["evaluation"];
  evaluation = {{"k", 20},
                {"against_popularity", {{"ndcg_at_20", Interval(0.2, 0.15, 0.25)}}},
                {"scores", {{"first", -0.1}, {"last", 1.5}, {"hits", {0, 1, 5}}, {"others", {9, 5, 1}}}}};
  evaluation["spread"]["ndcg_at_20"] = {{"n_zero", 3}, {"counts", std::vector<int>(20, 1)}};
  evaluation["calibration"] = {{"n_learning", 500}, {"n_measuring", 400}, {"brier", 0.05}, {"brier_of_base", 0.06}};
  evaluation["calibration"]["bins"] = {
      {{"n", 200}, {"n_hits", 4}, {"predicted", 0.02}, {"observed", 0.02}, {"low", 0.01}, {"high", 0.04}}};
  evaluation["user_groups"] = {
      {{"attribute", "age"},
       {"groups", {{{"group", "18 to 24"}, {"n_users", 50}, {"ndcg_at_20", Interval(0.2, 0.1, 0.3)}}}}}};
  evaluation["item_groups"] = {
      {{"attribute", "category"}, {"groups", {{{"group", "shoes"}, {"n_items", 9}, {"of_items", 0.1}}}}}};
  report["last_version"] = {{"version", 2}, {"why_not", ""}, {"metrics", {{"ndcg_at_20", 0.25}}}};
  return report;
}

TEST(TrainingVerdict, SaysByHowMuchItIsBetterOrWorse) {
  json report = Report();
  EXPECT_EQ(
      TrainingVerdict(report),
      "ALS is better than popularity: NDCG@20 0.3000 against 0.1000, 3 times as good (the difference is 0.1500 to "
      "0.2500, at 95 %). It is 20 % better than version 2, which has 0.2500.");
  json& against = report["evaluation"]["against_popularity"]["ndcg_at_20"];
  report["metrics"]["ndcg_at_20"] = 0.08;
  against = Interval(-0.02, -0.03, -0.01);
  EXPECT_THAT(TrainingVerdict(report),
              HasSubstr("ALS is worse than popularity: NDCG@20 0.0800 against 0.1000, 20 % worse"));
  EXPECT_THAT(TrainingVerdict(report), HasSubstr("It is 68 % worse than version 2"));
  against = Interval(-0.02, -0.06, 0.01);
  EXPECT_THAT(TrainingVerdict(report), HasSubstr("no different from popularity beyond chance"));
  report["metrics"]["ndcg_at_20"] = 0.25;
  EXPECT_THAT(TrainingVerdict(report), HasSubstr("It is as good as version 2"));
  report["last_version"]["why_not"] = "it was trained on other data";
  EXPECT_THAT(TrainingVerdict(report), HasSubstr("It does not compare with version 2: it was trained on other data."));
  report["last_version"] = nullptr;
  EXPECT_THAT(TrainingVerdict(report), Not(HasSubstr("version")));
  report["algorithm"] = "popularity";
  EXPECT_EQ(TrainingVerdict(report), "Popularity, the baseline, has NDCG@20 0.2500.");
  report["metrics"]["popularity_ndcg_at_20"] = 0;
  report["algorithm"] = "als";
  EXPECT_THAT(TrainingVerdict(report), HasSubstr("0.2500 against 0.0000, better"));
  report.erase("metrics");
  EXPECT_THAT(TrainingVerdict(report), HasSubstr("Nothing was held out"));
}

TEST(TrainingReportHtml, HasEverySectionAndATableForEveryChart) {
  const std::string html = TrainingReportHtml(Report());
  const HtmlContent content = ReadHtml(html);
  EXPECT_EQ(content.problem, "");
  for (const char* title : {"How good it is",
                            "How it learned",
                            "What the lists are like",
                            "For whom it works",
                            "What is shown",
                            "Users, one by one",
                            "What scores mean",
                            "How it was made",
                            "Loss by epoch",
                            "Reliability of the probability",
                            "Scores of recommended items",
                            "Users by their NDCG@20",
                            "shop version 3: ALS on data/shop",
                            "By age",
                            "18 to 24",
                            "0.1000 to 0.3000",
                            "shoes",
                            "objective: regularization",
                            "2026-01-02T03:04:05Z",
                            "a processor",
                            "4.8 MiB"})
    EXPECT_THAT(content.text, HasSubstr(title));
  const auto count = [&](const std::string& what) {
    int n = 0;
    for (size_t at = html.find(what); at != html.npos; at = html.find(what, at + 1)) ++n;
    return n;
  };
  EXPECT_EQ(count("<figure>"), 4);
  EXPECT_EQ(count("<figure>"), count("The figures as a table"));
  EXPECT_EQ(count("<figure>"), count("role=\"img\" aria-label="));
  EXPECT_EQ(count("<figure>"), count("class=\"axis above\"")) << "the y axis has a name";
  EXPECT_EQ(count("<figure>"), count("class=\"axis\"")) << "the x axis has a name";
}

TEST(TrainingReportHtml, ShowsMetricsByEpochBesideTheLoss) {
  json report = Report();
  EXPECT_THAT(ReadHtml(TrainingReportHtml(report)).text, Not(HasSubstr("NDCG@20 by epoch")));
  json& epochs = report["evaluation"]["epochs"];
  epochs = {{{"epoch", 2}, {"loss", 2e6}, {"metrics", {{"ndcg_at_20", 0.2}, {"recall_at_20", 0.35}}}},
            {{"epoch", 4}, {"loss", 1e6}, {"metrics", {{"ndcg_at_20", 0.3}, {"recall_at_20", 0.4}}}}};
  const auto chart = [&](const std::string& title) {
    const std::string html = TrainingReportHtml(report);
    const HtmlContent content = ReadHtml(html);
    EXPECT_EQ(content.problem, "");
    const size_t at = html.find("<figcaption>" + title);
    return at == html.npos ? "" : ReadHtml(html.substr(at, html.find("</figure>", at) - at)).text;
  };
  const std::string ndcg = chart("NDCG@20 by epoch");
  const auto row = [&](const std::string& name, const std::string& epoch, const std::string& value) {
    return testing::ContainsRegex(name + "\\s*" + epoch + "\\s*" + value);
  };
  EXPECT_THAT(ndcg, testing::AllOf(row("this training", "2", "0.2000"), row("this training", "4", "0.3000")));
  EXPECT_THAT(ndcg, testing::AllOf(row("popularity", "2", "0.1000"), row("popularity", "4", "0.1000")));
  EXPECT_THAT(ndcg, testing::AllOf(row("version 2", "2", "0.2500"), row("version 2", "4", "0.2500")));
  EXPECT_THAT(chart("Recall@20 by epoch") + chart("recall@20 by epoch"), HasSubstr("0.3500"));
  EXPECT_THAT(TrainingReportHtml(report), HasSubstr("if it had ended after the epoch"));

  report["last_version"]["why_not"] = "it was trained on other data";
  epochs.erase(0);
  const std::string one = chart("NDCG@20 by epoch");
  EXPECT_THAT(one, Not(HasSubstr("version 2")));
  EXPECT_THAT(one, row("popularity", "4", "0.1000"));
  EXPECT_THAT(one, Not(row("this training", "2", "")));
  report.erase("epochs");
  EXPECT_EQ(ReadHtml(TrainingReportHtml(report)).problem, "") << "metrics without losses";
}

TEST(TrainingReportHtml, NothingForeignBecomesMarkup) {
  json report = Report();
  for (const char* name : {"model", "algorithm", "kindred_version", "created_at", "fell_back"}) report[name] = kHostile;
  report["dataset"] = {{"path", kHostile}, {"digest", kHostile}};
  report[kHostile] = {{kHostile, kHostile}, {"bytes", "\xff\x01"}};
  report["data"]["event_types"][0]["name"] = kHostile;
  report["evaluation"]["user_groups"][0]["attribute"] = kHostile;
  report["evaluation"]["user_groups"][0]["groups"][0]["group"] = kHostile;
  report["evaluation"]["item_groups"][0]["attribute"] = kHostile;
  report["evaluation"]["item_groups"][0]["groups"][0]["group"] = kHostile;
  report["last_version"]["why_not"] = kHostile;
  report["metrics"][kHostile + "_at_20"] = 1;
  report["metrics"]["popularity_" + kHostile + "_at_20"] = 1;
  const HtmlContent content = ReadHtml(TrainingReportHtml(report));
  EXPECT_EQ(content.problem, "");
  for (const char* tag : {"script", "img", "a", "link", "iframe"}) EXPECT_EQ(content.tags.count(tag), 0u) << tag;
  EXPECT_EQ(content.attributes.count("onerror"), 0u);
  EXPECT_THAT(content.links, testing::IsEmpty());
  EXPECT_THAT(content.text, HasSubstr(kHostile));
}

/// Puts `value` in place of each member in turn, at any depth.
void WithEach(json& root, json& at, const json& value, const std::function<void()>& check) {
  for (json& member : at) {
    json before = member;
    if (member.is_structured()) WithEach(root, member, value, check);
    member = value;
    check();
    member = std::move(before);
  }
}

TEST(TrainingReportHtml, IsSoundWhateverIsMissingOrWrong) {
  json report = Report();
  report["evaluation"]["epochs"] = {{{"epoch", 1}, {"metrics", {{"ndcg_at_20", 0.2}}}}};
  const auto check = [&] {
    const std::string html = TrainingReportHtml(report);
    EXPECT_EQ(ReadHtml(html).problem, "") << report.dump(2);
    for (const char* none : {"nan", ">inf", "-inf"}) {
      const size_t at = html.find(none, html.find("</style>"));
      EXPECT_EQ(at, html.npos) << html.substr(std::min(at, html.size()), 100) << report.dump(2);
    }
  };
  for (const json& value : {json(), json("text"), json(-1), json(0), json(1e300), json::array(), json::object(),
                            json(std::numeric_limits<double>::quiet_NaN())})
    WithEach(report, report, value, check);
  const json whole = report;
  for (const auto& [name, value] : whole.items()) {
    report = whole;
    report.erase(name);
    check();
  }
  report = json::object();
  check();
}

}  // namespace
}  // namespace kindred
