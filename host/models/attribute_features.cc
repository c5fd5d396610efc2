#include "host/models/attribute_features.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "host/data/id_map.h"
#include "host/text/words.h"

namespace kindred {
namespace {

using Entries = std::vector<std::pair<int32_t, float>>;  // of a row: features, increasing, with their weights

/// A column's part of the matrix.
struct Block {
  std::vector<Entries> rows;
  std::vector<std::string> names;
  int64_t n_found = 0;  // features before any were left out
};

constexpr int kDeciles = 10;

void SumEqual(Entries& row) {
  std::sort(row.begin(), row.end());
  size_t n = 0;
  for (size_t e = 0; e < row.size(); ++e) {
    if (n > 0 && row[n - 1].first == row[e].first)
      row[n - 1].second += row[e].second;
    else
      row[n++] = row[e];
  }
  row.resize(n);
}

void Normalize(Entries& row) {
  double squared = 0;
  for (const auto& [feature, weight] : row) squared += double{weight} * weight;
  for (auto& [feature, weight] : row) weight = static_cast<float>(weight / std::sqrt(squared));
}

/// Weighs counts by how rare they are and leaves out what says nothing.
Block Weigh(std::vector<Entries> rows, const std::vector<std::string>& names, double largest_share) {
  std::vector<int64_t> n_rows_of(names.size(), 0);
  double n_present = 0;
  for (Entries& row : rows) {
    SumEqual(row);
    n_present += row.empty() ? 0 : 1;
    for (const auto& [feature, count] : row) ++n_rows_of[static_cast<size_t>(feature)];
  }
  std::vector<int32_t> kept;
  for (size_t f = 0; f < names.size(); ++f) {
    const auto n = static_cast<double>(n_rows_of[f]);
    if (n_rows_of[f] >= kLeastRows && n < n_present && n <= largest_share * n_present)
      kept.push_back(static_cast<int32_t>(f));
  }
  if (std::ssize(kept) > kMostFeatures) {
    std::stable_sort(kept.begin(), kept.end(), [&](int32_t a, int32_t b) {
      return n_rows_of[static_cast<size_t>(a)] > n_rows_of[static_cast<size_t>(b)];
    });
    kept.resize(kMostFeatures);
    std::sort(kept.begin(), kept.end());
  }
  Block block;
  block.n_found = std::ssize(names);
  std::vector<int32_t> place(names.size(), -1);
  for (const int32_t f : kept) {
    place[static_cast<size_t>(f)] = static_cast<int32_t>(block.names.size());
    block.names.push_back(names[static_cast<size_t>(f)]);
  }
  for (Entries& row : rows) {
    std::erase_if(row, [&](const auto& entry) { return place[static_cast<size_t>(entry.first)] < 0; });
    for (auto& [feature, weight] : row) {
      const double rarity = std::log(n_present / static_cast<double>(n_rows_of[static_cast<size_t>(feature)]));
      weight = static_cast<float>(weight * rarity);
      feature = place[static_cast<size_t>(feature)];
    }
    Normalize(row);
  }
  block.rows = std::move(rows);
  return block;
}

Block OfCodes(const AttributeColumn& column, int64_t n_rows) {
  std::vector<Entries> rows(static_cast<size_t>(n_rows));
  for (size_t r = 0; r < rows.size(); ++r) {
    if (column.type == AttributeType::kCategory && column.codes[r] >= 0) rows[r] = {{column.codes[r], 1}};
    for (int64_t t = 0; column.type == AttributeType::kTags && t < column.indptr[r + 1] - column.indptr[r]; ++t)
      rows[r].push_back({column.codes[static_cast<size_t>(column.indptr[r] + t)], 1});
  }
  std::vector<std::string> names;
  for (int64_t code = 0; code < column.dictionary.size(); ++code) names.emplace_back(column.dictionary[code]);
  return Weigh(std::move(rows), names, 1);
}

Block OfBooleans(const AttributeColumn& column, int64_t n_rows) {
  std::vector<Entries> rows(static_cast<size_t>(n_rows));
  for (size_t r = 0; r < rows.size(); ++r)
    if (column.booleans[r] < 2) rows[r] = {{column.booleans[r], 1}};
  return Weigh(std::move(rows), {"false", "true"}, 1);
}

Block OfTexts(const AttributeColumn& column, int64_t n_rows) {
  std::vector<Entries> rows(static_cast<size_t>(n_rows));
  IdMapBuilder vocabulary;
  for (size_t r = 0; r < rows.size(); ++r)
    for (const std::string& word : Words(column.texts[static_cast<int64_t>(r)]))
      rows[r].push_back({vocabulary.Intern(word), 1});
  std::vector<std::string> names;
  for (int64_t word = 0; word < vocabulary.size(); ++word) names.emplace_back(vocabulary.view().Id(word));
  return Weigh(std::move(rows), names, kLargestShare);
}

/// `values` are NaN where they are missing.
template <class Text>
Block OfNumbers(const std::vector<double>& values, const Text& text_of) {
  std::vector<double> sorted;
  std::copy_if(values.begin(), values.end(), std::back_inserter(sorted), [](double v) { return !std::isnan(v); });
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> knots;
  for (int q = 0; q <= kDeciles && !sorted.empty(); ++q) {
    const double value = sorted[(sorted.size() - 1) * static_cast<size_t>(q) / kDeciles];
    if (knots.empty() || value > knots.back()) knots.push_back(value);
  }
  Block block;
  block.rows.resize(values.size());
  if (knots.size() < 2) return block;  // nothing, or one value
  block.n_found = std::ssize(knots);
  for (const double knot : knots) block.names.push_back(text_of(knot));
  for (size_t r = 0; r < values.size(); ++r) {
    if (std::isnan(values[r])) continue;
    const auto above = std::upper_bound(knots.begin() + 1, knots.end() - 1, values[r]);
    const auto place = static_cast<int32_t>(above - knots.begin());
    const double share = (values[r] - *(above - 1)) / (*above - *(above - 1));
    if (share < 1) block.rows[r].push_back({place - 1, static_cast<float>(1 - share)});
    if (share > 0) block.rows[r].push_back({place, static_cast<float>(share)});
    Normalize(block.rows[r]);
  }
  return block;
}

Block OfColumn(const AttributeColumn& column, int64_t n_rows) {
  switch (column.type) {
    case AttributeType::kNumber:
      return OfNumbers({column.numbers.begin(), column.numbers.end()}, [](double v) { return fmt::format("{:g}", v); });
    case AttributeType::kTime: {
      std::vector<double> seconds;
      for (const int64_t time : column.times)
        seconds.push_back(time == std::numeric_limits<int64_t>::min() ? std::nan("") : static_cast<double>(time));
      return OfNumbers(seconds,
                       [](double v) { return fmt::format("{:%Y-%m-%d}", fmt::gmtime(static_cast<time_t>(v))); });
    }
    case AttributeType::kText:
      return OfTexts(column, n_rows);
    case AttributeType::kBoolean:
      return OfBooleans(column, n_rows);
    case AttributeType::kCategory:
    case AttributeType::kTags:
      break;
  }
  return OfCodes(column, n_rows);
}

}  // namespace

MostFeatures::MostFeatures(const AttributeTable& table) {
  for (const AttributeColumn& column : table.columns()) {
    const int64_t n_words = std::ssize(column.texts.bytes) / 2 + 1;
    n_features += std::min(kMostFeatures, column.dictionary.size() + n_words + kDeciles);
    n_entries += std::ssize(column.codes) + n_words + 2 * (std::ssize(column.numbers) + std::ssize(column.times)) +
                 std::ssize(column.booleans);
  }
}

AttributeFeatures MakeAttributeFeatures(const AttributeTable& table) {
  AttributeFeatures features;
  const int64_t n_rows = table.n_rows();
  std::vector<Entries> rows(static_cast<size_t>(n_rows));
  for (const AttributeColumn& column : table.columns()) {
    Block block = OfColumn(column, n_rows);
    const auto first = static_cast<int32_t>(features.names.size());
    for (size_t r = 0; r < rows.size(); ++r)
      for (const auto& [feature, weight] : block.rows[r]) rows[r].push_back({first + feature, weight});
    for (const std::string& name : block.names) features.names.push_back(column.name + ": " + name);
    const int64_t n_kept = std::ssize(block.names);
    features.columns.push_back({column.name, column.type, n_rows - column.n_missing, n_kept, block.n_found - n_kept});
  }
  Csr& matrix = features.matrix;
  matrix.n_rows = n_rows;
  matrix.n_cols = std::ssize(features.names);
  for (Entries& row : rows) {
    Normalize(row);
    for (const auto& [feature, weight] : row) {
      matrix.indices.push_back(feature);
      matrix.values.push_back(weight);
    }
    matrix.indptr.push_back(std::ssize(matrix.indices));
  }
  return features;
}

}  // namespace kindred
