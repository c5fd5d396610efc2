// Attributes as a sparse matrix: what is known of items, or of users, as numbers that a regression can weigh.
//
//   category, tags, boolean   a feature for each of their values
//   text                      a feature for each word (host/text/words.h)
//   number, time              a feature for each decile; a value between two of them is shared out linearly, so that
//                             close values have close features, and neither units nor outliers matter
//
// A value or word in n of the N rows that have the column weighs log(N / n), times how often the row has it (TF-IDF;
// Salton and Buckley 1988); deciles weigh 1. So what all rows have says nothing. Left out are values and words of
// fewer than kLeastRows rows, from which nothing can be learned for others, words of more than kLargestShare of the
// rows, and of each column all but the kMostFeatures most frequent (of equally frequent ones those met first). What is
// missing has no entry.
//
// A column's entries in a row are scaled to length 1, and so is the whole row: the columns that a row has weigh alike.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/data/attribute_table.h"
#include "host/data/interactions.h"

namespace kindred {

inline constexpr int64_t kLeastRows = 2;
inline constexpr double kLargestShare = 0.5;
inline constexpr int64_t kMostFeatures = 20'000;

struct AttributeFeatures {
  struct Column {
    std::string name;
    AttributeType type = AttributeType::kText;
    int64_t n_rows = 0;      // that have it
    int64_t n_features = 0;  // that are kept
    int64_t n_left_out = 0;  // values and words that are not
  };

  Csr matrix;  // rows x features; rows of length 1, or empty
  std::vector<std::string>
      names;  // of the features, as the data has them: "tags: oak", "price: 2.5"; of a decile its value
  std::vector<Column> columns;
};

/// The most features, and entries, that those of a table can have.
struct MostFeatures {
  explicit MostFeatures(const AttributeTable& table);

  int64_t n_features = 0, n_entries = 0;
};

/// Of all rows of the table. Deterministic. Cost: the words of all texts, hashed; memory: 8 bytes for each of them.
AttributeFeatures MakeAttributeFeatures(const AttributeTable& table);

}  // namespace kindred
