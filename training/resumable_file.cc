#include "training/resumable_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "host/text/text.h"
#include "training/differences.h"
#include "training/json_lines.h"
#include "training/report_values.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kFormat = 1;
constexpr const char* kFormatName = "kindred_recommend";
constexpr int64_t kMaxJournalBytes = int64_t{1} << 28;
constexpr int64_t kMaxCount = int64_t{1} << 36;  // in a tile; sums over all lines of a journal do not overflow

int64_t Count(const json& value, const std::string& where, const char* name) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > kMaxCount)
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: '{}' is no count", where, name));
  return value.get<int64_t>();
}

WrittenTile ReadTile(const json& line, const std::string& where) {
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
  return tile;
}

void CheckTiles(const TileJournal& journal, int n_columns, const std::string& name) {
  for (size_t t = 1; t < journal.tiles.size(); ++t)
    if (std::ssize(journal.tiles[t].columns.packed_bytes) != n_columns)
      throw Error(ErrorCode::kCorrupt, fmt::format("{}: line {} has {} columns; expected {}", name, t + 2,
                                                   journal.tiles[t].columns.packed_bytes.size(), n_columns));
}

/// Opens and locks the file, whose name must still be that file's: another process may have put it in its place.
Descriptor Locked(const fs::path& path, bool create) {
  Descriptor file = OpenFile(path, O_RDWR | O_APPEND | (create ? O_CREAT : 0));
  const auto is_written = [&] {
    return Error(ErrorCode::kAlreadyExists, fmt::format("another process writes '{}'", path.string()));
  };
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) throw is_written();
    throw SystemError("lock", path);
  }
  struct stat ours {
  }, named{};
  if (::fstat(file.get(), &ours) != 0) throw SystemError("look at", path);
  if (!S_ISREG(ours.st_mode)) throw Error(ErrorCode::kIo, fmt::format("'{}' is no regular file", path.string()));
  if (::stat(path.c_str(), &named) != 0 || named.st_ino != ours.st_ino || named.st_dev != ours.st_dev)
    throw is_written();
  return file;
}

void Cut(const Descriptor& file, int64_t bytes, const fs::path& path) {
  if (::ftruncate(file.get(), bytes) != 0) throw SystemError("cut", path);
}

fs::path FolderOf(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

void Remove(const fs::path& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw SystemError("remove", path);
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
  bool has_head = false;
  for (int64_t number = 1; journal.bytes < std::ssize(text); ++number) {
    const size_t begin = static_cast<size_t>(journal.bytes), end = text.find('\n', begin);
    const bool is_last = end == text.npos || end + 1 == text.size();
    const std::optional<json> line = JsonObject(text.substr(begin, end - begin));
    const std::string where = fmt::format("{}: line {}", name, number);
    if (has_head && is_last && (!line || end == text.npos)) break;  // torn
    if (!line || end == text.npos) throw Error(ErrorCode::kCorrupt, where + " is no JSON object on a line of its own");
    if (has_head) {
      journal.tiles.push_back(ReadTile(*line, where));
    } else {
      const json& format = Member(*line, kFormatName);
      if (!format.is_number_integer() || !Member(*line, "settings").is_object())
        throw Error(ErrorCode::kCorrupt, where + " is not the head of a journal of lists");
      if (format != kFormat)
        throw Error(ErrorCode::kUnsupported,
                    fmt::format("{}: format {}; this program reads {}", name, format.dump(), kFormat));
      journal.settings = line->at("settings");
      has_head = true;
    }
    journal.bytes = static_cast<int64_t>(end) + 1;
  }
  if (!has_head) throw Error(ErrorCode::kCorrupt, name + " has no whole line; expected a journal of lists");
  return journal;
}

ResumableFile::ResumableFile(fs::path path, bool create)
    : path_(std::move(path)),
      partial_(path_.string() + ".partial"),
      journal_path_(path_.string() + ".journal"),
      file_(Locked(partial_, create)) {}

ResumableFile ResumableFile::Start(const fs::path& path, const json& settings, bool overwrite) {
  CheckNewFile(path, overwrite);
  CreateFolders(FolderOf(path));
  std::error_code ignored;
  const fs::path partial = path.string() + ".partial";
  if (!overwrite && fs::exists(partial, ignored))
    throw Error(ErrorCode::kAlreadyExists,
                fmt::format("'{}' is there, of a run that was ended: --resume goes on with it, --overwrite begins anew",
                            partial.string()));
  ResumableFile file(path, true);
  Remove(file.journal_path_);  // first, so that no journal names what is cut off
  SyncFolder(FolderOf(path));
  Cut(file.file_, 0, file.partial_);
  WriteNewFile(file.journal_path_, JsonLine({{kFormatName, kFormat}, {"settings", settings}}), false);
  file.journal_ = OpenFile(file.journal_path_, O_WRONLY | O_APPEND);
  return file;
}

ResumableFile ResumableFile::Resume(const fs::path& path, const json& settings, int n_columns, bool overwrite) {
  CheckNewFile(path, overwrite);
  std::error_code ignored;
  for (const char* part : {".partial", ".journal"})
    if (!fs::exists(path.string() + part, ignored))
      throw Error(ErrorCode::kNotFound, fmt::format("nothing to resume: '{}{}' is not there; without --resume the file "
                                                    "is begun",
                                                    path.string(), part));
  ResumableFile file(path, false);
  const std::string name = fmt::format("'{}'", Printable(file.journal_path_.string(), 400));
  TileJournal journal = ParseTileJournal(ReadFile(file.journal_path_, kMaxJournalBytes), name);
  const std::vector<std::string> differences = Differences(journal.settings, settings, "the journal");
  if (!differences.empty())
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} is of other lists: {}", name, fmt::join(differences, "; ")));
  CheckTiles(journal, n_columns, name);
  int64_t bytes = 0;
  for (const WrittenTile& tile : journal.tiles) bytes += tile.bytes;
  struct stat status {};
  if (::fstat(file.file_.get(), &status) != 0) throw SystemError("look at", file.partial_);
  if (status.st_size < bytes)
    throw Error(ErrorCode::kCorrupt, fmt::format("'{}' has {} bytes, and its journal names {}; --overwrite begins anew",
                                                 file.partial_.string(), status.st_size, bytes));
  Cut(file.file_, bytes, file.partial_);
  file.journal_ = OpenFile(file.journal_path_, O_WRONLY | O_APPEND);
  Cut(file.journal_, journal.bytes, file.journal_path_);
  file.tiles_ = std::move(journal.tiles);
  return file;
}

void ResumableFile::Append(std::span<const std::string_view> pieces, WrittenTile tile) {
  for (const std::string_view piece : pieces) WriteAll(file_, std::as_bytes(std::span(piece)), partial_);
  Sync(file_, partial_);
  const std::string line = JsonLine(TileJson(tile));
  WriteAll(journal_, std::as_bytes(std::span(line)), journal_path_);
  Sync(journal_, journal_path_);
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
