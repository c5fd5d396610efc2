// How lists stand in a file (docs/formats.md, "Recommendations in a file"): CSV, JSON lines or Parquet.
//
// A file is a head, tiles and an end. A tile is made of pieces, some lists each, and a piece has one run of bytes for
// each column that the format keeps apart: all for the first column of all pieces, then all for the second. So pieces
// are made on any thread, tiles one after another, and what the end must know of a tile is a few numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/data/id_map.h"
#include "host/models/calibration.h"
#include "training/packing.h"

namespace kindred {

enum class ListFileFormat { kCsv, kJsonLines, kParquet };

/// "csv", "jsonl", "parquet"
const char* ListFileFormatName(ListFileFormat format);
/// By how a file's name ends, before .gz or .zst; nothing where that says none. `name`, one of the names above, says it
/// too.
std::optional<ListFileFormat> ListFileFormatOf(std::string_view path);
std::optional<ListFileFormat> ListFileFormatNamed(std::string_view name);

/// The list of one user, or of one item.
struct WrittenList {
  std::string_view id;
  const char* served_by;           // as the API calls it: "personal", "popular" or "similar"
  std::span<const int32_t> items;  // best first
  std::span<const float> scores;   // theirs
  bool has_probabilities = false;  // whether the calibration is of such scores
};

struct ListFileColumns {
  std::string of = "user";    // whose lists they are, and
  std::string item = "item";  // what is in them
  bool scores = false;
  bool probabilities = false;
};

/// What is written: ids of items, and the calibration that gives probabilities.
struct ListContent {
  ListFileColumns columns;
  IdMap items;
  CalibrationView calibration;
};

struct ListPiece {
  std::vector<std::string> columns;     // bytes as they are written
  std::vector<int64_t> unpacked_bytes;  // of each, headers of the format included
};

/// What an end must know of a tile.
struct TileColumns {
  int64_t n_rows = 0;                   // items in lists
  std::vector<int64_t> packed_bytes;    // of each column
  std::vector<int64_t> unpacked_bytes;  // likewise
};

class ListFormat {
 public:
  virtual ~ListFormat() = default;

  virtual int n_columns() const { return 1; }
  virtual std::string Head() const = 0;
  /// From any thread.
  virtual ListPiece Piece(std::span<const WrittenList> lists) const = 0;
  /// `head_bytes`: where the first tile begins.
  virtual std::string End(int64_t head_bytes, std::span<const TileColumns> tiles) const = 0;
};

/// `packing` is for the formats of text: Parquet packs its pages itself.
std::unique_ptr<ListFormat> NewListFormat(ListFileFormat format, ListContent content, Packing packing);
std::unique_ptr<ListFormat> NewParquetLists(ListContent content);

}  // namespace kindred
