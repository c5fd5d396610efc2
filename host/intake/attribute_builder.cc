#include "host/intake/attribute_builder.h"

#include <fmt/format.h>

#include <numeric>
#include <utility>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kMaxPathBytes = 4096;
constexpr size_t kExamples = 5;

void AddExample(nlohmann::json& examples, std::string_view id) {
  if (examples.size() < kExamples) examples.push_back(Printable(id));
}

nlohmann::json Origin(const AttributeRows& source) {
  nlohmann::json files = nlohmann::json::array();
  for (const SourceInfo& file : source.files)
    files.push_back({{"path", Printable(file.path, kMaxPathBytes)}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  return {{"source", Printable(source.label, kMaxPathBytes)},
          {"key", source.key},
          {"n_bad_rows", source.n_bad_rows},
          {"files", std::move(files)}};
}

}  // namespace

void AttributeBuilder::Read(const AttributeSource& source, const AttributeOpener& open, const AttributeSink& sink) {
  AttributeRows read = ReadAttributes(source, what_, usual_keys_, keys_, open, sink);
  for (const AttributeRows& other : sources_)
    for (const AttributeInput& column : other.columns)
      for (const AttributeInput& same : read.columns)
        if (column.name == same.name)
          throw Error(ErrorCode::kInvalidArgument,
                      fmt::format("'{}' and '{}' both have a column '{}' of {}s: give one of them another name",
                                  Printable(other.label, kMaxPathBytes), Printable(read.label, kMaxPathBytes),
                                  Printable(column.name), what_));
  sources_.push_back(std::move(read));
}

AttributeTable AttributeBuilder::Finish(IdMapBuilder& ids) {
  const int64_t n_with_events = ids.size();
  std::vector<int32_t> index_of(static_cast<size_t>(keys_.size()));
  for (int64_t key = 0; key < keys_.size(); ++key)
    index_of[static_cast<size_t>(key)] = ids.Intern(keys_.view().Id(key));

  std::vector<int32_t> all(index_of.size());
  std::iota(all.begin(), all.end(), 0);
  report_ = Matches(all, index_of, ids.view(), n_with_events);
  report_["sources"] = nlohmann::json::array();
  report_["near_types"] = nlohmann::json::array();
  keys_ = {};

  std::vector<std::pair<std::string, std::string>> names;
  for (AttributeRows& source : sources_) {
    nlohmann::json entry = Origin(source);
    entry.update(Matches(source.keys, index_of, ids.view(), n_with_events));
    report_["sources"].push_back(std::move(entry));
    for (int32_t& key : source.keys) key = index_of[static_cast<size_t>(key)];
    for (AttributeInput& column : source.columns) {
      arrays_.push_back(column.values->Place(source.keys, ids.size()));
      names.emplace_back(column.name, Printable(source.label, kMaxPathBytes));
      const std::optional<InferenceBreak> near = column.values->Break();
      if (near)
        report_["near_types"].push_back({{"column", column.name},
                                         {"file", Printable(near->file, kMaxPathBytes)},
                                         {"line", near->line},
                                         {"text", near->text},
                                         {"before", near->before}});
      column.values.reset();
    }
  }
  sources_.clear();
  std::vector<AttributeColumn> columns;
  for (size_t k = 0; k < arrays_.size(); ++k)
    columns.push_back(arrays_[k].View(std::move(names[k].first), std::move(names[k].second)));
  return {ids.size(), std::move(columns)};
}

nlohmann::json AttributeBuilder::Matches(std::span<const int32_t> keys, std::span<const int32_t> index_of,
                                         const IdMap& ids, int64_t n_with_events) const {
  std::vector<bool> has_row(static_cast<size_t>(n_with_events));
  nlohmann::json only_in_table = nlohmann::json::array(), without_row = nlohmann::json::array();
  int64_t n_matched = 0;
  for (const int32_t key : keys) {
    const int32_t index = index_of[static_cast<size_t>(key)];
    if (index >= n_with_events) {
      AddExample(only_in_table, ids.Id(index));
      continue;
    }
    has_row[static_cast<size_t>(index)] = true;
    ++n_matched;
  }
  for (int64_t index = 0; index < n_with_events && without_row.size() < kExamples; ++index)
    if (!has_row[static_cast<size_t>(index)]) AddExample(without_row, ids.Id(index));
  const auto n_rows = static_cast<int64_t>(keys.size());
  return {{"n_rows", n_rows},
          {"n_matched", n_matched},
          {"n_only_in_table", n_rows - n_matched},
          {"n_without_row", n_with_events - n_matched},
          {"only_in_table", std::move(only_in_table)},
          {"without_row", std::move(without_row)}};
}

}  // namespace kindred
