// A file that declares features: refused with an error, or read, and then the same after it went through JSON.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "host/features/feature_spec.h"
#include "kernels/error.h"

namespace kindred {
namespace {

void Run(std::string_view text) {
  FeatureSpec spec;
  try {
    const toml::table file = ParseToml(text, "segments.toml");
    spec = ReadFeatureSpec(TomlTable(file, {"segments.toml"}, kFeatureSpecKeys));
  } catch (const Error&) {
    return;
  }
  for (FeatureDeclaration& feature : spec.features) feature.place.clear();
  if (ParseFeatureSpec(nlohmann::json::parse(FeatureSpecJson(spec).dump()), "json") != spec) std::abort();
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
