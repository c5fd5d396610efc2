// simt_planted NAME: runs one planted bug. Exits 0 where nothing shows, 3 for wrong values, 4 with the report, and
// otherwise as a sanitizer or a signal makes it.
#include <cstdio>
#include <cstring>

#include "kernels/error.h"
#include "tests/simt/planted.h"

int main(int argc, char** argv) {
  for (const kindred::simt::Planted& planted : kindred::simt::AllPlanted()) {
    if (argc != 2 || std::strcmp(planted.name, argv[1]) != 0) continue;
    try {
      return planted.run() ? 0 : 3;
    } catch (const kindred::Error& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 4;
    }
  }
  std::fprintf(stderr, "simt_planted: expected the name of a planted bug\n");
  return 2;
}
