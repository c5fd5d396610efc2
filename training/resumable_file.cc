#include "training/resumable_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <numeric>
#include <utility>

#include "training/json_journal.h"
#include "training/report_values.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr JournalKind kKind = {"kindred_recommend", 2, "lists", "other lists"};
constexpr int64_t kMaxCount = int64_t{1} << 36;  // in a tile; sums over all lines of a journal do not overflow

int64_t Count(const json& value, const std::string& where, const char* name) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > kMaxCount)
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: '{}' is no count", where, name));
  return value.get<int64_t>();
}

/// Tile 0 is the head, and has bytes alone.
WrittenTile ReadTile(const json& line, bool is_head, const std::string& where) {
  WrittenTile tile;
  const auto count = [&](const char* name) { return Count(Member(line, name), where, name); };
  tile.n_lists = count("lists");
  tile.bytes = count("bytes");
  tile.columns.n_rows = count("rows");
  for (const json& column : Member(line, "columns")) {
    tile.columns.packed_bytes.push_back(Count(Member(column, "packed"), where, "packed"));
    tile.columns.unpacked_bytes.push_back(Count(Member(column, "unpacked"), where, "unpacked"));
  }
  const json& sources = Member(line, "sources");
  for (size_t s = 0; s < tile.sources.size(); ++s) {
    const char* const name = ListSourceName(static_cast<ListSource>(s));
    if (sources.contains(name)) tile.sources[s] = Count(sources[name], where, name);
  }
  const auto sum = [](const auto& of) { return std::accumulate(of.begin(), of.end(), int64_t{0}); };
  const auto refuse = [&](const std::string& what) { throw Error(ErrorCode::kCorrupt, where + ": " + what); };
  const int64_t packed = sum(tile.columns.packed_bytes), n_sources = sum(tile.sources);
  if (is_head && (tile.n_lists > 0 || tile.columns.n_rows > 0 || n_sources > 0 || !tile.columns.packed_bytes.empty()))
    refuse("has lists; expected the file's head");
  if (!is_head && tile.n_lists == 0) refuse("has no lists");
  if (!is_head && packed != tile.bytes)
    refuse(fmt::format("has {} bytes, and its columns have {} together", tile.bytes, packed));
  if (n_sources != 0 && n_sources != tile.n_lists)
    refuse(fmt::format("has {} lists, and the sources of {}", tile.n_lists, n_sources));
  return tile;
}

/// Line t + 2 of the journal is tile t.
void CheckTiles(const TileJournal& journal, const TileShape& shape, const std::string& name) {
  for (size_t t = 0; t < journal.tiles.size(); ++t) {
    const WrittenTile& tile = journal.tiles[t];
    if (t == 0 && tile.bytes != shape.head_bytes)
      throw Error(ErrorCode::kCorrupt,
                  fmt::format("{}: line 2: a head of {} bytes; expected {}", name, tile.bytes, shape.head_bytes));
    if (t > 0 && std::ssize(tile.columns.packed_bytes) != shape.n_columns)
      throw Error(ErrorCode::kCorrupt, fmt::format("{}: line {} has {} columns; expected {}", name, t + 2,
                                                   tile.columns.packed_bytes.size(), shape.n_columns));
  }
}

void Remove(const fs::path& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw SystemError("remove", path);
}

fs::path PartialOf(const fs::path& path) {
  return path.string() + ".partial";
}
fs::path JournalOf(const fs::path& path) {
  return path.string() + ".journal";
}

/// A file that was made before its journal was, and then left, is as if it were not there.
bool HasContent(const fs::path& partial) {
  std::error_code ignored;
  return fs::exists(partial, ignored) && !fs::is_empty(partial, ignored);
}

bool IsJournal(const fs::path& path) {
  try {
    ParseTileJournal(ReadJournal(path), JournalName(path));
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// Refuses what Start would replace: a run that was ended, and what is none of this program's. The journal of a file
/// that is in its place is left over.
void CheckNothingBegun(const fs::path& path) {
  const fs::path partial = PartialOf(path), journal = JournalOf(path);
  std::error_code ignored;
  const bool has_journal = fs::exists(journal, ignored), is_begun = has_journal && fs::exists(partial, ignored);
  if (is_begun)
    throw Error(ErrorCode::kAlreadyExists,
                fmt::format("'{}' is there, of a run that was ended: --resume goes on with it, --overwrite begins anew",
                            partial.string()));
  if (HasContent(partial))
    throw Error(ErrorCode::kAlreadyExists,
                fmt::format("'{}' is there without a journal: --overwrite begins anew", partial.string()));
  if (has_journal && !IsJournal(journal))
    throw Error(ErrorCode::kAlreadyExists,
                fmt::format("'{}' is there, and is no journal of lists: --overwrite replaces it", journal.string()));
}

}  // namespace

json TileJson(const WrittenTile& tile) {
  json line = {{"lists", tile.n_lists}, {"rows", tile.columns.n_rows}, {"bytes", tile.bytes}};
  for (size_t c = 0; c < tile.columns.packed_bytes.size(); ++c)
    line["columns"].push_back({{"packed", tile.columns.packed_bytes[c]}, {"unpacked", tile.columns.unpacked_bytes[c]}});
  for (size_t s = 0; s < tile.sources.size(); ++s)
    if (tile.sources[s] > 0) line["sources"][ListSourceName(static_cast<ListSource>(s))] = tile.sources[s];
  return line;
}

TileJournal ParseTileJournal(std::string_view text, const std::string& name) {
  TileJournal journal;
  JournalFrame frame = ParseJournalLines(text, kKind, name, [&](const json& line, int64_t, const std::string& where) {
    journal.tiles.push_back(ReadTile(line, journal.tiles.empty(), where));
  });
  journal.settings = std::move(frame.settings);
  journal.bytes = frame.bytes;
  return journal;
}

ResumableFile::ResumableFile(fs::path path, bool create)
    : path_(std::move(path)),
      partial_(PartialOf(path_)),
      journal_path_(JournalOf(path_)),
      file_(OpenLocked(partial_, create ? O_CREAT : 0)) {}

ResumableFile ResumableFile::Start(const fs::path& path, const json& settings, bool overwrite) {
  CheckNewFile(path, overwrite);
  CreateFolders(FolderOf(path));
  if (!overwrite) CheckNothingBegun(path);
  ResumableFile file(path, true);
  Remove(file.journal_path_);  // first, so that no journal names what is cut off
  SyncFolder(FolderOf(path));
  CutFile(file.file_, 0, file.partial_);
  WriteNewFile(file.journal_path_, JournalHead(kKind, settings), false);
  file.journal_ = OpenFile(file.journal_path_, O_WRONLY | O_APPEND);
  return file;
}

ResumableFile ResumableFile::Resume(const fs::path& path, const json& settings, const TileShape& shape,
                                    bool overwrite) {
  CheckNewFile(path, overwrite);
  std::error_code ignored;
  for (const fs::path& part : {PartialOf(path), JournalOf(path)})
    if (!fs::exists(part, ignored))
      throw Error(
          ErrorCode::kNotFound,
          fmt::format("nothing to resume: '{}' is not there; {}", part.string(),
                      HasContent(PartialOf(path)) ? "--overwrite begins anew" : "without --resume the file is begun"));
  ResumableFile file(path, false);
  const std::string name = JournalName(file.journal_path_);
  TileJournal journal = ParseTileJournal(ReadJournal(file.journal_path_), name);
  CheckSameSettings(journal.settings, settings, kKind, name);
  CheckTiles(journal, shape, name);
  int64_t bytes = 0;
  for (const WrittenTile& tile : journal.tiles) bytes += tile.bytes;
  struct stat status {};
  if (::fstat(file.file_.get(), &status) != 0) throw SystemError("look at", file.partial_);
  if (status.st_size < bytes)
    throw Error(ErrorCode::kCorrupt, fmt::format("'{}' has {} bytes, and its journal names {}; --overwrite begins anew",
                                                 file.partial_.string(), status.st_size, bytes));
  CutFile(file.file_, bytes, file.partial_);
  file.journal_ = OpenFile(file.journal_path_, O_WRONLY | O_APPEND);
  CutFile(file.journal_, journal.bytes, file.journal_path_);
  file.tiles_ = std::move(journal.tiles);
  return file;
}

json ResumableFile::SettingsOf(const fs::path& path) {
  std::error_code ignored;
  const fs::path journal = JournalOf(path);
  if (!fs::exists(journal, ignored)) return {};
  return ParseTileJournal(ReadJournal(journal), JournalName(journal)).settings;
}

void ResumableFile::Append(std::span<const std::string_view> pieces, WrittenTile tile) {
  for (const std::string_view piece : pieces) WriteAll(file_, std::as_bytes(std::span(piece)), partial_);
  Sync(file_, partial_);
  AppendLine(journal_, TileJson(tile), journal_path_);
  tiles_.push_back(std::move(tile));
}

void ResumableFile::Commit(std::string_view end, bool overwrite) {
  WriteAll(file_, std::as_bytes(std::span(end)), partial_);
  Sync(file_, partial_);
  CheckNewFile(path_, overwrite);
  if (::renameat2(AT_FDCWD, partial_.c_str(), AT_FDCWD, path_.c_str(), overwrite ? 0 : RENAME_NOREPLACE) != 0)
    throw SystemError("create", path_);
  SyncFolder(FolderOf(path_));
  Remove(journal_path_);
}

}  // namespace kindred
