// Any bytes as the manifest of an artifact, with the right checksum beside them so that they are parsed.
#include <fstream>
#include <vector>

#include "host/store/artifact.h"
#include "host/store/checksum.h"
#include "tests/support/temporary_folder.h"

namespace {

const std::filesystem::path& ArtifactPath() {
  static const kindred::TemporaryFolder folder;
  static const std::filesystem::path path = [] {
    kindred::ArtifactWriter writer(folder.path() / "artifact", "dataset");
    writer.AddArray<int32_t>("values", std::vector<int32_t>{1, 2, 3});
    writer.Commit({});
    return folder.path() / "artifact";
  }();
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::ofstream(ArtifactPath() / "manifest.json", std::ios::binary) << text;
  std::ofstream(ArtifactPath() / "manifest.json.sha256") << kindred::Sha256(text) << "  manifest.json\n";
  try {
    const auto artifact = kindred::Artifact::Open(ArtifactPath(), "dataset");
    if (artifact->Has("values") && artifact->Array<int32_t>("values").size() != 3) std::abort();
  } catch (const kindred::Error&) {
  }
  return 0;
}
