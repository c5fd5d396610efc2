// Seconds of an ALS epoch on an adjacency file (`user item item ...`), and with --test the quality reached, as one
// JSON object; bench/als.py runs it beside its peer.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "host/data/id_map.h"
#include "host/data/interactions.h"
#include "host/evaluation/holdout_file.h"
#include "host/intake/event_reader.h"
#include "host/models/als.h"
#include "host/ranking/ranker.h"
#include "kernels/cpu/backend.h"

namespace kindred {
namespace {

struct Data {
  IdMapBuilder users, items;
  Csr interactions;
};

EventReaderOptions Adjacency() {
  EventReaderOptions options;
  options.read.format = InputFormat::kAdjacency;
  return options;
}

void Read(const std::string& path, Data& data) {
  std::vector<std::pair<int32_t, int32_t>> pairs;
  EventSink sink;
  sink.events = [&](const EventBatch& batch) {
    for (size_t e = 0; e < batch.users.size(); ++e)
      pairs.emplace_back(data.users.Intern(batch.users[e]), data.items.Intern(batch.items[e]));
  };
  sink.bad_row = [](const BadRow& row) { throw Error(ErrorCode::kInvalidArgument, row.file + ": " + row.reason); };
  ReadEvents(std::vector<std::string>{path}, Adjacency(), sink);
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  Csr& matrix = data.interactions;
  matrix.n_rows = data.users.size();
  matrix.n_cols = data.items.size();
  matrix.indptr.assign(static_cast<size_t>(matrix.n_rows) + 1, 0);
  for (const auto& [user, item] : pairs) {
    ++matrix.indptr[static_cast<size_t>(user) + 1];
    matrix.indices.push_back(item);
  }
  for (size_t r = 1; r < matrix.indptr.size(); ++r) matrix.indptr[r] += matrix.indptr[r - 1];
  matrix.values.assign(matrix.indices.size(), 1.0f);
}

nlohmann::json Quality(Backend& backend, const Data& data, const std::string& test, const AlsOptions& options,
                       const AlsFactors& factors) {
  const std::vector<float> popularity = ItemPopularity(data.interactions.view());
  const int64_t f = options.n_factors;
  ModelView model;
  model.algorithm = "als";
  model.history = data.interactions.view();
  model.popularity = popularity;
  model.user_factors = {factors.user_factors.data(), model.n_users(), f};
  model.item_factors = {factors.item_factors.data(), model.n_items(), f};
  model.eigenvalues = factors.eigenvalues;
  const Holdout holdout =
      ReadHoldout(std::vector<std::string>{test}, Adjacency(), data.users.view(), data.items.view());
  return MetricsJson(Evaluate(Ranker(backend, model, nullptr), holdout, 20));
}

int Run(int argc, char** argv) {
  CLI::App app("ALS epoch");
  std::string path, test;
  AlsOptions options;
  options.objective = {0.03f, 0.003f, 1.0f};
  int n_threads = 0;
  app.add_option("train", path)->required();
  app.add_option("--test", test);
  app.add_option("--regularization", options.objective.regularization);
  app.add_option("--unobserved-weight", options.objective.unobserved_weight);
  app.add_option("--n-factors", options.n_factors);
  app.add_option("--epochs", options.epochs);
  app.add_option("--threads", n_threads);
  CLI11_PARSE(app, argc, argv);

  using Clock = std::chrono::steady_clock;
  Data data;
  Read(path, data);
  CpuBackend backend(n_threads);
  nlohmann::json epochs = nlohmann::json::array();
  auto last = Clock::now();
  double loss = 0;
  const AlsFactors factors = FitAls(backend, data.interactions.view(), options, [&](const AlsEpoch& epoch) {
    const auto now = Clock::now();
    epochs.push_back(std::chrono::duration<double>(now - last).count());
    loss = epoch.loss;
    last = now;
  });
  const double finish = std::chrono::duration<double>(Clock::now() - last).count();
  const DeviceInfo device = backend.Describe();
  nlohmann::json report = {{"epoch_seconds", epochs},
                           {"final_users_seconds", finish},
                           {"loss", loss},
                           {"n_threads", device.n_threads},
                           {"instruction_set", device.instruction_set}};
  if (!test.empty()) report["metrics"] = Quality(backend, data, test, options, factors);
  std::cout << report.dump() << "\n";
  return 0;
}

}  // namespace
}  // namespace kindred

int main(int argc, char** argv) {
  return kindred::Run(argc, argv);
}
