#include "host/data/attribute_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr const char* kTypeNames[] = {"number", "category", "tags", "text", "boolean", "time"};

bool HasDictionary(AttributeType type) {
  return type == AttributeType::kCategory || type == AttributeType::kTags;
}

/// The names of a column's arrays.
struct ArrayNames {
  ArrayNames(const std::string& prefix, int64_t k) : start(fmt::format("{}_{}_", prefix, k)) {}
  std::string operator()(const char* part) const { return start + part; }

  std::string start;
};

/// One column's arrays from an artifact, checked.
class ColumnReader {
 public:
  ColumnReader(const Artifact& artifact, const std::string& prefix, int64_t k, int64_t n_rows)
      : artifact_(artifact), name_(prefix, k), n_rows_(n_rows) {}

  void Read(AttributeColumn& column) const {
    switch (column.type) {
      case AttributeType::kNumber:
        return ReadNumbers(column);
      case AttributeType::kBoolean:
        return ReadBooleans(column);
      case AttributeType::kTime:
        return ReadTimes(column);
      case AttributeType::kCategory:
        return ReadCategories(column);
      case AttributeType::kTags:
        return ReadTags(column);
      case AttributeType::kText:
        column.texts = Texts("bytes", "offsets");
        ExpectSize("offsets", column.texts.offsets.size(), n_rows_ + 1);
        column.n_missing = CountEmpty(column.texts.offsets);
    }
  }

 private:
  template <class... Args>
  [[noreturn]] void Refuse(const char* part, fmt::format_string<Args...> what, Args&&... args) const {
    throw Error(ErrorCode::kCorrupt, fmt::format("'{}': {}", (artifact_.path() / (name_(part) + ".npy")).string(),
                                                 fmt::format(what, std::forward<Args>(args)...)));
  }

  void ExpectSize(const char* part, size_t found, int64_t expected) const {
    if (static_cast<int64_t>(found) != expected) Refuse(part, "{} entries; expected {}", found, expected);
  }

  template <class T>
  std::span<const T> Values(const char* part) const {
    const auto values = artifact_.Array<T>(name_(part));
    ExpectSize(part, values.size(), n_rows_);
    return values;
  }

  void ReadNumbers(AttributeColumn& column) const {
    column.numbers = Values<double>("values");
    for (const double value : column.numbers) {
      if (std::isinf(value)) Refuse("values", "holds {}; expected finite numbers", value);
      column.n_missing += std::isnan(value);
    }
  }

  void ReadBooleans(AttributeColumn& column) const {
    column.booleans = Values<uint8_t>("values");
    for (const uint8_t value : column.booleans) {
      if (value > kMissingBoolean) Refuse("values", "holds {}; expected 0, 1 or 2", value);
      column.n_missing += value == kMissingBoolean;
    }
  }

  void ReadTimes(AttributeColumn& column) const {
    column.times = Values<int64_t>("values");
    for (const int64_t value : column.times) {
      if (value != kMissingInteger && (value < kFirstTime || value > kLastTime))
        Refuse("values", "holds {}; expected unix seconds of the years 1 to 9999", value);
      column.n_missing += value == kMissingInteger;
    }
  }

  void ReadCategories(AttributeColumn& column) const {
    column.dictionary = Texts("dictionary_bytes", "dictionary_offsets");
    column.codes = Values<int32_t>("codes");
    CheckCodes(column, kMissingCode);
    column.n_missing = std::count(column.codes.begin(), column.codes.end(), kMissingCode);
  }

  void ReadTags(AttributeColumn& column) const {
    column.dictionary = Texts("dictionary_bytes", "dictionary_offsets");
    column.codes = artifact_.Array<int32_t>(name_("codes"));
    column.indptr = artifact_.Array<int64_t>(name_("indptr"));
    CheckOffsets("indptr", column.indptr, column.codes.size());
    ExpectSize("indptr", column.indptr.size(), n_rows_ + 1);
    CheckCodes(column, 0);
    column.n_missing = CountEmpty(column.indptr);
  }

  void CheckCodes(const AttributeColumn& column, int32_t lowest) const {
    for (const int32_t code : column.codes)
      if (code < lowest || code >= column.dictionary.size())
        Refuse("codes", "names entry {} of a dictionary of {}", code, column.dictionary.size());
  }

  TextsView Texts(const char* bytes, const char* offsets) const {
    const TextsView texts = {artifact_.Array<uint8_t>(name_(bytes)), artifact_.Array<int64_t>(name_(offsets))};
    CheckOffsets(offsets, texts.offsets, texts.bytes.size());
    return texts;
  }

  void CheckOffsets(const char* part, std::span<const int64_t> offsets, size_t end) const {
    if (offsets.empty() || offsets[0] != 0) Refuse(part, "does not start at 0");
    if (!std::is_sorted(offsets.begin(), offsets.end())) Refuse(part, "falls");
    if (offsets.back() != static_cast<int64_t>(end)) Refuse(part, "ends at {}; expected {}", offsets.back(), end);
  }

  static int64_t CountEmpty(std::span<const int64_t> offsets) {
    int64_t n = 0;
    for (size_t i = 1; i < offsets.size(); ++i) n += offsets[i] == offsets[i - 1];
    return n;
  }

  const Artifact& artifact_;
  const ArrayNames name_;
  const int64_t n_rows_;
};

void AddTexts(ArtifactWriter& writer, const std::string& bytes, const std::string& offsets, TextsView texts) {
  static constexpr int64_t kNone[] = {0};
  writer.AddArray<uint8_t>(bytes, texts.bytes);
  writer.AddArray<int64_t>(offsets, texts.offsets.empty() ? std::span(kNone) : texts.offsets);
}

void ViewsOf(TextsView texts, std::vector<std::string_view>& views) {
  views.resize(static_cast<size_t>(texts.size()));
  for (int64_t i = 0; i < texts.size(); ++i) views[static_cast<size_t>(i)] = texts[i];
}

}  // namespace

const char* AttributeTypeName(AttributeType type) {
  return kTypeNames[static_cast<size_t>(type)];
}

std::optional<AttributeType> AttributeTypeNamed(std::string_view name) {
  for (size_t i = 0; i < std::size(kTypeNames); ++i)
    if (name == kTypeNames[i]) return static_cast<AttributeType>(i);
  return std::nullopt;
}

AttributeTable AttributeTable::FromArtifact(const Artifact& artifact, const std::string& prefix,
                                            const nlohmann::json& described, int64_t n_rows) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::kCorrupt, fmt::format("'{}': the manifest has {}", artifact.path().string(), what));
  };
  if (!described.is_array()) refuse(fmt::format("no list {}s", prefix));
  AttributeTable table(n_rows, {});
  std::unordered_set<std::string> names;
  for (const nlohmann::json& entry : described) {
    const int64_t k = static_cast<int64_t>(table.columns_.size());
    const auto text = [&](const char* key) {
      const auto found = entry.is_object() ? entry.find(key) : entry.end();
      if (!entry.is_object() || found == entry.end() || !found->is_string())
        refuse(fmt::format("no {} for {} {}", key, prefix, k));
      return found->get<std::string>();
    };
    AttributeColumn column;
    column.name = text("name");
    column.source = text("source");
    if (column.name.empty() || !names.insert(column.name).second)
      refuse(fmt::format("the {} '{}' twice or without a name", prefix, Printable(column.name)));
    const std::string type_name = text("type");
    const std::optional<AttributeType> type = AttributeTypeNamed(type_name);
    if (!type) refuse(fmt::format("the unknown type '{}' for {} {}", Printable(type_name), prefix, k));
    column.type = *type;
    column.inferred = entry.value("inferred", nlohmann::json()) == true;
    ColumnReader(artifact, prefix, k, n_rows).Read(column);
    table.columns_.push_back(std::move(column));
  }
  return table;
}

void AttributeTable::AddTo(ArtifactWriter& writer, const std::string& prefix) const {
  for (size_t k = 0; k < columns_.size(); ++k) {
    const AttributeColumn& column = columns_[k];
    const ArrayNames name(prefix, static_cast<int64_t>(k));
    if (column.type == AttributeType::kNumber) writer.AddArray<double>(name("values"), column.numbers);
    if (column.type == AttributeType::kBoolean) writer.AddArray<uint8_t>(name("values"), column.booleans);
    if (column.type == AttributeType::kTime) writer.AddArray<int64_t>(name("values"), column.times);
    if (column.type == AttributeType::kText) AddTexts(writer, name("bytes"), name("offsets"), column.texts);
    if (column.type == AttributeType::kTags) writer.AddArray<int64_t>(name("indptr"), column.indptr);
    if (!HasDictionary(column.type)) continue;
    writer.AddArray<int32_t>(name("codes"), column.codes);
    AddTexts(writer, name("dictionary_bytes"), name("dictionary_offsets"), column.dictionary);
  }
}

nlohmann::json AttributeTable::Describe() const {
  nlohmann::json described = nlohmann::json::array();
  for (const AttributeColumn& column : columns_) {
    nlohmann::json entry = {{"name", column.name},
                            {"type", AttributeTypeName(column.type)},
                            {"source", column.source},
                            {"inferred", column.inferred},
                            {"n_missing", column.n_missing}};
    if (HasDictionary(column.type)) entry["n_distinct"] = column.dictionary.size();
    described.push_back(std::move(entry));
  }
  return described;
}

int64_t AttributeTable::Find(std::string_view name) const {
  const auto found = std::find_if(columns_.begin(), columns_.end(),
                                  [&](const AttributeColumn& column) { return column.name == name; });
  return found == columns_.end() ? -1 : found - columns_.begin();
}

Column AttributeTable::AsColumn(int64_t k, std::vector<std::string_view>& texts) const {
  const AttributeColumn& from = columns_[static_cast<size_t>(k)];
  Column column;
  switch (from.type) {
    case AttributeType::kNumber:
      column.type = ColumnType::kNumber;
      column.reals = from.numbers;
      break;
    case AttributeType::kBoolean:
      column.type = ColumnType::kBoolean;
      column.booleans = from.booleans;
      break;
    case AttributeType::kTime:
      column.type = ColumnType::kTime;
      column.integers = from.times;
      break;
    case AttributeType::kText:
      column.type = ColumnType::kText;
      ViewsOf(from.texts, texts);
      column.texts = texts;
      break;
    case AttributeType::kCategory:
    case AttributeType::kTags:
      column.type = from.type == AttributeType::kTags ? ColumnType::kTags : ColumnType::kText;
      column.indptr = from.indptr;
      column.codes = from.codes;
      ViewsOf(from.dictionary, texts);
      column.dictionary = texts;
  }
  return column;
}

}  // namespace kindred
