// A large file that is written tile by tile, and goes on where it was ended: <file>.partial, and beside it
// <file>.journal (training/json_journal.h)
//
//   {"kindred_recommend": 2, "settings": {...}}     all that decides the file's bytes
//   {"lists": 4096, "rows": 40960, "bytes": ...}    a line a tile, in order (docs/formats.md)
//
// A tile is synced before its line is, so what the lines name is in the file. The file appears at its place by rename
// when it is whole, and then the journal goes.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/ranking/user_lists.h"
#include "host/store/files.h"
#include "training/list_format.h"

namespace kindred {

/// A tile of lists as the journal has it. The first of a file is its head, with no lists.
struct WrittenTile {
  int64_t n_lists = 0;
  int64_t bytes = 0;
  TileColumns columns;                                  // of the rows; none in the head
  std::array<int64_t, kNumberOfListSources> sources{};  // lists from each ListSource
};

nlohmann::json TileJson(const WrittenTile& tile);

struct TileJournal {
  nlohmann::json settings;
  std::vector<WrittenTile> tiles;
  int64_t bytes = 0;  // of the lines that are whole
};

/// Of a journal's bytes; `name` is for messages. Throws as ParseJournalLines does, and kCorrupt naming the line for
/// what is no tile, or whose numbers are not those of one.
TileJournal ParseTileJournal(std::string_view text, const std::string& name);

/// What the tiles of a file have in common.
struct TileShape {
  int n_columns = 1;
  int64_t head_bytes = 0;
};

class ResumableFile {
 public:
  /// Starts the file anew. Throws kAlreadyExists where it is there, one that was ended is, or something else has the
  /// journal's name, unless `overwrite`; where another process writes it; and kIo. Of a file that was ended before its
  /// journal was there nothing is begun.
  static ResumableFile Start(const std::filesystem::path& path, const nlohmann::json& settings, bool overwrite);
  /// Takes up the one that was ended, and cuts off what no line names. Throws kAlreadyExists as Start does, but for the
  /// one that was ended; kNotFound where there is none; kInvalidArgument naming each setting that is not the one in
  /// `settings`; kCorrupt as ParseTileJournal does, for tiles of another shape, and where the file lacks what the
  /// journal names.
  static ResumableFile Resume(const std::filesystem::path& path, const nlohmann::json& settings, const TileShape& shape,
                              bool overwrite);
  /// The settings of the one that was ended; null where there is none. Throws as ParseTileJournal does.
  static nlohmann::json SettingsOf(const std::filesystem::path& path);

  const std::vector<WrittenTile>& tiles() const { return tiles_; }

  /// Writes a tile down, for good. `tile.bytes` are those of `pieces` together.
  void Append(std::span<const std::string_view> pieces, WrittenTile tile);
  /// Writes the end, and puts the file in its place: with `overwrite`, of what is there.
  void Commit(std::string_view end, bool overwrite);

 private:
  ResumableFile(std::filesystem::path path, bool create);

  std::filesystem::path path_, partial_, journal_path_;
  Descriptor file_;  // locked
  Descriptor journal_;
  std::vector<WrittenTile> tiles_;
};

}  // namespace kindred
