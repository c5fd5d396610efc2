#include "host/segments/cluster_spec.h"

#include <fmt/format.h>

#include "host/text/text.h"

namespace kindred {
namespace {

void ReadK(const TomlTable& table, ClusterSpec& spec) {
  const toml::node* node = table.Find("k");
  if (node == nullptr) return;
  if (const std::string* text = node->is_string() ? table.Text("k") : nullptr) {
    if (*text == "silhouette")
      spec.choose = ChooseK::kSilhouette;
    else if (*text == "elbow")
      spec.choose = ChooseK::kElbow;
    else
      table.Refuse("k", fmt::format("'k' is '{}'; expected \"silhouette\", \"elbow\" or a number", Printable(*text)));
    return;
  }
  if (!node->is_integer())
    table.Refuse("k", fmt::format("'k' is {}; expected \"silhouette\", \"elbow\" or a number", TomlKind(*node)));
  spec.choose = ChooseK::kFixed;
  table.Read("k", spec.k, 1, ClusterSpec::kMaxK);
}

void ReadNames(const TomlTable& table, ClusterSpec& spec) {
  const toml::table* names = table.Table("names");
  if (names == nullptr) return;
  for (const auto& [key, node] : *names) {
    const auto place = table.place().In("names");
    if (!node.is_string() || node.as_string()->get().empty())
      place.Refuse(node.source(),
                   fmt::format("found {}; expected the name of segment '{}'",
                               node.is_string() ? "an empty text" : TomlKind(node), Printable(key.str())));
    const std::string& name = node.as_string()->get();
    for (const auto& [id, other] : spec.names)
      if (other == name)
        place.Refuse(node.source(),
                     fmt::format("'{}' is the name of segment '{}' already", Printable(name), Printable(id)));
    spec.names.emplace(key.str(), name);
  }
}

}  // namespace

const char* NameOf(ClusterAlgorithm algorithm) {
  switch (algorithm) {
    case ClusterAlgorithm::kKMeans:
      return "kmeans";
    case ClusterAlgorithm::kMiniBatchKMeans:
      return "mini_batch_kmeans";
    case ClusterAlgorithm::kWard:
      return "ward";
    case ClusterAlgorithm::kAverage:
      return "average";
    case ClusterAlgorithm::kComplete:
      return "complete";
    case ClusterAlgorithm::kSingle:
      return "single";
  }
  return "";
}

std::optional<LinkageMethod> LinkageOf(ClusterAlgorithm algorithm) {
  switch (algorithm) {
    case ClusterAlgorithm::kWard:
      return LinkageMethod::kWard;
    case ClusterAlgorithm::kAverage:
      return LinkageMethod::kAverage;
    case ClusterAlgorithm::kComplete:
      return LinkageMethod::kComplete;
    case ClusterAlgorithm::kSingle:
      return LinkageMethod::kSingle;
    default:
      return std::nullopt;
  }
}

const char* NameOf(ChooseK choose) {
  if (choose == ChooseK::kHeight) return "height";
  return choose == ChooseK::kFixed ? "fixed" : choose == ChooseK::kElbow ? "elbow" : "silhouette";
}

ClusterSpec ReadClusterSpec(const TomlTable& table) {
  using enum ClusterAlgorithm;
  ClusterSpec spec;
  table.Read("algorithm", spec.algorithm,
             {{NameOf(kKMeans), kKMeans},
              {NameOf(kMiniBatchKMeans), kMiniBatchKMeans},
              {NameOf(kWard), kWard},
              {NameOf(kAverage), kAverage},
              {NameOf(kComplete), kComplete},
              {NameOf(kSingle), kSingle}});
  ReadK(table, spec);
  if (table.Find("height") != nullptr) {
    if (!LinkageOf(spec.algorithm))
      table.Refuse("height",
                   fmt::format("'height' is for trees (ward, average, complete, single), and algorithm is '{}'",
                               NameOf(spec.algorithm)));
    if (table.Find("k") != nullptr) table.Refuse("height", "'height' stands in place of 'k': expected one of them");
    spec.choose = ChooseK::kHeight;
    table.Read("height", spec.height, 0, 1e30);
  }
  table.Read("k_min", spec.k_min, 1, ClusterSpec::kMaxK);
  table.Read("k_max", spec.k_max, 1, ClusterSpec::kMaxK);
  if (spec.k_min > spec.k_max)
    table.Refuse(table.Find("k_max") != nullptr ? "k_max" : "k_min",
                 fmt::format("k_min is {} and k_max {}; expected k_min <= k_max", spec.k_min, spec.k_max));
  table.Read("restarts", spec.restarts, 1, 1000);
  table.Read("seeds", spec.seeds, {{"k-means++", ClusterSeeds::kPlusPlus}, {"k-means||", ClusterSeeds::kParallel}});
  table.Read("seed", spec.seed, 0, INT64_MAX);
  table.Read("batch_size", spec.batch_size, 1, int64_t{1} << 24);
  bool sampled = false;
  table.Read("silhouette", sampled, {{"exact", false}, {"sampled", true}});
  if (table.Find("silhouette") != nullptr) spec.sampled = sampled;
  table.Read("sample_size", spec.sample_size, 2, int64_t{1} << 24);
  table.Read("min_size", spec.min_size, 0, INT32_MAX);
  table.Read("min_share", spec.min_share, 0, 1);
  ReadNames(table, spec);
  return spec;
}

nlohmann::json ClusterSpecJson(const ClusterSpec& spec) {
  nlohmann::json json = {{"algorithm", NameOf(spec.algorithm)},
                         {"k", spec.choose == ChooseK::kFixed ? nlohmann::json(spec.k) : NameOf(spec.choose)},
                         {"height", spec.choose == ChooseK::kHeight ? nlohmann::json(spec.height) : nlohmann::json()},
                         {"k_min", spec.k_min},
                         {"k_max", spec.k_max},
                         {"restarts", spec.restarts},
                         {"seeds", spec.seeds == ClusterSeeds::kPlusPlus ? "k-means++" : "k-means||"},
                         {"seed", spec.seed},
                         {"batch_size", spec.batch_size},
                         {"silhouette", nullptr},
                         {"sample_size", spec.sample_size},
                         {"min_size", spec.min_size},
                         {"min_share", spec.min_share},
                         {"names", spec.names}};
  if (spec.sampled) json["silhouette"] = *spec.sampled ? "sampled" : "exact";
  return json;
}

}  // namespace kindred
