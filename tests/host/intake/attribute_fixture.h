// Tables in memory, read into one of items.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "host/intake/attribute_builder.h"
#include "tests/support/errors.h"
#include "tests/support/row_table.h"

namespace kindred {

/// Every row of column k as a text: "-" where it is missing, tags in brackets.
inline std::vector<std::string> Cells(const AttributeTable& table, int64_t k) {
  std::vector<std::string_view> texts;
  const Column column = table.AsColumn(k, texts);
  std::vector<std::string> cells;
  for (size_t i = 0; i < static_cast<size_t>(table.n_rows()); ++i) {
    std::string cell;
    if (!column.reals.empty() && !std::isnan(column.reals[i])) cell = fmt::format("{}", column.reals[i]);
    if (!column.integers.empty() && column.integers[i] != kMissingInteger) cell = fmt::format("{}", column.integers[i]);
    if (!column.booleans.empty() && column.booleans[i] != kMissingBoolean) cell = column.booleans[i] ? "true" : "false";
    if (!column.texts.empty()) cell = column.texts[i];
    if (!column.indptr.empty()) {
      for (int64_t at = column.indptr[i]; at < column.indptr[i + 1]; ++at)
        cell += fmt::format("[{}]", column.dictionary[static_cast<size_t>(column.codes[static_cast<size_t>(at)])]);
    } else if (!column.codes.empty() && column.codes[i] != kMissingCode) {
      cell = column.dictionary[static_cast<size_t>(column.codes[i])];
    }
    cells.push_back(cell.empty() ? "-" : cell);
  }
  return cells;
}

class AttributeTables : public testing::Test {
 protected:
  using Texts = std::vector<std::string>;

  static AttributeSource Source(Texts inputs, std::vector<AttributeDeclaration> columns = {}, std::string key = {}) {
    AttributeSource source;
    source.inputs = std::move(inputs);
    source.columns = std::move(columns);
    source.key = std::move(key);
    return source;
  }

  void Read(Texts inputs, std::vector<AttributeDeclaration> columns = {}, std::string key = {}) {
    Read(Source(std::move(inputs), std::move(columns), std::move(key)));
  }
  void Read(const AttributeSource& source) {
    const auto open = [this](const std::string& input, const AttributeSource&) {
      return files_.at(input).Open(input, batch_rows_);
    };
    builder_.Read(source, open, {[this](const BadRow& row) { bad_.push_back(row); }});
  }

  /// Columns, each as "TYPE: CELL CELL ...".
  Texts Finish() {
    table_ = builder_.Finish(ids_);
    Texts columns;
    for (size_t k = 0; k < table_.columns().size(); ++k) {
      const AttributeColumn& column = table_.columns()[k];
      const Texts cells = Cells(table_, static_cast<int64_t>(k));
      EXPECT_EQ(std::count(cells.begin(), cells.end(), "-"), column.n_missing) << column.name;
      columns.push_back(fmt::format("{} {}: {}", column.name, AttributeTypeName(column.type), fmt::join(cells, " ")));
    }
    return columns;
  }

  Texts BadRows() const {
    Texts messages;
    for (const BadRow& row : bad_) messages.push_back(fmt::format("{}:{}: {}", row.file, row.line, row.reason));
    return messages;
  }

  std::map<std::string, RowTable> files_;
  int64_t batch_rows_ = 2;
  IdMapBuilder ids_;
  AttributeBuilder builder_{"item", {"item_id", "item", "id"}};
  AttributeTable table_;
  std::vector<BadRow> bad_;
};

}  // namespace kindred
