#include "host/clustering/dendrogram.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "host/store/json_reader.h"
#include "kernels/error.h"

namespace kindred {
namespace {

using nlohmann::json;

/// A number of a merge, for messages.
std::string Shown(const json& value) {
  return value.is_number() ? value.dump() : value.type_name();
}

/// The parts of merge m of so many leaves, whose height is at least the last one's.
Merge ReadMerge(const json& parts, size_t m, int64_t n_leaves, double last, const std::string& where) {
  const auto fail = [&](const std::string& what) { throw Error(ErrorCode::kCorrupt, where + ": " + what); };
  if (!parts.is_array() || parts.size() != 4) fail(fmt::format("merge {} has not four parts", m));
  const auto cluster = [&](const json& number) {
    if (!number.is_number_integer() || number.get<int64_t>() < 0 ||
        number.get<int64_t>() >= n_leaves + static_cast<int64_t>(m))
      fail(fmt::format("merge {} is of no cluster that there is: {}", m, Shown(number)));
    return number.get<int32_t>();
  };
  const auto at_least = [&](const json& number, const char* what, double least) {
    if (!number.is_number() || !std::isfinite(number.get<double>()) || number.get<double>() < least)
      fail(fmt::format("the {} of merge {} is {}; expected a number of at least {}", what, m, Shown(number), least));
    return number.get<double>();
  };
  return {cluster(parts[0]), cluster(parts[1]), at_least(parts[2], "height", last), at_least(parts[3], "size", 0)};
}

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
  const JsonReader reader(value, fmt::format("'{}': the dendrogram", where));
  const auto fail = [&](const std::string& what) { throw Error(ErrorCode::kCorrupt, reader.where() + ": " + what); };
  Dendrogram dendrogram;
  const std::string linkage = reader.Text("linkage");
  try {
    dendrogram.linkage = ParseLinkageMethod(linkage);
  } catch (const Error& error) {
    fail(error.what());
  }
  dendrogram.leaf_names = reader.Texts("leaf_names");
  const json& merges = reader.List("merges");
  const size_t n_leaves = dendrogram.leaf_names.size();
  if (n_leaves > (size_t{1} << 30) || merges.size() + 1 != std::max<size_t>(1, n_leaves))
    fail(fmt::format("{} merges of {} leaves", merges.size(), n_leaves));
  std::vector<char> merged(2 * n_leaves, 0);
  for (size_t m = 0; m < merges.size(); ++m) {
    const double last = m == 0 ? 0 : dendrogram.merges.back().height;
    const Merge merge = ReadMerge(merges[m], m, static_cast<int64_t>(n_leaves), last, reader.where());
    char &a = merged[static_cast<size_t>(merge.a)], &b = merged[static_cast<size_t>(merge.b)];
    if (merge.a >= merge.b || a || b)
      fail(fmt::format("merge {} is of {} and {}; expected an ascending pair that was not merged before", m, merge.a,
                       merge.b));
    a = b = 1;
    dendrogram.merges.push_back(merge);
  }
  return dendrogram;
}

}  // namespace kindred
