// Two results beside each other: what became worse.
#pragma once

#include <string>
#include <vector>

#include "bench/result.h"

namespace kindred {

struct CompareOptions {
  double threshold = 0.1;  // a median, or peak memory, must be worse by more than this part
};

struct Change {
  enum Verdict { kSame, kBetter, kWorse, kNotMeasured, kOnlyNew };
  std::string key;
  Role role = Role::kOurs;
  std::string what;  // "seconds", "peak memory", the name of a metric, or "status"
  Verdict verdict = kSame;
  std::string base;
  std::string now;
  std::string note;
};

struct Comparison {
  std::vector<std::string> warnings;  // another machine, other data
  std::vector<Change> changes;        // every figure of every row of either
  int n_regressions = 0;              // of rows of ours that are worse
};

/// Rows are matched by workload, case, program and measure. A median is worse where it is longer by more than the
/// threshold and the runs do not overlap; a metric where it is beyond its tolerance; memory where it is more by more
/// than the threshold; a row where it was measured and now fails. What only the base has was not measured: no
/// regression. Peers' rows are shown, as they tell how alike the machines are, and count for nothing.
Comparison Compare(const Result& base, const Result& now, const CompareOptions& options = {});

/// Markdown: the warnings, what changed, and how much did not. With `all`, every figure.
std::string ComparisonText(const Comparison& comparison, bool all = false);

}  // namespace kindred
