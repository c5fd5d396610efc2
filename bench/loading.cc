// Loads an export of user, item, value and time into a sparse matrix: `bench_loading FILE [THREADS]`.
// Prints one JSON object: seconds of each part, and what there is.
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "host/data/event_table.h"
#include "host/data/interactions.h"
#include "host/intake/event_reader.h"
#include "kernels/error.h"

namespace kindred {
namespace {

int Run(const std::string& path, int n_threads) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [last = Clock::now()]() mutable {
    const auto now = Clock::now();
    return std::chrono::duration<double>(now - std::exchange(last, now)).count();
  };
  EventReaderOptions options;
  options.n_threads = n_threads;
  options.value_column = "weight";
  EventTableBuilder builder;
  EventSink sink;
  sink.events = [&](const EventBatch& batch) { builder.Add(batch); };
  sink.bad_row = [](const BadRow& row) { throw Error(ErrorCode::kInvalidArgument, row.Message()); };
  auto lap = seconds;
  nlohmann::json report;
  const EventReaderSummary summary = ReadEvents(std::vector{path}, options, sink);
  report["read_s"] = lap();
  ThreadPool pool(n_threads);
  const EventTable table = builder.Finish({summary.has_times, summary.has_types, summary.has_ids}, nullptr, pool);
  report["sort_s"] = lap();
  EventsView events;
  events.indptr = table.indptr;
  events.items = table.event_items.view();
  events.values = table.values.view();
  events.times = table.times.view();
  const Csr csr = SumEvents(events, table.items.size(), {.pool = &pool});
  report["sum_s"] = lap();
  report["seconds"] = report["read_s"].get<double>() + report["sort_s"].get<double>() + report["sum_s"].get<double>();
  report["n_users"] = table.users.size();
  report["n_items"] = table.items.size();
  report["nnz"] = csr.indices.size();
  double sum = 0;
  for (const float value : csr.values) sum += value;
  report["sum"] = sum;
  std::cout << report.dump() << "\n";
  return 0;
}

}  // namespace
}  // namespace kindred

int main(int argc, char** argv) {
  try {
    return kindred::Run(argv[1], argc > 2 ? std::stoi(argv[2]) : 0);
  } catch (const std::exception& error) {
    std::cerr << "bench_loading: " << error.what() << "\n";
    return 1;
  }
}
