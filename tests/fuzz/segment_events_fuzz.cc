// Any text as a file of events for `kindred query segments assign`: refused with its line, or events that can be sent.
#include <google/protobuf/stubs/logging.h>

#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>

#include "host/data/attribute_table.h"
#include "host/text/text.h"
#include "kernels/error.h"
#include "serving/event_file.h"

namespace kindred {
namespace {

void Expect(bool holds) {
  if (!holds) std::abort();
}

void Run(const std::string& text) {
  std::istringstream stream(text);
  try {
    for (const v1::UserEvent& event : ParseEvents(stream, "e.jsonl")) {
      Expect(!event.item_id().empty() && v1::UserEvent().ParseFromString(event.SerializeAsString()));
      Expect(event.time().seconds() >= kFirstTime && event.time().seconds() <= kLastTime);
    }
  } catch (const Error& error) {
    Expect(error.code() == ErrorCode::kInvalidArgument && IsUtf8(error.what()));
    Expect(std::string_view(error.what()).starts_with("e.jsonl: line "));
  }
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
