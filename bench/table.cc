#include "bench/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/report/format.h"

namespace kindred {
namespace {

/// The scale of one row's seconds, so that its median and spread are read in one unit.
struct SecondsUnit {
  double factor;
  const char* name;
};
SecondsUnit UnitOf(double seconds) {
  if (seconds >= 1) return {1, "s"};
  if (seconds >= 1e-3) return {1e3, "ms"};
  return {1e6, "us"};
}

std::string TimeText(const Spread& spread) {
  const SecondsUnit unit = UnitOf(spread.median);
  Spread scaled = spread;
  for (double* value : {&scaled.median, &scaled.min, &scaled.max}) *value *= unit.factor;
  return SpreadText(scaled) + " " + unit.name;
}

std::string LoadText(const nlohmann::json& load, const char* when) {
  std::string text;
  for (const nlohmann::json& average : load.value(when, nlohmann::json::array()))
    text += (text.empty() ? "" : ", ") + (average.is_number() ? NumberText(average.get<double>()) : average.dump());
  return text.empty() ? "unknown" : text;
}

std::string SettingsText(const nlohmann::json& settings) {
  std::string text;
  for (const auto& [name, value] : settings.items())
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name,
                        value.is_number_float() ? NumberText(value.get<double>())
                        : value.is_string()     ? value.get<std::string>()
                                                : value.dump());
  return text;
}

/// Of a row of ours against the fastest peer; of a peer's row, of the first program of ours against it.
std::string RatioText(const Result& result, const Row& row) {
  if (row.role == Role::kStage || row.status != RowStatus::kOk) return "";
  if (row.role == Role::kOurs) {
    const auto largest = std::max_element(row.ratios.begin(), row.ratios.end(), [](const auto& a, const auto& b) {
      return a.second.median < b.second.median;
    });
    return largest == row.ratios.end() ? "" : "**" + SpreadText(largest->second) + "**";
  }
  for (const Row& ours : result.rows) {
    if (ours.role != Role::kOurs || ours.workload != row.workload || ours.case_name != row.case_name ||
        ours.measure != row.measure)
      continue;
    const auto found = ours.ratios.find(row.program);
    if (found != ours.ratios.end()) return SpreadText(found->second);
  }
  return "";
}

std::string Heading(const Result& result, const WorkloadHead& workload) {
  const auto& machine = result.machine;
  std::string text =
      fmt::format("# {}\n\n- machine: {} ({}), {} cores, {:.1f} GiB, {}\n", workload.title, machine.value("cpu", "?"),
                  machine.value("instruction_set", "?"), NumberText(machine.value("cores", 0.0)),
                  machine.value("memory_bytes", 0.0) / (1 << 30), machine.value("kernel", "?"));
  if (result.commit.is_object())
    text += fmt::format("- commit: {}{}\n", result.commit.value("id", "?"),
                        result.commit.value("dirty", false) ? " with changes" : "");
  text += fmt::format("- date: {}\n- command: `{}`\n", result.date, result.command);
  text += "- versions: kindred " + result.version;
  for (const auto& [name, version] : workload.versions) text += fmt::format(", {} {}", name, version);
  text += "\n";
  double others = 0;
  for (const Row& row : result.rows) others = std::max(others, row.others_share.value_or(0));
  text += fmt::format(
      "- other work: load averages (1, 5, 15 minutes) {} before and {} after; while a program ran, "
      "others used up to {} of the machine\n\n",
      LoadText(result.load, "before"), LoadText(result.load, "after"), PercentText(others));
  if (result.quick) text += "**Made with `--quick`: tiny data, which says nothing about speed.**\n\n";
  return text + workload.description + "\n\n";
}

/// Which columns the rows of a workload fill.
struct Columns {
  std::vector<Metric> metrics;
  bool measure = false, ratio = false, latency = false, money = false, cost = false;
};

Columns ColumnsOf(const Result& result, const WorkloadHead& workload) {
  Columns columns;
  std::string measure;
  for (const Row& row : result.rows) {
    if (row.status != RowStatus::kOk) continue;
    columns.measure |= !measure.empty() && measure != row.measure;
    measure = row.measure;
    columns.ratio |= !row.ratios.empty();
    columns.latency |= row.p50_seconds.has_value();
    columns.cost |= row.cost_cpu_seconds.has_value();
    columns.money |= row.cost_money.has_value();
  }
  for (const Metric& metric : workload.metrics)
    if (std::any_of(result.rows.begin(), result.rows.end(),
                    [&](const Row& row) { return row.quality.contains(metric.name); }))
      columns.metrics.push_back(metric);
  return columns;
}

std::vector<std::string> Cells(const Result& result, const Columns& columns, const Row& row) {
  std::vector<std::string> cells = {row.case_name, row.program};
  if (columns.measure) cells.push_back(row.measure);
  const bool ok = row.status == RowStatus::kOk;
  cells.push_back(ok ? TimeText(*row.seconds) : row.status == RowStatus::kFailed ? "**FAILED**" : "missing");
  if (columns.ratio) cells.push_back(RatioText(result, row));
  if (columns.latency) {
    cells.push_back(row.p50_seconds ? TimeText(*row.p50_seconds) : "");
    cells.push_back(row.p99_seconds ? TimeText(*row.p99_seconds) : "");
  }
  for (const Metric& metric : columns.metrics) {
    const auto value = row.quality.find(metric.name);
    cells.push_back(value == row.quality.end() ? "" : QualityText(value->second));
  }
  cells.push_back(row.peak_rss_bytes ? BytesText(*row.peak_rss_bytes) : "");
  if (columns.cost) cells.push_back(row.cost_cpu_seconds ? NumberText(*row.cost_cpu_seconds) + " per " + row.unit : "");
  if (columns.money) cells.push_back(row.cost_money ? fmt::format("{:.3g}", *row.cost_money) : "");
  cells.push_back(row.others_share ? PercentText(*row.others_share) : "");
  cells.push_back(SettingsText(row.settings));
  return cells;
}

std::string Cell(const std::string& text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') cell += '\\';
    cell += c == '\n' ? ' ' : c;
  }
  return cell;
}

}  // namespace

std::string SpreadText(const Spread& spread) {
  return fmt::format("{} [{}-{}]", NumberText(spread.median), NumberText(spread.min), NumberText(spread.max));
}

std::string QualityText(double value) {
  if (value == std::floor(value) && std::fabs(value) < 1e15) return CountText(static_cast<int64_t>(value));
  return fmt::format("{:.4g}", value);
}

std::string SecondsText(double seconds) {
  const SecondsUnit unit = UnitOf(seconds);
  return NumberText(seconds * unit.factor) + " " + unit.name;
}

std::string MarkdownTable(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows) {
  const auto line = [](const std::vector<std::string>& cells) {
    std::string text = "|";
    for (const std::string& cell : cells) text += " " + Cell(cell) + " |";
    return text + "\n";
  };
  std::string text = line(header) + line(std::vector<std::string>(header.size(), "---"));
  for (const std::vector<std::string>& row : rows) text += line(row);
  return text;
}

std::string ResultPage(const Result& result, const WorkloadHead& workload, const std::string& plot) {
  const Result own = result.Of(workload.name);
  const Columns columns = ColumnsOf(own, workload);
  std::vector<std::string> header = {"case", "program"};
  if (columns.measure) header.push_back("measure");
  header.push_back("time, median [min-max]");
  if (columns.ratio) header.push_back("kindred's time / peer's");
  if (columns.latency) header.insert(header.end(), {"p50", "p99"});
  for (const Metric& metric : columns.metrics) header.push_back(metric.name);
  header.push_back("peak memory");
  if (columns.cost) header.push_back("cost, CPU-core-seconds");
  if (columns.money) header.push_back("cost, money");
  header.insert(header.end(), {"others used", "settings"});
  std::vector<std::vector<std::string>> rows;
  std::vector<std::pair<std::string, std::string>> notes;  // what is the matter, and in which cases
  for (const Row& row : own.rows) {
    rows.push_back(Cells(own, columns, row));
    if (row.status == RowStatus::kOk) continue;
    std::string note =
        fmt::format("{}: {}: {}", row.program, row.status == RowStatus::kFailed ? "**FAILED**" : "missing", row.reason);
    const auto found = std::find_if(notes.begin(), notes.end(), [&](const auto& n) { return n.first == note; });
    if (found == notes.end())
      notes.emplace_back(std::move(note), row.case_name);
    else
      found->second += "; " + row.case_name;
  }
  std::string text = Heading(own, workload) + MarkdownTable(header, rows);
  if (!notes.empty()) text += "\nWithout a time:\n\n";
  for (const auto& [note, cases] : notes) text += fmt::format("- {} ({})\n", Cell(note), cases);
  if (!plot.empty()) text += fmt::format("\n![{}]({})\n", workload.title, plot);
  return text;
}

}  // namespace kindred
