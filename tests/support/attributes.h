// Tables of attributes in memory, for those who make something of them.
#pragma once

#include <cmath>
#include <deque>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "host/data/attribute_arrays.h"

namespace kindred {

/// Columns of equal length. The table views this.
class TestAttributes {
 public:
  explicit TestAttributes(int64_t n_rows) : n_rows_(n_rows) {}

  TestAttributes& Numbers(std::string name, std::vector<double> values) {
    AttributeArrays& arrays = Add(std::move(name), AttributeType::kNumber);
    for (const double value : values) arrays.n_missing += std::isnan(value) ? 1 : 0;
    arrays.numbers = std::move(values);
    return *this;
  }
  TestAttributes& Times(std::string name, std::vector<int64_t> values) {
    AttributeArrays& arrays = Add(std::move(name), AttributeType::kTime);
    for (const int64_t value : values) arrays.n_missing += value == std::numeric_limits<int64_t>::min() ? 1 : 0;
    arrays.times = std::move(values);
    return *this;
  }
  TestAttributes& Booleans(std::string name, std::vector<uint8_t> values) {
    AttributeArrays& arrays = Add(std::move(name), AttributeType::kBoolean);
    for (const uint8_t value : values) arrays.n_missing += value == 2 ? 1 : 0;
    arrays.booleans = std::move(values);
    return *this;
  }
  /// Codes are places in `dictionary`; -1: missing.
  TestAttributes& Categories(std::string name, std::vector<int32_t> codes, const std::vector<std::string>& dictionary) {
    AttributeArrays& arrays = Add(std::move(name), AttributeType::kCategory);
    for (const int32_t code : codes) arrays.n_missing += code < 0 ? 1 : 0;
    arrays.codes = std::move(codes);
    return Texts(dictionary, arrays);
  }
  TestAttributes& Tags(std::string name, const std::vector<std::vector<int32_t>>& codes,
                       const std::vector<std::string>& dictionary) {
    AttributeArrays& arrays = Add(std::move(name), AttributeType::kTags);
    arrays.indptr = {0};
    for (const std::vector<int32_t>& row : codes) {
      arrays.codes.insert(arrays.codes.end(), row.begin(), row.end());
      arrays.indptr.push_back(static_cast<int64_t>(arrays.codes.size()));
      arrays.n_missing += row.empty() ? 1 : 0;
    }
    return Texts(dictionary, arrays);
  }
  TestAttributes& Texts(std::string name, const std::vector<std::string>& texts) {
    AttributeArrays& arrays = Add(std::move(name), AttributeType::kText);
    for (const std::string& text : texts) arrays.n_missing += text.empty() ? 1 : 0;
    return Texts(texts, arrays);
  }

  AttributeTable table() const {
    std::vector<AttributeColumn> columns;
    for (const auto& [name, arrays] : columns_) columns.push_back(arrays.View(name, "test"));
    return {n_rows_, std::move(columns)};
  }

 private:
  AttributeArrays& Add(std::string name, AttributeType type) {
    columns_.emplace_back(std::move(name), AttributeArrays());
    columns_.back().second.type = type;
    return columns_.back().second;
  }
  TestAttributes& Texts(const std::vector<std::string>& texts, AttributeArrays& arrays) {
    arrays.offsets = {0};
    for (const std::string& text : texts) {
      arrays.bytes.insert(arrays.bytes.end(), text.begin(), text.end());
      arrays.offsets.push_back(static_cast<int64_t>(arrays.bytes.size()));
    }
    return *this;
  }

  int64_t n_rows_;
  std::deque<std::pair<std::string, AttributeArrays>> columns_;
};

}  // namespace kindred
