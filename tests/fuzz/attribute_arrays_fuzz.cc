// A table of attributes whose checksums are right but whose arrays or description are not: refused, or everything in it
// can be read.
//
// Input: one byte that picks a file of a small table or its description, then edits of three bytes: where (16 bits),
// and what.
#include <optional>
#include <span>
#include <vector>

#include "host/data/attribute_table.h"
#include "kernels/error.h"
#include "tests/fuzz/follow_table.h"
#include "tests/support/editable_artifact.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

constexpr int64_t kRows = 4;
constexpr const char* kPrefix = "item_column";

/// One column of each type.
AttributeTable SmallTable() {
  static constexpr double kNumbers[] = {1, 2.5, -3, 0};
  static constexpr uint8_t kBooleans[] = {0, 1, 2, 1};
  static constexpr int64_t kTimes[] = {0, 1511539200, -1, kMissingInteger};
  static constexpr int32_t kCodes[] = {1, 0, -1, 1}, kTags[] = {0, 1, 1};
  static constexpr int64_t kIndptr[] = {0, 2, 2, 3, 3}, kOffsets[] = {0, 1, 3}, kRowOffsets[] = {0, 1, 1, 2, 3};
  static constexpr uint8_t kBytes[] = {'a', 'b', 'c'};
  std::vector<AttributeColumn> columns;
  for (const char* type : {"number", "boolean", "time", "category", "tags", "text"}) {
    AttributeColumn& column = columns.emplace_back();
    column.name = type;
    column.type = *AttributeTypeNamed(type);
    column.numbers = kNumbers;
    column.booleans = kBooleans;
    column.times = kTimes;
    column.codes = column.type == AttributeType::kTags ? std::span<const int32_t>(kTags) : kCodes;
    column.indptr = kIndptr;
    column.texts = {kBytes, kRowOffsets};
    column.dictionary = {kBytes, kOffsets};
  }
  return {kRows, std::move(columns)};
}

struct Stored {
  Stored() {
    ArtifactWriter writer(path, "dataset");
    const AttributeTable table = SmallTable();
    table.AddTo(writer, kPrefix);
    described = table.Describe().dump();
    writer.Commit({});
    artifact.emplace(path);
  }

  TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "table";
  std::string described;
  std::optional<EditableArtifact> artifact;
};

void Run(std::span<const uint8_t> input) {
  static const Stored stored;
  if (input.empty()) return;
  const auto& files = stored.artifact->files();
  const size_t pick = input[0] % (files.size() + 1);
  const bool of_description = pick == files.size();
  const auto& [name, original] = files[of_description ? 0 : pick];
  const std::string content = EditableArtifact::Edited(of_description ? stored.described : original, input.subspan(1));
  stored.artifact->Replace(name, of_description ? original : content);
  try {
    const auto described = nlohmann::json::parse(of_description ? content : stored.described, nullptr, false);
    const auto artifact = Artifact::Open(stored.path, "dataset");
    volatile double sum = Follow(AttributeTable::FromArtifact(*artifact, kPrefix, described, kRows));
    static_cast<void>(sum);
  } catch (const Error&) {
  }
  stored.artifact->Replace(name, original);
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run({data, size});
  return 0;
}
