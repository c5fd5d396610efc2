// Clustering beside SciPy: the time of a linkage, and whether the merges have the same heights.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>

#include "bench/read_array.h"
#include "bench/synthetic.h"
#include "bench/workloads.h"
#include "host/clustering/linkage.h"

namespace kindred {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

/// Points of a normal spread around centres that are normal, with twice it; without centres around 0.
int RunMakePoints(int argc, char** argv) {
  CLI::App app("Makes points in groups.");
  std::string out;
  int64_t n = 0, n_features = 0, n_groups = 0;
  app.add_option("--out", out)->required();
  app.add_option("--points", n)->required();
  app.add_option("--features", n_features)->required();
  app.add_option("--groups", n_groups)->required();
  CLI11_PARSE(app, argc, argv);
  ThreadPool pool;
  std::vector<float> points = NewFactors(pool, n * n_features, 1, 1);
  const std::vector<float> centres = NewFactors(pool, n_groups * n_features, 2, 2);
  for (size_t i = 0; i < points.size() && n_groups > 0; ++i) points[i] += centres[i % centres.size()];
  fs::create_directories(out);
  WriteNpy(fs::path(out) / "points.npy", points);
  std::cout << "{}\n";
  return 0;
}

/// The largest relative difference of the heights from those that SciPy left beside the data.
std::optional<double> HeightDifference(const std::vector<Merge>& merges, const fs::path& path) {
  if (!fs::exists(path)) return std::nullopt;
  const std::vector<double> heights = ReadArray<double>(path);
  if (heights.size() != merges.size()) throw Error(ErrorCode::kCorrupt, "'" + path.string() + "' has other merges");
  double largest = 0;
  for (size_t m = 0; m < merges.size(); ++m)
    largest = std::max(largest, std::fabs(merges[m].height - heights[m]) / heights[m]);
  return largest;
}

int RunLinkage(int argc, char** argv) {
  CLI::App app("One linkage.");
  std::string data, method;
  int64_t n_features = 0;
  int n_threads = 0;
  app.add_option("method", method)->required();
  app.add_option("--data", data)->required();
  app.add_option("--features", n_features)->required();
  app.add_option("--threads", n_threads);
  CLI11_PARSE(app, argc, argv);
  const std::vector<float> points = ReadArray<float>(fs::path(data) / "points.npy");
  const auto n = static_cast<int64_t>(points.size()) / n_features;
  ThreadPool pool(n_threads);
  const double cpu_before = OwnCpuSeconds();
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Merge> merges = Linkage({points.data(), n, n_features}, {}, ParseLinkageMethod(method), &pool);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  json report = {{"answer", {{"height", merges.back().height}}}};
  if (const auto difference = HeightDifference(merges, fs::path(data) / (method + ".npy")))
    report["quality"]["height difference"] = *difference;
  report["measures"]["a linkage"] = {{"seconds", seconds},
                                     {"cpu_seconds", OwnCpuSeconds() - cpu_before},
                                     {"work", static_cast<double>(n) / 1e3},
                                     {"unit", "thousand points"}};
  std::cout << report.dump() << "\n";
  return 0;
}

Case LinkageCase(const Setup& setup, const std::string& method, int64_t n, int64_t n_groups) {
  const std::string n_features = setup.quick ? "8" : "64",
                    folder = setup.folder / fmt::format("points-{}-{}", n, n_groups);
  const std::vector<std::string> words = {method, "--data", folder, "--features", n_features};
  std::vector<std::string> own_words = words;
  own_words.insert(own_words.end(), {"--threads", std::to_string(setup.n_threads)});
  Case one;
  one.name = fmt::format("{}, {} points x {}{}", method, n, n_features, n_groups > 0 ? "" : ", no groups");
  one.prepare = setup.Own("make-points", {"--out", folder, "--points", std::to_string(n), "--features", n_features,
                                          "--groups", std::to_string(n_groups)});
  one.programs = {{.name = "scipy",  // first: heights are measured against its
                   .role = Role::kPeer,
                   .command = setup.Peer("clustering.py", words),
                   .python_module = "scipy"},
                  {.name = "kindred", .command = setup.Own("linkage", own_words)}};
  return one;
}

std::vector<Case> Cases(const Setup& setup) {
  std::vector<Case> cases;
  if (setup.quick) {
    for (const char* method : {"ward", "average", "complete", "single"})
      cases.push_back(LinkageCase(setup, method, 300, 10));
    return cases;
  }
  for (const int64_t n : {5000, 10'000, 20'000}) cases.push_back(LinkageCase(setup, "ward", n, 100));
  cases.push_back(LinkageCase(setup, "ward", 20'000, 0));
  for (const char* method : {"average", "complete", "single"}) cases.push_back(LinkageCase(setup, method, 10'000, 100));
  return cases;
}

}  // namespace

Workload ClusteringWorkload() {
  Workload workload;
  workload.name = "clustering";
  workload.title = "Clustering beside SciPy";
  workload.description =
      R"(Made-up points of 64 features, in 100 groups or in none. Linkages: `scipy.cluster.hierarchy.linkage` of the same
float32 values as double, which runs on one thread; the height difference is the largest relative one of a merge.)";
  workload.metrics = {{.name = "height difference", .higher_is_better = false, .tolerance = 1e-6, .floor = 1e-6}};
  workload.cases = Cases;
  workload.programs = {{"make-points", RunMakePoints}, {"linkage", RunLinkage}};
  return workload;
}

}  // namespace kindred
