// Loading a CSV file of interactions into a sparse matrix, beside pandas.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <iostream>
#include <iterator>

#include "bench/workloads.h"
#include "host/data/event_table.h"
#include "host/data/interactions.h"
#include "host/data/random.h"
#include "host/intake/event_reader.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr int64_t kUsers = 138'000, kItems = 27'000;

/// {"nnz", "sum", "n_users", "n_items"} of the matrix.
json MatrixJson(size_t nnz, double sum, int64_t n_users, int64_t n_items) {
  return {{"nnz", nnz}, {"sum", sum}, {"n_users", n_users}, {"n_items", n_items}};
}

int RunLoad(int argc, char** argv) {
  CLI::App app("Loads an export of user, item, weight and timestamp into a sparse matrix.");
  std::string path;
  int n_threads = 0;
  app.add_option("file", path)->required();
  app.add_option("--threads", n_threads);
  CLI11_PARSE(app, argc, argv);

  const auto start = std::chrono::steady_clock::now();
  const double cpu_before = OwnCpuSeconds();
  EventReaderOptions options;
  options.n_threads = n_threads;
  options.value_column = "weight";
  EventTableBuilder builder;
  EventSink sink;
  int64_t n_rows = 0;
  sink.events = [&](const EventBatch& batch) {
    n_rows += static_cast<int64_t>(batch.users.size());
    builder.Add(batch);
  };
  sink.bad_row = [](const BadRow& row) { throw Error(ErrorCode::kInvalidArgument, row.Message()); };
  const EventReaderSummary summary = ReadEvents(std::vector{path}, options, sink);
  ThreadPool pool(n_threads);
  const EventTable table = builder.Finish({summary.has_times, summary.has_types, summary.has_ids}, nullptr, pool);
  EventsView events;
  events.indptr = table.indptr;
  events.items = table.event_items.view();
  events.values = table.values.view();
  events.times = table.times.view();
  const Csr csr = SumEvents(events, table.items.size(), {.pool = &pool});
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double cpu = OwnCpuSeconds() - cpu_before;

  double sum = 0;
  for (const float value : csr.values) sum += value;
  json report = {{"answer", MatrixJson(csr.indices.size(), sum, table.users.size(), table.items.size())}};
  report["measures"]["file to matrix"] = {{"seconds", seconds},
                                          {"cpu_seconds", cpu},
                                          {"work", static_cast<double>(n_rows) / 1e6},
                                          {"unit", "million rows"}};
  std::cout << report.dump() << "\n";
  return 0;
}

/// Prints what the matrix must be, counted from the same draws.
int RunMakeCsv(int argc, char** argv) {
  CLI::App app("Makes a CSV file of user, item, weight and timestamp.");
  int64_t n_rows = 0;
  std::string ids, path;
  app.add_option("rows", n_rows)->required();
  app.add_option("ids", ids, "integers or strings")->required();
  app.add_option("file", path)->required();
  CLI11_PARSE(app, argc, argv);

  std::ofstream file(path, std::ios::binary);
  std::string text = "user,item,weight,timestamp\n";
  std::vector<int64_t> pairs;
  double sum = 0;
  constexpr uint64_t kSeed = 1;
  for (int64_t row = 0; row < n_rows; ++row) {
    const auto at = static_cast<uint64_t>(row) * 4;
    const auto user = static_cast<int64_t>(std::pow(RandomUniform(kSeed, at), 1.6) * kUsers);
    const auto item = static_cast<int64_t>(std::pow(RandomUniform(kSeed, at + 1), 2.2) * kItems);
    const auto weight = static_cast<int64_t>(1 + RandomBits(kSeed, at + 2) % 5);
    const int64_t time = 1'500'000'000 + row * 10 + static_cast<int64_t>(RandomBits(kSeed, at + 3) % 10);
    if (ids == "strings")
      fmt::format_to(std::back_inserter(text), "user_{:08},sku-{:06},{},{}\n", user, item, weight, time);
    else
      fmt::format_to(std::back_inserter(text), "{},{},{},{}\n", user, item, weight, time);
    pairs.push_back(user * kItems + item);
    sum += static_cast<double>(weight);
    if (text.size() > 1 << 20) file << std::exchange(text, {});
  }
  file << text;
  file.close();
  if (!file) throw Error(ErrorCode::kIo, "'" + path + "' cannot be written");
  const auto count = [](std::vector<int64_t>& values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    return static_cast<int64_t>(values.size());
  };
  std::vector<int64_t> users, items;
  const int64_t nnz = count(pairs);
  for (const int64_t pair : pairs) users.push_back(pair / kItems), items.push_back(pair % kItems);
  std::cout << MatrixJson(static_cast<size_t>(nnz), sum, count(users), count(items)).dump() << "\n";
  return 0;
}

Answer ReadPrepare(const Finished& finished) {
  const json report = json::parse(finished.output);
  Answer answer;
  answer.measures["file to dataset on disk"] = {finished.usage.wall_seconds,
                                                finished.usage.cpu_seconds,
                                                report.at("n_events").get<double>() / 1e6,
                                                "million rows",
                                                {},
                                                {}};
  answer.answer = {{"n_entries", report.at("n_entries")}};
  return answer;
}

std::vector<Case> Cases(const Setup& setup) {
  const int64_t n_rows = setup.quick ? 5000 : 10'000'000;
  std::vector<Case> cases;
  for (const std::string ids : {"integers", "strings"}) {
    const std::string file = setup.folder / (ids + ".csv");
    Case one;
    one.name = ids;
    one.prepare = setup.Own("make-csv", {std::to_string(n_rows), ids, file});
    one.prepared_is_answer = true;
    one.programs = {
        {.name = "kindred", .command = setup.Own("load", {file, "--threads", std::to_string(setup.n_threads)})},
        {.name = "pandas, C",
         .role = Role::kPeer,
         .command = setup.Peer("loading.py", {"c", ids, file}),
         .python_module = "pandas"},
        {.name = "pandas, pyarrow",
         .role = Role::kPeer,
         .command = setup.Peer("loading.py", {"pyarrow", ids, file}),
         .python_module = "pyarrow"},
        {.name = "kindred prepare",
         .role = Role::kStage,
         .command = {setup.kindred, "prepare", file, "--value-column", "weight", "--out", setup.folder / "dataset",
                     "--overwrite", "--json"},
         .read = ReadPrepare}};
    cases.push_back(std::move(one));
  }
  return cases;
}

}  // namespace

Workload LoadingWorkload() {
  Workload workload;
  workload.name = "loading";
  workload.title = "Loading a CSV file of interactions";
  workload.description =
      R"(10,000,000 rows of user, item, weight and timestamp to a CSR matrix in memory; every program's matrix has the
entries, sum, users and items that were counted when the file was made. pandas: dtypes given for integers, `factorize`
for strings, then SciPy's COO to CSR. Kindred keeps times as well and sorts by them. `kindred prepare` is the whole
command, with the dataset written, synced, read back and reported on.)";
  workload.cases = Cases;
  workload.programs = {{"load", RunLoad}, {"make-csv", RunMakeCsv}};
  return workload;
}

}  // namespace kindred
