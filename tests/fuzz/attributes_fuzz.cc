// A table of attributes read from CSV, some columns declared and some inferred: refused with an error, or joined into a
// table of as many rows as there are ids.
#include <cstdlib>
#include <fstream>
#include <span>
#include <string>

#include "host/intake/attribute_builder.h"
#include "kernels/error.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

void Run(std::span<const uint8_t> input) {
  static const TemporaryFolder folder;
  const std::string path = folder.Write("items.csv", {reinterpret_cast<const char*>(input.data()), input.size()});
  for (const bool declared : {false, true}) {
    AttributeSource source;
    source.inputs = {path, path};  // ids of the second file are all there already
    if (declared)
      source.columns = {{"a", "", {AttributeType::kNumber}},
                        {"b", "", {AttributeType::kTags}},
                        {"c", "", {AttributeType::kTime}},
                        {"d", "other", {AttributeType::kBoolean}}};
    const auto open = [](const std::string& file, const AttributeSource&) {
      ReadOptions options;
      options.block_bytes = 64;
      options.max_line_bytes = 1024;
      return OpenDelimited(file, options);
    };
    try {
      AttributeBuilder builder("item", {"item_id", "id"});
      builder.Read(source, open, {[](const BadRow&) {}});
      IdMapBuilder ids;
      ids.Intern("x");
      const AttributeTable table = builder.Finish(ids);
      if (table.n_rows() != ids.size()) std::abort();
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run({data, size});
  return 0;
}
