// A version whose checksums are right but whose arrays are not: refused, or every index in it can be followed.
//
// Input: one byte that picks a file of one of two small models, one of ratings and one of content, then edits of three
// bytes: where (16 bits), and what.
#include <cstdlib>
#include <string>
#include <vector>

#include "host/models/model.h"
#include "tests/fuzz/follow_table.h"
#include "tests/support/editable_artifact.h"
#include "tests/support/small_model.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

constexpr const char* kModels[] = {"ratings", "content"};

struct Versions {
  Versions() {
    PublishModel(store, kModels[0], SmallModel().Rate().view(), {});
    PublishModel(store, kModels[1], SmallModel().KnowAttributes().AddColumns().view(), {});
    for (const char* name : kModels) artifacts.emplace_back(store.VersionPath(name, 1));
  }

  TemporaryFolder folder;
  ModelStore store{folder.path()};
  std::vector<EditableArtifact> artifacts;
};

double Follow(const AttributesView& attributes) {
  double sum = 0;
  for (int64_t row = 0; !attributes.empty() && row < attributes.features.n_rows; ++row)
    for (const int32_t feature : attributes.features.row(row)) {
      for (const float value : attributes.factors.row(feature)) sum += value;
      for (const char c : attributes.names[feature]) sum += c;
    }
  return sum;
}

/// Reads all that those who use a model may read.
double Follow(const ModelView& model) {
  double sum = 0;
  std::vector<float> per_item(static_cast<size_t>(model.n_items()));
  for (int64_t u = 0; u < model.n_users(); ++u) {
    for (const int32_t item : model.history.row(u)) per_item[static_cast<size_t>(item)] += 1;
    for (const float value : model.history.row_values(u)) sum += value;
    for (const float value : model.user_factors.row(u)) sum += value;
    if (model.has_ratings()) sum += model.user_biases[static_cast<size_t>(u)];
    sum += model.users.Find(model.users.Id(u));
  }
  const EventsView& events = model.events;
  for (int64_t u = 0; u < events.n_users(); ++u)
    for (auto e = static_cast<size_t>(events.indptr[u]); e < static_cast<size_t>(events.indptr[u + 1]); ++e) {
      per_item[static_cast<size_t>(events.items[e])] += 1;
      if (!events.times.empty()) sum += static_cast<double>(events.times[e]);
      if (!events.types.empty()) sum += static_cast<double>(events.type_names[events.types[e]].size());
    }
  for (int64_t i = 0; i < model.n_items(); ++i) {
    for (const float value : model.item_factors.row(i)) sum += value;
    if (model.has_ratings()) sum += model.item_biases[static_cast<size_t>(i)];
    sum += model.items.Find(model.items.Id(i)) + model.popularity[static_cast<size_t>(i)];
  }
  if (!model.calibration.empty())
    for (const float score : {-1e30f, 0.0f, 0.3f, 1e30f}) {
      const float p = model.calibration.Probability(score);
      if (!(p >= 0 && p <= 1)) std::abort();
      sum += p;
    }
  sum += Follow(model.item_attributes) + Follow(model.user_attributes);
  sum += Follow(model.item_columns) + Follow(model.user_columns);
  return sum + model.users.Find("nobody") + model.items.Find("");
}

void Run(std::span<const uint8_t> input) {
  static const Versions versions;
  if (input.empty()) return;
  const size_t n_of_ratings = versions.artifacts[0].files().size();
  const size_t picked = input[0] % (n_of_ratings + versions.artifacts[1].files().size());
  const size_t which = picked < n_of_ratings ? 0 : 1;
  const EditableArtifact& artifact = versions.artifacts[which];
  const auto& [name, original] = artifact.files()[picked - which * n_of_ratings];
  artifact.Replace(name, EditableArtifact::Edited(original, input.subspan(1)));
  try {
    volatile double sum = Follow(Model::Open(versions.store, kModels[which])->view());
    static_cast<void>(sum);
  } catch (const Error&) {
  }
  artifact.Replace(name, original);
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run({data, size});
  return 0;
}
