#include "host/intake/event_reader.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "host/intake/event_parser.h"
#include "host/text/text.h"
#include "kernels/cpu/parallel.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr int64_t kInFlight = 4;  // blocks a thread, from Fetch to Commit

class ExportReader {
 public:
  ExportReader(std::span<const std::string> inputs, const EventReaderOptions& options, const EventSink& sink);

  EventReaderSummary Read();

 private:
  struct OpenSource {
    std::unique_ptr<RowSource> rows;
    std::unique_ptr<EventLayout> layout;
  };
  /// A block to parse, or the error that came in its place.
  struct Work {
    int64_t number = 0;
    std::shared_ptr<OpenSource> source = nullptr;
    std::unique_ptr<RowBlock> block = nullptr;
    std::exception_ptr error = nullptr;
  };
  struct Result {
    std::shared_ptr<OpenSource> source;
    ParsedBlock parsed = {};
    std::exception_ptr error = nullptr;
  };

  void CheckInputs();
  void WorkOff();
  /// Throws only what is no error of the input.
  bool Fetch(Work& work);
  std::unique_ptr<RowBlock> NextBlock();
  void Open(const std::string& input);
  void CheckSameParts(const EventLayout& layout);
  void CloseSource();
  /// Takes results in, in the order of the input.
  void Commit(int64_t number, Result result);
  void CountResult();
  /// Nothing more is fetched.
  void End();
  void Take(const EventLayout& layout, const ParsedBlock& block);
  /// The first time that is not written as the first of the export is; null where there is none.
  const ParsedBlock::Seen* OtherTimeForm(const EventLayout& layout, const ParsedBlock& block);

  std::span<const std::string> inputs_;
  EventReaderOptions options_;
  const EventSink& sink_;
  double now_;
  int64_t bytes_total_ = 0;
  EventReaderSummary summary_;  // of what is fetched: files and columns; of what is taken: counts

  std::mutex fetch_mutex_;
  size_t next_input_ = 0;
  int64_t next_block_ = 0;
  std::shared_ptr<OpenSource> source_;
  int64_t bytes_before_ = 0;
  bool ended_ = false;  // also where it stopped

  std::condition_variable may_fetch_;
  int64_t max_in_flight_ = 0;
  int64_t next_result_ = 0;

  std::mutex commit_mutex_;
  std::map<int64_t, Result> waiting_;
  struct TimeOf {
    std::string path;
    ParsedBlock::Seen seen;
  };
  std::optional<TimeOf> time_form_;  // the first
  std::exception_ptr error_;
};

ExportReader::ExportReader(std::span<const std::string> inputs, const EventReaderOptions& options,
                           const EventSink& sink)
    : inputs_(inputs),
      options_(options),
      sink_(sink),
      now_(std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count()) {
  summary_.options = options;
}

void ExportReader::CheckInputs() {
  if (options_.read.format == InputFormat::kSql) return;
  for (const std::string& path : inputs_) {
    if (path == "-") continue;
    std::error_code error;
    const auto bytes = std::filesystem::file_size(path, error);
    if (error == std::errc::no_such_file_or_directory)
      throw Error(ErrorCode::kNotFound, fmt::format("there is no file '{}'", Printable(path, 4096)));
    if (!error) bytes_total_ += static_cast<int64_t>(bytes);
  }
}

EventReaderSummary ExportReader::Read() {
  CheckInputs();
  ThreadPool pool(options_.n_threads);
  max_in_flight_ = kInFlight * pool.n_threads();
  pool.Run(pool.n_threads(), pool.n_threads(), [this](int64_t, int) {
    try {
      WorkOff();
    } catch (...) {  // memory ran out: nobody may wait for a result that will not come
      End();
      throw;
    }
  });
  if (error_) std::rethrow_exception(error_);
  return std::move(summary_);
}

void ExportReader::WorkOff() {
  for (Work work; Fetch(work);) {
    Result result{work.source, {}, work.error};
    if (!work.error) {
      EventParser parser(*work.source->layout, sink_, work.number);
      try {
        work.source->rows->Parse(*work.block, parser);
      } catch (...) {
        result.error = std::current_exception();
      }
      work.block.reset();
      result.parsed = parser.Finish();
    }
    Commit(work.number, std::move(result));
  }
}

bool ExportReader::Fetch(Work& work) {
  std::unique_lock lock(fetch_mutex_);
  // A block that takes long must not let results pile up behind it.
  may_fetch_.wait(lock, [this] { return ended_ || next_block_ - next_result_ < max_in_flight_; });
  if (ended_) return false;
  work = {};
  try {
    work.block = NextBlock();
    if (work.block == nullptr) {
      ended_ = true;
      return false;
    }
    work.source = source_;
  } catch (...) {
    work.error = std::current_exception();
    ended_ = true;
  }
  work.number = next_block_++;
  return true;
}

std::unique_ptr<RowBlock> ExportReader::NextBlock() {
  for (;;) {
    if (source_ == nullptr) {
      if (next_input_ == inputs_.size()) return nullptr;
      Open(inputs_[next_input_++]);
    }
    std::unique_ptr<RowBlock> block = source_->rows->Next();
    if (sink_.progress) sink_.progress(bytes_before_ + source_->rows->bytes_read(), bytes_total_);
    if (block != nullptr) return block;
    CloseSource();
  }
}

void ExportReader::Open(const std::string& input) {
  auto source = std::make_shared<OpenSource>();
  source->rows = OpenRows(input, options_.read);
  source->layout = std::make_unique<EventLayout>(*source->rows, options_, now_);
  CheckSameParts(*source->layout);
  source_ = std::move(source);
}

void ExportReader::CloseSource() {
  ++summary_.n_files;
  bytes_before_ += source_->rows->bytes_read();
  summary_.sources.push_back(source_->rows->Finish());
  source_.reset();
}

void ExportReader::CheckSameParts(const EventLayout& layout) {
  using enum EventLayout::Part;
  const bool first = summary_.n_files == 0;
  const auto check = [&](EventLayout::Part part, bool& has, const char* what) {
    if (!first && has != layout.has(part))
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format("{}: {} {} column, but '{}' has {}", Printable(layout.path(), 4096),
                      has ? "no" : "this file has the", what, Printable(inputs_[0], 4096), has ? "one" : "none"));
    has = layout.has(part);
  };
  check(kEvent, summary_.has_types, "event");
  check(kValue, summary_.has_values, "value");
  check(kTime, summary_.has_times, "time");
  check(kId, summary_.has_ids, "event id");
  if (!first) return;
  summary_.options.user_column = layout.field(kUser).column.name;
  summary_.options.item_column = layout.field(kItem).column.name;
  summary_.options.event_column = layout.field(kEvent).column.name;
  summary_.options.value_column = layout.field(kValue).column.name;
  summary_.options.time_column = layout.field(kTime).column.name;
  summary_.options.event_id_column = layout.field(kId).column.name;
}

void ExportReader::Commit(int64_t number, Result result) {
  const std::lock_guard lock(commit_mutex_);
  waiting_.emplace(number, std::move(result));
  while (!error_ && !waiting_.empty() && waiting_.begin()->first == next_result_) {
    const Result next = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    CountResult();
    try {
      if (next.source != nullptr) Take(*next.source->layout, next.parsed);  // bad rows before an error come first
      if (next.error) std::rethrow_exception(next.error);
    } catch (...) {
      error_ = std::current_exception();
      End();
    }
  }
}

void ExportReader::End() {
  {
    const std::lock_guard lock(fetch_mutex_);
    ended_ = true;
  }
  may_fetch_.notify_all();
}

void ExportReader::CountResult() {
  {
    const std::lock_guard lock(fetch_mutex_);
    ++next_result_;
  }
  may_fetch_.notify_all();
}

const ParsedBlock::Seen* ExportReader::OtherTimeForm(const EventLayout& layout, const ParsedBlock& block) {
  if (!time_form_ && !block.time_forms.empty()) time_form_ = TimeOf{layout.path(), block.time_forms[0]};
  for (const ParsedBlock::Seen& seen : block.time_forms)
    if (seen.form != time_form_->seen.form) return &seen;
  return nullptr;
}

void ExportReader::Take(const EventLayout& layout, const ParsedBlock& block) {
  const ParsedBlock::Seen* other = OtherTimeForm(layout, block);
  for (const BadRow& row : block.bad_rows) {
    if (other != nullptr && row.line > other->line) break;
    ++summary_.n_bad_rows;
    sink_.bad_row(row);
  }
  if (other != nullptr)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: line {}: time '{}' in column '{}' is written otherwise than '{}' in line {} of {}; a "
                            "column has one form: state it with --time-format",
                            Printable(layout.path(), 4096), other->line, Printable(other->text),
                            Printable(layout.field(EventLayout::kTime).column.name), Printable(time_form_->seen.text),
                            time_form_->seen.line, Printable(time_form_->path, 4096)));
  summary_.n_rows += block.n_rows;
  summary_.n_filtered += block.n_filtered;
  summary_.n_events += block.n_events;
}

}  // namespace

EventReaderOptions::EventReaderOptions() = default;

EventReaderSummary ReadEvents(std::span<const std::string> inputs, const EventReaderOptions& options,
                              const EventSink& sink) {
  return ExportReader(inputs, options, sink).Read();
}

}  // namespace kindred
