#include "host/segments/segment_spec.h"

#include "host/store/files.h"

namespace kindred {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{4} << 20;

void ReadDrift(const toml::table& table, const std::string& file, DriftLimits& limits) {
  const TomlTable drift(table, {file, "drift"}, {"max_psi", "max_movers"});
  drift.Read("max_psi", limits.max_psi, 0, 1e9);
  drift.Read("max_movers", limits.max_movers, 0, 1);
}

void ReadAudit(const toml::table& table, const std::string& file, SegmentSpec& spec) {
  const TomlTable audit(table, {file, "audit"}, {"attributes", "model", "min_group", "max_quality_gap"});
  spec.audit_attributes = audit.Texts("attributes");
  audit.Read("model", spec.audit_model);
  audit.Read("min_group", spec.audit.min_group, 1, INT32_MAX);
  if (audit.Find("max_quality_gap") != nullptr) {
    double gap = 0;
    audit.Read("max_quality_gap", gap, 0, 1);
    spec.audit.max_quality_gap = gap;
    if (spec.audit_model.empty())
      audit.Refuse("max_quality_gap", "needs 'model': the model whose quality by group is looked at");
  }
  if (spec.audit_attributes.empty() && audit.Find("model") != nullptr)
    audit.Refuse("model", "needs 'attributes': those of users that part the groups");
}

}  // namespace

SegmentSpec ParseSegmentSpec(std::string_view text, const std::string& file) {
  const toml::table parsed = ParseToml(text, file);
  CheckTomlSchema(parsed, file, kSegmentsTomlSchema);
  std::vector<std::string_view> known = {"schema_version", "clusters", "drift", "audit", kSegmentFlagsTable};
  known.insert(known.end(), std::begin(kFeatureSpecKeys), std::end(kFeatureSpecKeys));
  known.insert(known.end(), std::begin(kBehaviourSpecKeys), std::end(kBehaviourSpecKeys));
  const TomlTable table(parsed, {file}, known);
  table.Table(kSegmentFlagsTable);  // of whatever keys, but a table
  SegmentSpec spec;
  spec.features = ReadFeatureSpec(table);
  if (const toml::table* clusters = table.Table("clusters"))
    spec.clusters = ReadClusterSpec(TomlTable(*clusters, {file, "clusters"}, kClusterSpecKeys));
  spec.behaviour = ReadBehaviourSpec(table);
  if (const toml::table* drift = table.Table("drift")) ReadDrift(*drift, file, spec.drift);
  if (const toml::table* audit = table.Table("audit")) ReadAudit(*audit, file, spec);
  return spec;
}

SegmentSpec ReadSegmentSpec(const std::string& file) {
  return ParseSegmentSpec(ReadFile(file, kMaxFileBytes), file);
}

nlohmann::json SegmentSpecJson(const SegmentSpec& spec) {
  return {{"features", FeatureSpecJson(spec.features)}, {"clusters", ClusterSpecJson(spec.clusters)}};
}

}  // namespace kindred
