#include "host/intake/attribute_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "host/data/id_map.h"
#include "host/intake/attribute_fields.h"
#include "host/intake/cell_text.h"
#include "host/intake/inferred_values.h"
#include "host/text/text.h"

namespace kindred {
namespace {

/// Numbers, booleans and times: one value a row.
template <class T>
class ScalarValues final : public AttributeValues {
 public:
  using Reader = const char* (*)(const Column&, int64_t, const AttributeRules&, T*);

  ScalarValues(std::string column, const AttributeRules& rules, Reader read)
      : AttributeValues(std::move(column)), rules_(rules), read_(read) {}

  void Parse(const Column& column, int64_t n_rows, RowFaults& faults) override {
    if constexpr (std::is_same_v<T, int64_t>) SettleTimeForm(column, n_rows, rules_);
    parsed_.resize(static_cast<size_t>(n_rows));
    for (int64_t i = 0; i < n_rows; ++i)
      if (const char* wrong = read_(column, i, rules_, &parsed_[static_cast<size_t>(i)]))
        faults.Add(i, column_, FoundIn(column, i), wrong);
  }

  void Append(const Column&, std::span<const int32_t> rows, std::span<const int64_t>) override {
    for (const int32_t row : rows) values_.push_back(parsed_[static_cast<size_t>(row)]);
  }

  AttributeArrays Place(std::span<const int32_t> to, int64_t n_rows) override {
    AttributeArrays arrays;
    if constexpr (std::is_same_v<T, double>) {
      arrays.type = AttributeType::kNumber;
      arrays.numbers = PlaceScalars<double>(values_, to, n_rows, std::numeric_limits<double>::quiet_NaN());
      for (const double value : arrays.numbers) arrays.n_missing += std::isnan(value);
    } else if constexpr (std::is_same_v<T, uint8_t>) {
      arrays.type = AttributeType::kBoolean;
      arrays.booleans = PlaceScalars<uint8_t>(values_, to, n_rows, kMissingBoolean);
      arrays.n_missing = std::count(arrays.booleans.begin(), arrays.booleans.end(), kMissingBoolean);
    } else {
      arrays.type = AttributeType::kTime;
      arrays.times = PlaceScalars<int64_t>(values_, to, n_rows, kMissingInteger);
      arrays.n_missing = std::count(arrays.times.begin(), arrays.times.end(), kMissingInteger);
    }
    return arrays;
  }

 private:
  AttributeRules rules_;
  Reader read_;
  std::vector<T> parsed_;
  std::vector<T> values_;
};

class CategoryValues final : public AttributeValues {
 public:
  explicit CategoryValues(std::string column) : AttributeValues(std::move(column)) {}

  void Parse(const Column&, int64_t, RowFaults&) override {}

  void Append(const Column& column, std::span<const int32_t> rows, std::span<const int64_t>) override {
    std::string room;
    for (const int32_t row : rows) {
      const std::string_view text = CellText(column, row, room);
      codes_.push_back(text.empty() ? kMissingCode : dictionary_.Intern(text));
    }
  }

  AttributeArrays Place(std::span<const int32_t> to, int64_t n_rows) override {
    return PlaceCategories(codes_, TextsOf(dictionary_.view()), to, n_rows);
  }

 private:
  std::vector<int32_t> codes_;
  IdMapBuilder dictionary_;
};

class TextValues final : public AttributeValues {
 public:
  explicit TextValues(std::string column) : AttributeValues(std::move(column)) {}

  void Parse(const Column&, int64_t, RowFaults&) override {}

  void Append(const Column& column, std::span<const int32_t> rows, std::span<const int64_t>) override {
    std::string room;
    for (const int32_t row : rows) texts_.Add(CellText(column, row, room));
  }

  AttributeArrays Place(std::span<const int32_t> to, int64_t n_rows) override {
    return PlaceTexts(texts_.view(), to, n_rows);
  }

 private:
  TextRows texts_;
};

class TagValues final : public AttributeValues {
 public:
  TagValues(std::string column, char separator) : AttributeValues(std::move(column)), separator_(separator) {}

  void Parse(const Column&, int64_t, RowFaults&) override {}

  void Append(const Column& column, std::span<const int32_t> rows, std::span<const int64_t>) override {
    std::string room;
    for (const int32_t row : rows) {
      if (!column.indptr.empty())
        AddCodes(column, row);
      else
        ForEachTag(CellText(column, row, room), column.type == ColumnType::kTags ? '|' : separator_,
                   [this](std::string_view tag) { AddTag(tag); });
      indptr_.push_back(static_cast<int64_t>(codes_.size()));
    }
  }

  AttributeArrays Place(std::span<const int32_t> to, int64_t n_rows) override {
    return PlaceTags(indptr_, codes_, TextsOf(dictionary_.view()), to, n_rows);
  }

 private:
  void AddCodes(const Column& column, int32_t row) {
    for (int64_t at = column.indptr[static_cast<size_t>(row)]; at < column.indptr[static_cast<size_t>(row) + 1]; ++at)
      AddTag(TagIn(column.dictionary[static_cast<size_t>(column.codes[static_cast<size_t>(at)])]));
  }

  void AddTag(std::string_view tag) {
    if (tag.empty()) return;
    const int32_t code = dictionary_.Intern(tag);
    if (static_cast<size_t>(code) == last_row_.size()) last_row_.push_back(0);
    const size_t row = indptr_.size();
    if (std::exchange(last_row_[static_cast<size_t>(code)], row) != row) codes_.push_back(code);
  }

  char separator_;
  std::vector<int64_t> indptr_ = {0};
  std::vector<int32_t> codes_;
  IdMapBuilder dictionary_;
  std::vector<size_t> last_row_;  // of each tag, counted from 1
};

AttributeType TypeOf(ColumnType type) {
  switch (type) {
    case ColumnType::kNumber:
      return AttributeType::kNumber;
    case ColumnType::kBoolean:
      return AttributeType::kBoolean;
    case ColumnType::kTime:
      return AttributeType::kTime;
    case ColumnType::kTags:
      return AttributeType::kTags;
    default:
      return AttributeType::kText;
  }
}

}  // namespace

void RowFaults::Add(int64_t row, std::string_view column, std::string_view found, std::string_view wrong) {
  const std::string name = Printable(column);
  faults_.try_emplace(row, Fault{fmt::format("'{}' in column '{}': {}", Printable(found), name, wrong),
                                 fmt::format("column '{}': {}", name, wrong)});
}

const RowFaults::Fault* RowFaults::Find(int64_t row) const {
  const auto found = faults_.find(row);
  return found == faults_.end() ? nullptr : &found->second;
}

void AttributeValues::EndFile(const std::string&) {}

std::unique_ptr<AttributeValues> AttributeValues::Make(std::string column, ColumnType type,
                                                       const AttributeRules& rules) {
  if (!rules.type && (type == ColumnType::kUntyped || type == ColumnType::kText))
    return std::make_unique<InferredValues>(std::move(column), rules, type == ColumnType::kUntyped);
  switch (rules.type.value_or(TypeOf(type))) {
    case AttributeType::kNumber:
      return std::make_unique<ScalarValues<double>>(std::move(column), rules, ReadNumber);
    case AttributeType::kBoolean:
      return std::make_unique<ScalarValues<uint8_t>>(std::move(column), rules, ReadBoolean);
    case AttributeType::kTime:
      return std::make_unique<ScalarValues<int64_t>>(std::move(column), rules, ReadTime);
    case AttributeType::kCategory:
      return std::make_unique<CategoryValues>(std::move(column));
    case AttributeType::kTags:
      return std::make_unique<TagValues>(std::move(column), rules.separator);
    case AttributeType::kText:
      return std::make_unique<TextValues>(std::move(column));
  }
  return nullptr;
}

}  // namespace kindred
