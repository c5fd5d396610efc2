#include "host/clustering/dendrogram.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/error.h"

namespace kindred {
namespace {

using nlohmann::json;

class Reader {
 public:
  explicit Reader(const std::string& where) : where_(where) {}

  [[noreturn]] void Fail(const std::string& what) const {
    throw Error(ErrorCode::kCorrupt, fmt::format("'{}': {}", where_, what));
  }
  const json& Member(const json& object, const char* name) const {
    if (!object.is_object() || !object.contains(name)) Fail(fmt::format("the dendrogram has no '{}'", name));
    return object.at(name);
  }
  int32_t Cluster(const json& number, size_t m, int64_t n_clusters) const {
    if (!number.is_number_integer() || number.get<int64_t>() < 0 || number.get<int64_t>() >= n_clusters)
      Fail(fmt::format("merge {} is of no cluster that there is: {}", m, Shown(number)));
    return number.get<int32_t>();
  }
  double Number(const json& number, size_t m, const char* what, double least) const {
    if (!number.is_number() || !std::isfinite(number.get<double>()) || number.get<double>() < least)
      Fail(fmt::format("the {} of merge {} is {}; expected a number of at least {}", what, m, Shown(number), least));
    return number.get<double>();
  }

 private:
  static std::string Shown(const json& value) { return value.is_number() ? value.dump() : value.type_name(); }

  const std::string& where_;
};

}  // namespace

std::vector<int32_t> LeafOrder(std::span<const Merge> merges, int64_t n_leaves) {
  std::vector<int32_t> lowest(static_cast<size_t>(n_leaves));
  for (size_t i = 0; i < lowest.size(); ++i) lowest[i] = static_cast<int32_t>(i);
  for (const Merge& merge : merges)
    lowest.push_back(std::min(lowest[static_cast<size_t>(merge.a)], lowest[static_cast<size_t>(merge.b)]));
  std::vector<int32_t> order, open;
  if (n_leaves > 0) open.push_back(static_cast<int32_t>(lowest.size()) - 1);
  while (!open.empty()) {
    const int32_t cluster = open.back();
    open.pop_back();
    if (cluster < n_leaves) {
      order.push_back(cluster);
      continue;
    }
    const Merge& merge = merges[static_cast<size_t>(cluster - n_leaves)];
    const bool a_first = lowest[static_cast<size_t>(merge.a)] < lowest[static_cast<size_t>(merge.b)];
    open.push_back(a_first ? merge.b : merge.a);
    open.push_back(a_first ? merge.a : merge.b);
  }
  return order;
}

std::vector<int32_t> CutByCount(std::span<const Merge> merges, int64_t n_leaves, int64_t n_clusters) {
  if (n_leaves == 0) return {};
  if (n_clusters < 1 || n_clusters > n_leaves)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("a cut into {} clusters; expected 1 to {}, the number of leaves", n_clusters, n_leaves));
  const auto n = static_cast<size_t>(n_leaves), n_merges = static_cast<size_t>(n_leaves - n_clusters);
  std::vector<int32_t> cluster(n + n_merges);  // the one that each is a part of at the cut
  for (size_t i = 0; i < cluster.size(); ++i) cluster[i] = static_cast<int32_t>(i);
  for (size_t m = n_merges; m-- > 0;)
    cluster[static_cast<size_t>(merges[m].a)] = cluster[static_cast<size_t>(merges[m].b)] = cluster[n + m];
  std::vector<int32_t> number(cluster.size(), -1), labels(n);
  int32_t next = 0;
  for (const int32_t leaf : LeafOrder(merges, n_leaves)) {
    int32_t& label = number[static_cast<size_t>(cluster[static_cast<size_t>(leaf)])];
    if (label < 0) label = next++;
    labels[static_cast<size_t>(leaf)] = label;
  }
  return labels;
}

std::vector<int32_t> CutByHeight(std::span<const Merge> merges, int64_t n_leaves, double height) {
  const auto above =
      std::partition_point(merges.begin(), merges.end(), [&](const Merge& merge) { return merge.height <= height; });
  return CutByCount(merges, n_leaves, n_leaves - (above - merges.begin()));
}

json DendrogramJson(const Dendrogram& dendrogram) {
  json merges = json::array();
  for (const Merge& merge : dendrogram.merges) merges.push_back({merge.a, merge.b, merge.height, merge.size});
  return {{"linkage", Text(dendrogram.linkage)},
          {"merges", std::move(merges)},
          {"leaf_names", dendrogram.leaf_names},
          {"leaf_order", LeafOrder(dendrogram.merges, static_cast<int64_t>(dendrogram.leaf_names.size()))}};
}

Dendrogram ParseDendrogram(const json& value, const std::string& where) {
  const Reader reader(where);
  Dendrogram dendrogram;
  const json& linkage = reader.Member(value, "linkage");
  if (!linkage.is_string()) reader.Fail("'linkage' is no text");
  try {
    dendrogram.linkage = ParseLinkageMethod(linkage.get_ref<const std::string&>());
  } catch (const Error& error) {
    reader.Fail(error.what());
  }
  const json &names = reader.Member(value, "leaf_names"), &merges = reader.Member(value, "merges");
  if (!names.is_array() || !merges.is_array()) reader.Fail("'leaf_names' or 'merges' is no list");
  for (const json& name : names) {
    if (!name.is_string()) reader.Fail("a leaf's name is no text");
    dendrogram.leaf_names.push_back(name.get<std::string>());
  }
  if (names.size() > (size_t{1} << 30) || merges.size() + 1 != std::max<size_t>(1, names.size()))
    reader.Fail(fmt::format("{} merges of {} leaves", merges.size(), names.size()));
  std::vector<char> merged(2 * names.size(), 0);
  double last = 0;
  for (size_t m = 0; m < merges.size(); ++m) {
    const json& parts = merges[m];
    if (!parts.is_array() || parts.size() != 4) reader.Fail(fmt::format("merge {} has not four parts", m));
    const auto n_clusters = static_cast<int64_t>(names.size() + m);
    Merge merge;
    merge.a = reader.Cluster(parts[0], m, n_clusters);
    merge.b = reader.Cluster(parts[1], m, n_clusters);
    merge.height = last = reader.Number(parts[2], m, "height", last);
    merge.size = reader.Number(parts[3], m, "size", 0);
    char &a = merged[static_cast<size_t>(merge.a)], &b = merged[static_cast<size_t>(merge.b)];
    if (merge.a >= merge.b || a || b)
      reader.Fail(fmt::format("merge {} is of {} and {}; expected an ascending pair that was not merged before", m,
                              merge.a, merge.b));
    a = b = 1;
    dendrogram.merges.push_back(merge);
  }
  return dendrogram;
}

}  // namespace kindred
