#include "bench/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "bench/table.h"
#include "host/report/format.h"

namespace kindred {
namespace {

class Comparer {
 public:
  Comparer(const Result& base, const Result& now, const CompareOptions& options)
      : base_(base), now_(now), options_(options) {}

  Comparison Run() {
    Warn();
    std::map<std::string, const Row*> now;
    for (const Row& row : now_.rows)
      if (row.status == RowStatus::kOk) now[row.Key()] = &row;
    for (const Row& row : base_.rows) {
      if (row.status != RowStatus::kOk) continue;
      const auto found = now.find(row.Key());
      if (found != now.end())
        CompareRows(row, *found->second);
      else if (const Row* failed = FailureOf(row))
        Add(row, "status", Change::kWorse, "ok", "FAILED", failed->reason);
      else
        Add(row, "status", Change::kNotMeasured, "ok", "-", "");
      now.erase(row.Key());
    }
    for (const auto& [key, row] : now) Add(*row, "seconds", Change::kOnlyNew, "-", SpreadText(*row->seconds), "");
    return std::move(comparison_);
  }

 private:
  void Warn() {
    if (base_.quick != now_.quick)
      comparison_.warnings.push_back("one of the two was made with --quick: their data differs");
    for (const char* part : {"cpu", "cores", "memory_bytes", "gpu"}) {
      const auto base = base_.machine.value(part, nlohmann::json()), now = now_.machine.value(part, nlohmann::json());
      if (base != now)
        comparison_.warnings.push_back(
            fmt::format("another machine: '{}' was {} and is {}; times do not compare", part, base.dump(), now.dump()));
    }
  }

  /// A program that failed has one row, without a measure.
  const Row* FailureOf(const Row& base) const {
    for (const Row& row : now_.rows)
      if (row.status == RowStatus::kFailed && row.workload == base.workload && row.case_name == base.case_name &&
          row.program == base.program)
        return &row;
    return nullptr;
  }

  void CompareRows(const Row& base, const Row& now) {
    CompareSeconds(base, now);
    if (base.peak_rss_bytes && now.peak_rss_bytes) {
      const auto before = static_cast<double>(*base.peak_rss_bytes), after = static_cast<double>(*now.peak_rss_bytes);
      Add(base, "peak memory",
          Verdict(after > before * (1 + options_.threshold), before > after * (1 + options_.threshold)),
          BytesText(*base.peak_rss_bytes), BytesText(*now.peak_rss_bytes), PercentMore(before, after));
    }
    for (const WorkloadHead& head : base_.workloads) {
      if (head.name != base.workload) continue;
      for (const Metric& metric : head.metrics) CompareMetric(metric, base, now);
    }
  }

  void CompareSeconds(const Row& base, const Row& now) {
    const Spread &before = *base.seconds, &after = *now.seconds;
    const double more = 1 + options_.threshold;
    const bool slower = after.median > before.median * more, faster = before.median > after.median * more;
    const bool overlap = after.min <= before.max && before.min <= after.max;
    Add(base, "seconds", Verdict(slower && !overlap, faster && !overlap), SpreadText(before), SpreadText(after),
        PercentMore(before.median, after.median) + ((slower || faster) && overlap ? ", but the runs overlap" : ""));
  }

  void CompareMetric(const Metric& metric, const Row& base, const Row& now) {
    const auto before = base.quality.find(metric.name);
    if (before == base.quality.end()) return;
    const auto after = now.quality.find(metric.name);
    if (after == now.quality.end()) {
      Add(base, metric.name, Change::kNotMeasured, QualityText(before->second), "-", "");
      return;
    }
    Add(base, metric.name,
        Verdict(metric.Worse(after->second, before->second), metric.Worse(before->second, after->second)),
        QualityText(before->second), QualityText(after->second), "");
  }

  static Change::Verdict Verdict(bool worse, bool better) {
    return worse ? Change::kWorse : better ? Change::kBetter : Change::kSame;
  }
  static std::string PercentMore(double before, double after) {
    return fmt::format("{:+.1f} %", 100 * (after / before - 1));
  }

  void Add(const Row& row, const std::string& what, Change::Verdict verdict, const std::string& before,
           const std::string& after, const std::string& note) {
    comparison_.changes.push_back({row.Key(), row.role, what, verdict, before, after, note});
    if (verdict == Change::kWorse && row.role != Role::kPeer) ++comparison_.n_regressions;
  }

  const Result& base_;
  const Result& now_;
  const CompareOptions& options_;
  Comparison comparison_;
};

std::string VerdictText(const Change& change) {
  switch (change.verdict) {
    case Change::kSame:
      return "same";
    case Change::kBetter:
      return change.role == Role::kPeer ? "better (a peer)" : "better";
    case Change::kWorse:
      return change.role == Role::kPeer ? "worse (a peer)" : "REGRESSION";
    case Change::kNotMeasured:
      return "not measured";
    case Change::kOnlyNew:
      return "new";
  }
  return "";
}

}  // namespace

Comparison Compare(const Result& base, const Result& now, const CompareOptions& options) {
  return Comparer(base, now, options).Run();
}

std::string ComparisonText(const Comparison& comparison, bool all) {
  std::string text;
  for (const std::string& warning : comparison.warnings) text += "Warning: " + warning + "\n";
  if (!text.empty()) text += "\n";
  std::vector<std::vector<std::string>> rows;
  int n_same = 0;
  for (const Change& change : comparison.changes) {
    n_same += change.verdict == Change::kSame ? 1 : 0;
    if (all || change.verdict != Change::kSame)
      rows.push_back({change.key, change.what, change.base, change.now, change.note, VerdictText(change)});
  }
  if (!rows.empty()) text += MarkdownTable({"row", "figure", "base", "now", "change", "verdict"}, rows) + "\n";
  return text + fmt::format("{} figures compared, {} of them the same; {} regression{}\n", comparison.changes.size(),
                            n_same, comparison.n_regressions, comparison.n_regressions == 1 ? "" : "s");
}

}  // namespace kindred
