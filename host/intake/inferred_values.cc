#include "host/intake/inferred_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "host/intake/cell_text.h"
#include "host/intake/row_source.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

/// A dictionary of no more entries is kept whatever the rows are.
constexpr int64_t kSmallDictionary = int64_t{1} << 16;

}  // namespace

void InferredValues::Append(const Column& column, std::span<const int32_t> rows, std::span<const int64_t> lines) {
  std::string room;
  for (const int32_t row : rows) {
    const std::string_view text = CellText(column, row, room);
    const Shapes before = file_;
    file_ &= Keep(text);
    if (text.empty()) continue;
    if (file_ == 0 && before != 0 && !file_empty_ && !break_)
      break_ = InferenceBreak{{}, lines[static_cast<size_t>(row)], Printable(text), NameOfShapes(before)};
    file_empty_ = false;
  }
}

Shapes InferredValues::Keep(std::string_view text) {
  if (!text.empty()) ++n_present_;
  if (!coding_) {
    texts_.Add(text);
    return text.empty() ? kAllShapes : file_ == 0 ? 0 : ShapesOf(text, rules_);
  }
  if (text.empty()) {
    codes_.push_back(kMissingCode);
    return kAllShapes;
  }
  const int32_t code = dictionary_.Intern(text);
  codes_.push_back(code);
  if (static_cast<size_t>(code) == shapes_.size()) shapes_.push_back(ShapesOf(text, rules_));
  const Shapes shapes = shapes_[static_cast<size_t>(code)];
  if (dictionary_.size() > kSmallDictionary && 2 * dictionary_.size() > n_present_) StopCoding();
  return shapes;
}

void InferredValues::StopCoding() {
  for (const int32_t code : codes_) texts_.Add(code == kMissingCode ? std::string_view() : dictionary_.view().Id(code));
  coding_ = false;
  codes_ = {};
  dictionary_ = {};
  shapes_ = {};
}

void InferredValues::EndFile(const std::string& path) {
  if (break_ && break_->file.empty()) break_->file = path;
  if (!file_empty_) {
    if (!first_file_.empty() && (all_ & file_) == 0 && (all_ | file_) != 0)
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format("column '{}' holds {} in '{}' and {} in '{}': declare its type", Printable(column_),
                      NameOfShapes(all_), Printable(first_file_, 4096), NameOfShapes(file_), Printable(path, 4096)));
    if (first_file_.empty()) first_file_ = path;
    all_ &= file_;
  }
  file_ = possible_;
  file_empty_ = true;
}

std::string_view InferredValues::TextAt(int64_t j) const {
  if (!coding_) return texts_[j];
  const int32_t code = codes_[static_cast<size_t>(j)];
  return code == kMissingCode ? std::string_view() : dictionary_.view().Id(code);
}

bool InferredValues::CodeAll() {
  if (coding_) return 2 * dictionary_.size() <= n_present_;
  for (int64_t j = 0; j < texts_.size(); ++j) {
    const std::string_view text = texts_[j];
    codes_.push_back(text.empty() ? kMissingCode : dictionary_.Intern(text));
    if (2 * dictionary_.size() <= n_present_) continue;
    codes_ = {};
    dictionary_ = {};
    return false;
  }
  texts_ = {};
  coding_ = true;
  return true;
}

AttributeArrays InferredValues::PlaceAs(AttributeType type, std::span<const int32_t> to, int64_t n_rows) {
  AttributeRules rules = rules_;
  rules.type = type;
  const auto values = Make(column_, ColumnType::kUntyped, rules);
  RowFaults none;
  std::vector<std::string_view> texts;
  std::vector<int32_t> rows;
  for (int64_t begin = 0; begin < size(); begin += kMaxBatchRows) {
    const int64_t n = std::min(size() - begin, kMaxBatchRows);
    texts.clear();
    rows.resize(static_cast<size_t>(n));
    std::iota(rows.begin(), rows.end(), 0);
    for (int64_t j = begin; j < begin + n; ++j) texts.push_back(TextAt(j));
    Column column;
    column.texts = texts;
    values->Parse(column, n, none);
    values->Append(column, rows, {});
  }
  codes_ = {};
  dictionary_ = {};
  texts_ = {};
  return values->Place(to, n_rows);
}

AttributeArrays InferredValues::Place(std::span<const int32_t> to, int64_t n_rows) {
  AttributeArrays arrays;
  if (all_ != 0 && n_present_ > 0) {
    const AttributeType type = (all_ & kNumberShape) != 0 ? AttributeType::kNumber
                               : (all_ & kTimeShape) != 0 ? AttributeType::kTime
                                                          : AttributeType::kBoolean;
    arrays = PlaceAs(type, to, n_rows);
  } else if (CodeAll()) {
    arrays = PlaceCategories(codes_, TextsOf(dictionary_.view()), to, n_rows);
  } else {
    if (coding_) StopCoding();
    arrays = PlaceTexts(texts_.view(), to, n_rows);
  }
  arrays.inferred = true;
  return arrays;
}

}  // namespace kindred
