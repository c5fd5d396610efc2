#include "host/models/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "host/store/artifact.h"
#include "host/store/json_reader.h"
#include "host/store/new_folder.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr const char* kKind = "checkpoint";
constexpr const char* kRatingMean = "rating_mean";  // where it is, there are biases
constexpr size_t kMaxDepth = 64;                    // of the manifest, so that whoever walks through it may recurse

void CheckFinite(const AlsState& state, ErrorCode code, const std::string& where) {
  const auto check = [&](const char* name, std::span<const float> values) {
    const auto found = std::find_if_not(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
    if (found != values.end())
      throw Error(code, fmt::format("{}: {} holds {} at {}", where, name, *found, found - values.begin()));
  };
  check("user_factors", state.factors.user_factors);
  check("item_factors", state.factors.item_factors);
  check("eigenvalues", state.factors.eigenvalues);
  check("user_biases", state.biases.users);
  check("item_biases", state.biases.items);
  check(kRatingMean, {&state.biases.mean, 1});
}

void CheckDepth(const json& manifest, const std::string& where) {
  std::vector<std::pair<const json*, size_t>> open = {{&manifest, 1}};
  while (!open.empty()) {
    const auto [value, depth] = open.back();
    open.pop_back();
    if (depth > kMaxDepth)
      throw Error(ErrorCode::kCorrupt, fmt::format("{}: the manifest is nested more than {} deep", where, kMaxDepth));
    if (value->is_structured())
      for (const json& member : *value) open.emplace_back(&member, depth + 1);
  }
}

std::map<std::string, double> ReadMetrics(const JsonReader& epoch) {
  std::map<std::string, double> metrics;
  const json& values = epoch.Object("metrics");
  const JsonReader reader(values, epoch.where() + ": 'metrics'");
  for (const auto& [name, value] : values.items()) metrics[name] = reader.Number(name);
  return metrics;
}

/// Of the epochs of whole steps, in order.
std::vector<AlsEpoch> ReadEpochs(const JsonReader& reader, int64_t n_epochs) {
  const json& entries = reader.List("epochs");
  if (std::ssize(entries) != n_epochs) reader.Refuse("epochs", fmt::format("a list of {}", n_epochs));
  std::vector<AlsEpoch> epochs;
  for (const json& entry : entries) {
    const int64_t number = std::ssize(epochs) + 1;
    const JsonReader epoch(entry, fmt::format("{}: 'epochs': {}", reader.where(), number));
    epochs.push_back({epoch.Integer("epoch", number, number), epoch.Number("loss")});
    if (entry.contains("metrics")) epochs.back().metrics = ReadMetrics(epoch);
  }
  return epochs;
}

/// But for what arrays have.
Checkpoint ReadManifest(const json& manifest, const std::string& where) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  constexpr double kMostFloat = std::numeric_limits<float>::max();
  CheckDepth(manifest, where);
  const JsonReader reader(manifest, where + ": the manifest");
  if (const int64_t format = reader.Integer("checkpoint_format", 0, kMost); format != kCheckpointFormat)
    throw Error(ErrorCode::kUnsupported, fmt::format("{} has checkpoint format {}; this program reads {} only", where,
                                                     format, kCheckpointFormat));
  Checkpoint checkpoint;
  checkpoint.settings = reader.Object("settings");
  checkpoint.report = reader.Object("report");
  checkpoint.seconds = reader.Object("seconds");
  checkpoint.phase = reader.Text("phase");
  checkpoint.next_version = reader.Integer("next_version", 0, kMost);
  checkpoint.state.n_half_steps = reader.Integer("n_half_steps", 0, kMost);
  checkpoint.state.penalty = reader.Number("penalty");
  checkpoint.state.factors.loss = reader.Number("loss");
  if (manifest.contains(kRatingMean))
    checkpoint.state.biases.mean = static_cast<float>(reader.Number(kRatingMean, -kMostFloat, kMostFloat));
  checkpoint.epochs = ReadEpochs(reader, checkpoint.state.n_half_steps / 2);
  const JsonReader seconds(checkpoint.seconds, reader.where() + ": 'seconds'");
  for (const auto& [part, value] : checkpoint.seconds.items()) seconds.Number(part);
  return checkpoint;
}

void CheckShapes(const HostMatrix<const float>& users, const HostMatrix<const float>& items, size_t n_eigenvalues,
                 const std::string& where) {
  if (users.n_cols != items.n_cols || static_cast<size_t>(items.n_cols) != n_eigenvalues)
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: {} factors of users, {} of items and {} eigenvalues", where,
                                                 users.n_cols, items.n_cols, n_eigenvalues));
}

/// One for each row of a side's factors.
std::vector<float> ReadBiases(const Artifact& artifact, const char* name, int64_t n_rows, const std::string& where) {
  const auto biases = artifact.Array<float>(name);
  if (std::ssize(biases) != n_rows)
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{}: {} {} for {} rows of factors", where, biases.size(), name, n_rows));
  return {biases.begin(), biases.end()};
}

}  // namespace

std::filesystem::path CheckpointPath(const ModelStore& store, const std::string& model) {
  return store.ModelPath(model) / "checkpoint";
}

void WriteCheckpoint(const ModelStore& store, const std::string& model, const Checkpoint& checkpoint) {
  const std::filesystem::path path = CheckpointPath(store, model);
  const AlsFactors& factors = checkpoint.state.factors;
  CheckFinite(checkpoint.state, ErrorCode::kNumeric, fmt::format("'{}' is not written", path.string()));
  json epochs = json::array();
  for (const AlsEpoch& epoch : checkpoint.epochs) {
    epochs.push_back({{"epoch", epoch.epoch}, {"loss", epoch.loss}});
    if (!epoch.metrics.empty()) epochs.back()["metrics"] = epoch.metrics;
  }
  const auto f = static_cast<int64_t>(factors.eigenvalues.size());
  const auto matrix = [&](const std::vector<float>& values) {
    return HostMatrix<const float>{values.data(), f > 0 ? static_cast<int64_t>(values.size()) / f : 0, f};
  };
  ArtifactWriter writer(path, kKind);
  writer.AddMatrix("user_factors", matrix(factors.user_factors));
  writer.AddMatrix("item_factors", matrix(factors.item_factors));
  writer.AddArray<float>("eigenvalues", factors.eigenvalues);
  json manifest = {{"checkpoint_format", kCheckpointFormat},
                   {"settings", checkpoint.settings},
                   {"phase", checkpoint.phase},
                   {"report", checkpoint.report},
                   {"seconds", checkpoint.seconds},
                   {"next_version", checkpoint.next_version},
                   {"n_half_steps", checkpoint.state.n_half_steps},
                   {"penalty", checkpoint.state.penalty},
                   {"loss", factors.loss},
                   {"epochs", std::move(epochs)}};
  if (const RatingBiases& biases = checkpoint.state.biases; !biases.users.empty() || !biases.items.empty()) {
    writer.AddArray<float>("user_biases", biases.users);
    writer.AddArray<float>("item_biases", biases.items);
    manifest[kRatingMean] = biases.mean;
  }
  writer.Commit(std::move(manifest), true);
}

Checkpoint ReadCheckpoint(const ModelStore& store, const std::string& model) {
  const auto artifact = Artifact::Open(CheckpointPath(store, model), kKind);
  const std::string where = fmt::format("'{}'", artifact->path().string());
  Checkpoint checkpoint = ReadManifest(artifact->manifest(), where);
  const auto users = artifact->Matrix<float>("user_factors"), items = artifact->Matrix<float>("item_factors");
  const auto eigenvalues = artifact->Array<float>("eigenvalues");
  CheckShapes(users, items, eigenvalues.size(), where);
  AlsFactors& factors = checkpoint.state.factors;
  factors.user_factors.assign(users.all().begin(), users.all().end());
  factors.item_factors.assign(items.all().begin(), items.all().end());
  factors.eigenvalues.assign(eigenvalues.begin(), eigenvalues.end());
  if (artifact->manifest().contains(kRatingMean)) {
    checkpoint.state.biases.users = ReadBiases(*artifact, "user_biases", users.n_rows, where);
    checkpoint.state.biases.items = ReadBiases(*artifact, "item_biases", items.n_rows, where);
  }
  CheckFinite(checkpoint.state, ErrorCode::kCorrupt, where);
  return checkpoint;
}

void RemoveCheckpoint(const ModelStore& store, const std::string& model) {
  const std::filesystem::path path = CheckpointPath(store, model);
  RemoveFolder(path, [](const std::filesystem::path& there) { CheckReplaceable(there, kKind); });
}

}  // namespace kindred
