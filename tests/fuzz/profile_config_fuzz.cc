// A file that declares tables: parsed, or refused with an error.
#include <cstdint>
#include <string_view>

#include "host/intake/profile_config.h"
#include "kernels/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    kindred::ParseProfileConfig({reinterpret_cast<const char*>(data), size}, "folder/profile.toml");
  } catch (const kindred::Error&) {
  }
  return 0;
}
