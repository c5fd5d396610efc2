// A version whose checksums are right but whose arrays are not: refused, or every index in it can be followed.
//
// Input: one byte that picks a file of one of five small models (of ratings, of content, a blend, lists, and one with
// codes), then edits of three bytes: where (16 bits), and what.
#include <cstdlib>
#include <string>
#include <vector>

#include "host/models/model.h"
#include "kernels/cpu/backend.h"
#include "kernels/cpu/item_codes.h"
#include "tests/fuzz/follow_table.h"
#include "tests/support/editable_artifact.h"
#include "tests/support/small_blend.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

// In the order that inputs count in.
constexpr const char* kModels[] = {"ratings", "content", "blend", "trending", "coded"};

struct Versions {
  Versions() {
    PublishModel(store, kModels[0], SmallModel().Rate().view(), {});
    PublishModel(store, kModels[1], SmallModel().KnowAttributes().view(), {});
    PublishBlend();
    PublishLists();
    PublishCoded();
    for (const char* name : kModels) artifacts.emplace_back(store.VersionPath(name, 1));
  }

  void PublishBlend() const {
    SmallBlend small;
    const SmallModel content = SmallModel().KnowAttributes();
    small.blend.parts[1].item_attributes = content.view().item_attributes;
    PublishModel(store, kModels[2], small.blend, {});
  }

  void PublishLists() const {
    SmallModel small(5, 7, 2);
    small.AddColumns();
    small.user_factors = {1, 0, 0, 1, 1, 0, 0, 1, 1, 0};
    const std::vector<float> base_query = {1, 0};
    const std::vector<std::string> names = {"DE"};
    ModelView lists = small.view();
    lists.algorithm = kModels[3];
    lists.eigenvalues = {};
    lists.objective = {};
    lists.base_query = base_query;
    lists.list_groups = {"country", names};
    PublishModel(store, kModels[3], lists, {});
  }

  void PublishCoded() const {
    const SmallModel small(2, 65, 5);
    const ItemCodes codes = ItemCodes::Of(small.view().item_factors, true, 1);
    ModelView coded = small.view();
    coded.item_codes = codes.view();
    PublishModel(store, kModels[4], coded, {});
  }

  TemporaryFolder folder;
  ModelStore store{folder.path()};
  std::vector<EditableArtifact> artifacts;
};

double Sum(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += value;
  return sum;
}

double Follow(const AttributesView& attributes) {
  double sum = 0;
  for (int64_t row = 0; !attributes.empty() && row < attributes.features.n_rows; ++row)
    for (const int32_t feature : attributes.features.row(row)) {
      sum += Sum(attributes.factors.row(feature));
      for (const char c : attributes.names[feature]) sum += c;
    }
  return sum;
}

/// What a score, and a query of it, are made of: of a model, or of a part of a blend.
double FollowScorer(const ModelView& model) {
  double sum = Sum(model.base_query);
  std::vector<double> per_item(static_cast<size_t>(model.n_items()));
  for (int64_t u = 0; u < model.n_users(); ++u) sum += Sum(model.user_factors.row(u));
  for (int64_t i = 0; i < model.n_items(); ++i) {
    sum += Sum(model.item_factors.row(i));
    if (model.history_factors.n_rows > 0)
      sum += Sum(model.history_factors.row(i).first(static_cast<size_t>(model.n_factors())));
    for (size_t e = 0; model.has_item_item() && e < model.item_item.row(i).size(); ++e)
      per_item[static_cast<size_t>(model.item_item.row(i)[e])] += model.item_item.row_values(i)[e];
  }
  for (const ModelView& part : model.parts) sum += FollowScorer(part);
  return sum + Follow(model.item_attributes) + Follow(model.user_attributes);
}

/// Scans the codes for the users' lists, which are whatever the figures make of them.
double FollowCodes(const ModelView& model) {
  static CpuBackend backend(1);
  if (model.item_codes.empty()) return 0;
  const auto context = backend.NewContext(1);
  const auto resident = [](HostMatrix<const float> matrix) {
    return MatrixView<const float>{matrix.data, matrix.n_rows, matrix.n_cols};
  };
  const auto index = backend.NewItemIndex(*context, resident(model.item_factors), {}, &model.item_codes);
  const int64_t n_users = model.n_users(), n = 3;
  std::vector<int32_t> items(static_cast<size_t>(n_users * n));
  std::vector<float> scores(items.size());
  TopNRequest request;
  request.queries = resident(model.user_factors);
  request.items = {items.data(), n_users, n};
  request.scores = {scores.data(), n_users, n};
  backend.TopN(*context, *index, request);
  context->Wait();
  double sum = 0;
  for (const int32_t item : items) {
    if (item < -1 || item >= model.n_items()) std::abort();
    sum += item;
  }
  return sum;
}

/// Reads all that those who use a model may read.
double Follow(const ModelView& model) {
  double sum = FollowScorer(model);
  std::vector<float> per_item(static_cast<size_t>(model.n_items()));
  for (int64_t u = 0; u < model.n_users(); ++u) {
    for (const int32_t item : model.history.row(u)) per_item[static_cast<size_t>(item)] += 1;
    sum += Sum(model.history.row_values(u));
    if (!model.parts.empty()) sum += Sum(model.WeightsFor(std::ssize(model.history.row(u))).first(model.parts.size()));
    if (model.has_lists() && model.ListGroupOf(u) >= 0)
      sum += static_cast<double>(model.list_groups.names[static_cast<size_t>(model.ListGroupOf(u))].size());
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
    if (model.has_ratings()) sum += model.item_biases[static_cast<size_t>(i)];
    sum += model.items.Find(model.items.Id(i)) + model.popularity[static_cast<size_t>(i)];
  }
  if (!model.calibration.empty())
    for (const float score : {-1e30f, 0.0f, 0.3f, 1e30f}) {
      const float p = model.calibration.Probability(score);
      if (!(p >= 0 && p <= 1)) std::abort();
      sum += p;
    }
  sum += Follow(model.item_columns) + Follow(model.user_columns) + FollowCodes(model);
  return sum + model.users.Find("nobody") + model.items.Find("");
}

void Run(std::span<const uint8_t> input) {
  static const Versions versions;
  if (input.empty()) return;
  size_t n_files = 0, which = 0;
  for (const EditableArtifact& artifact : versions.artifacts) n_files += artifact.files().size();
  if (n_files > 256) std::abort();  // of more than a byte picks from
  size_t picked = input[0] % n_files;
  while (picked >= versions.artifacts[which].files().size()) picked -= versions.artifacts[which++].files().size();
  const EditableArtifact& artifact = versions.artifacts[which];
  const auto& [name, original] = artifact.files()[picked];
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
