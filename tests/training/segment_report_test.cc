#include "training/segment_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "tests/support/html.h"
#include "tests/training/segment_report_sample.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

const std::string kHostile = "</td><script>alert(1)</script><img src=x onerror=\"alert(2)\">'&amp;";
const std::string kDrawing = "<svg viewBox=\"0 0 10 10\"><path d=\"M0 0h5\"/></svg>";

const json& Sample() {
  static const json sample = SampleSegmentReport();
  return sample;
}

/// The sample with few points, so that a page of it is made quickly.
json Small() {
  json report = Sample();
  json& points = report["map"]["points"];
  points = json::array({points[0], points[1], points[2], points[3]});
  for (json& values : report["silhouettes"]) values = {0.5, 0.1, -0.1};
  for (json& segment : report["segments"]) segment["examples"] = json::array({segment["examples"][0]});
  for (json& of : report["audit"]["attributes"]) of["groups"] = json::array({of["groups"][0], of["groups"][1]});
  for (const char* list : {"calibration", "coefficients"})
    report["likelihood"][list] = json::array({report["likelihood"][list][0], report["likelihood"][list][1]});
  report["segments"].erase(report["segments"].begin() + 2, report["segments"].end());
  report["silhouettes"].erase(report["silhouettes"].begin() + 2, report["silhouettes"].end());
  report["features"].erase(report["features"].begin() + 2, report["features"].end());
  for (json& segment : report["segments"])
    segment["profile"].erase(segment["profile"].begin() + 2, segment["profile"].end());
  return report;
}

int CountOf(const std::string& html, const std::string& what) {
  int n = 0;
  for (size_t at = html.find(what); at != html.npos; at = html.find(what, at + 1)) ++n;
  return n;
}

TEST(SegmentVerdict, SaysWhatWasFoundAndWhetherToTrustIt) {
  json report = Small();
  const std::string name = report["segments"][1]["name"];
  report["segments"][0]["size"] = 10;
  report["segments"][1]["share"] = 0.25;
  EXPECT_THAT(SegmentVerdict(report), HasSubstr("2 segments; the largest, \"" + name + "\", has 25 % of the users."));
  EXPECT_THAT(SegmentVerdict(report), HasSubstr("not far apart, with blurred borders (silhouette 0.342)"));
  EXPECT_THAT(SegmentVerdict(report), HasSubstr("4 of them were there in version 6 already"));
  report["lineage"] = nullptr;
  EXPECT_THAT(SegmentVerdict(report), Not(HasSubstr("version")));
  report["metrics"]["silhouette"] = 0.1;
  EXPECT_THAT(SegmentVerdict(report), HasSubstr("hardly apart"));
  report["segments"].erase(1);
  EXPECT_EQ(SegmentVerdict(report), "All users are in one segment.");
  report["segments"] = json::array();
  EXPECT_EQ(SegmentVerdict(report), "There are no segments: nobody has events to go by.");
}

TEST(SegmentReportHtml, HasEverySectionAndATableForEveryChart) {
  const std::string html = SegmentReportHtml(Sample(), kDrawing);
  const HtmlContent content = ReadHtml(html);
  EXPECT_EQ(content.problem, "");
  EXPECT_EQ(content.tags.count("script"), 0u);
  for (const char* title : {"shop-segments version 7: segments of data/online_retail",
                            "Worth a look",
                            "The segments",
                            "What sets them apart",
                            "Profiles side by side",
                            "Where users are",
                            "How many there are, and how distinct",
                            "Inertia by number",
                            "Silhouette by number",
                            "Silhouettes",
                            "Merged because they were too small",
                            "How they join",
                            "Users to look at",
                            "near 2",
                            "Segments by rule",
                            "carts >= 1 in 7d and purchases = 0 in 7d",
                            "threshold",
                            "How far they have come",
                            "Who is likely to come",
                            "What was said and what came",
                            "Since version 6",
                            "was split into",
                            "changed",
                            "Are groups treated alike?",
                            "By country",
                            "Iceland (few users)",
                            "How good recommendations are, by country",
                            "Days with unusual numbers of events",
                            "What is known of users",
                            "How it was made",
                            "Champions",
                            "chosen: 5",
                            "elbow: 4"})
    EXPECT_THAT(content.text, HasSubstr(title));
  EXPECT_THAT(html, HasSubstr(kDrawing));
  EXPECT_EQ(CountOf(html, "<figure>"), 8);
  EXPECT_EQ(CountOf(html, "<figure>"), CountOf(html, "The figures as a table"));
  EXPECT_EQ(CountOf(html, "<figure>"), CountOf(html, "role=\"img\" aria-label="));
  EXPECT_LT(html.size(), 300000u) << "a page to be mailed";
}

TEST(SegmentReportHtml, LeavesOutWhatWasNotAskedFor) {
  json report = Small();
  for (const char* name :
       {"rules", "stages", "likelihood", "lineage", "audit", "dendrogram", "thresholds", "merged", "warnings"})
    report[name] = nullptr;
  const HtmlContent content = ReadHtml(SegmentReportHtml(report));
  EXPECT_EQ(content.problem, "");
  for (const char* title : {"Segments by rule", "How far they have come", "Who is likely", "Since version",
                            "treated alike", "How they join", "Worth a look", "Merged because"})
    EXPECT_THAT(content.text, Not(HasSubstr(title)));
}

TEST(SegmentReportHtml, SaysThatAVersionIsHeld) {
  json report = Small();
  EXPECT_THAT(SegmentReportHtml(report), HasSubstr("Not published: it drifted too far"));
  EXPECT_THAT(SegmentReportHtml(report), HasSubstr("their population stability index is 0.31"));
  EXPECT_THAT(SegmentReportHtml(report), HasSubstr("Not published: groups of users"));
  EXPECT_THAT(SegmentReportHtml(report), HasSubstr("above max_quality_gap 15 %"));
  report["published"] = true;  // by --accept-drift
  EXPECT_THAT(SegmentReportHtml(report), HasSubstr("Published nevertheless: it drifted too far"));
  EXPECT_THAT(SegmentReportHtml(report), HasSubstr("Published nevertheless: groups of users"));
  EXPECT_THAT(SegmentReportHtml(report), Not(HasSubstr("Not published")));
  report["lineage"]["reasons"] = report["audit"]["gate"]["reasons"] = json::array();
  report["audit"]["gate"]["passed"] = true;
  EXPECT_THAT(SegmentReportHtml(report), Not(HasSubstr("ublished")));
}

TEST(SegmentReportHtml, SaysHowTheNumberCameAbout) {
  json report = Small();
  for (const auto& [chosen, words] : {std::pair("elbow", "chosen by elbow"),
                                      {"fixed", "as configured"},
                                      {"kept", "as in the last version"},
                                      {"height", "chosen by height"}}) {
    report["curves"]["chosen_by"] = chosen;
    EXPECT_THAT(ReadHtml(SegmentReportHtml(report)).text, HasSubstr(std::string("segments, ") + words + ". "));
  }
  report["metrics"]["k"] = 1;
  EXPECT_THAT(ReadHtml(SegmentReportHtml(report)).text, HasSubstr("1 segment, chosen by height. "));
  EXPECT_THAT(SegmentReportHtml(report), Not(HasSubstr("clusters that were kept")));
  report["curves"]["chosen_by"] = "kept";  // figures of features are of the version that they were made with
  EXPECT_THAT(SegmentReportHtml(report), HasSubstr("Values as they came when the clusters that were kept were made"));
}

TEST(SegmentReportHtml, StagesMayHaveBeenOthers) {
  json report = Small();
  report["stages"]["last_names"] = {"stranger", "purchase"};
  report["stages"]["transitions"] = {{777, 0, 0, 0, 0}, {0, 0, 888, 0, 0}, {0, 0, 0, 0, 999}};
  const HtmlContent content = ReadHtml(SegmentReportHtml(report));
  EXPECT_THAT(content.text, testing::ContainsRegex("stranger[^0-9]*awareness[^0-9]*777"));
  EXPECT_THAT(content.text, testing::ContainsRegex("purchase[^0-9]*purchase[^0-9]*888"));
  EXPECT_THAT(content.text, testing::ContainsRegex("none[^0-9]*none[^0-9]*999"));
}

// `kindred query segments describe --cluster 41` is asked with what the page shows.
TEST(SegmentReportHtml, NumbersAreIds) {
  json report = Small();
  const std::string name = report["segments"][1]["name"];
  report["segments"][1]["id"] = "41";
  report["segments"][0]["examples"][0]["next"] = "41";
  report["lineage"] = {{"from_version", 1}, {"from", json::array()}, {"flows", json::array()}, {"new", {"41"}}};
  const std::string html = SegmentReportHtml(report), text = ReadHtml(html).text;
  EXPECT_THAT(text, HasSubstr("41 " + name));
  EXPECT_THAT(text, Not(HasSubstr("2 " + name)));
  EXPECT_THAT(text, HasSubstr("near 41"));
  EXPECT_THAT(text, HasSubstr("new: \"41 " + name + "\""));
  EXPECT_THAT(html, HasSubstr("<li value=\"41\">"));
  EXPECT_THAT(html, HasSubstr("%\">41</span>")) << "on the map";
}

TEST(SegmentReportHtml, SharesOfStagesAreOfAllUsers) {
  json report = Small();
  report["stages"] = {{"names", {"one", "two"}}, {"sizes", {10, 30}}, {"n_in_none", 160}, {"transitions", nullptr}};
  const std::string text = ReadHtml(SegmentReportHtml(report)).text;
  for (const char* share : {"5 %", "15 %", "80 %"}) EXPECT_THAT(text, HasSubstr(share));
}

TEST(SegmentReportHtml, OfMoreSegmentsThanColours) {
  json report = Small();
  const json one = report["segments"][0];
  report["segments"] = json::array();
  for (int s = 0; s < 20; ++s) {
    report["segments"].push_back(one);
    report["segments"].back()["name"] = "segment number " + std::to_string(s);
    report["segments"].back()["id"] = std::to_string(s + 1);
    report["map"]["points"].push_back({{"x", s}, {"y", -s}, {"segment", s}});
  }
  const std::string html = SegmentReportHtml(report);
  EXPECT_EQ(ReadHtml(html).problem, "");
  EXPECT_THAT(html, HasSubstr("class=\"line s3 again\""));
}

TEST(SegmentReportHtml, NothingForeignBecomesMarkup) {
  json report = Sample();
  std::function<void(json&)> make_hostile = [&](json& at) {
    for (json& member : at) {
      if (member.is_string())
        member = kHostile + member.get<std::string>();
      else if (member.is_structured())
        make_hostile(member);
    }
  };
  make_hostile(report);
  report["thresholds"][kHostile] = report["thresholds"]["big"];
  report["segments"][0]["name"] = "\xff\x01";
  const HtmlContent content = ReadHtml(SegmentReportHtml(report, kDrawing));
  EXPECT_EQ(content.problem, "");
  for (const char* tag : {"script", "img", "a", "link", "iframe"}) EXPECT_EQ(content.tags.count(tag), 0u) << tag;
  EXPECT_EQ(content.attributes.count("onerror"), 0u);
  EXPECT_THAT(content.links, testing::IsEmpty());
  EXPECT_THAT(content.text, HasSubstr(kHostile));
}

/// Puts `value` in place of each member in turn, at any depth.
void WithEach(json& at, const json& value, const std::function<void()>& check) {
  for (json& member : at) {
    json before = member;
    if (member.is_structured()) WithEach(member, value, check);
    member = value;
    check();
    member = std::move(before);
  }
}

TEST(SegmentReportHtml, IsSoundWhateverIsMissingOrWrong) {
  json report = Small();
  const auto check = [&] {
    const std::string html = SegmentReportHtml(report);
    EXPECT_EQ(ReadHtml(html).problem, "") << report.dump(2);
    for (const char* none : {"nan", ">inf", "-inf"}) {
      const size_t at = html.find(none, html.find("</style>"));
      EXPECT_EQ(at, html.npos) << html.substr(std::min(at, html.size()), 100);
    }
  };
  for (const json& value : {json(), json("text"), json(-1), json(1e300), json::array(), json::object(),
                            json(std::numeric_limits<double>::quiet_NaN())})
    WithEach(report, value, check);
  const json whole = report;
  for (const auto& [name, value] : whole.items()) {
    report = whole;
    report.erase(name);
    check();
  }
  report = json::object();
  check();
  report = 3;
  check();
}

}  // namespace
}  // namespace kindred
