// A feature program and a normalization whose checksums are right but whose arrays or descriptions are not: refused, or
// features can be computed and are numbers.
//
// Input: one byte that picks a file of a small artifact or its description, then edits of three bytes: where (16 bits),
// and what.
#include <cmath>
#include <cstdlib>
#include <optional>
#include <span>
#include <vector>

#include "host/features/feature_program.h"
#include "host/features/normalization.h"
#include "kernels/error.h"
#include "tests/host/features/small_dataset.h"
#include "tests/support/editable_artifact.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

constexpr const char* kText = R"(
[[features]]
name = "a"
kind = "count"
where = "sale"
events = "buy"
window = "1d"
[[features]]
name = "b"
kind = "sum"
of = "price"
clip = "iqr"
[[features]]
name = "c"
kind = "category_shares"
of = "tags"
values = ["red", "mauve"]
[[features]]
name = "d"
kind = "entropy"
of = "category"
normalize = "quantile"
[[features]]
name = "e"
kind = "attribute"
of = "joined"
normalize = "robust"
[[features]]
name = "f"
kind = "velocity"
)";

struct Stored {
  Stored() : dataset(SmallDataset::Write(folder.path() / "dataset", 1, {0, 3, 9})) {
    const toml::table file = ParseToml(kText, "segments.toml");
    const FeatureSpec spec = ReadFeatureSpec(TomlTable(file, {"segments.toml"}, kFeatureSpecKeys));
    const FeatureProgram program = FeatureProgram::Compile(spec, *dataset, nullptr);
    const FeatureTable table = program.Compute(dataset->events(), program.reference(), pool);
    ArtifactWriter writer(path, "segments");
    described = {{"program", program.AddTo(writer, "features")},
                 {"normalization", Normalization::Fit(table, program.rules(), {}, pool).ToJson()}};
    writer.Commit({});
    artifact.emplace(path);
  }

  TemporaryFolder folder;
  ThreadPool pool{1};
  std::shared_ptr<const Dataset> dataset;
  std::filesystem::path path = folder.path() / "segments";
  nlohmann::json described;
  std::optional<EditableArtifact> artifact;
};

void Use(Stored& stored, const nlohmann::json& described) {
  const FeatureProgram program =
      FeatureProgram::FromArtifact(Artifact::Open(stored.path, "segments"), "features", described.at("program"));
  const FeatureTable table = program.Compute(stored.dataset->events(), program.reference(), stored.pool);
  for (const double value : table.values)
    if (std::isinf(value)) std::abort();
  const Normalization normalization = Normalization::FromJson(described.at("normalization"), "normalization");
  if (normalization.names() != table.names) return;
  for (const float value : normalization.Apply(table, stored.pool))
    if (!std::isfinite(value)) std::abort();
}

void Run(std::span<const uint8_t> input) {
  static Stored stored;
  if (input.empty()) return;
  const auto& files = stored.artifact->files();
  const size_t pick = input[0] % (2 * files.size());  // the description as often as the files together
  const bool of_description = pick >= files.size();
  const auto& [name, original] = files[of_description ? 0 : pick];
  const std::string content =
      EditableArtifact::Edited(of_description ? stored.described.dump() : original, input.subspan(1));
  if (!of_description) stored.artifact->Replace(name, content);
  try {
    const auto described = of_description ? nlohmann::json::parse(content, nullptr, false) : stored.described;
    if (described.is_object() && described.contains("program") && described.contains("normalization"))
      Use(stored, described);
  } catch (const Error&) {
  }
  if (!of_description) stored.artifact->Replace(name, original);
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run({data, size});
  return 0;
}
