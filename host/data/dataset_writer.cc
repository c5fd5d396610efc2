#include "host/data/dataset_writer.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "host/data/dataset.h"
#include "host/store/artifact.h"

namespace kindred {
namespace {

nlohmann::json TimeRange(std::span<const int64_t> times) {
  if (times.empty()) return nullptr;
  const auto [first, last] = std::minmax_element(times.begin(), times.end());
  return {*first, *last};
}

template <class T>
void AddAndFree(ArtifactWriter& writer, const char* name, Array<T>& values, std::vector<int64_t> shape = {}) {
  writer.AddArray<T>(name, values.view(), std::move(shape));
  values = {};
}

}  // namespace

nlohmann::json WriteDataset(const std::filesystem::path& path, EventTable table, const DatasetAttributes& attributes,
                            nlohmann::json manifest, bool overwrite) {
  ArtifactWriter writer(path, kDatasetKind);
  manifest["schema_version"] = kDatasetSchema;
  manifest["kindred_version"] = KINDRED_VERSION;
  manifest["created_at"] = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  manifest["n_users"] = table.users.size();
  manifest["n_items"] = table.items.size();
  manifest["n_event_users"] = table.indptr.size() - 1;
  manifest["n_event_items"] = table.n_event_items;
  manifest["n_events"] = table.event_items.size();
  manifest["n_entries"] = table.n_entries;
  manifest["time_range"] = TimeRange(table.times.view());
  manifest["item_columns"] = attributes.items.Describe();
  manifest["user_columns"] = attributes.users.Describe();
  manifest["event_types"] = nlohmann::json::array();
  for (size_t i = 0; i < table.type_names.size(); ++i)
    manifest["event_types"].push_back({{"name", table.type_names[i]}, {"n_events", table.type_counts[i]}});

  table.users.view().AddTo(writer, "user_ids");
  table.items.view().AddTo(writer, "item_ids");
  attributes.items.AddTo(writer, "item_column");
  attributes.users.AddTo(writer, "user_column");
  table.indptr.resize(static_cast<size_t>(table.users.size()) + 1, table.indptr.back());
  writer.AddArray<int64_t>("event_indptr", table.indptr);
  AddAndFree(writer, "event_items", table.event_items);
  AddAndFree(writer, "event_values", table.values);
  if (!table.times.empty()) AddAndFree(writer, "event_times", table.times);
  if (!table.types.empty()) AddAndFree(writer, "event_types", table.types);
  if (!table.id_hashes.empty()) {
    const auto n_ids = static_cast<int64_t>(table.id_hashes.size()) / 2;
    AddAndFree(writer, "event_id_hashes", table.id_hashes, {n_ids, 2});
  }
  writer.Commit(manifest, overwrite);
  return manifest;
}

}  // namespace kindred
