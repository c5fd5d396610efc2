// Any bytes as a journal of tiles: refused, or tiles that are written down again as they were read.
#include <cstdlib>

#include "kernels/error.h"
#include "training/resumable_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const kindred::TileJournal journal =
        kindred::ParseTileJournal({reinterpret_cast<const char*>(data), size}, "input");
    if (journal.bytes < 1 || journal.bytes > static_cast<int64_t>(size) || data[journal.bytes - 1] != '\n')
      std::abort();
    std::string again = nlohmann::json{{"kindred_recommend", 2}, {"settings", nlohmann::json::object()}}.dump() + "\n";
    for (const kindred::WrittenTile& tile : journal.tiles) again += kindred::TileJson(tile).dump() + "\n";
    const kindred::TileJournal reread = kindred::ParseTileJournal(again, "again");
    if (reread.tiles.size() != journal.tiles.size()) std::abort();
    int64_t bytes = 0;
    for (size_t t = 0; t < journal.tiles.size(); ++t) {
      if (kindred::TileJson(reread.tiles[t]) != kindred::TileJson(journal.tiles[t])) std::abort();
      bytes += journal.tiles[t].bytes;
    }
    if (bytes < 0) std::abort();
  } catch (const kindred::Error&) {
  }
  return 0;
}
