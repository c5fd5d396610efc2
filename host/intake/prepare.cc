#include "host/intake/prepare.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

#include "host/data/dataset.h"
#include "host/data/dataset_writer.h"
#include "host/intake/attribute_join.h"
#include "host/intake/bad_rows_file.h"
#include "host/store/files.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace fs = std::filesystem;
namespace {

constexpr size_t kNamedBadRows = 5;
constexpr size_t kMaxPathBytes = 4096;

/// The dataset's folder without a slash at its end, so that a name can be put behind it.
fs::path WithoutSlash(fs::path path) {
  while (!path.has_filename() && path.has_relative_path()) path = path.parent_path();
  return path;
}

class Preparation {
 public:
  explicit Preparation(const PrepareOptions& options) : options_(options), bad_rows_(BadRowsPath(options)) {}

  nlohmann::json Run() {
    CheckPlaces();
    if (options_.append) OpenBefore();
    EventSink sink;
    sink.events = [this](const EventBatch& batch) { builder_.Add(batch); };
    sink.bad_row = [this](const BadRow& row) { AddBadRow(row); };
    sink.progress = options_.progress;
    EventReaderOptions reader = options_.reader;
    reader.max_bad_rows = options_.max_bad_rows;
    const EventReaderSummary summary = ReadEvents(options_.inputs, reader, sink);
    if (summary.n_events == 0 && before_ == nullptr)
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("no events in '{}': {} rows, {} of them bad, {} left out by --where",
                              Printable(options_.inputs[0], kMaxPathBytes), summary.n_rows, summary.n_bad_rows,
                              summary.n_filtered));
    if (before_ != nullptr) CheckSameParts(summary);
    return Write(summary);
  }

 private:
  void CheckPlaces() {
    std::error_code ignored;
    if (!options_.overwrite && !options_.append && fs::exists(options_.out, ignored) &&
        !(fs::is_directory(options_.out, ignored) && fs::is_empty(options_.out, ignored)))
      throw Error(ErrorCode::kAlreadyExists,
                  fmt::format("'{}' is there already; --overwrite replaces a dataset, --append adds to it",
                              options_.out.string()));
    if (options_.overwrite && fs::exists(options_.out, ignored)) CheckReplaceable(options_.out, kDatasetKind);
    if (LiesIn(bad_rows_.path(), options_.out))
      throw Error(ErrorCode::kUsage, fmt::format("the file of bad rows '{}' would lie in the dataset '{}'",
                                                 bad_rows_.path().string(), options_.out.string()));
    replaces_bad_rows_ = bad_rows_.CheckPlace();
    if (replaces_bad_rows_ && !options_.overwrite && !options_.append && options_.max_bad_rows > 0)
      throw Error(ErrorCode::kAlreadyExists,
                  fmt::format("'{}' is there already; --overwrite replaces it", bad_rows_.path().string()));
  }

  /// Whoever appends holds the lock of the dataset's folder, until the new one is in its place.
  void OpenBefore() {
    for (;;) {
      lock_ = OpenFile(options_.out, O_RDONLY | O_DIRECTORY);
      if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
        throw Error(ErrorCode::kAlreadyExists,
                    fmt::format("another --append to '{}' is running", options_.out.string()));
      struct stat locked {
      }, there{};
      if (::fstat(lock_.get(), &locked) != 0 || ::stat(options_.out.c_str(), &there) != 0)
        throw SystemError("read", options_.out);
      if (locked.st_ino == there.st_ino && locked.st_dev == there.st_dev) break;
    }
    before_ = Dataset::Open(options_.out);
    CheckSameSettings();
  }

  /// Settings with which the same rows would become other ids or events.
  void CheckSameSettings() const {
    const EventReaderOptions& read = options_.reader;
    nlohmann::json before = Before("reader", nlohmann::json::object());
    if (!before.contains("value")) before["value"] = nullptr;  // older programs had none
    const auto check = [&](const char* key, const char* flag, const std::string& now, const std::string& usual) {
      const nlohmann::json was = before.value(key, nlohmann::json());  // older datasets do not say
      const std::string then = was.is_string() ? was.get<std::string>() : usual;
      if (before.contains(key) && then != Printable(now, kMaxPathBytes))
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("{} is '{}', but the dataset '{}' was prepared with '{}': give the same flags as then",
                                flag, Printable(now), options_.out.string(), Printable(then)));
    };
    check("where", "--where", read.where, "");
    check("value", "--value", read.value, "");
    check("id_format", "--id-format", read.id_format == IdFormat::kInteger ? "integer" : "text", "text");
    check("encoding", "--encoding", NameOf(read.read.encoding), "utf-8");
  }

  void CheckSameParts(const EventReaderSummary& summary) const {
    const auto check = [&](bool has, bool had, const char* what) {
      if (has != had)
        throw Error(
            ErrorCode::kInvalidArgument,
            fmt::format("{}: {} {} column, but the dataset '{}' has {}", Printable(options_.inputs[0], kMaxPathBytes),
                        had ? "no" : "this file has the", what, options_.out.string(), had ? "one" : "none"));
    };
    check(summary.has_types, !before_->events().types.empty(), "event");
    check(summary.has_times, !before_->events().times.empty(), "time");
    const nlohmann::json reader = Before("reader", nlohmann::json::object());
    const bool had_values =
        !reader.value("value_column", nlohmann::json()).is_null() || !reader.value("value", nlohmann::json()).is_null();
    check(summary.has_values, had_values, "value");
    check(summary.has_ids, !before_->event_id_hashes().empty(), "event id");
  }

  void AddBadRow(const BadRow& row) {
    ++n_bad_rows_;
    if (named_.size() < kNamedBadRows) named_.push_back(row.Message());
    if (options_.max_bad_rows == 0)
      throw Error(ErrorCode::kInvalidArgument, row.Message() + " (--max-bad-rows N lets up to N bad rows pass)");
    if (n_bad_rows_ > options_.max_bad_rows) {
      std::string message = fmt::format("more bad rows than --max-bad-rows {} allows; stopped at number {}; the first:",
                                        options_.max_bad_rows, n_bad_rows_);
      for (const std::string& name : named_) message += "\n  " + name;
      throw Error(ErrorCode::kInvalidArgument, message);
    }
    ++kinds_[row.kind];
    bad_rows_.Add(row);
  }

  /// Bad rows of a table are counted apart from those of the events.
  AttributeSink SinkOf(const std::string& what) {
    AttributeSink sink;
    sink.bad_row = [this, what](BadRow row) {
      row.kind = what + ": " + row.kind;
      AddBadRow(row);
    };
    if (options_.progress)
      sink.progress = [this](const std::string&, int64_t read, int64_t total) { options_.progress(read, total); };
    return sink;
  }

  nlohmann::json Write(const EventReaderSummary& summary) {
    AttributeJoin items(AttributeJoin::Side::kItems, summary.options.item_column, options_.profile.items);
    AttributeJoin users(AttributeJoin::Side::kUsers, summary.options.user_column, options_.profile.users);
    items.Read(SinkOf("items"));
    users.Read(SinkOf("users"));
    // An older file would tell of rows this dataset never had.
    const bool with_file = n_bad_rows_ > 0 || (replaces_bad_rows_ && options_.overwrite && !options_.append);
    if (with_file) bad_rows_.Stage(replaces_bad_rows_ && Before("n_bad_rows", 0) > 0);

    ThreadPool pool(options_.reader.n_threads);
    EventTable table = builder_.Finish({summary.has_times, summary.has_types, summary.has_ids}, before_.get(), pool);
    const EventWeighting weighting =
        options_.weighting.Of(before_ != nullptr ? before_->weighting() : EventWeighting());
    CheckWeighting(weighting, table.type_names, summary.has_times);
    const DatasetAttributes attributes = {items.Finish(table.items, before_.get()),
                                          users.Finish(table.users, before_.get())};
    nlohmann::json manifest = Origin(summary, table.n_duplicates);
    manifest["weighting"] = WeightingJson(weighting);
    manifest["tables"] = {
        {"items", Kept(items.report(), "items", table.items.size(), table.n_event_items)},
        {"users", Kept(users.report(), "users", table.users.size(), static_cast<int64_t>(table.indptr.size()) - 1)}};
    manifest["unmatched"] = Unmatched(manifest["tables"]);
    nlohmann::json report = WriteDataset(options_.out, std::move(table), attributes, std::move(manifest),
                                         options_.overwrite || options_.append);
    if (with_file) bad_rows_.Publish();
    report["dataset"] = options_.out.string();
    report["bad_rows_file"] = with_file ? nlohmann::json(bad_rows_.path().string()) : nlohmann::json();
    report["density"] =
        report["n_entries"].get<double>() / report["n_users"].get<double>() / report["n_items"].get<double>();
    return report;
  }

  /// The report of a table, or of the one that was taken over, as it stands with `n_ids`, the first of them with
  /// events.
  nlohmann::json Kept(nlohmann::json report, const char* side, int64_t n_ids, int64_t n_with_events) const {
    if (!report.is_null()) return report;
    report = Before("tables", nlohmann::json::object()).value(side, nlohmann::json());
    if (!report.is_object()) return nullptr;
    const int64_t n_rows = report.value("n_rows", int64_t{0}), n_only = n_ids - n_with_events;
    report["n_only_in_table"] = n_only;
    report["n_matched"] = n_rows - n_only;
    report["n_without_row"] = n_with_events - (n_rows - n_only);
    for (const char* examples : {"only_in_table", "without_row"}) report.erase(examples);
    return report;
  }

  static nlohmann::json Unmatched(const nlohmann::json& tables) {
    nlohmann::json counts = nlohmann::json::object();
    for (const auto& [side, table] : tables.items()) {
      if (table.is_null()) continue;
      counts[side + " only in tables"] = table["n_only_in_table"];
      counts[side + " without a row"] = table["n_without_row"];
    }
    return counts;
  }

  /// What the manifest says about where the events come from.
  nlohmann::json Origin(const EventReaderSummary& summary, int64_t n_duplicates) const {
    const auto name = [](const std::string& column) {
      return column.empty() ? nlohmann::json() : nlohmann::json(Printable(column, kMaxPathBytes));
    };
    const EventReaderOptions& read = summary.options;
    nlohmann::json sources = Before("sources", nlohmann::json::array());
    for (const SourceInfo& source : summary.sources)
      sources.push_back(
          {{"path", Printable(source.path, kMaxPathBytes)}, {"bytes", source.bytes}, {"sha256", source.sha256}});
    nlohmann::json bad_rows = Before("bad_rows", nlohmann::json::object());
    for (const auto& [kind, n] : kinds_) bad_rows[kind] = bad_rows.value(kind, int64_t{0}) + n;
    const auto count = [&](const char* key, int64_t n) { return Before(key, 0).get<int64_t>() + n; };
    return {{"sources", std::move(sources)},
            {"reader",
             {{"format", NameOf(read.read.format)},
              {"user_column", name(read.user_column)},
              {"item_column", name(read.item_column)},
              {"event_column", name(read.event_column)},
              {"value_column", name(read.value_column)},
              {"negative_values", read.negative_values},
              {"time_column", name(read.time_column)},
              {"event_id_column", name(read.event_id_column)},
              {"where", name(read.where)},
              {"value", name(read.value)},
              {"id_format", read.id_format == IdFormat::kInteger ? "integer" : "text"},
              {"encoding", NameOf(read.read.encoding)},
              {"time_format", read.time.spec()},
              {"decimal", std::string(1, read.number.decimal)},
              {"delimiter",
               read.read.delimiter != '\0' ? nlohmann::json(std::string(1, read.read.delimiter)) : nlohmann::json()},
              {"header", read.read.header},
              {"max_bad_rows", options_.max_bad_rows}}},
            {"n_files", count("n_files", summary.n_files)},
            {"n_rows", Before("n_rows", Before("n_lines", 0)).get<int64_t>() + summary.n_rows},  // schema 1 has lines
            {"n_filtered", count("n_filtered", summary.n_filtered)},
            {"n_duplicates", count("n_duplicates", n_duplicates)},
            {"n_bad_rows", count("n_bad_rows", n_bad_rows_)},
            {"n_bad_events", Before("n_bad_events", Before("n_bad_rows", 0)).get<int64_t>() + summary.n_bad_rows},
            {"bad_rows", std::move(bad_rows)}};
  }

  /// What the manifest of the dataset that is appended to says.
  nlohmann::json Before(const char* key, nlohmann::json otherwise) const {
    if (before_ == nullptr) return otherwise;
    nlohmann::json found = before_->manifest().value(key, otherwise);
    const bool same = otherwise.is_number() ? found.is_number_integer() : found.type() == otherwise.type();
    if (!same)
      throw Error(ErrorCode::kCorrupt,
                  fmt::format("dataset '{}': the manifest's '{}' is {}; expected {}", options_.out.string(), key,
                              found.type_name(), otherwise.type_name()));
    return found;
  }

  const PrepareOptions& options_;
  BadRowsFile bad_rows_;
  bool replaces_bad_rows_ = false;
  Descriptor lock_;
  std::shared_ptr<const Dataset> before_;
  EventTableBuilder builder_;
  int64_t n_bad_rows_ = 0;
  std::vector<std::string> named_;
  std::map<std::string, int64_t> kinds_;
};

}  // namespace

fs::path BadRowsPath(const PrepareOptions& options) {
  if (!options.bad_rows_file.empty()) return options.bad_rows_file;
  return WithoutSlash(options.out).string() + ".bad-rows.tsv";
}

nlohmann::json Prepare(const PrepareOptions& options) {
  return Preparation(options).Run();
}

}  // namespace kindred
