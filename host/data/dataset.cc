#include "host/data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/error.h"

namespace kindred {
namespace {

template <class... Args>
[[noreturn]] void Refuse(const Artifact& artifact, fmt::format_string<Args...> what, Args&&... args) {
  throw Error(ErrorCode::kCorrupt, fmt::format("dataset '{}': {}", artifact.path().string(),
                                               fmt::format(what, std::forward<Args>(args)...)));
}

}  // namespace

std::shared_ptr<const Dataset> Dataset::Open(const std::filesystem::path& path) {
  auto dataset = std::make_shared<Dataset>();
  dataset->artifact_ = Artifact::Open(path, kDatasetKind);
  const Artifact& artifact = *dataset->artifact_;
  const nlohmann::json schema = artifact.manifest().value("schema_version", nlohmann::json());
  if (!schema.is_number_integer()) Refuse(artifact, "the manifest has no schema_version");
  CheckNotNewer(artifact.manifest(), "schema", schema.get<int64_t>(), kDatasetSchema, path.string());
  dataset->users_ = IdMap::FromArtifact(artifact, "user_ids");
  dataset->items_ = IdMap::FromArtifact(artifact, "item_ids");
  EventsView& events = dataset->events_;
  events.indptr = artifact.Array<int64_t>("event_indptr");
  events.items = artifact.Array<int32_t>("event_items");
  events.values = artifact.Array<float>("event_values");
  if (artifact.Has("event_times")) events.times = artifact.Array<int64_t>("event_times");
  if (artifact.Has("event_types")) events.types = artifact.Array<uint8_t>("event_types");
  if (artifact.Has("event_id_hashes")) {
    const HostMatrix<const int64_t> hashes = artifact.Matrix<int64_t>("event_id_hashes");
    if (hashes.n_cols != 2) Refuse(artifact, "event_id_hashes has {} columns; expected 2", hashes.n_cols);
    dataset->event_id_hashes_ = hashes.all();
  }
  dataset->n_event_users_ = dataset->Count("n_event_users", dataset->users_.size());
  dataset->n_event_items_ = dataset->Count("n_event_items", dataset->items_.size());
  const auto described = [&](const char* key) { return artifact.manifest().value(key, nlohmann::json::array()); };
  dataset->item_attributes_ =
      AttributeTable::FromArtifact(artifact, "item_column", described("item_columns"), dataset->items_.size());
  dataset->user_attributes_ =
      AttributeTable::FromArtifact(artifact, "user_column", described("user_columns"), dataset->users_.size());
  dataset->ReadEventTypes();
  if (artifact.Has("event_types")) events.type_names = dataset->event_types_;
  dataset->weighting_ = ParseWeighting(artifact.manifest().value("weighting", nlohmann::json()),
                                       fmt::format("dataset '{}'", path.string()));
  dataset->Check();
  return dataset;
}

int64_t Dataset::Count(const char* key, int64_t most) const {
  const nlohmann::json count = manifest().value(key, nlohmann::json(most));  // schema 1 has none
  if (!count.is_number_integer() || count < 0 || count > most)
    Refuse(*artifact_, "the manifest's {} is {}; expected 0 to {}", key, count.dump(), most);
  return count.get<int64_t>();
}

void Dataset::ReadEventTypes() {
  const nlohmann::json types = manifest().value("event_types", nlohmann::json());
  if (!types.is_array()) Refuse(*artifact_, "the manifest has no event_types");
  for (const nlohmann::json& type : types) {
    const auto name = type.is_object() ? type.find("name") : type.end();
    if (!type.is_object() || name == type.end() || !name->is_string())
      Refuse(*artifact_, "the manifest has an event type without a name");
    event_types_.push_back(name->get<std::string>());
  }
}

void Dataset::Check() const {
  const auto n_events = static_cast<int64_t>(events_.items.size());
  const auto expect_size = [&](const char* name, size_t found, int64_t expected) {
    if (static_cast<int64_t>(found) != expected)
      Refuse(*artifact_, "{} has {} entries; expected {}", name, found, expected);
  };
  expect_size("event_indptr", events_.indptr.size(), users_.size() + 1);
  expect_size("event_values", events_.values.size(), n_events);
  if (artifact_->Has("event_times")) expect_size("event_times", events_.times.size(), n_events);
  if (artifact_->Has("event_types")) expect_size("event_types", events_.types.size(), n_events);

  if (events_.indptr[0] != 0 || events_.indptr.back() != n_events)
    Refuse(*artifact_, "event_indptr goes from {} to {}; expected 0 to {}", events_.indptr[0], events_.indptr.back(),
           n_events);
  if (events_.indptr[static_cast<size_t>(n_event_users_)] != n_events)
    Refuse(*artifact_, "users behind the first {} have events", n_event_users_);
  if (!std::is_sorted(events_.indptr.begin(), events_.indptr.end())) Refuse(*artifact_, "event_indptr falls");
  for (const int32_t item : events_.items)
    if (item < 0 || item >= n_event_items_) Refuse(*artifact_, "an event has item {} of {}", item, n_event_items_);
  for (const float value : events_.values)
    if (!std::isfinite(value)) Refuse(*artifact_, "an event has the value {}", value);
  for (const uint8_t type : events_.types)
    if (type >= event_types_.size()) Refuse(*artifact_, "an event has type {} of {}", type, event_types_.size());
}

}  // namespace kindred
