#include "host/intake/attribute_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "host/intake/attribute_fields.h"
#include "host/intake/cell_text.h"
#include "host/intake/inputs.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kMaxPathBytes = 4096;
constexpr size_t kMaxListed = 30;

/// The columns of one file, by name.
class Header {
 public:
  explicit Header(const RowSource& rows) : path_(rows.path()), columns_(rows.columns()) {
    for (size_t i = 0; i < columns_.size(); ++i) {
      const std::string_view name = columns_[i].name;
      if (!IsUtf8(name))
        Refuse("the name of column {}, '{}', is not UTF-8; which encoding is it?", i + 1, Printable(name));
      if (!name.empty() && !places_.emplace(name, static_cast<int>(i)).second)
        Refuse("the column '{}' is there twice", Printable(name));
    }
  }

  template <class... Args>
  [[noreturn]] void Refuse(fmt::format_string<Args...> what, Args&&... args) const {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: {}", Printable(path_, kMaxPathBytes), fmt::format(what, std::forward<Args>(args)...)));
  }

  /// -1: no such column.
  int Find(std::string_view name) const {
    const auto found = places_.find(name);
    return found == places_.end() ? -1 : found->second;
  }
  std::span<const ColumnInfo> columns() const { return columns_; }
  ColumnType type(int i) const { return columns_[static_cast<size_t>(i)].type; }

  std::string Names() const {
    std::string names;
    for (size_t i = 0; i < std::min(columns_.size(), kMaxListed); ++i)
      names += fmt::format("{}'{}'", i > 0 ? ", " : "", Printable(columns_[i].name));
    if (columns_.size() > kMaxListed) names += fmt::format(" and {} more", columns_.size() - kMaxListed);
    return names;
  }

 private:
  const std::string& path_;
  std::span<const ColumnInfo> columns_;
  std::unordered_map<std::string_view, int> places_;
};

class SourceReader final : public RowSink {
 public:
  SourceReader(const AttributeSource& source, const std::string& what, IdMapBuilder& keys, const AttributeSink& sink)
      : source_(source), what_(what), keys_(keys), sink_(sink) {
    read_.label = source.label.empty() ? source.inputs.at(0) : source.label;
  }

  AttributeRows Read(const std::vector<std::string>& usual_keys, const AttributeOpener& open) {
    for (const std::string& input : source_.inputs) {
      const auto rows = open(input, source_);
      const Header header(*rows);
      if (read_.files.empty()) ChooseColumns(header, usual_keys);
      rows->Select(Places(header));
      ReadFile(*rows, input);
    }
    return std::move(read_);
  }

 private:
  /// A column that is read, as the first file has it.
  struct Chosen {
    std::string column;
    ColumnType type;
    bool declared;
  };

  void ChooseColumns(const Header& header, const std::vector<std::string>& usual_keys);
  void ChooseKey(const Header& header, const std::vector<std::string>& usual_keys);
  void Choose(const Header& header, int place, const AttributeDeclaration& declaration);
  std::vector<int> Places(const Header& header) const;
  void ReadFile(RowSource& rows, const std::string& input);

  void Rows(const RowBatch& batch) override;
  void Bad(BadRow row) override { bad_.push_back(std::move(row)); }
  bool TakeRow(const RowBatch& batch, int64_t i);
  /// Empty where the row has no id, with a fault where it has something else.
  std::string_view KeyOf(const Column& column, int64_t i);
  void Refuse(const RowBatch& batch, int64_t i, std::string reason, std::string kind);
  void HandBadRows();

  const AttributeSource& source_;
  const std::string& what_;
  IdMapBuilder& keys_;
  const AttributeSink& sink_;
  AttributeRows read_;
  std::vector<Chosen> chosen_;

  std::vector<int32_t> first_files_;  // where each key was first, by the keys' indices; -1: not yet
  std::vector<int64_t> first_lines_;

  std::string path_;
  RowFaults faults_;
  std::vector<int32_t> accepted_;
  std::vector<BadRow> bad_;
  std::string room_;
};

void SourceReader::ChooseColumns(const Header& header, const std::vector<std::string>& usual_keys) {
  ChooseKey(header, usual_keys);
  for (const AttributeDeclaration& declaration : source_.columns) {
    const int place = header.Find(declaration.column);
    if (place < 0) header.Refuse("no column '{}'; the columns are {}", Printable(declaration.column), header.Names());
    Choose(header, place, declaration);
  }
  if (!source_.all_columns) return;
  for (size_t i = 0; i < header.columns().size(); ++i) {
    const std::string name(header.columns()[i].name);
    const auto is_this = [&](const Chosen& chosen) { return chosen.column == name; };
    if (name.empty() || name == read_.key || std::any_of(chosen_.begin(), chosen_.end(), is_this)) continue;
    AttributeDeclaration declaration{name, {}, source_.rules};
    if (name == "tags" && header.columns()[i].type == ColumnType::kUntyped)
      declaration.rules.type = AttributeType::kTags;
    Choose(header, static_cast<int>(i), declaration);
  }
}

void SourceReader::ChooseKey(const Header& header, const std::vector<std::string>& usual_keys) {
  std::string asked;
  for (const std::string& name : source_.key.empty() ? usual_keys : std::vector<std::string>{source_.key}) {
    if (read_.key.empty() && header.Find(name) >= 0) read_.key = name;
    asked += fmt::format("{}'{}'", asked.empty() ? "" : " or ", Printable(name));
  }
  if (read_.key.empty())
    header.Refuse("no column {} with the id of the {}; the columns are {}", asked, what_, header.Names());
  const ColumnType type = header.type(header.Find(read_.key));
  if (type == ColumnType::kTags || type == ColumnType::kTime)
    header.Refuse("the column '{}' with the id of the {} is of type {}; expected texts or numbers",
                  Printable(read_.key), what_, NameOf(type));
}

void SourceReader::Choose(const Header& header, int place, const AttributeDeclaration& declaration) {
  const std::string& column = declaration.column;
  const std::string& name = declaration.name.empty() ? column : declaration.name;
  const ColumnType type = header.type(place);
  if (column == read_.key) header.Refuse("the column '{}' is the key; it can be no attribute", Printable(column));
  for (size_t k = 0; k < chosen_.size(); ++k)
    if (chosen_[k].column == column || read_.columns[k].name == name)
      header.Refuse("the columns '{}' and '{}' would both be called '{}'", Printable(chosen_[k].column),
                    Printable(column), Printable(name));
  const AttributeRules& rules = declaration.rules;
  if (rules.type && !Converts(type, *rules.type))
    header.Refuse("the column '{}' is of type {}, which is not read as {}", Printable(column), NameOf(type),
                  AttributeTypeName(*rules.type));
  read_.columns.push_back({name, AttributeValues::Make(column, type, rules)});
  chosen_.push_back({column, type, rules.type.has_value()});
}

std::vector<int> SourceReader::Places(const Header& header) const {
  const std::string first = Printable(read_.files.empty() ? "" : read_.files[0].path, kMaxPathBytes);
  std::vector<int> places = {header.Find(read_.key)};
  if (places[0] < 0) header.Refuse("no column '{}', which is the key in '{}'", Printable(read_.key), first);
  std::unordered_set<std::string_view> known = {read_.key};
  for (size_t k = 0; k < chosen_.size(); ++k) {
    const Chosen& chosen = chosen_[k];
    const int place = header.Find(chosen.column);
    if (place < 0) header.Refuse("no column '{}', but '{}' has it", Printable(chosen.column), first);
    if (!chosen.declared && header.type(place) != chosen.type)
      header.Refuse("the column '{}' is of type {}, but {} in '{}': declare what it is", Printable(chosen.column),
                    NameOf(header.type(place)), NameOf(chosen.type), first);
    places.push_back(place);
    known.insert(chosen.column);
  }
  if (source_.all_columns)
    for (const ColumnInfo& column : header.columns())
      if (!column.name.empty() && !known.contains(column.name))
        header.Refuse("the column '{}' is not in '{}'", Printable(column.name), first);
  return places;
}

void SourceReader::ReadFile(RowSource& rows, const std::string& input) {
  path_ = rows.path();
  while (const auto block = rows.Next()) {
    rows.Parse(*block, *this);
    HandBadRows();
    if (sink_.progress) sink_.progress(input, rows.bytes_read(), rows.bytes_total());
  }
  for (const AttributeInput& column : read_.columns) column.values->EndFile(path_);
  read_.files.push_back(rows.Finish());
}

void SourceReader::Rows(const RowBatch& batch) {
  faults_.Clear();
  for (size_t k = 0; k < read_.columns.size(); ++k)
    read_.columns[k].values->Parse(batch.columns[k + 1], batch.n_rows, faults_);
  accepted_.clear();
  for (int64_t i = 0; i < batch.n_rows; ++i)
    if (TakeRow(batch, i)) accepted_.push_back(static_cast<int32_t>(i));
  for (size_t k = 0; k < read_.columns.size(); ++k)
    read_.columns[k].values->Append(batch.columns[k + 1], accepted_, batch.lines);
}

bool SourceReader::TakeRow(const RowBatch& batch, int64_t i) {
  const std::string_view id = KeyOf(batch.columns[0], i);
  if (const RowFaults::Fault* fault = faults_.Find(i)) {
    Refuse(batch, i, fault->reason, fault->kind);
    return false;
  }
  const std::string key = Printable(read_.key);
  if (id.empty()) {
    Refuse(batch, i, fmt::format("column '{}' is empty; expected the id of the {}", key, what_),
           fmt::format("column '{}': empty", key));
    return false;
  }
  const int32_t row = keys_.Intern(id);
  const auto at = static_cast<size_t>(row);
  if (first_files_.size() <= at) {
    first_files_.resize(static_cast<size_t>(keys_.size()), -1);
    first_lines_.resize(static_cast<size_t>(keys_.size()));
  }
  if (first_files_[at] >= 0) {
    const bool here = first_files_[at] == static_cast<int32_t>(read_.files.size());
    Refuse(batch, i,
           fmt::format(
               "the {} '{}' is in line {}{} already; expected one row for each", what_, Printable(id), first_lines_[at],
               here ? ""
                    : fmt::format(" of '{}'",
                                  Printable(read_.files[static_cast<size_t>(first_files_[at])].path, kMaxPathBytes))),
           fmt::format("column '{}': an id twice", key));
    return false;
  }
  first_files_[at] = static_cast<int32_t>(read_.files.size());
  first_lines_[at] = batch.lines[static_cast<size_t>(i)];
  read_.keys.push_back(row);
  return true;
}

std::string_view SourceReader::KeyOf(const Column& column, int64_t i) {
  const std::string_view text = CellText(column, i, room_);
  std::string_view id;
  const char* wrong = FormatId(text, source_.id_format, &id);
  if (wrong == nullptr) return id;
  faults_.Add(i, read_.key, text, wrong);
  return {};
}

void SourceReader::Refuse(const RowBatch& batch, int64_t i, std::string reason, std::string kind) {
  const auto at = static_cast<size_t>(i);
  bad_.push_back({path_, batch.lines[at], std::move(reason), std::move(kind),
                  batch.texts.empty() ? std::string() : std::string(batch.texts[at])});
}

void SourceReader::HandBadRows() {
  std::stable_sort(bad_.begin(), bad_.end(), [](const BadRow& a, const BadRow& b) { return a.line < b.line; });
  for (BadRow& row : bad_) {
    ++read_.n_bad_rows;
    sink_.bad_row(std::move(row));
  }
  bad_.clear();
}

}  // namespace

AttributeSource FileSource(const std::string& path) {
  AttributeSource source;
  source.label = path;
  source.inputs = ExpandInputs(std::vector<std::string>{path});
  return source;
}

std::unique_ptr<RowSource> OpenAttributes(const std::string& input, const AttributeSource& source) {
  const std::optional<InputFormat> format = source.format ? source.format : FormatOf(input);
  if (!format)
    throw Error(ErrorCode::kUsage, fmt::format("'{}': its name does not say which format it has; state it",
                                               Printable(input, kMaxPathBytes)));
  ReadOptions options = source.read;
  options.format = *format;
  return OpenRows(input, options);
}

AttributeRows ReadAttributes(const AttributeSource& source, const std::string& what,
                             const std::vector<std::string>& usual_keys, IdMapBuilder& keys,
                             const AttributeOpener& open, const AttributeSink& sink) {
  return SourceReader(source, what, keys, sink).Read(usual_keys, open);
}

}  // namespace kindred
