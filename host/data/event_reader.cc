#include "host/data/event_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "host/data/event_columns.h"
#include "host/data/field_values.h"
#include "host/data/input_file.h"
#include "host/data/line_reader.h"
#include "host/data/record.h"
#include "host/data/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kMaxPathBytes = 4096;
constexpr size_t kMaxColumns = size_t{1} << 16;
constexpr int64_t kProgressLines = 4096;
constexpr const char* kFormats[] = {"csv", "tsv", "adjacency"};

class ExportReader {
 public:
  ExportReader(std::span<const std::string> paths, const EventReaderOptions& options, const EventSink& sink);

  EventReaderSummary Read();

 private:
  void ReadFile(const std::string& path);
  void ReadAdjacency(LineReader& lines);
  void ReadDelimited(LineReader& lines);
  EventColumns ReadHeader(LineReader& lines);
  void CheckSameColumns(const EventColumns& columns, const std::string& path);

  // These return false where the row is bad, and have said why with Refuse.
  bool ReadRow(LineReader& lines, Record& record, const EventColumns& columns);
  bool CutRecord(LineReader& lines, Record& record);
  bool ReadOptionalFields(std::string_view text, const Record& record, const EventColumns& columns, Event& event);
  bool RefuseLongLine();
  bool Refuse(std::string kind, std::string reason);

  void CountLine();
  void HandBadRow(const LineReader& lines);
  void Hand(const Event& event) {
    ++summary_.n_events;
    sink_.event(event);
  }

  std::span<const std::string> paths_;
  const EventReaderOptions& options_;
  const EventSink& sink_;
  EventReaderSummary summary_;
  BadRow bad_row_;
  const InputFile* file_ = nullptr;
  int64_t bytes_before_ = 0;
  int64_t bytes_total_ = 0;
  std::string unquoted_[3];  // of the fields an event's views may point into
};

ExportReader::ExportReader(std::span<const std::string> paths, const EventReaderOptions& options, const EventSink& sink)
    : paths_(paths), options_(options), sink_(sink) {
  const bool named = !options.user_column.empty() || !options.item_column.empty() || !options.event_column.empty() ||
                     !options.value_column.empty() || !options.time_column.empty();
  if (options.format == EventFormat::kAdjacency && named)
    throw Error(ErrorCode::kUsage, "adjacency lists have no columns to name");
  summary_.options = options;
}

EventReaderSummary ExportReader::Read() {
  for (const std::string& path : paths_) {
    std::error_code error;
    const auto bytes = std::filesystem::file_size(path, error);
    if (error == std::errc::no_such_file_or_directory)
      throw Error(ErrorCode::kNotFound, fmt::format("there is no file '{}'", Printable(path, kMaxPathBytes)));
    if (!error) bytes_total_ += static_cast<int64_t>(bytes);
  }
  for (const std::string& path : paths_) ReadFile(path);
  return std::move(summary_);
}

void ExportReader::ReadFile(const std::string& path) {
  InputFile file(path);
  file_ = &file;
  LineReader lines(file, options_.buffer_bytes, options_.max_line_bytes);
  if (options_.format == EventFormat::kAdjacency)
    ReadAdjacency(lines);
  else
    ReadDelimited(lines);
  ++summary_.n_files;
  summary_.sources.push_back({path, file.stored_bytes(), file.Sha256()});
  bytes_before_ += file.stored_bytes();
  if (sink_.progress) sink_.progress(bytes_before_, bytes_total_);
}

void ExportReader::CountLine() {
  if (++summary_.n_lines % kProgressLines == 0 && sink_.progress)
    sink_.progress(bytes_before_ + file_->stored_bytes(), bytes_total_);
}

bool ExportReader::Refuse(std::string kind, std::string reason) {
  bad_row_.kind = std::move(kind);
  bad_row_.reason = std::move(reason);
  return false;
}

bool ExportReader::RefuseLongLine() {
  return Refuse("line too long", fmt::format("the line has more than {} bytes", options_.max_line_bytes));
}

void ExportReader::HandBadRow(const LineReader& lines) {
  ++summary_.n_bad_rows;
  bad_row_.file = lines.path();
  bad_row_.line = lines.line();
  bad_row_.text = lines.text();
  sink_.bad_row(bad_row_);
}

void ExportReader::ReadAdjacency(LineReader& lines) {
  constexpr std::string_view kBlanks = " \t";
  std::string_view rest;
  const auto next_word = [&] {
    rest.remove_prefix(std::min(rest.find_first_not_of(kBlanks), rest.size()));
    const std::string_view word = rest.substr(0, rest.find_first_of(kBlanks));
    rest.remove_prefix(word.size());
    return word;
  };
  bool empty = true;
  for (auto status = lines.Next(); status != LineReader::Status::kEnd; status = lines.Next()) {
    rest = lines.text();
    Event event;
    event.user = next_word();
    if (event.user.empty() && status == LineReader::Status::kLine) continue;
    empty = false;
    CountLine();
    if (status == LineReader::Status::kTooLong) {
      RefuseLongLine();
      HandBadRow(lines);
      continue;
    }
    for (event.item = next_word(); !event.item.empty(); event.item = next_word()) Hand(event);
  }
  if (empty)
    throw Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is empty; expected lines of a user and items",
                                                         Printable(lines.path(), kMaxPathBytes)));
}

void ExportReader::ReadDelimited(LineReader& lines) {
  const EventColumns columns = ReadHeader(lines);
  CheckSameColumns(columns, lines.path());
  const bool csv = options_.format == EventFormat::kCsv;
  Record record(csv ? ',' : '\t', csv, columns.n_columns);
  for (auto status = lines.Next(); status != LineReader::Status::kEnd; status = lines.Next()) {
    if (lines.text().empty()) continue;
    CountLine();
    const bool good = status == LineReader::Status::kTooLong ? RefuseLongLine() : ReadRow(lines, record, columns);
    if (!good) HandBadRow(lines);
  }
}

EventColumns ExportReader::ReadHeader(LineReader& lines) {
  auto status = lines.Next();
  while (status == LineReader::Status::kLine && lines.text().empty()) status = lines.Next();
  const std::string path = Printable(lines.path(), kMaxPathBytes);
  if (status == LineReader::Status::kEnd)
    throw Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is empty; expected a header line", path));

  const bool csv = options_.format == EventFormat::kCsv;
  Record record(csv ? ',' : '\t', csv, kMaxColumns);
  bool good = status == LineReader::Status::kTooLong ? RefuseLongLine() : CutRecord(lines, record);
  if (good && record.n_fields() > kMaxColumns)
    good = Refuse("", fmt::format("{} columns; at most {} are read", record.n_fields(), kMaxColumns));
  if (!good)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: line {}: this is no header: {}", path, lines.line(), bad_row_.reason));
  std::vector<std::string> header;
  std::string unquoted;
  for (size_t i = 0; i < record.n_fields(); ++i) header.emplace_back(record.Field(i, lines.text(), unquoted));
  return FindEventColumns(header, options_, lines.path());
}

void ExportReader::CheckSameColumns(const EventColumns& columns, const std::string& path) {
  const bool first = summary_.n_files == 0;
  const auto check = [&](const EventColumn& column, bool& has, const char* what) {
    if (!first && has != static_cast<bool>(column))
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("{}: {} {} column, but '{}' has {}", Printable(path, kMaxPathBytes),
                              has ? "no" : "this file has the", what, Printable(paths_[0], kMaxPathBytes),
                              has ? "one" : "none"));
    has = static_cast<bool>(column);
  };
  check(columns.event, summary_.has_types, "event");
  check(columns.value, summary_.has_values, "value");
  check(columns.time, summary_.has_times, "time");
  if (!first) return;
  summary_.options.user_column = columns.user.name;
  summary_.options.item_column = columns.item.name;
  summary_.options.event_column = columns.event.name;
  summary_.options.value_column = columns.value.name;
  summary_.options.time_column = columns.time.name;
}

bool ExportReader::CutRecord(LineReader& lines, Record& record) {
  auto state = record.Cut(lines.text());
  while (state == Record::State::kOpenQuote && lines.Extend()) state = record.Resume(lines.text());
  if (state == Record::State::kWhole) return true;
  const size_t column = record.n_fields();
  if (state == Record::State::kTextAfterQuote)
    return Refuse("text after a closing quote",
                  fmt::format("field {} goes on after its closing quote; expected a delimiter or the line's end "
                              "(quotes within quotes are doubled)",
                              column));
  const std::string limit =
      lines.AtEnd() ? "never closed" : fmt::format("not closed within {} bytes", options_.max_line_bytes);
  lines.KeepFirstLine();
  return Refuse("quote never closed",
                fmt::format("the quote that opens field {} in line {} is {}", column, lines.line(), limit));
}

bool ExportReader::ReadRow(LineReader& lines, Record& record, const EventColumns& columns) {
  if (!CutRecord(lines, record)) return false;
  if (record.n_fields() != columns.n_columns)
    return Refuse(record.n_fields() < columns.n_columns ? "too few fields" : "too many fields",
                  fmt::format("{} fields; the header has {}", record.n_fields(), columns.n_columns));
  const std::string_view text = lines.text();
  Event event;
  event.user = record.Field(static_cast<size_t>(columns.user.index), text, unquoted_[0]);
  event.item = record.Field(static_cast<size_t>(columns.item.index), text, unquoted_[1]);
  if (event.user.empty())
    return Refuse("empty user", fmt::format("column '{}' is empty; expected a user id", Printable(columns.user.name)));
  if (event.item.empty())
    return Refuse("empty item", fmt::format("column '{}' is empty; expected an item id", Printable(columns.item.name)));
  if (!ReadOptionalFields(text, record, columns, event)) return false;
  Hand(event);
  return true;
}

bool ExportReader::ReadOptionalFields(std::string_view text, const Record& record, const EventColumns& columns,
                                      Event& event) {
  std::string unquoted;
  const auto refuse = [&](const char* part, std::string_view field, const EventColumn& column, const char* wrong) {
    return Refuse(fmt::format("{}: {}", part, wrong),
                  fmt::format("{} '{}' in column '{}': {}", part, Printable(field), Printable(column.name), wrong));
  };
  if (columns.event) {
    event.type = record.Field(static_cast<size_t>(columns.event.index), text, unquoted_[2]);
    if (event.type.empty()) return refuse("event", event.type, columns.event, "expected the type of an event");
    if (!IsUtf8(event.type)) return refuse("event", event.type, columns.event, "expected UTF-8");
  }
  if (columns.value) {
    const std::string_view field = record.Field(static_cast<size_t>(columns.value.index), text, unquoted);
    if (const char* wrong = ParseValue(field, &event.value)) return refuse("value", field, columns.value, wrong);
  }
  if (columns.time) {
    const std::string_view field = record.Field(static_cast<size_t>(columns.time.index), text, unquoted);
    if (const char* wrong = ParseTime(field, &event.time)) return refuse("time", field, columns.time, wrong);
  }
  return true;
}

}  // namespace

std::string BadRow::Message() const {
  return fmt::format("{}: line {}: {}", Printable(file, kMaxPathBytes), line, reason);
}

EventFormat ParseEventFormat(std::string_view name) {
  for (size_t i = 0; i < std::size(kFormats); ++i)
    if (name == kFormats[i]) return static_cast<EventFormat>(i);
  throw Error(ErrorCode::kUsage, fmt::format("unknown format '{}'; expected csv, tsv or adjacency", Printable(name)));
}

const char* EventFormatName(EventFormat format) {
  return kFormats[static_cast<size_t>(format)];
}

EventReaderSummary ReadEvents(std::span<const std::string> paths, const EventReaderOptions& options,
                              const EventSink& sink) {
  return ExportReader(paths, options, sink).Read();
}

}  // namespace kindred
