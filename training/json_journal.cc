#include "training/json_journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "host/text/text.h"
#include "training/differences.h"
#include "training/report_values.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int64_t kMaxBytes = int64_t{1} << 28;

std::string JsonLine(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

/// A line that is an object; nothing for any other.
std::optional<json> JsonObject(std::string_view line) {
  json value = json::parse(line, nullptr, false);
  if (!value.is_object()) return std::nullopt;
  return value;
}

json ReadHead(const json& line, const JournalKind& kind, const std::string& name) {
  const json& format = Member(line, kind.name);
  if (!format.is_number_integer() || !Member(line, "settings").is_object())
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: line 1 is not the head of a journal of {}", name, kind.of));
  if (format != kind.format)
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: format {}, as another version of this program writes it; this one goes on with format "
                            "{}, and --overwrite begins anew",
                            name, format.dump(), kind.format));
  return line.at("settings");
}

}  // namespace

JournalFrame ParseJournalLines(
    std::string_view text, const JournalKind& kind, const std::string& name,
    const std::function<void(const json& line, int64_t number, const std::string& where)>& take) {
  JournalFrame frame;
  int64_t number = 1;
  for (; frame.bytes < std::ssize(text); ++number) {
    const size_t begin = static_cast<size_t>(frame.bytes), end = text.find('\n', begin);
    const bool is_last = end == text.npos || end + 1 == text.size();
    const std::optional<json> line = JsonObject(text.substr(begin, end - begin));
    const bool is_whole = line && end != text.npos;
    if (!is_whole && is_last && number > 1) break;  // torn
    const std::string where = fmt::format("{}: line {}", name, number);
    if (!is_whole) throw Error(ErrorCode::kCorrupt, where + " is no JSON object on a line of its own");
    if (number == 1)
      frame.settings = ReadHead(*line, kind, name);
    else
      take(*line, number, where);
    frame.bytes = static_cast<int64_t>(end) + 1;
  }
  if (number == 1)
    throw Error(ErrorCode::kCorrupt, fmt::format("{} has no whole line; expected a journal of {}", name, kind.of));
  return frame;
}

std::string JournalHead(const JournalKind& kind, const json& settings) {
  return JsonLine({{kind.name, kind.format}, {"settings", settings}});
}

std::string ReadJournal(const fs::path& path) {
  return ReadFile(path, kMaxBytes);
}

std::string JournalName(const fs::path& path) {
  return fmt::format("'{}'", Printable(path.string(), 400));
}

void AppendLine(const Descriptor& file, const json& line, const fs::path& path) {
  const std::string text = JsonLine(line);
  WriteAll(file, std::as_bytes(std::span(text)), path);
  Sync(file, path);
}

void CheckSameSettings(const json& theirs, const json& ours, const JournalKind& kind, const std::string& name) {
  const std::vector<std::string> differences = Differences(theirs, ours, "the journal");
  if (!differences.empty())
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} is of {}: {}", name, kind.other, fmt::join(differences, "; ")));
}

Descriptor OpenLocked(const fs::path& path, int more_flags) {
  Descriptor file = OpenFile(path, O_RDWR | O_APPEND | more_flags);
  const auto is_written = [&] {
    return Error(ErrorCode::kAlreadyExists, fmt::format("another process writes '{}'", path.string()));
  };
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) throw is_written();
    throw SystemError("lock", path);
  }
  struct stat ours {};
  struct stat named {};
  if (::fstat(file.get(), &ours) != 0) throw SystemError("look at", path);
  if (!S_ISREG(ours.st_mode)) throw Error(ErrorCode::kIo, fmt::format("'{}' is no regular file", path.string()));
  if (::stat(path.c_str(), &named) != 0 || named.st_ino != ours.st_ino || named.st_dev != ours.st_dev)
    throw is_written();
  return file;
}

void CutFile(const Descriptor& file, int64_t bytes, const fs::path& path) {
  if (::ftruncate(file.get(), bytes) != 0) throw SystemError("cut", path);
}

}  // namespace kindred
