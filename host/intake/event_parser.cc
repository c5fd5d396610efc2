#include "host/intake/event_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/intake/cell_text.h"
#include "host/text/field_values.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {

namespace {

Expression CompileWhere(const std::string& text, std::span<const ColumnInfo> columns,
                        const ExpressionOptions& options) {
  try {
    return Expression::CompileCondition(text, columns, options);
  } catch (const Error& error) {
    throw Error(error.code(), std::string("--where: ") + error.what());
  }
}

Expression CompileValue(const std::string& text, std::span<const ColumnInfo> columns,
                        const ExpressionOptions& options) {
  try {
    Expression value = Expression::Compile(text, columns, options);
    if (value.type() == ValueType::kNumber) return value;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is a {}; expected a number{}", Printable(value.ToString(), 400), NameOf(value.type()),
                            value.type() == ValueType::kText ? " (number(NAME) reads a column as one)" : ""));
  } catch (const Error& error) {
    throw Error(error.code(), std::string("--value: ") + error.what());
  }
}

}  // namespace

EventLayout::EventLayout(RowSource& source, const EventReaderOptions& options, double now)
    : path_(source.path()), options_(options), now_(now) {
  const EventColumns columns = FindEventColumns(source.columns(), options, path_);
  std::vector<int> selected;
  const auto place_of = [&](int column) {
    const auto found = std::find(selected.begin(), selected.end(), column);
    if (found == selected.end()) {
      selected.push_back(column);
      return static_cast<int>(selected.size()) - 1;
    }
    return static_cast<int>(found - selected.begin());
  };
  const auto set = [&](Part part, const EventColumn& column, const char* what) {
    fields_[part] = {column, what, column ? place_of(column.index) : -1};
  };
  set(kUser, columns.user, "user");
  set(kItem, columns.item, "item");
  set(kEvent, columns.event, "event");
  set(kId, columns.id, "event id");
  set(kValue, columns.value, "value");
  set(kTime, columns.time, "time");
  const ExpressionOptions format = {number_format(), options.time};
  const auto compute = [&](const std::string& text, auto compile, Computed& computed) {
    if (text.empty()) return;
    computed.expression = compile(text, source.columns(), format);
    for (const int column : computed.expression->columns()) computed.places.push_back(place_of(column));
  };
  compute(options.where, CompileWhere, where_);
  compute(options.value, CompileValue, value_);
  source.Select(selected);
}

EventParser::EventParser(const EventLayout& layout, const EventSink& sink, int64_t block)
    : layout_(layout), sink_(sink), block_(block), values_(kMaxBatchRows), times_(kMaxBatchRows) {
  for (int part = 0; part < kTextParts; ++part)
    if (layout.has(static_cast<EventLayout::Part>(part))) texts_[part].resize(kMaxBatchRows);
  Start(layout.where(), layout.now(), where_);
  Start(layout.value(), layout.now(), value_);
}

void EventParser::Start(const EventLayout::Computed& computed, double now, Evaluation& evaluation) {
  if (computed.expression) evaluation.evaluator.emplace(*computed.expression, now);
}

std::span<const Column> EventParser::ColumnsOf(const EventLayout::Computed& computed, const RowBatch& batch,
                                               Evaluation& evaluation) {
  evaluation.columns.clear();
  for (const int place : computed.places) evaluation.columns.push_back(batch.columns[static_cast<size_t>(place)]);
  return evaluation.columns;
}

void EventParser::Rows(const RowBatch& batch) {
  result_.n_rows += batch.n_rows;
  if (where_.evaluator) Filter(batch);
  if (value_.evaluator) ComputeValues(batch);
  for (int64_t row = 0; row < batch.n_rows; ++row) {
    if (where_.evaluator && keep_[static_cast<size_t>(row)] == 0) continue;
    if (ReadRow(batch, row))
      ++n_;
    else
      AddBadRow(batch, row);
  }
  HandBatch();
}

void EventParser::Filter(const RowBatch& batch) {
  keep_.resize(static_cast<size_t>(batch.n_rows));
  where_.evaluator->Select(ColumnsOf(layout_.where(), batch, where_), batch.n_rows, keep_, where_.errors);
  result_.n_filtered += std::count(keep_.begin(), keep_.end(), 0);
  int64_t last = -1;
  const Expression& where = *layout_.where().expression;
  for (const RowError& error : where_.errors) {
    if (std::exchange(last, error.row) == error.row) continue;  // one reason a row
    --result_.n_filtered;
    Refuse("where: " + where.Kind(error), "--where: " + where.Reason(error));
    AddBadRow(batch, error.row);
  }
}

void EventParser::ComputeValues(const RowBatch& batch) {
  computed_.resize(static_cast<size_t>(batch.n_rows));
  value_.evaluator->Numbers(ColumnsOf(layout_.value(), batch, value_), batch.n_rows, computed_, value_.errors);
  next_value_error_ = 0;
}

bool EventParser::ReadRow(const RowBatch& batch, int64_t row) {
  using enum EventLayout::Part;
  for (const EventLayout::Part part : {kUser, kItem, kEvent, kId})
    if (layout_.has(part) && !ReadText(batch, row, part)) return false;
  const auto cells = [&](EventLayout::Part part) -> const Column& {
    return batch.columns[static_cast<size_t>(layout_.field(part).place)];
  };
  const bool computed = value_.evaluator.has_value();
  return (!layout_.has(kValue) || (computed ? ReadComputedValue(row) : ReadValue(cells(kValue), row))) &&
         (!layout_.has(kTime) || ReadTime(batch, cells(kTime), row));
}

bool EventParser::ReadText(const RowBatch& batch, int64_t row, EventLayout::Part part) {
  const EventLayout::Field& field = layout_.field(part);
  const Column& cells = batch.columns[static_cast<size_t>(field.place)];
  std::string_view text;
  if (!cells.texts.empty()) {
    text = cells.texts[static_cast<size_t>(row)];
  } else {
    owned_[part].resize(kMaxBatchRows);
    text = CellText(cells, row, owned_[part][n_]);
  }
  if (part == EventLayout::kUser || part == EventLayout::kItem) {
    if (text.empty())
      return Refuse(fmt::format("empty {}", field.what),
                    fmt::format("column '{}' is empty; expected {} {} id", Printable(field.column.name),
                                part == EventLayout::kUser ? "a" : "an", field.what));
    if (const char* wrong = FormatId(text, layout_.options().id_format, &text)) return RefuseCell(part, text, wrong);
  } else if (text.empty()) {
    return RefuseCell(part, text, part == EventLayout::kEvent ? "expected the type of an event" : "expected an id");
  } else if (part == EventLayout::kEvent && layout_.options().read.encoding == Encoding::kBytes && !IsUtf8(text)) {
    return RefuseCell(part, text, "expected UTF-8");
  }
  texts_[part][n_] = text;
  return true;
}

bool EventParser::ReadValue(const Column& cells, int64_t row) {
  float& value = values_[n_];
  const auto r = static_cast<size_t>(row);
  const bool negative = layout_.options().negative_values;
  if (cells.texts.empty() && !cells.reals.empty() && (cells.reals[r] >= 0 || (negative && cells.reals[r] < 0))) {
    value = static_cast<float>(cells.reals[r]) + 0.0f;  // never -0
    if (!std::isinf(value)) return true;
  }
  const std::string_view text = CellText(cells, row, buffer_);
  NumberFormat format = cells.texts.empty() ? NumberFormat() : layout_.number_format();
  format.negative = negative;
  const char* wrong = ParseValue(text, &value, format);
  return wrong == nullptr || RefuseCell(EventLayout::kValue, text, wrong);
}

bool EventParser::ReadComputedValue(int64_t row) {
  const Expression& expression = *layout_.value().expression;
  while (next_value_error_ < value_.errors.size() && value_.errors[next_value_error_].row < row) ++next_value_error_;
  if (next_value_error_ < value_.errors.size() && value_.errors[next_value_error_].row == row) {
    const RowError& error = value_.errors[next_value_error_];
    return Refuse("value: " + expression.Kind(error), "--value: " + expression.Reason(error));
  }
  const double number = computed_[static_cast<size_t>(row)];
  float& value = values_[n_];
  value = static_cast<float>(number) + 0.0f;  // never -0
  const char* wrong = std::isnan(number)                                 ? "missing; expected a number"
                      : number < 0 && !layout_.options().negative_values ? "negative; expected a number >= 0"
                      : std::isinf(value)                                ? "larger than a float32 holds (3.4e38)"
                                                                         : nullptr;
  if (wrong == nullptr) return true;
  return Refuse(fmt::format("value: {}", wrong), std::isnan(number)
                                                     ? fmt::format("--value: {}", wrong)
                                                     : fmt::format("--value: {:g} is {}", number, wrong));
}

bool EventParser::ReadTime(const RowBatch& batch, const Column& cells, int64_t row) {
  int64_t& seconds = times_[n_];
  const auto r = static_cast<size_t>(row);
  if (cells.type == ColumnType::kTime && !cells.reals.empty() && !std::isnan(cells.reals[r])) {
    constexpr double kYear1 = -62135596800, kYear10000 = 253402300800;
    const double whole = std::floor(cells.reals[r]);
    if (whole >= kYear1 && whole < kYear10000) {
      seconds = static_cast<int64_t>(whole);
      return true;
    }
    return RefuseCell(EventLayout::kTime, fmt::format("{} s", whole), "expected a time of the years 1 to 9999");
  }
  const std::string_view text = CellText(cells, row, buffer_);
  TimeForm form;
  if (const char* wrong = layout_.options().time.Read(text, &seconds, &form))
    return RefuseCell(EventLayout::kTime, text, wrong);
  if (result_.time_forms.empty() || form != result_.time_forms[0].form) Note(form, batch.lines[r], text);
  return true;
}

void EventParser::Note(TimeForm form, int64_t line, std::string_view text) {
  for (const ParsedBlock::Seen& seen : result_.time_forms)
    if (seen.form == form) return;
  result_.time_forms.push_back({form, line, std::string(text)});
}

bool EventParser::Refuse(std::string kind, std::string reason) {
  kind_ = std::move(kind);
  reason_ = std::move(reason);
  return false;
}

bool EventParser::RefuseCell(EventLayout::Part part, std::string_view cell, const char* wrong) {
  const EventLayout::Field& field = layout_.field(part);
  return Refuse(
      fmt::format("{}: {}", field.what, wrong),
      fmt::format("{} '{}' in column '{}': {}", field.what, Printable(cell), Printable(field.column.name), wrong));
}

void EventParser::AddBadRow(const RowBatch& batch, int64_t row) {
  if (n_bad_[1]++ > layout_.options().max_bad_rows) return;
  const auto r = static_cast<size_t>(row);
  std::string text;
  if (!batch.texts.empty()) {
    text = batch.texts[r];
  } else {
    for (const Column& cells : batch.columns) {
      if (!text.empty() || &cells != batch.columns.data()) text += ',';
      if (cells.type != ColumnType::kTags) text += CsvField(CellText(cells, row, buffer_));
    }
  }
  result_.bad_rows.push_back({layout_.path(), batch.lines[r], reason_, kind_, std::move(text)});
}

void EventParser::Bad(BadRow row) {
  ++result_.n_rows;
  if (n_bad_[0]++ <= layout_.options().max_bad_rows) result_.bad_rows.push_back(std::move(row));
}

void EventParser::HandBatch() {
  if (n_ == 0) return;
  using enum EventLayout::Part;
  EventBatch batch;
  batch.block = block_;
  const auto texts = [&](EventLayout::Part part) {
    return std::span<const std::string_view>(texts_[part].data(), layout_.has(part) ? n_ : 0);
  };
  batch.users = texts(kUser);
  batch.items = texts(kItem);
  batch.types = texts(kEvent);
  batch.ids = texts(kId);
  if (layout_.has(kValue)) batch.values = {values_.data(), n_};
  if (layout_.has(kTime)) batch.times = {times_.data(), n_};
  sink_.events(batch);
  result_.n_events += static_cast<int64_t>(n_);
  n_ = 0;
}

ParsedBlock EventParser::Finish() {
  std::stable_sort(result_.bad_rows.begin(), result_.bad_rows.end(),
                   [](const BadRow& a, const BadRow& b) { return a.line < b.line; });
  return std::move(result_);
}

}  // namespace kindred
