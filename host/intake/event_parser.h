// Rows of one source as events.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/expression/expression.h"
#include "host/intake/event_columns.h"
#include "host/intake/event_reader.h"
#include "host/intake/row_source.h"

namespace kindred {

/// How the rows of one opened source are read. Shared by the threads.
class EventLayout {
 public:
  /// Finds the columns, compiles `where` and `value` and selects what they all need. `now`: unix seconds, for the
  /// expressions.
  EventLayout(RowSource& source, const EventReaderOptions& options, double now);

  enum Part { kUser, kItem, kEvent, kId, kValue, kTime, kParts };
  struct Field {
    EventColumn column;
    const char* what = "";  // in messages
    int place = -1;         // in a batch; -1: there is none
  };

  const std::string& path() const { return path_; }
  const EventReaderOptions& options() const { return options_; }
  const Field& field(Part part) const { return fields_[part]; }
  /// Whether events have it, from a column or as an expression's value.
  bool has(Part part) const { return fields_[part].place >= 0 || (part == kValue && value_.expression); }

  /// An expression over the rows.
  struct Computed {
    std::optional<Expression> expression;
    std::vector<int> places = {};  // where in a batch its columns are
  };
  const Computed& where() const { return where_; }
  const Computed& value() const { return value_; }
  double now() const { return now_; }
  /// Of texts; of columns whose texts are a database's or another format's own, it is the usual one.
  NumberFormat number_format() const {
    const bool text = options_.read.format == InputFormat::kCsv || options_.read.format == InputFormat::kTsv;
    return text ? options_.number : NumberFormat();
  }

 private:
  std::string path_;
  const EventReaderOptions& options_;
  double now_;
  Field fields_[kParts];
  Computed where_, value_;
};

/// What became of a block.
struct ParsedBlock {
  /// The first time of a block that was written in a form.
  struct Seen {
    TimeForm form;
    int64_t line = 0;
    std::string text;
  };

  int64_t n_rows = 0;
  int64_t n_filtered = 0;
  int64_t n_events = 0;
  std::vector<BadRow> bad_rows;  // in order
  std::vector<Seen> time_forms;  // different ones, in order
};

/// Reads one block: hands its events to the sink and keeps the rest.
class EventParser : public RowSink {
 public:
  EventParser(const EventLayout& layout, const EventSink& sink, int64_t block);

  void Rows(const RowBatch& batch) override;
  void Bad(BadRow row) override;
  /// After the last row.
  ParsedBlock Finish();

 private:
  static constexpr int kTextParts = EventLayout::kId + 1;

  /// An expression of the layout, and the scratch to evaluate it with.
  struct Evaluation {
    std::optional<Evaluator> evaluator;
    std::vector<Column> columns;
    std::vector<RowError> errors;
  };
  static void Start(const EventLayout::Computed& computed, double now, Evaluation& evaluation);
  static std::span<const Column> ColumnsOf(const EventLayout::Computed& computed, const RowBatch& batch,
                                           Evaluation& evaluation);

  /// Leaves 0 in `keep_` where the row is not taken; rows the expression cannot read are bad.
  void Filter(const RowBatch& batch);
  /// The expression's value of each row.
  void ComputeValues(const RowBatch& batch);
  // These return false where the row is bad; then Refuse has said why.
  bool ReadRow(const RowBatch& batch, int64_t row);
  bool ReadText(const RowBatch& batch, int64_t row, EventLayout::Part part);
  bool ReadValue(const Column& cells, int64_t row);
  bool ReadComputedValue(int64_t row);
  bool ReadTime(const RowBatch& batch, const Column& cells, int64_t row);
  void Note(TimeForm form, int64_t line, std::string_view text);
  bool Refuse(std::string kind, std::string reason);
  bool RefuseCell(EventLayout::Part part, std::string_view cell, const char* wrong);
  void AddBadRow(const RowBatch& batch, int64_t row);
  void HandBatch();

  const EventLayout& layout_;
  const EventSink& sink_;
  int64_t block_;
  ParsedBlock result_;
  std::string kind_, reason_;  // of a row that was refused
  int64_t n_bad_[2] = {};      // by the format's rules, and by those of events: each is in order by itself

  Evaluation where_, value_;
  std::vector<uint8_t> keep_;
  std::vector<double> computed_;  // values of the rows
  size_t next_value_error_ = 0;   // of a row that is not read yet

  size_t n_ = 0;  // events so far
  std::vector<std::string_view> texts_[kTextParts];
  std::vector<std::string> owned_[kTextParts];  // of cells that are no texts
  std::vector<float> values_;
  std::vector<int64_t> times_;
  std::string buffer_;
};

}  // namespace kindred
