// The whole of a file of segments.
#include "host/segments/segment_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

constexpr const char* kWhole = R"(schema_version = 1
reference = "2020-01-02"
[events]
purchases = ["buy", "order"]
[[features]]
name = "n"
kind = "count"
events = "purchases"
[clusters]
algorithm = "ward"
k = 3
[[rules]]
name = "Buyers"
when = "purchases >= threshold.some"
[thresholds.some]
of = "n"
quantile = 0.5
[[stages]]
name = "bought"
when = "purchases >= 1"
[likelihood]
event = "purchases"
[drift]
max_psi = 0.5
max_movers = 1
[audit]
attributes = ["country"]
model = "shop"
min_group = 7
max_quality_gap = 0.2
[segment]
store = "elsewhere"
)";

TEST(SegmentSpec, ReadsEverything) {
  const TemporaryFolder folder;
  const SegmentSpec spec = ReadSegmentSpec(folder.Write("segments.toml", kWhole));
  EXPECT_EQ(spec.features.reference, 1577923200);
  ASSERT_EQ(spec.features.features.size(), 1u);
  EXPECT_EQ(spec.features.events.at("purchases").size(), 2u);
  EXPECT_EQ(spec.clusters.algorithm, ClusterAlgorithm::kWard);
  EXPECT_EQ(spec.behaviour.rules.size(), 1u);
  EXPECT_EQ(spec.behaviour.stages.size(), 1u);
  EXPECT_EQ(spec.behaviour.thresholds.size(), 1u);
  ASSERT_TRUE(spec.behaviour.likelihood.has_value());
  EXPECT_EQ(spec.drift.max_psi, 0.5);
  EXPECT_EQ(spec.drift.max_movers, 1);
  EXPECT_EQ(spec.audit_attributes, std::vector<std::string>{"country"});
  EXPECT_EQ(spec.audit_model, "shop");
  EXPECT_EQ(spec.audit.min_group, 7);
  EXPECT_EQ(spec.audit.max_quality_gap, 0.2);
  const nlohmann::json json = SegmentSpecJson(spec);
  EXPECT_EQ(json["clusters"]["k"], 3);
  EXPECT_EQ(json["features"]["features"][0]["name"], "n");
}

TEST(SegmentSpec, OnlyTheVersionIsNeeded) {
  const SegmentSpec spec = ParseSegmentSpec("schema_version = 1", "segments.toml");
  EXPECT_TRUE(spec.features.features.empty());
  EXPECT_EQ(spec.clusters.choose, ChooseK::kElbow);
  EXPECT_FALSE(spec.behaviour.likelihood.has_value());
  EXPECT_EQ(spec.drift.max_psi, 0.25);
  EXPECT_EQ(spec.drift.max_movers, 0.5);
  EXPECT_FALSE(spec.audit.max_quality_gap.has_value());
}

TEST(SegmentSpec, ErrorsNameThePlace) {
  const std::pair<const char*, const char*> bad[] = {
      {"[clusters]\nk = 0", "line 3, column 5: clusters: 'k' is 0"},
      {"[clusterz]", "line 2, column 2: unknown key 'clusterz'; the nearest known key is 'clusters'"},
      {"clusters = 3", "'clusters' is a number; expected a table, written [clusters]"},
      {"segment = 3", "'segment' is a number; expected a table, written [segment]"},
      {"[[features]]\nname = \"a\"\nkind = \"recenzy\"", "line 4, column 8: features"},
      {"[[rules]]\nname = \"a\"", "line 2, column 1: no 'when'; expected one for each rule"},
      {"[drift]\nmax_psy = 1", "line 3, column 1: drift: unknown key 'max_psy'"},
      {"[drift]\nmax_psi = -1", "line 3, column 11: drift: 'max_psi' is "},
      {"[drift]\nmax_movers = 1.5", "drift: 'max_movers' is "},
      {"[audit]\nattributes = [1]", "audit: 'attributes'"},
      {"[audit]\nmodel = \"shop\"", "audit: needs 'attributes'"},
      {"[audit]\nattributes = \"a\"\nmax_quality_gap = 0.1", "line 4, column 19: audit: needs 'model'"},
      {"[audit]\nattributes = \"a\"\nmin_group = 0", "audit: 'min_group' is "},
      {"[thresholds.a]\nquantile = 0.5", "a quantile of nothing"},
      {"[likelihood]\nhorizon = \"30d\"", "no 'event'"},
      {"x = = 1", "line 2, column 5: "},
  };
  for (const auto& [text, message] : bad) {
    SCOPED_TRACE(text);
    const auto parse = [&] { ParseSegmentSpec(std::string("schema_version = 1\n") + text, "segments.toml"); };
    ExpectError(ErrorCode::kUsage, message, parse);
    ExpectError(ErrorCode::kUsage, "segments.toml: line ", parse);
  }
  ExpectError(ErrorCode::kUsage, "schema_version", [] { ParseSegmentSpec("", "segments.toml"); });
  ExpectError(ErrorCode::kUnsupported, "segments.toml",
              [] { ParseSegmentSpec("schema_version = 2\nfuture = 1", "segments.toml"); });
  ExpectError(ErrorCode::kNotFound, "/nowhere/segments.toml", [] { ReadSegmentSpec("/nowhere/segments.toml"); });
}

}  // namespace
}  // namespace kindred
