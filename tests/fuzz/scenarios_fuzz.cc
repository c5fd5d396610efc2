// Any text as a file of scenarios: refused with its place, or presets that can be laid under a request.
#include <google/protobuf/stubs/logging.h>

#include <cstdlib>
#include <string_view>

#include "host/text/text.h"
#include "kernels/error.h"
#include "serving/scenarios.h"
#include "serving/served_fields.h"

namespace kindred {
namespace {

void Expect(bool holds) {
  if (!holds) std::abort();
}

void Run(std::string_view text) {
  v1::RecommendRequest request;
  request.set_user_id("u");
  (*request.mutable_context())["x"].set_number_value(1);
  try {
    const Scenarios scenarios = Scenarios::Parse(text, "s.toml");
    for (const char* name : {"a", "b", "homepage"}) {
      request.set_scenario(name);
      const v1::RecommendRequest asked = scenarios.Apply(request);
      Expect(asked.user_id() == "u" && asked.history().empty() && asked.context().contains("x"));
      Expect(CheckServed(asked).ok());
    }
  } catch (const Error& error) {
    Expect(error.code() == ErrorCode::kNotFound ||
           (error.code() == ErrorCode::kUsage && std::string_view(error.what()).starts_with("s.toml: line ")));
    Expect(IsUtf8(error.what()) || !IsUtf8(text));
  }
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
