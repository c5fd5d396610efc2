// A version of segments whose checksums are right but whose arrays or manifest are not: refused, or every user in it
// can be looked at, and placed anew.
//
// Input: one byte that picks a file of a small version or its manifest, then edits of three bytes: where (16 bits), and
// what.
#include <cstdlib>
#include <string>
#include <vector>

#include "host/segments/segment_model.h"
#include "tests/support/editable_artifact.h"
#include "tests/support/small_segments.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

struct Published {
  Published() {
    Shoppers few;
    few.n_users = 21;
    few.n_days = 24;
    SmallSegments(folder.path() / "dataset", few).Publish(store, "s");
    artifact.emplace(store.VersionPath("s", 1));
  }

  TemporaryFolder folder;
  ModelStore store{folder.path() / "store"};
  std::optional<EditableArtifact> artifact;
};

void CheckPlaced(const SegmentModel& model, const UserSegments& placed) {
  const auto is_of = [](int64_t index, int64_t n) { return index >= -1 && index < n; };
  if (!is_of(placed.segment, model.n_segments()) || !is_of(placed.next, model.n_segments()) ||
      !is_of(placed.stage, model.rules().n_stages()))
    std::abort();
  for (const UserSegments::Rule& rule : placed.rules)
    if (rule.rule < 0 || rule.rule >= model.rules().n_rules()) std::abort();
  for (const UserSegments::Trait& trait : placed.traits)
    if (trait.feature >= model.feature_names().size()) std::abort();
}

/// Reads all that those who use a version may read.
void Use(const SegmentModel& model) {
  for (int64_t u = 0; u < model.users().size(); ++u) {
    CheckPlaced(model, model.Of(u));
    CheckPlaced(model, model.AssignFeatures(std::vector<double>(model.feature_names().size(), static_cast<double>(u))));
    try {
      CheckPlaced(model, model.Assign(EventsOf(model.events(), u), u, model.reference()));
    } catch (const Error&) {  // of events that no features can be computed of
    }
  }
  size_t n = model.LikelyMembers().size();
  for (int64_t s = 0; s < model.n_segments(); ++s) n += model.MembersOfSegment(model.Find(model.id(s))).size();
  for (int64_t r = 0; r < model.rules().n_rules(); ++r) n += model.MembersOfRule(r).size();
  for (int64_t s = 0; s < model.rules().n_stages(); ++s) n += model.MembersOfStage(s).size();
  if (n > 100 * static_cast<size_t>(model.users().size())) std::abort();
}

void Run(std::span<const uint8_t> input) {
  static const Published published;
  if (input.empty()) return;
  const EditableArtifact& artifact = *published.artifact;
  const auto& files = artifact.files();
  const size_t pick = input[0] % (2 * files.size());  // the manifest as often as the files together
  const bool of_manifest = pick >= files.size();
  if (of_manifest)
    artifact.ReplaceManifest(EditableArtifact::Edited(artifact.manifest().dump(), input.subspan(1)));
  else
    artifact.Replace(files[pick].first, EditableArtifact::Edited(files[pick].second, input.subspan(1)));
  try {
    Use(*SegmentModel::Open(published.store, "s", 1));
  } catch (const Error&) {
  }
  if (of_manifest)
    artifact.ReplaceManifest(artifact.manifest().dump());
  else
    artifact.Replace(files[pick].first, files[pick].second);
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run({data, size});
  return 0;
}
