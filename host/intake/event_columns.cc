#include "host/intake/event_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kMaxListed = 30;

[[noreturn]] void Refuse(const std::string& path, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", Printable(path, 4096), what));
}

std::string Quoted(std::span<const std::string_view> names, const char* between) {
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), kMaxListed); ++i)
    out += fmt::format("{}'{}'", i > 0 ? between : "", Printable(names[i]));
  if (names.size() > kMaxListed) out += fmt::format(" and {} more", names.size() - kMaxListed);
  return out;
}

/// Finds one part's column in one source.
class Finder {
 public:
  Finder(std::span<const ColumnInfo> columns, const std::string& path) : columns_(columns), path_(path) {
    for (const ColumnInfo& column : columns) names_.push_back(column.name);
  }

  /// `types`: those it may have, beside untyped ones.
  EventColumn operator()(const std::string& asked, std::initializer_list<std::string_view> usual, const char* flag,
                         bool needed, std::initializer_list<ColumnType> types) const {
    EventColumn found;
    if (!asked.empty()) {
      found = Named(asked);
      if (!found) Refuse(path_, fmt::format("no column '{}' ({}); {}", Printable(asked), flag, Columns()));
    }
    for (const std::string_view name : usual) {
      const EventColumn column = asked.empty() ? Named(name) : EventColumn();
      if (column && found)
        Refuse(path_, fmt::format("both '{}' and '{}' are there; say which is meant with {}", found.name, name, flag));
      if (column) found = column;
    }
    if (needed && !found)
      Refuse(path_, fmt::format("no column {}; {}; name the one that is meant with {}",
                                Quoted({usual.begin(), usual.size()}, " or "), Columns(), flag));
    if (found && found.type != ColumnType::kUntyped && std::find(types.begin(), types.end(), found.type) == types.end())
      Refuse(path_, fmt::format("column '{}' ({}) holds values of type {}, which will not do for it",
                                Printable(found.name), flag, NameOf(found.type)));
    return found;
  }

 private:
  EventColumn Named(std::string_view name) const {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found == names_.end()) return {};
    const auto index = found - names_.begin();
    return {static_cast<int>(index), std::string(name), columns_[static_cast<size_t>(index)].type};
  }

  std::string Columns() const {
    std::string text = "the columns are " + Quoted(names_, ", ");
    if (names_.size() == 1)
      for (const char delimiter : std::string_view(";|\t,"))
        if (names_[0].find(delimiter) != names_[0].npos)
          return text + fmt::format(" (is the delimiter '{}'? say so with --delimiter)", Printable({&delimiter, 1}));
    return text;
  }

  std::span<const ColumnInfo> columns_;
  const std::string& path_;
  std::vector<std::string_view> names_;
};

}  // namespace

EventColumns FindEventColumns(std::span<const ColumnInfo> header, const EventReaderOptions& options,
                              const std::string& path) {
  std::unordered_set<std::string_view> names;
  for (const ColumnInfo& column : header)
    if (!column.name.empty() && !names.insert(column.name).second)
      Refuse(path, fmt::format("the header has the column '{}' twice", Printable(column.name)));

  using enum ColumnType;
  const Finder find(header, path);
  EventColumns columns;
  columns.user = find(options.user_column, {"user", "user_id"}, "--user-column", true, {kText, kNumber});
  columns.item = find(options.item_column, {"item", "item_id"}, "--item-column", true, {kText, kNumber});
  columns.event = find(options.event_column, {"event"}, "--event-column", false, {kText, kNumber, kBoolean});
  if (options.value.empty())
    columns.value = find(options.value_column, {"value"}, "--value-column", false, {kText, kNumber});
  columns.time = find(options.time_column, {"time", "timestamp"}, "--time-column", false, {kText, kNumber, kTime});
  columns.id = find(options.event_id_column, {"event_id"}, "--event-id-column", false, {kText, kNumber});
  return columns;
}

}  // namespace kindred
