// A checkpoint whose checksums are right but whose content is not: refused, or whole.
//
// Input: one byte that picks a file of a small checkpoint, then edits of three bytes: where (16 bits), and what.
#include <cstdlib>
#include <fstream>
#include <vector>

#include "host/models/checkpoint.h"
#include "host/store/checksum.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

constexpr const char* kModel = "m";
constexpr const char* kManifest = "manifest.json";

struct Written {
  Written() {
    Checkpoint checkpoint;
    checkpoint.settings = {{"seed", 1}, {"objective", {{"regularization", 0.1}}}};
    checkpoint.phase = "fit";
    checkpoint.seconds = {{"fit", 0.5}};
    checkpoint.epochs = {{1, 3.5}, {2, 1.25}};
    checkpoint.state = {5, 0.25, {{1, 2, 3, 4, 5, 6}, {1, 2, 3, 4}, {2, 1}, 0.75}};
    WriteCheckpoint(store, kModel, checkpoint);
    manifest = nlohmann::json::parse(Content(path() / kManifest));
    files.emplace_back(kManifest, manifest.dump());
    for (const auto& [name, entry] : manifest["files"].items()) files.emplace_back(name, Content(path() / name));
  }

  std::filesystem::path path() const { return CheckpointPath(store, kModel); }
  void Put(const std::string& name, const std::string& content) const {
    std::ofstream(path() / name, std::ios::binary) << content;
  }
  void PutManifest(const std::string& text) const {
    Put(kManifest, text);
    Put("manifest.json.sha256", Sha256(text) + "  manifest.json\n");
  }
  /// A manifest that says this is what the file holds.
  void PutManifestFor(const std::string& name, const std::string& content) const {
    nlohmann::json changed = manifest;
    FileChecksum checksum;
    checksum.Add(std::as_bytes(std::span(content)));
    checksum.Finish();
    changed["files"][name] = {{"bytes", checksum.bytes()}, {"xxh3_blocks", checksum.blocks()}};
    PutManifest(changed.dump());
  }

  TemporaryFolder folder;
  ModelStore store{folder.path()};
  nlohmann::json manifest;
  std::vector<std::pair<std::string, std::string>> files;
};

void CheckWhole(const Checkpoint& checkpoint) {
  const AlsFactors& factors = checkpoint.state.factors;
  const size_t f = factors.eigenvalues.size();
  const bool whole = checkpoint.state.n_half_steps >= 0 &&
                     static_cast<int64_t>(checkpoint.epochs.size()) == checkpoint.state.n_half_steps / 2 &&
                     (f == 0 || (factors.user_factors.size() % f == 0 && factors.item_factors.size() % f == 0));
  if (!whole) std::abort();
}

void Run(std::span<const uint8_t> input) {
  static const Written written;
  if (input.empty()) return;
  const auto& [name, original] = written.files[input[0] % written.files.size()];
  std::string content = original;
  for (size_t at = 1; at + 2 < input.size(); at += 3)
    content[(input[at] | size_t{input[at + 1]} << 8) % content.size()] = static_cast<char>(input[at + 2]);
  if (name == kManifest) {
    written.PutManifest(content);
  } else {
    written.Put(name, content);
    written.PutManifestFor(name, content);
  }
  try {
    CheckWhole(ReadCheckpoint(written.store, kModel));
  } catch (const Error&) {
  }
  if (name != kManifest) written.Put(name, original);
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run({data, size});
  return 0;
}
