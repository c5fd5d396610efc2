#include "host/data/prepare.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <system_error>
#include <utility>

#include "host/data/bad_rows_file.h"
#include "host/data/dataset_writer.h"
#include "host/data/text.h"
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

/// Whether the path is the folder or anything below it.
bool LiesIn(const fs::path& path, const fs::path& folder) {
  std::error_code ignored;
  const auto whole = [&](const fs::path& p) { return WithoutSlash(fs::weakly_canonical(fs::absolute(p), ignored)); };
  const fs::path inner = whole(path), outer = whole(folder);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

class Preparation {
 public:
  explicit Preparation(const PrepareOptions& options)
      : options_(options),
        bad_rows_(options.bad_rows_file.empty() ? fs::path(WithoutSlash(options.out).string() + ".bad-rows.tsv")
                                                : options.bad_rows_file) {}

  nlohmann::json Run() {
    CheckPlaces();
    EventSink sink;
    sink.event = [this](const Event& event) { writer_.Add(event); };
    sink.bad_row = [this](const BadRow& row) { AddBadRow(row); };
    sink.progress = options_.progress;
    const EventReaderSummary summary = ReadEvents(options_.inputs, options_.reader, sink);
    if (summary.n_events == 0)
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("no events in '{}': {} lines, {} of them bad",
                              Printable(options_.inputs[0], kMaxPathBytes), summary.n_lines, summary.n_bad_rows));
    return Write(summary);
  }

 private:
  void CheckPlaces() {
    std::error_code ignored;
    if (!options_.overwrite && fs::exists(options_.out, ignored) && !fs::is_empty(options_.out, ignored))
      throw Error(ErrorCode::kAlreadyExists,
                  fmt::format("'{}' is there already; --overwrite replaces a dataset", options_.out.string()));
    if (LiesIn(bad_rows_.path(), options_.out))
      throw Error(ErrorCode::kUsage, fmt::format("the file of bad rows '{}' would lie in the dataset '{}'",
                                                 bad_rows_.path().string(), options_.out.string()));
    replaces_bad_rows_ = bad_rows_.CheckPlace();
    if (replaces_bad_rows_ && !options_.overwrite && options_.max_bad_rows > 0)
      throw Error(ErrorCode::kAlreadyExists,
                  fmt::format("'{}' is there already; --overwrite replaces it", bad_rows_.path().string()));
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

  nlohmann::json Write(const EventReaderSummary& summary) {
    // An older file would tell of rows this dataset never had.
    const bool with_file = n_bad_rows_ > 0 || (replaces_bad_rows_ && options_.overwrite);
    if (with_file) bad_rows_.Stage();
    nlohmann::json report =
        writer_.Write(options_.out, summary.has_times, summary.has_types, Origin(summary), options_.overwrite);
    if (with_file) bad_rows_.Publish();
    report["dataset"] = options_.out.string();
    report["bad_rows_file"] = with_file ? nlohmann::json(bad_rows_.path().string()) : nlohmann::json();
    report["density"] =
        report["n_entries"].get<double>() / report["n_users"].get<double>() / report["n_items"].get<double>();
    return report;
  }

  /// What the manifest says about where the events come from.
  nlohmann::json Origin(const EventReaderSummary& summary) const {
    const auto name = [](const std::string& column) {
      return column.empty() ? nlohmann::json() : nlohmann::json(Printable(column, kMaxPathBytes));
    };
    const EventReaderOptions& read = summary.options;
    nlohmann::json sources = nlohmann::json::array();
    for (const EventSource& source : summary.sources)
      sources.push_back(
          {{"path", Printable(source.path, kMaxPathBytes)}, {"bytes", source.bytes}, {"sha256", source.sha256}});
    return {{"sources", std::move(sources)},
            {"reader",
             {{"format", EventFormatName(read.format)},
              {"user_column", name(read.user_column)},
              {"item_column", name(read.item_column)},
              {"event_column", name(read.event_column)},
              {"value_column", name(read.value_column)},
              {"time_column", name(read.time_column)},
              {"max_bad_rows", options_.max_bad_rows}}},
            {"n_files", summary.n_files},
            {"n_lines", summary.n_lines},
            {"n_bad_rows", summary.n_bad_rows},
            {"bad_rows", kinds_}};
  }

  const PrepareOptions& options_;
  BadRowsFile bad_rows_;
  bool replaces_bad_rows_ = false;
  DatasetWriter writer_;
  int64_t n_bad_rows_ = 0;
  std::vector<std::string> named_;
  std::map<std::string, int64_t> kinds_;
};

}  // namespace

nlohmann::json Prepare(const PrepareOptions& options) {
  return Preparation(options).Run();
}

}  // namespace kindred
