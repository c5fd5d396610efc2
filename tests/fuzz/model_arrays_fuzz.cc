// A version whose checksums are right but whose arrays are not: refused, or every index in it can be followed.
//
// Input: one byte that picks a file of a small model, then edits of three bytes: where (16 bits), and what.
#include <cstdlib>
#include <fstream>
#include <vector>

#include "host/models/model.h"
#include "host/store/checksum.h"
#include "tests/support/small_model.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

constexpr const char* kModel = "m";

struct Version {
  Version() {
    PublishModel(store, kModel, SmallModel().Rate().view(), {});
    manifest = nlohmann::json::parse(Content(store.VersionPath(kModel, 1) / "manifest.json"));
    for (const auto& [name, entry] : manifest["files"].items())
      files.emplace_back(name, Content(store.VersionPath(kModel, 1) / name));
  }

  void Put(const std::string& name, const std::string& content) const {
    std::ofstream(store.VersionPath(kModel, 1) / name, std::ios::binary) << content;
  }

  /// A manifest that says this is what the file holds.
  void PutManifest(const std::string& name, const std::string& content) const {
    nlohmann::json changed = manifest;
    FileChecksum checksum;
    checksum.Add(std::as_bytes(std::span(content)));
    checksum.Finish();
    changed["files"][name] = {{"bytes", checksum.bytes()}, {"xxh3_blocks", checksum.blocks()}};
    const std::string text = changed.dump();
    Put("manifest.json", text);
    Put("manifest.json.sha256", Sha256(text) + "  manifest.json\n");
  }

  TemporaryFolder folder;
  ModelStore store{folder.path()};
  nlohmann::json manifest;
  std::vector<std::pair<std::string, std::string>> files;
};

/// Reads all that those who use a model may read.
double Follow(const ModelView& model) {
  double sum = 0;
  std::vector<float> per_item(static_cast<size_t>(model.n_items()));
  for (int64_t u = 0; u < model.n_users(); ++u) {
    for (const int32_t item : model.history.row(u)) per_item[static_cast<size_t>(item)] += 1;
    for (const float value : model.history.row_values(u)) sum += value;
    for (const float value : model.user_factors.row(u)) sum += value;
    sum += model.user_biases[static_cast<size_t>(u)];
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
    sum += model.item_biases[static_cast<size_t>(i)];
    sum += model.items.Find(model.items.Id(i)) + model.popularity[static_cast<size_t>(i)];
  }
  if (!model.calibration.empty())
    for (const float score : {-1e30f, 0.0f, 0.3f, 1e30f}) {
      const float p = model.calibration.Probability(score);
      if (!(p >= 0 && p <= 1)) std::abort();
      sum += p;
    }
  return sum + model.users.Find("nobody") + model.items.Find("");
}

void Run(std::span<const uint8_t> input) {
  static const Version version;
  if (input.empty()) return;
  const auto& [name, original] = version.files[input[0] % version.files.size()];
  std::string content = original;
  for (size_t at = 1; at + 2 < input.size(); at += 3)
    content[(input[at] | size_t{input[at + 1]} << 8) % content.size()] = static_cast<char>(input[at + 2]);
  version.Put(name, content);
  version.PutManifest(name, content);
  try {
    volatile double sum = Follow(Model::Open(version.store, kModel)->view());
    static_cast<void>(sum);
  } catch (const Error&) {
  }
  version.Put(name, original);
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run({data, size});
  return 0;
}
