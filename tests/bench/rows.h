// Handmade results.
#pragma once

#include <utility>
#include <vector>

#include "bench/result.h"

namespace kindred {

inline Row RowOf(std::vector<double> seconds) {
  Row row;
  row.workload = "w";
  row.case_name = "c";
  row.program = "kindred";
  row.measure = "m";
  row.seconds = SpreadOf(std::move(seconds));
  return row;
}

inline Result ResultOf(std::vector<Row> rows) {
  Result result;
  result.machine = {{"cpu", "a cpu"}, {"instruction_set", "avx2"}, {"kernel", "Linux 6"},
                    {"cores", 2},     {"memory_bytes", 1 << 30},   {"gpu", nullptr}};
  result.date = "2026-01-31T12:00:00Z";
  result.command = "kindred-bench w";
  result.version = "1.2.3";
  result.workloads = {{"w",
                       "A workload",
                       "What it does.",
                       {{.name = "ndcg", .tolerance = 0.002},
                        {.name = "loss", .higher_is_better = false, .tolerance = 1e-3, .relative = true}},
                       Workload::Plot::kBars,
                       {}}};
  result.rows = std::move(rows);
  return result;
}

}  // namespace kindred
