#include "host/models/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "host/store/artifact.h"
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

class ManifestReader {
 public:
  ManifestReader(const json& manifest, std::string where) : manifest_(manifest), where_(std::move(where)) {
    CheckDepth(manifest_, where_);
    if (Integer(manifest_, "checkpoint_format") != kCheckpointFormat)
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{} has checkpoint format {}; this program reads {} only", where_,
                              Integer(manifest_, "checkpoint_format"), kCheckpointFormat));
  }

  Checkpoint Read() const {
    Checkpoint checkpoint;
    checkpoint.settings = Object("settings");
    checkpoint.report = Object("report");
    checkpoint.seconds = Object("seconds");
    const json& phase = Member(manifest_, "phase");
    if (!phase.is_string()) Refuse("phase");
    checkpoint.phase = phase.get<std::string>();
    checkpoint.next_version = Integer(manifest_, "next_version");
    checkpoint.state.n_half_steps = Integer(manifest_, "n_half_steps");
    checkpoint.state.penalty = Number(manifest_, "penalty");
    checkpoint.state.factors.loss = Number(manifest_, "loss");
    if (manifest_.contains(kRatingMean)) checkpoint.state.biases.mean = Float(kRatingMean);
    const json& epochs = Member(manifest_, "epochs");
    if (!epochs.is_array() || static_cast<int64_t>(epochs.size()) != checkpoint.state.n_half_steps / 2)
      Refuse("epochs");
    for (const json& epoch : epochs) {
      checkpoint.epochs.push_back({Integer(epoch, "epoch"), Number(epoch, "loss"), Metrics(epoch)});
      if (checkpoint.epochs.back().epoch != static_cast<int64_t>(checkpoint.epochs.size())) Refuse("epochs");
    }
    for (const auto& [part, seconds] : checkpoint.seconds.items())
      if (!seconds.is_number()) Refuse("seconds");
    return checkpoint;
  }

 private:
  [[noreturn]] void Refuse(const char* key) const {
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{}: the manifest's '{}' is missing or not what it should be", where_, key));
  }
  const json& Member(const json& object, const char* key) const {
    const auto found = object.is_object() ? object.find(key) : object.end();
    if (found == object.end()) Refuse(key);
    return *found;
  }
  const json& Object(const char* key) const {
    const json& value = Member(manifest_, key);
    if (!value.is_object()) Refuse(key);
    return value;
  }
  int64_t Integer(const json& object, const char* key) const {
    const json& value = Member(object, key);
    if (!value.is_number_integer() || value.get<int64_t>() < 0) Refuse(key);
    return value.get<int64_t>();
  }
  /// Of an epoch, which need not have any.
  std::map<std::string, double> Metrics(const json& epoch) const {
    std::map<std::string, double> metrics;
    if (!epoch.contains("metrics")) return metrics;
    if (!epoch["metrics"].is_object()) Refuse("metrics");
    for (const auto& [name, value] : epoch["metrics"].items()) {
      if (!value.is_number()) Refuse("metrics");
      metrics[name] = value.get<double>();
    }
    return metrics;
  }
  double Number(const json& object, const char* key) const {
    const json& value = Member(object, key);
    if (!value.is_number()) Refuse(key);
    return value.get<double>();
  }
  float Float(const char* key) const {
    const double value = Number(manifest_, key);
    if (std::abs(value) > std::numeric_limits<float>::max()) Refuse(key);
    return static_cast<float>(value);
  }

  const json& manifest_;
  std::string where_;
};

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
  Checkpoint checkpoint = ManifestReader(artifact->manifest(), where).Read();
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
