#include "host/data/event_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "host/data/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kMaxListed = 30;

[[noreturn]] void Refuse(const std::string& path, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", Printable(path, 4096), what));
}

std::string Quoted(const std::vector<std::string>& names, const char* between) {
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), kMaxListed); ++i)
    out += fmt::format("{}'{}'", i > 0 ? between : "", Printable(names[i]));
  if (names.size() > kMaxListed) out += fmt::format(" and {} more", names.size() - kMaxListed);
  return out;
}

/// Finds one part's column in one file's header.
struct Finder {
  const std::vector<std::string>& header;
  const std::string& path;

  EventColumn At(std::vector<std::string>::const_iterator found) const {
    if (found == header.end()) return {};
    return {static_cast<int>(found - header.begin()), *found};
  }

  EventColumn operator()(const std::string& asked, const std::vector<std::string>& usual, const char* flag,
                         bool needed) const {
    if (!asked.empty()) {
      const EventColumn column = At(std::find(header.begin(), header.end(), asked));
      if (!column)
        Refuse(path,
               fmt::format("no column '{}' ({}); the columns are {}", Printable(asked), flag, Quoted(header, ", ")));
      return column;
    }
    EventColumn found;
    for (const std::string& name : usual) {
      const EventColumn column = At(std::find(header.begin(), header.end(), name));
      if (column && found)
        Refuse(path, fmt::format("both '{}' and '{}' are there; say which is meant with {}", found.name, name, flag));
      if (column) found = column;
    }
    if (needed && !found)
      Refuse(path, fmt::format("no column {}; the columns are {}; name the one that is meant with {}",
                               Quoted(usual, " or "), Quoted(header, ", "), flag));
    return found;
  }
};

}  // namespace

EventColumns FindEventColumns(const std::vector<std::string>& header, const EventReaderOptions& options,
                              const std::string& path) {
  std::unordered_set<std::string_view> names;
  for (const std::string& name : header)
    if (!name.empty() && !names.insert(name).second)
      Refuse(path, fmt::format("the header has the column '{}' twice", Printable(name)));

  const Finder find{header, path};
  EventColumns columns;
  columns.user = find(options.user_column, {"user", "user_id"}, "--user-column", true);
  columns.item = find(options.item_column, {"item", "item_id"}, "--item-column", true);
  columns.event = find(options.event_column, {"event"}, "--event-column", false);
  columns.value = find(options.value_column, {"value"}, "--value-column", false);
  columns.time = find(options.time_column, {"time", "timestamp"}, "--time-column", false);
  columns.n_columns = header.size();
  return columns;
}

}  // namespace kindred
