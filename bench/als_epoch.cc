// Seconds of an ALS epoch on an adjacency file (`user item item ...`), as one JSON object; bench/als.py runs it
// beside its peer.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "host/data/event_reader.h"
#include "host/data/id_map.h"
#include "host/data/interactions.h"
#include "host/models/als.h"
#include "kernels/cpu/backend.h"

namespace kindred {
namespace {

Csr ReadInteractions(const std::string& path) {
  IdMapBuilder users, items;
  std::vector<std::pair<int32_t, int32_t>> pairs;
  EventSink sink;
  sink.event = [&](const Event& event) { pairs.emplace_back(users.Intern(event.user), items.Intern(event.item)); };
  sink.bad_row = [](const BadRow& row) { throw Error(ErrorCode::kInvalidArgument, row.file + ": " + row.reason); };
  EventReaderOptions options;
  options.format = EventFormat::kAdjacency;
  ReadEvents(std::vector<std::string>{path}, options, sink);
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  Csr matrix;
  matrix.n_rows = users.size();
  matrix.n_cols = items.size();
  matrix.indptr.assign(static_cast<size_t>(users.size()) + 1, 0);
  for (const auto& [user, item] : pairs) {
    ++matrix.indptr[static_cast<size_t>(user) + 1];
    matrix.indices.push_back(item);
  }
  for (size_t r = 1; r < matrix.indptr.size(); ++r) matrix.indptr[r] += matrix.indptr[r - 1];
  matrix.values.assign(matrix.indices.size(), 1.0f);
  return matrix;
}

int Run(int argc, char** argv) {
  CLI::App app("ALS epoch");
  std::string data;
  AlsOptions options;
  options.objective = {0.03f, 0.003f, 1.0f};
  int n_threads = 0;
  app.add_option("data", data)->required();
  app.add_option("--n-factors", options.n_factors);
  app.add_option("--epochs", options.epochs);
  app.add_option("--threads", n_threads);
  CLI11_PARSE(app, argc, argv);

  using Clock = std::chrono::steady_clock;
  const Csr interactions = ReadInteractions(data);
  CpuBackend backend(n_threads);
  nlohmann::json epochs = nlohmann::json::array();
  auto last = Clock::now();
  double loss = 0;
  const AlsFactors factors = FitAls(backend, interactions.view(), options, [&](const AlsEpoch& epoch) {
    const auto now = Clock::now();
    epochs.push_back(std::chrono::duration<double>(now - last).count());
    loss = epoch.loss;
    last = now;
  });
  const double finish = std::chrono::duration<double>(Clock::now() - last).count();
  const DeviceInfo device = backend.Describe();
  std::cout << nlohmann::json{{"epoch_seconds", epochs}, {"final_users_seconds", finish},    {"loss", loss},
                              {"n_threads", device.n_threads}, {"instruction_set", device.instruction_set}}
                   .dump()
            << "\n";
  return 0;
}

}  // namespace
}  // namespace kindred

int main(int argc, char** argv) { return kindred::Run(argc, argv); }
