// K-Means and silhouettes beside scikit-learn and faiss, from the same points and centroids.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <numeric>

#include "bench/read_array.h"
#include "bench/synthetic.h"
#include "bench/workloads.h"
#include "host/clustering/cluster_seeds.h"
#include "host/clustering/silhouette.h"
#include "kernels/select.h"

namespace kindred {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr int kSteps = 20;  // of Lloyd's method

struct Arguments {
  std::string what, data;
  int64_t n_features = 0, k = 0, k_max = 0, restarts = 1;
  int n_threads = 0;
};

/// Every fourth point, k of them, which leaves most groups without one: what every program begins with.
std::vector<float> FirstPoints(const ClusteredPoints& points, int64_t k) {
  std::vector<float> rows;
  for (int64_t c = 0; c < k; ++c) {
    const auto row = points.host().row(4 * c);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return rows;
}

std::vector<int32_t> LabelsOfFirst(const ClusteredPoints& points, int64_t k) {
  return AssignToCentroids(points, FirstPoints(points, k)).labels;
}

/// What is timed; returns the figure of its quality.
std::pair<std::string, double> Work(const Arguments& arguments, const ClusteredPoints& points) {
  KMeansOptions options;
  options.restarts = arguments.restarts;
  if (arguments.what == "lloyd") {
    options.max_iterations = kSteps;
    options.tolerance = 0;
    return {"inertia", FitKMeansFrom(points, FirstPoints(points, arguments.k), options).inertia};
  }
  if (arguments.what == "silhouette")
    return {"silhouette", MeanSilhouette(ExactSilhouettes(points, LabelsOfFirst(points, arguments.k), arguments.k))};
  if (arguments.what == "seeds") {
    options.n_clusters = {static_cast<int32_t>(arguments.k)};
    options.restarts = 1;
    std::vector<float> rows;
    const std::vector<int32_t> seeds = SeedKMeans(points, options)[0];
    for (int32_t p : seeds) rows.insert(rows.end(), points.host().row(p).begin(), points.host().row(p).end());
    return {"seeds' inertia", AssignToCentroids(points, rows).inertia};
  }
  options.n_clusters.resize(static_cast<size_t>(arguments.k_max - 1));
  std::iota(options.n_clusters.begin(), options.n_clusters.end(), 2);
  double total = 0;
  for (const KMeansFit& fit : FitKMeans(points, options)) total += fit.inertia;
  return {"sum of inertias", total};
}

int RunKMeans(int argc, char** argv) {
  CLI::App app("K-Means, its seeds, a sweep, or a silhouette.");
  Arguments arguments;
  app.add_option("what", arguments.what)->required();
  app.add_option("--data", arguments.data)->required();
  app.add_option("--features", arguments.n_features)->required();
  app.add_option("--k", arguments.k);
  app.add_option("--k-max", arguments.k_max);
  app.add_option("--restarts", arguments.restarts);
  app.add_option("--threads", arguments.n_threads);
  CLI11_PARSE(app, argc, argv);
  const std::vector<float> values = ReadArray<float>(fs::path(arguments.data) / "points.npy");
  const ChosenBackend chosen = ChooseBackend("cpu", arguments.n_threads);
  const double cpu_before = OwnCpuSeconds();
  const auto start = std::chrono::steady_clock::now();
  const ClusteredPoints points(
      *chosen.backend,
      {values.data(), static_cast<int64_t>(values.size()) / arguments.n_features, arguments.n_features});
  const auto [quality, value] = Work(arguments, points);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  json report;
  report["answer"] = {{quality, value}};
  report["quality"][quality] = value;
  report["measures"][arguments.what] = {{"seconds", seconds},
                                        {"cpu_seconds", OwnCpuSeconds() - cpu_before},
                                        {"work", static_cast<double>(points.n_points()) / 1e3},
                                        {"unit", "thousand points"}};
  std::cout << report.dump() << "\n";
  return 0;
}

Case KMeansCase(const Setup& setup, const std::string& what, int64_t n, int64_t n_features, int64_t n_groups,
                const std::vector<std::string>& numbers, bool with_faiss = false) {
  const std::string features = std::to_string(n_features),
                    folder = setup.folder / fmt::format("points-{}-{}-{}", n, features, n_groups);
  std::vector<std::string> words = {what, "--data", folder, "--features", features};
  words.insert(words.end(), numbers.begin(), numbers.end());
  Case one;
  one.name = fmt::format("{}, {} points x {}", what, n, features);
  one.prepare = setup.Own("make-points", {"--out", folder, "--points", std::to_string(n), "--features", features,
                                          "--groups", std::to_string(n_groups)});
  std::vector<std::string> own_words = words;
  own_words.insert(own_words.end(), {"--threads", std::to_string(setup.n_threads)});
  one.programs = {{.name = "kindred", .command = setup.Own("k-means", own_words)}};
  for (const char* peer : {"scikit-learn", "faiss"}) {
    if (peer == std::string("faiss") && !with_faiss) continue;
    std::vector<std::string> peer_words = {peer};
    peer_words.insert(peer_words.end(), words.begin(), words.end());
    one.programs.push_back({.name = peer,
                            .role = Role::kPeer,
                            .command = setup.Peer("k_means.py", peer_words),
                            .python_module = peer == std::string("faiss") ? "faiss" : "sklearn"});
  }
  return one;
}

std::vector<Case> Cases(const Setup& setup) {
  if (setup.quick)
    return {KMeansCase(setup, "lloyd", 3000, 8, 20, {"--k", "20"}, true),
            KMeansCase(setup, "seeds", 3000, 8, 20, {"--k", "20"}),
            KMeansCase(setup, "sweep", 1000, 8, 20, {"--k-max", "5", "--restarts", "2"}),
            KMeansCase(setup, "silhouette", 1000, 8, 20, {"--k", "20"})};
  constexpr int64_t kPoints = 200'000;
  std::vector<Case> cases = {KMeansCase(setup, "lloyd", kPoints, 64, 100, {"--k", "100"}, true),
                             KMeansCase(setup, "seeds", kPoints, 64, 100, {"--k", "100"}),
                             KMeansCase(setup, "silhouette", 50'000, 64, 100, {"--k", "20"})};
  for (const int64_t n_features : {8, 16, 64}) {
    cases.push_back(KMeansCase(setup, "sweep", kPoints, n_features, 12, {"--k-max", "20", "--restarts", "10"}));
    cases.back().most_rounds = 1;
    cases.back().quality_round = false;
  }
  for (Case& one : cases)
    if (one.name.starts_with("silhouette")) one.most_rounds = 2;
  return cases;
}

}  // namespace

Workload KMeansWorkload() {
  Workload workload;
  workload.name = "k-means";
  workload.title = "K-Means beside scikit-learn and faiss";
  workload.description =
      R"(Made-up points in groups, float32, the same for all. `lloyd`: 20 steps from the same 100 points, to
scikit-learn's inertia. `seeds`: k-means++ for k = 100, ours with as many trials as scikit-learn's; their inertia
depends on chance. `sweep`: k = 2..20 with 10 restarts each, seeding counted; ours in one pass over the points for
all, scikit-learn's `KMeans(n_init=10)` one after the other; the sum of their inertias depends on chance, too (of 17
seeds at 16 features ours was 9.65e7 to 9.71e7, on average 9.67e7; of 7 of scikit-learn's 9.65e7 to 9.67e7, 9.66e7).
`silhouette`: exact, of all points. Making points ready is in all times of ours; reading them is in none.)";
  workload.metrics = {{.name = "inertia", .higher_is_better = false, .tolerance = 1e-6, .relative = true},
                      {.name = "seeds' inertia", .higher_is_better = false, .tolerance = 0.05, .relative = true},
                      {.name = "sum of inertias", .higher_is_better = false, .tolerance = 0.01, .relative = true},
                      {.name = "silhouette", .tolerance = 1e-6, .relative = true}};
  workload.cases = Cases;
  workload.programs = {{"k-means", RunKMeans}};
  return workload;
}

}  // namespace kindred
