// A checkpoint whose checksums are right but whose content is not: refused, or whole.
//
// Input: one byte that picks a file of a small checkpoint, of confidences or of ratings, then edits of three bytes:
// where (16 bits), and what.
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/models/checkpoint.h"
#include "tests/support/editable_artifact.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

constexpr const char* kModel = "m";

struct Written {
  explicit Written(RatingBiases biases) {
    Checkpoint checkpoint;
    checkpoint.settings = {{"seed", 1}, {"objective", {{"regularization", 0.1}}}};
    checkpoint.phase = "fit";
    checkpoint.seconds = {{"fit", 0.5}};
    checkpoint.epochs = {{1, 3.5, {{"ndcg_at_20", 0.5}}}, {2, 1.25}};
    checkpoint.state = {5, 0.25, {{1, 2, 3, 4, 5, 6}, {1, 2, 3, 4}, {2, 1}, 0.75}, std::move(biases)};
    WriteCheckpoint(store, kModel, checkpoint);
    artifact.emplace(CheckpointPath(store, kModel));
  }

  TemporaryFolder folder;
  ModelStore store{folder.path()};
  std::optional<EditableArtifact> artifact;
};

void CheckWhole(const Checkpoint& checkpoint) {
  const AlsFactors& factors = checkpoint.state.factors;
  const size_t f = factors.eigenvalues.size();
  const RatingBiases& biases = checkpoint.state.biases;
  bool whole = checkpoint.state.n_half_steps >= 0 &&
               static_cast<int64_t>(checkpoint.epochs.size()) == checkpoint.state.n_half_steps / 2 &&
               (f == 0 || (factors.user_factors.size() % f == 0 && factors.item_factors.size() % f == 0)) &&
               std::isfinite(biases.mean);
  if (!biases.users.empty() || !biases.items.empty())
    whole = whole && biases.users.size() * f == factors.user_factors.size() &&
            biases.items.size() * f == factors.item_factors.size();
  if (!whole) std::abort();
}

void Run(std::span<const uint8_t> input) {
  static const Written of_confidences({}), of_ratings({3.5f, {0.5f, -0.25f, 0}, {1, -1}});
  if (input.empty()) return;
  const size_t n_of_confidences = of_confidences.artifact->files().size() + 1;
  size_t pick = input[0] % (n_of_confidences + of_ratings.artifact->files().size() + 1);
  const Written& written = pick < n_of_confidences ? of_confidences : of_ratings;
  if (pick >= n_of_confidences) pick -= n_of_confidences;
  const EditableArtifact& artifact = *written.artifact;
  const bool of_manifest = pick == 0;
  const std::string manifest = artifact.manifest().dump();
  const auto& [name, original] = artifact.files()[of_manifest ? 0 : pick - 1];
  const std::string content = EditableArtifact::Edited(of_manifest ? manifest : original, input.subspan(1));
  if (of_manifest)
    artifact.ReplaceManifest(content);
  else
    artifact.Replace(name, content);
  try {
    CheckWhole(ReadCheckpoint(written.store, kModel));
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
