// A CSV file as a test looks at it: fields by the names of the header.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "host/intake/record.h"

namespace kindred {

class Table {
 public:
  explicit Table(const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    std::string line;
    for (Record record(RecordRules{}, 64); std::getline(stream, line);) {
      EXPECT_EQ(FindRecordEnd(line, 0, {}, true).state, RecordEnd::State::kWhole) << line;
      record.Cut(line);
      std::vector<std::string> fields;
      std::string unquoted;
      for (size_t i = 0; i < record.n_fields(); ++i) fields.emplace_back(record.Field(i, unquoted));
      if (header_.empty()) header_ = fields;
      EXPECT_EQ(fields.size(), header_.size()) << path << ": " << line;
      rows_.push_back(std::move(fields));
      texts_.push_back(line);
    }
    if (!rows_.empty()) rows_.erase(rows_.begin());
  }

  size_t size() const { return rows_.size(); }
  const std::vector<std::string>& header() const { return header_; }
  const std::string& At(size_t row, const std::string& column) const {
    const auto found = std::find(header_.begin(), header_.end(), column);
    if (found == header_.end()) throw std::out_of_range(column);
    return rows_.at(row)[static_cast<size_t>(found - header_.begin())];
  }
  /// By its number in the file; 1 is the header.
  const std::string& Line(size_t number) const { return texts_.at(number - 1); }
  /// The field on the line of this number.
  const std::string& OnLine(size_t number, const std::string& column) const { return At(number - 2, column); }

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::string> texts_;
};

}  // namespace kindred
