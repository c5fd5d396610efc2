#include "bench/result.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "host/store/files.h"
#include "host/text/text.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr int64_t kLargestFile = int64_t{1} << 28;
constexpr double kMostBytes = 0x1p53;

constexpr std::array<std::pair<Role, const char*>, 3> kRoles = {
    {{Role::kOurs, "kindred"}, {Role::kPeer, "peer"}, {Role::kStage, "stage"}}};
constexpr std::array<std::pair<RowStatus, const char*>, 3> kStatuses = {
    {{RowStatus::kOk, "ok"}, {RowStatus::kFailed, "failed"}, {RowStatus::kMissing, "missing"}}};
constexpr std::array<std::pair<Workload::Plot, const char*>, 2> kPlots = {
    {{Workload::Plot::kBars, "bars"}, {Workload::Plot::kCurve, "curve"}}};

template <typename Names, typename Value>
const char* NameOf(const Names& names, Value value) {
  return std::find_if(names.begin(), names.end(), [&](const auto& pair) { return pair.first == value; })->second;
}

/// Reads members of one object; errors name the object and the member.
class Members {
 public:
  Members(const json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) throw Error(ErrorCode::kCorrupt, where_ + ": expected an object");
  }

  bool Has(const char* name) const { return object_.contains(name) && !object_[name].is_null(); }
  const json& Any(const char* name) const {
    const auto found = object_.find(name);
    if (found == object_.end()) throw Error(ErrorCode::kCorrupt, fmt::format("{}: '{}' is missing", where_, name));
    return *found;
  }
  std::string Text(const char* name) const { return Get(name, &json::is_string, "a text").get<std::string>(); }
  double Number(const char* name) const { return Get(name, &json::is_number, "a number").get<double>(); }
  bool Flag(const char* name) const { return Get(name, &json::is_boolean, "true or false").get<bool>(); }
  const json& List(const char* name) const { return Get(name, &json::is_array, "a list"); }
  const json& Object(const char* name) const { return Get(name, &json::is_object, "an object"); }
  std::optional<double> MaybeNumber(const char* name) const {
    return Has(name) ? std::optional<double>(Number(name)) : std::nullopt;
  }
  std::optional<Spread> MaybeSpread(const char* name) const {
    if (!Has(name)) return std::nullopt;
    return ReadSpread(Object(name), where_ + ", '" + name + "'");
  }
  template <typename Names>
  auto OneOf(const char* name, const Names& names) const {
    const std::string text = Text(name);
    for (const auto& [value, known] : names)
      if (text == known) return value;
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{}: '{}' is '{}', which is not known", where_, name, Printable(text)));
  }
  const std::string& where() const { return where_; }

  static Spread ReadSpread(const json& object, const std::string& where) {
    const Members members(object, where);
    std::vector<double> all;
    for (const json& value : members.List("all")) {
      if (!value.is_number()) throw Error(ErrorCode::kCorrupt, where + ": 'all' is no list of numbers");
      all.push_back(value.get<double>());
      if (!(all.back() > 0))
        throw Error(ErrorCode::kCorrupt, fmt::format("{}: 'all' has {}; expected more than 0", where, all.back()));
    }
    if (all.empty()) throw Error(ErrorCode::kCorrupt, where + ": 'all' is empty");
    return SpreadOf(std::move(all));
  }

 private:
  const json& Get(const char* name, bool (json::*is)() const noexcept, const char* expected) const {
    const json& value = Any(name);
    if (!(value.*is)())
      throw Error(ErrorCode::kCorrupt,
                  fmt::format("{}: '{}' is {}; expected {}", where_, name, Printable(value.dump()), expected));
    return value;
  }

  const json& object_;
  std::string where_;
};

json SpreadJson(const Spread& spread) {
  return {{"median", spread.median}, {"min", spread.min}, {"max", spread.max}, {"all", spread.all}};
}

template <typename T>
json OrNull(const std::optional<T>& value) {
  return value ? json(*value) : json();
}
json OrNull(const std::optional<Spread>& spread) {
  return spread ? SpreadJson(*spread) : json();
}

json RowJson(const Row& row) {
  json object = {{"workload", row.workload},
                 {"case", row.case_name},
                 {"program", row.program},
                 {"measure", row.measure},
                 {"role", NameOf(kRoles, row.role)},
                 {"status", NameOf(kStatuses, row.status)},
                 {"reason", row.reason},
                 {"settings", row.settings},
                 {"quality", row.quality},
                 {"seconds", OrNull(row.seconds)},
                 {"latency", nullptr},
                 {"peak_rss_bytes", OrNull(row.peak_rss_bytes)},
                 {"cpu_seconds", OrNull(row.cpu_seconds)},
                 {"work", OrNull(row.work)},
                 {"cost", nullptr},
                 {"ratios", json::object()},
                 {"others_share", OrNull(row.others_share)},
                 {"size", row.size}};
  if (row.p50_seconds) object["latency"] = {{"p50", SpreadJson(*row.p50_seconds)}, {"p99", OrNull(row.p99_seconds)}};
  if (row.cost_cpu_seconds)
    object["cost"] = {
        {"unit", row.unit}, {"cpu_core_seconds", *row.cost_cpu_seconds}, {"money", OrNull(row.cost_money)}};
  for (const auto& [peer, ratio] : row.ratios) object["ratios"][peer] = SpreadJson(ratio);
  return object;
}

Row ParseRow(const json& object, const std::string& where) {
  const Members members(object, where);
  Row row;
  row.workload = members.Text("workload");
  row.case_name = members.Text("case");
  row.program = members.Text("program");
  row.measure = members.Text("measure");
  row.role = members.OneOf("role", kRoles);
  row.status = members.OneOf("status", kStatuses);
  row.reason = members.Text("reason");
  row.settings = members.Object("settings");
  const Members quality(members.Object("quality"), where + ", 'quality'");
  for (const auto& [name, value] : members.Object("quality").items()) row.quality[name] = quality.Number(name.c_str());
  row.seconds = members.MaybeSpread("seconds");
  if (row.status == RowStatus::kOk && !row.seconds)
    throw Error(ErrorCode::kCorrupt, where + ": 'status' is 'ok', and there are no 'seconds'");
  if (members.Has("latency")) {
    const Members latency(members.Object("latency"), where + ", 'latency'");
    row.p50_seconds = latency.MaybeSpread("p50");
    row.p99_seconds = latency.MaybeSpread("p99");
  }
  if (const auto bytes = members.MaybeNumber("peak_rss_bytes")) {
    if (!(*bytes >= 0 && *bytes <= kMostBytes))
      throw Error(ErrorCode::kCorrupt, fmt::format("{}: 'peak_rss_bytes' is {}", where, *bytes));
    row.peak_rss_bytes = static_cast<int64_t>(*bytes);
  }
  row.cpu_seconds = members.MaybeNumber("cpu_seconds");
  row.work = members.MaybeNumber("work");
  if (members.Has("cost")) {
    const Members cost(members.Object("cost"), where + ", 'cost'");
    row.unit = cost.Text("unit");
    row.cost_cpu_seconds = cost.Number("cpu_core_seconds");
    row.cost_money = cost.MaybeNumber("money");
  }
  for (const auto& [peer, ratio] : members.Object("ratios").items())
    row.ratios[peer] = Members::ReadSpread(ratio, where + ", the ratio to '" + Printable(peer) + "'");
  row.others_share = members.MaybeNumber("others_share");
  row.size = members.Number("size");
  return row;
}

json HeadJson(const WorkloadHead& head) {
  json metrics = json::array();
  for (const Metric& metric : head.metrics)
    metrics.push_back({{"name", metric.name},
                       {"better", metric.higher_is_better ? "higher" : "lower"},
                       {"tolerance", metric.tolerance},
                       {"relative", metric.relative}});
  return {{"name", head.name},
          {"title", head.title},
          {"description", head.description},
          {"metrics", metrics},
          {"plot", NameOf(kPlots, head.plot)},
          {"versions", head.versions}};
}

WorkloadHead ParseHead(const json& object, const std::string& where) {
  constexpr std::array<std::pair<bool, const char*>, 2> kBetter = {{{true, "higher"}, {false, "lower"}}};
  const Members members(object, where);
  WorkloadHead head;
  head.name = members.Text("name");
  head.title = members.Text("title");
  head.description = members.Text("description");
  head.plot = members.OneOf("plot", kPlots);
  const Members versions(members.Object("versions"), where + ", 'versions'");
  for (const auto& [name, unused] : members.Object("versions").items())
    head.versions[name] = versions.Text(name.c_str());
  for (const json& metric : members.List("metrics")) {
    const Members of(metric, where + ", a metric");
    if (!(of.Number("tolerance") >= 0))
      throw Error(ErrorCode::kCorrupt,
                  fmt::format("{}: 'tolerance' is {}; expected 0 or more", of.where(), of.Number("tolerance")));
    head.metrics.push_back({of.Text("name"), of.OneOf("better", kBetter), of.Number("tolerance"), of.Flag("relative")});
  }
  return head;
}

}  // namespace

Result Result::Of(const std::string& workload) const {
  Result result = *this;
  std::erase_if(result.workloads, [&](const WorkloadHead& head) { return head.name != workload; });
  std::erase_if(result.rows, [&](const Row& row) { return row.workload != workload; });
  return result;
}

json ResultJson(const Result& result) {
  json file = {{"schema_version", kResultSchemaVersion},
               {"machine", result.machine},
               {"commit", result.commit},
               {"date", result.date},
               {"command", result.command},
               {"load", result.load},
               {"version", result.version},
               {"quick", result.quick},
               {"workloads", json::array()},
               {"rows", json::array()}};
  for (const WorkloadHead& head : result.workloads) file["workloads"].push_back(HeadJson(head));
  for (const Row& row : result.rows) file["rows"].push_back(RowJson(row));
  return file;
}

Result ParseResult(const json& file, const std::string& where) {
  const Members members(file, where);
  const double version = members.Number("schema_version");
  if (version != kResultSchemaVersion)
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: 'schema_version' is {}; this program reads {}", where, version, kResultSchemaVersion));
  Result result;
  result.machine = members.Object("machine");
  const Members machine(result.machine, where + ", 'machine'");
  for (const char* text : {"cpu", "instruction_set", "kernel"}) machine.Text(text);
  for (const char* number : {"cores", "memory_bytes"}) machine.Number(number);
  result.commit = members.Any("commit");
  if (!result.commit.is_null()) {
    const Members commit(result.commit, where + ", 'commit'");
    commit.Text("id");
    commit.Flag("dirty");
  }
  result.date = members.Text("date");
  result.command = members.Text("command");
  result.load = members.Object("load");
  result.version = members.Text("version");
  result.quick = members.Flag("quick");
  for (const json& head : members.List("workloads"))
    result.workloads.push_back(ParseHead(head, where + ", 'workloads'"));
  const json& rows = members.List("rows");
  std::set<std::string> keys;
  for (size_t i = 0; i < rows.size(); ++i) {
    result.rows.push_back(ParseRow(rows[i], fmt::format("{}, row {}", where, i + 1)));
    if (!keys.insert(result.rows.back().Key()).second)
      throw Error(ErrorCode::kCorrupt,
                  fmt::format("{}, row {}: '{}' is there already", where, i + 1, Printable(result.rows.back().Key())));
  }
  return result;
}

Result ReadResult(const std::filesystem::path& path) {
  const std::string where = "'" + path.string() + "'";
  const json file = ParseJson(ReadFile(path, kLargestFile));
  if (file.is_discarded()) throw Error(ErrorCode::kCorrupt, where + " is no JSON; expected a result of kindred-bench");
  return ParseResult(file, where);
}

}  // namespace kindred
