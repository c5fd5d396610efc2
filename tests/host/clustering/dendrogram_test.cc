#include "host/clustering/dendrogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "host/clustering/dendrogram_picture.h"
#include "tests/support/errors.h"
#include "tests/support/html.h"
#include "tests/support/random.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using Labels = std::vector<int32_t>;

const std::string kHostile = "\"><script>alert(1)</script>";

// Points 0 and 4 first, then 1 and 3, then 2 with these, then all.
const std::vector<Merge> kMerges = {{0, 4, 1, 2}, {1, 3, 2, 2}, {2, 6, 2, 3}, {5, 7, 10, 5}};

Dendrogram Random(int64_t n, LinkageMethod method, const std::string& name = "leaf ") {
  const std::vector<float> points = RandomNormal(n * 3, static_cast<uint64_t>(n));
  Dendrogram dendrogram = {method, Linkage({points.data(), n, 3}, {}, method, nullptr), {}};
  for (int64_t i = 0; i < n; ++i) dendrogram.leaf_names.push_back(name + std::to_string(i));
  return dendrogram;
}

TEST(LeafOrder, TheLowestFirst) {
  EXPECT_EQ(LeafOrder(kMerges, 5), (Labels{0, 4, 1, 3, 2}));
  EXPECT_EQ(LeafOrder({}, 1), Labels{0});
  EXPECT_EQ(LeafOrder({}, 0), Labels{});
}

TEST(Cut, ByCount) {
  EXPECT_EQ(CutByCount(kMerges, 5, 1), (Labels{0, 0, 0, 0, 0}));
  EXPECT_EQ(CutByCount(kMerges, 5, 2), (Labels{0, 1, 1, 1, 0}));
  EXPECT_EQ(CutByCount(kMerges, 5, 3), (Labels{0, 1, 2, 1, 0}));
  EXPECT_EQ(CutByCount(kMerges, 5, 5), (Labels{0, 2, 4, 3, 1}));
  EXPECT_EQ(CutByCount({}, 1, 1), Labels{0});
  EXPECT_EQ(CutByCount({}, 0, 3), Labels{});
  for (const int64_t n : {0, -1, 6})
    ExpectError(ErrorCode::kInvalidArgument, "expected 1 to 5", [&] { CutByCount(kMerges, 5, n); });
}

TEST(Cut, ByHeight) {
  EXPECT_EQ(CutByHeight(kMerges, 5, 0.5), CutByCount(kMerges, 5, 5));
  EXPECT_EQ(CutByHeight(kMerges, 5, 1), CutByCount(kMerges, 5, 4));
  EXPECT_EQ(CutByHeight(kMerges, 5, 2), CutByCount(kMerges, 5, 2));  // both of height 2
  EXPECT_EQ(CutByHeight(kMerges, 5, 1e9), CutByCount(kMerges, 5, 1));
  EXPECT_EQ(CutByHeight({}, 1, 0), Labels{0});
}

TEST(Cut, ClustersAreRunsOfTheOrderAndSplitOneByOne) {
  const Dendrogram dendrogram = Random(100, LinkageMethod::kAverage);
  const Labels order = LeafOrder(dendrogram.merges, 100);
  EXPECT_EQ(std::set<int32_t>(order.begin(), order.end()).size(), 100u);
  for (int64_t k = 1; k <= 100; ++k) {
    const Labels labels = CutByCount(dendrogram.merges, 100, k);
    int32_t last = 0;
    for (const int32_t leaf : order) {
      const int32_t label = labels[static_cast<size_t>(leaf)];
      EXPECT_TRUE(label == last || label == last + 1) << k;
      last = label;
    }
    EXPECT_EQ(last, k - 1);
  }
}

TEST(DendrogramJson, ComesBack) {
  for (const int64_t n : {0, 1, 2, 33}) {
    const Dendrogram before = Random(n, LinkageMethod::kComplete, kHostile);
    const Dendrogram after = ParseDendrogram(json::parse(DendrogramJson(before).dump()), "x.json");
    EXPECT_EQ(after.linkage, before.linkage);
    EXPECT_EQ(after.leaf_names, before.leaf_names);
    ASSERT_EQ(after.merges.size(), before.merges.size());
    for (size_t m = 0; m < after.merges.size(); ++m) {
      EXPECT_EQ(after.merges[m].a, before.merges[m].a);
      EXPECT_EQ(after.merges[m].b, before.merges[m].b);
      EXPECT_EQ(after.merges[m].height, before.merges[m].height);
      EXPECT_EQ(after.merges[m].size, before.merges[m].size);
    }
  }
  const json value = DendrogramJson({LinkageMethod::kWard, kMerges, {"a", "b", "c", "d", "e"}});
  EXPECT_EQ(value.at("linkage"), "ward");
  EXPECT_EQ(value.at("merges").at(0), json::parse("[0, 4, 1.0, 2.0]"));
  EXPECT_EQ(value.at("leaf_order"), json::parse("[0, 4, 1, 3, 2]"));
}

TEST(DendrogramJson, WhatIsNone) {
  const json good = DendrogramJson({LinkageMethod::kWard, kMerges, {"a", "b", "c", "d", "e"}});
  const auto expect = [&](const std::string& pointer, const json& value, const std::string& part) {
    json bad = good;
    bad[json::json_pointer(pointer)] = value;
    ExpectError(ErrorCode::kCorrupt, part, [&] { ParseDendrogram(bad, "x.json"); });
  };
  ExpectError(ErrorCode::kCorrupt, "'x.json': the dendrogram: found number; expected an object",
              [] { ParseDendrogram(1, "x.json"); });
  ExpectError(ErrorCode::kCorrupt, "the dendrogram: no 'leaf_names'", [] {
    ParseDendrogram({{"linkage", "ward"}}, "x.json");
  });
  expect("/linkage", 3, "'linkage' is not a text");
  expect("/linkage", "centroid", "'centroid' is no linkage");
  expect("/leaf_names", "a", "'leaf_names' is not a list");
  expect("/leaf_names/0", 4, "'leaf_names' is not a list of texts");
  expect("/leaf_names", {"a"}, "4 merges of 1 leaves");
  expect("/merges", json::array(), "0 merges of 5 leaves");
  expect("/merges/1", {1, 2}, "merge 1 has not four parts");
  expect("/merges/1/0", 6, "merge 1 is of no cluster that there is: 6");
  expect("/merges/1/0", -1, "merge 1 is of no cluster that there is: -1");
  expect("/merges/1/0", 1.5, "merge 1 is of no cluster that there is: 1.5");
  expect("/merges/1/0", 18446744073709551615u, "merge 1 is of no cluster");
  expect("/merges/1/0", 0, "merge 1 is of 0 and 3");
  expect("/merges/1/0", 3, "merge 1 is of 3 and 3");
  expect("/merges/1/2", 0.5, "the height of merge 1 is 0.5; expected a number of at least 1");
  expect("/merges/1/2", nullptr, "the height of merge 1 is null");
  expect("/merges/1/3", -2, "the size of merge 1 is -2");
}

void ExpectSound(const std::string& html) {
  const HtmlContent content = ReadHtml(html);
  EXPECT_EQ(content.problem, "");
  EXPECT_EQ(content.tags.count("script"), 0u);
  EXPECT_TRUE(content.links.empty());
  EXPECT_THAT(content.text, Not(HasSubstr("nan")));
  EXPECT_THAT(html, Not(HasSubstr("nan ")));
  EXPECT_THAT(html, Not(HasSubstr("inf")));
}

constexpr const char* kDeclaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

TEST(DendrogramPicture, OfAnySize) {
  for (const int64_t n : {0, 1, 2, 5, 33, 300, 1500})
    for (const int64_t k : {1, 2, 9, 1200}) {
      SCOPED_TRACE(testing::Message() << n << " leaves in " << k);
      const Dendrogram dendrogram = Random(n, LinkageMethod::kWard, kHostile);
      DendrogramPicture picture = {.title = kHostile, .height_name = kHostile};
      picture.n_clusters = std::clamp<int64_t>(k, 1, std::max<int64_t>(n, 1));
      if (k == 9) picture.cluster_names = {kHostile, "two"};
      const std::string svg = DendrogramSvg(dendrogram, picture);
      ASSERT_EQ(svg.rfind(kDeclaration, 0), 0u);
      ExpectSound(svg.substr(std::string(kDeclaration).size()));
      ExpectSound(DendrogramHtml(dendrogram, picture));
    }
}

TEST(DendrogramPicture, OfEqualTinyAndHugeHeights) {
  for (const double height : {0.0, 5e-324, 1e-300, 1e-290, 1e290, 1.7e308}) {
    std::vector<Merge> merges = kMerges;
    for (Merge& merge : merges) merge.height = height;
    ExpectSound(DendrogramHtml({LinkageMethod::kSingle, merges, {"a", "b", "c", "d", "e"}}, {.title = "t"}));
  }
}

TEST(DendrogramPicture, ClustersInColoursWithNamesAndATable) {
  const Dendrogram dendrogram = {LinkageMethod::kWard, kMerges, {"a", "b", "c", "d", "e"}};
  const DendrogramPicture picture = {.title = "t", .n_clusters = 2, .cluster_names = {"Champions", "Lapsed"}};
  const std::string html = DendrogramHtml(dendrogram, picture);
  EXPECT_THAT(html, HasSubstr("class=\"line s0\""));
  EXPECT_THAT(html, HasSubstr("class=\"line s1\""));
  EXPECT_THAT(html, Not(HasSubstr("class=\"line s2\"")));
  const std::string text = ReadHtml(html).text;
  EXPECT_THAT(text, HasSubstr("Champions (2)"));
  EXPECT_THAT(text, HasSubstr("Lapsed (3)"));
  EXPECT_THAT(html, HasSubstr("A tree of 5 leaves in 2 clusters"));
  EXPECT_THAT(html, HasSubstr("<td class=\"n\"><bdi>3</bdi></td><td class=\"n long\"><bdi>2</bdi></td>"));
}

TEST(DendrogramPicture, OfManyLeavesTheFirstMergesAreOneLeaf) {
  const std::string svg = DendrogramSvg(Random(1500, LinkageMethod::kWard), {.title = "t", .n_clusters = 4});
  EXPECT_THAT(svg, HasSubstr(" and 1 more"));
  EXPECT_THAT(svg, HasSubstr("A tree of 1,500 leaves in 4 clusters"));
}

TEST(DendrogramPicture, NamesThatAreNoText) {
  Dendrogram dendrogram = {LinkageMethod::kWard, kMerges, {"\xff\xfe", std::string(500, 'x'), "", "d\n", "\x01"}};
  const std::string html = DendrogramHtml(dendrogram, {.title = "t", .n_clusters = 2});
  ExpectSound(html);
  EXPECT_THAT(html, HasSubstr("\\xff"));
  EXPECT_THAT(html, Not(HasSubstr(std::string(100, 'x'))));
}

}  // namespace
}  // namespace kindred
