// The table [clusters] of a file.
#include "host/segments/cluster_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/errors.h"

namespace kindred {
namespace {

ClusterSpec Read(const std::string& text) {
  const toml::table table = ParseToml(text, "segments.toml");
  return ReadClusterSpec(TomlTable(table, {"segments.toml", "clusters"}, kClusterSpecKeys));
}

TEST(ClusterSpec, DefaultsAreThoseOfTheHeader) {
  const nlohmann::json json = ClusterSpecJson(Read(""));
  EXPECT_EQ(json, (nlohmann::json{{"algorithm", "kmeans"},
                                  {"k", "elbow"},
                                  {"height", nullptr},
                                  {"k_min", 2},
                                  {"k_max", 10},
                                  {"restarts", 10},
                                  {"seeds", "k-means++"},
                                  {"seed", 0},
                                  {"batch_size", 4096},
                                  {"silhouette", nullptr},
                                  {"sample_size", 10000},
                                  {"min_size", 0},
                                  {"min_share", 0.0},
                                  {"names", nlohmann::json::object()}}));
}

TEST(ClusterSpec, ReadsEverything) {
  const ClusterSpec spec = Read(R"(algorithm = "mini_batch_kmeans"
k = 7
k_min = 3
k_max = 3
restarts = 2
seeds = "k-means||"
seed = 9
batch_size = 64
silhouette = "exact"
sample_size = 500
min_size = 20
min_share = 0.01
names = { "2" = "Champions", "10" = "Sleepers" }
)");
  EXPECT_EQ(spec.choose, ChooseK::kFixed);
  EXPECT_EQ(spec.k, 7);
  EXPECT_EQ(spec.seeds, ClusterSeeds::kParallel);
  EXPECT_EQ(spec.sampled, std::optional(false));
  EXPECT_EQ(ClusterSpecJson(spec), (nlohmann::json{{"algorithm", "mini_batch_kmeans"},
                                                   {"k", 7},
                                                   {"height", nullptr},
                                                   {"k_min", 3},
                                                   {"k_max", 3},
                                                   {"restarts", 2},
                                                   {"seeds", "k-means||"},
                                                   {"seed", 9},
                                                   {"batch_size", 64},
                                                   {"silhouette", "exact"},
                                                   {"sample_size", 500},
                                                   {"min_size", 20},
                                                   {"min_share", 0.01},
                                                   {"names", {{"2", "Champions"}, {"10", "Sleepers"}}}}));
}

TEST(ClusterSpec, AlgorithmsByName) {
  for (const char* name : {"kmeans", "mini_batch_kmeans", "ward", "average", "complete", "single"}) {
    const ClusterSpec spec = Read(std::string("algorithm = \"") + name + "\"");
    EXPECT_STREQ(NameOf(spec.algorithm), name);
    EXPECT_EQ(LinkageOf(spec.algorithm).has_value(), !std::string_view(name).ends_with("kmeans")) << name;
  }
  for (const char* name : {"elbow", "silhouette"})
    EXPECT_STREQ(NameOf(Read(std::string("k = \"") + name + "\"").choose), name);
  EXPECT_STREQ(NameOf(Read("k = 1").choose), "fixed");
  const ClusterSpec cut = Read("algorithm = \"ward\"\nheight = 2");
  EXPECT_STREQ(NameOf(cut.choose), "height");
  EXPECT_EQ(cut.height, 2);
  EXPECT_EQ(ClusterSpecJson(cut)["height"], 2);
}

TEST(ClusterSpec, ErrorsNameThePlace) {
  const std::pair<const char*, const char*> bad[] = {
      {"algoritm = \"ward\"", "line 1, column 1: clusters: unknown key 'algoritm'"},
      {"\nalgorithm = \"wards\"", "line 2, column 13: clusters: 'algorithm' is 'wards'; expected 'kmeans', "},
      {"algorithm = 3", "clusters: 'algorithm' is "},
      {"k = \"best\"", "line 1, column 5: clusters: 'k' is 'best'; expected \"silhouette\", \"elbow\" or a number"},
      {"k = 2.5", "clusters: 'k' is a number; expected"},
      {"k = [2]", "clusters: 'k' is a list; expected"},
      {"k = 0", "clusters: 'k' is "},
      {"k = 1001", "clusters: 'k' is "},
      {"height = 3", "line 1, column 10: clusters: 'height' is for trees"},
      {"algorithm = \"ward\"\nk = 3\nheight = 3", "line 3, column 10: clusters: 'height' stands in place of 'k'"},
      {"algorithm = \"ward\"\nheight = -1", "clusters: 'height' is "},
      {"k_min = 0", "clusters: 'k_min' is "},
      {"k_min = 11", "clusters: k_min is 11 and k_max 10; expected k_min <= k_max"},
      {"k_min = 5\nk_max = 4", "line 2, column 9: clusters: k_min is 5 and k_max 4"},
      {"restarts = 0", "clusters: 'restarts' is "},
      {"seeds = \"random\"", "clusters: 'seeds' is "},
      {"seed = -1", "clusters: 'seed' is "},
      {"batch_size = 0", "clusters: 'batch_size' is "},
      {"silhouette = true", "clusters: 'silhouette' is "},
      {"sample_size = 1", "clusters: 'sample_size' is "},
      {"min_size = -1", "clusters: 'min_size' is "},
      {"min_share = 1.5", "clusters: 'min_share' is "},
      {"min_share = nan", "clusters: 'min_share' is "},
      {"names = \"x\"", "clusters: 'names' is "},
      {"names = { \"1\" = 2 }", "clusters.names: found a number; expected the name of segment '1'"},
      {"names = { \"1\" = \"\" }", "clusters.names: found an empty text; expected the name of segment '1'"},
      {"names = { \"1\" = \"A\", \"2\" = \"A\" }",
       "line 1, column 28: clusters.names: 'A' is the name of segment '1' already"},
  };
  for (const auto& [text, message] : bad) {
    SCOPED_TRACE(text);
    ExpectError(ErrorCode::kUsage, message, [&] { Read(text); });
    ExpectError(ErrorCode::kUsage, "segments.toml: line ", [&] { Read(text); });
  }
}

}  // namespace
}  // namespace kindred
