#include "host/data/attribute_arrays.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace kindred {
namespace {

/// Lengths, each in the place behind its row's, become offsets.
void SumUp(std::vector<int64_t>& lengths) {
  std::partial_sum(lengths.begin(), lengths.end(), lengths.begin());
}

void SetDictionary(const TextsView& dictionary, AttributeArrays& arrays) {
  arrays.bytes.assign(dictionary.bytes.begin(), dictionary.bytes.end());
  arrays.offsets.assign(dictionary.offsets.begin(), dictionary.offsets.end());
}

}  // namespace

AttributeColumn AttributeArrays::View(std::string name, std::string source) const {
  AttributeColumn column;
  column.name = std::move(name);
  column.type = type;
  column.source = std::move(source);
  column.inferred = inferred;
  column.n_missing = n_missing;
  column.numbers = numbers;
  column.booleans = booleans;
  column.times = times;
  column.codes = codes;
  column.indptr = indptr;
  (type == AttributeType::kText ? column.texts : column.dictionary) = {bytes, offsets};
  return column;
}

AttributeArrays PlaceCategories(std::span<const int32_t> codes, const TextsView& dictionary,
                                std::span<const int32_t> to, int64_t n_rows) {
  AttributeArrays arrays;
  arrays.type = AttributeType::kCategory;
  arrays.codes = PlaceScalars(codes, to, n_rows, kMissingCode);
  arrays.n_missing = std::count(arrays.codes.begin(), arrays.codes.end(), kMissingCode);
  SetDictionary(dictionary, arrays);
  return arrays;
}

AttributeArrays PlaceTexts(const TextsView& texts, std::span<const int32_t> to, int64_t n_rows) {
  AttributeArrays arrays;
  arrays.type = AttributeType::kText;
  arrays.n_missing = n_rows;
  arrays.offsets.assign(static_cast<size_t>(n_rows) + 1, 0);
  for (int64_t j = 0; j < texts.size(); ++j) {
    const auto length = static_cast<int64_t>(texts[j].size());
    arrays.offsets[static_cast<size_t>(to[static_cast<size_t>(j)]) + 1] = length;
    arrays.n_missing -= length > 0;
  }
  SumUp(arrays.offsets);
  arrays.bytes.resize(static_cast<size_t>(arrays.offsets.back()));
  for (int64_t j = 0; j < texts.size(); ++j) {
    const std::string_view text = texts[j];
    const auto row = static_cast<size_t>(to[static_cast<size_t>(j)]);
    std::copy(text.begin(), text.end(), arrays.bytes.begin() + arrays.offsets[row]);
  }
  return arrays;
}

AttributeArrays PlaceTags(std::span<const int64_t> indptr, std::span<const int32_t> codes, const TextsView& dictionary,
                          std::span<const int32_t> to, int64_t n_rows) {
  AttributeArrays arrays;
  arrays.type = AttributeType::kTags;
  arrays.n_missing = n_rows;
  arrays.indptr.assign(static_cast<size_t>(n_rows) + 1, 0);
  for (size_t j = 0; j + 1 < indptr.size(); ++j) {
    arrays.indptr[static_cast<size_t>(to[j]) + 1] = indptr[j + 1] - indptr[j];
    arrays.n_missing -= indptr[j + 1] > indptr[j];
  }
  SumUp(arrays.indptr);
  arrays.codes.resize(codes.size());
  for (size_t j = 0; j + 1 < indptr.size(); ++j)
    std::copy(codes.begin() + indptr[j], codes.begin() + indptr[j + 1],
              arrays.codes.begin() + arrays.indptr[static_cast<size_t>(to[j])]);
  SetDictionary(dictionary, arrays);
  return arrays;
}

AttributeArrays PlaceRows(const AttributeColumn& column, std::span<const int32_t> to, int64_t n_rows) {
  AttributeArrays arrays;
  switch (column.type) {
    case AttributeType::kCategory:
      arrays = PlaceCategories(column.codes, column.dictionary, to, n_rows);
      break;
    case AttributeType::kTags:
      arrays = PlaceTags(column.indptr, column.codes, column.dictionary, to, n_rows);
      break;
    case AttributeType::kText:
      arrays = PlaceTexts(column.texts, to, n_rows);
      break;
    case AttributeType::kNumber:
      arrays.numbers = PlaceScalars(column.numbers, to, n_rows, std::numeric_limits<double>::quiet_NaN());
      break;
    case AttributeType::kBoolean:
      arrays.booleans = PlaceScalars(column.booleans, to, n_rows, kMissingBoolean);
      break;
    case AttributeType::kTime:
      arrays.times = PlaceScalars(column.times, to, n_rows, kMissingInteger);
      break;
  }
  arrays.type = column.type;
  arrays.inferred = column.inferred;
  arrays.n_missing = column.n_missing + n_rows - static_cast<int64_t>(to.size());
  return arrays;
}

}  // namespace kindred
