#include "kernels/build_id.h"

#include <cstddef>  // the library's configuration

#include <kindred_sources_id.h>

#define KINDRED_TEXT_OF(value) #value
#define KINDRED_TEXT(value) KINDRED_TEXT_OF(value)

#ifdef __clang__
#define KINDRED_COMPILER "clang" KINDRED_TEXT(__clang_major__)
#else
#define KINDRED_COMPILER "gcc" KINDRED_TEXT(__GNUC__)
#endif

namespace kindred {

const char* BuildId() {
  return KINDRED_VERSION "-" KINDRED_SOURCES_ID "-" KINDRED_COMPILER
                         "-abi" KINDRED_TEXT(__GXX_ABI_VERSION) "-cxx" KINDRED_TEXT(_GLIBCXX_USE_CXX11_ABI);
}

}  // namespace kindred
