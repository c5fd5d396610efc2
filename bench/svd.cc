// Truncated SVD beside SciPy and scikit-learn: the time, and how far off the singular values are.
#include "host/models/svd.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <iostream>

#include "bench/als_data.h"
#include "bench/workloads.h"
#include "kernels/cpu/backend.h"

namespace kindred {
namespace {

using nlohmann::json;

/// The largest relative error of the values, against those that the first peer left beside the data.
std::optional<double> LargestError(const std::vector<double>& values, const std::string& folder) {
  std::ifstream file(fmt::format("{}/singular_values_{}.txt", folder, values.size()));
  if (!file) return std::nullopt;
  double largest = 0, exact = 0;
  for (const double value : values) {
    if (!(file >> exact)) throw Error(ErrorCode::kCorrupt, "'" + folder + "' has too few singular values");
    largest = std::max(largest, std::fabs(value - exact) / exact);
  }
  return largest;
}

int RunSvd(int argc, char** argv) {
  CLI::App app("One truncated SVD.");
  std::string data;
  SvdOptions options;
  int n_threads = 0;
  app.add_option("--data", data)->required();
  app.add_option("--n-factors", options.n_factors);
  app.add_option("--tolerance", options.tolerance);
  app.add_option("--threads", n_threads);
  CLI11_PARSE(app, argc, argv);

  const Csr matrix = ReadInteractions(data).train;
  CpuBackend backend(n_threads);
  const double cpu_before = OwnCpuSeconds();
  const auto start = std::chrono::steady_clock::now();
  const Svd svd = FitSvd(backend, matrix.view(), options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double cpu = OwnCpuSeconds() - cpu_before;
  json report = {{"answer", {{"values", svd.values}}},
                 {"quality", {{"energy", svd.energy()}}},
                 {"settings", {{"products", svd.n_products}, {"stop", Text(svd.stop)}}}};
  if (const auto error = LargestError(svd.values, data)) report["quality"]["largest error"] = *error;
  report["measures"]["a decomposition"] = {{"seconds", seconds},
                                           {"cpu_seconds", cpu},
                                           {"work", static_cast<double>(matrix.indices.size()) / 1e6},
                                           {"unit", "million entries"}};
  std::cout << report.dump() << "\n";
  return 0;
}

std::vector<Case> Cases(const Setup& setup) {
  std::vector<Case> cases;
  for (const InteractionSet& data : InteractionSets(setup))
    for (const int n_factors : setup.quick ? std::vector<int>{16} : std::vector<int>{64, 128}) {
      const std::vector<std::string> common = {"--data",      data.folder,
                                               "--n-factors", std::to_string(n_factors),
                                               "--threads",   std::to_string(setup.n_threads)};
      Case one;
      one.name = fmt::format("{}, {} factors", data.name, n_factors);
      one.prepare = data.prepare;
      const auto add_peer = [&](const char* name, const char* method, const char* module) {
        std::vector<std::string> words = {method};
        words.insert(words.end(), common.begin(), common.end());
        one.programs.push_back(
            {.name = name, .role = Role::kPeer, .command = setup.Peer("svd.py", words), .python_module = module});
      };
      const auto add_ours = [&](const char* name, const char* tolerance, const char* only_peer) {
        std::vector<std::string> words = common;
        words.insert(words.end(), {"--tolerance", tolerance});
        one.programs.push_back({.name = name,
                                .command = setup.Own("svd", words),
                                .settings = {{"tolerance", tolerance}},
                                .only_peer = only_peer});
      };
      add_peer("scipy svds, double", "exact", "scipy");  // first: the others are measured against its values
      constexpr const char* kRandomized = "scikit-learn randomized_svd";
      add_ours("kindred", "1e-4", "");
      add_ours("kindred, as loose as scikit-learn", "0.03", kRandomized);
      add_peer("scipy svds", "arpack", "scipy");
      add_peer(kRandomized, "randomized", "sklearn");
      cases.push_back(std::move(one));
    }
  return cases;
}

}  // namespace

Workload SvdWorkload() {
  Workload workload;
  workload.name = "svd";
  workload.title = "Truncated SVD beside SciPy and scikit-learn";
  workload.description =
      R"(The largest singular values and their vectors of the ALS benches' interactions. The largest error is the largest
relative one of a singular value, against those of ARPACK in double to machine precision; energy is the share of the
squared entries that the approximation holds. scikit-learn runs with its default of 4 iterations, which leave the last
values off by 3 % and more: beside the usual tolerance there is one of that size.)";
  workload.metrics = {{.name = "largest error", .higher_is_better = false, .tolerance = 2e-4},
                      {.name = "energy", .tolerance = 1e-4}};
  workload.cases = Cases;
  workload.programs = {{"svd", RunSvd}};
  return workload;
}

}  // namespace kindred
