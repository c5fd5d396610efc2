// Any bytes as an .npy file: refused, or an array that lies within them.
#include <cstdlib>

#include "host/store/npy.h"
#include "kernels/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> file(reinterpret_cast<const std::byte*>(data), size);
  try {
    const kindred::NpyArray array = kindred::ParseNpy(file, "input");
    int64_t bytes = array.descr.back() - '0';
    for (const int64_t n : array.shape) bytes *= n;
    const auto* end = static_cast<const std::byte*>(array.data) + bytes;
    if (array.data < static_cast<const void*>(file.data()) || end != file.data() + file.size()) std::abort();
  } catch (const kindred::Error&) {
  }
  return 0;
}
