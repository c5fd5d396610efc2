// What events count, as flags and manifests say it: refused with an error, or numbers that can be counted with.
#include <cmath>
#include <cstdlib>

#include "host/data/event_weighting.h"
#include "kernels/error.h"

namespace kindred {
namespace {

void Expect(bool holds) {
  if (!holds) std::abort();
}

template <class Parse>
void Try(const Parse& parse) {
  try {
    parse();
  } catch (const Error&) {
  }
}

void Run(const std::string& text) {
  Try([&] {
    for (const auto& [name, weight] : ParseTypeWeights({&text, 1}))
      Expect(weight >= 0 && weight <= kLargestTypeWeight && text.find(name) != std::string::npos);
  });
  for (const auto& parse : {ParseCap, ParseDuration})
    Try([&] { Expect(parse(text) > 0 && std::isfinite(parse(text))); });
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) return;
  Try([&] {
    const EventWeighting weighting = ParseWeighting(json, "fuzz");
    Expect(ParseWeighting(WeightingJson(weighting), "fuzz") == weighting);
    const std::vector<std::string> types = {"view", "cart"};
    CheckWeighting(weighting, types, true);
    for (const std::string& type : types) Expect(weighting.WeightOf(type) >= 0.0);
  });
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
