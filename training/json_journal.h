// Journals: files of JSON lines that say what is done, so that a run that was ended goes on.
//
//   {"kindred_tune": 2, "settings": {...}}    the head: what it is, its format, and all that decides what is done
//   {...}                                     a line for each thing that is done, in order
//
// A line is synced before what follows it begins. The last one may be torn, and is then as if it were not there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "host/store/files.h"

namespace kindred {

struct JournalKind {
  const char* name;  // of the head's member that holds the format
  int format;
  const char* of;     // "trials"
  const char* other;  // what one of other settings is of: "another search"
};

/// What ParseJournalLines has not given to its caller.
struct JournalFrame {
  nlohmann::json settings;
  int64_t bytes = 0;  // of the lines that are whole
};

/// Gives take(line, number, where) each whole line behind the head, an object; the first has the number 2, and `where`
/// names file and line for messages, as `name` does the file. Throws kCorrupt naming the line for what is no journal of
/// this kind, and kUnsupported for one of another format.
JournalFrame ParseJournalLines(
    std::string_view text, const JournalKind& kind, const std::string& name,
    const std::function<void(const nlohmann::json& line, int64_t number, const std::string& where)>& take);

/// The head as a line.
std::string JournalHead(const JournalKind& kind, const nlohmann::json& settings);
/// The whole file; kCorrupt for one that is too large for any journal.
std::string ReadJournal(const std::filesystem::path& path);
/// The path for messages, in quotes.
std::string JournalName(const std::filesystem::path& path);
/// Writes a line at the end of the file, for good.
void AppendLine(const Descriptor& file, const nlohmann::json& line, const std::filesystem::path& path);

/// Throws kInvalidArgument naming each setting of a journal that is not the one in `ours`.
void CheckSameSettings(const nlohmann::json& theirs, const nlohmann::json& ours, const JournalKind& kind,
                       const std::string& name);

/// Opens a regular file to read and to append to, with `more_flags`, and locks it. Throws kAlreadyExists where another
/// process has it, or has put another in its place.
Descriptor OpenLocked(const std::filesystem::path& path, int more_flags = 0);
/// Cuts off what is behind so many bytes.
void CutFile(const Descriptor& file, int64_t bytes, const std::filesystem::path& path);

}  // namespace kindred
