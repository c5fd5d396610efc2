// Parquet in a build without Apache Arrow.
#include <fmt/format.h>

#include "host/intake/parquet.h"
#include "host/intake/row_source.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {

std::string ArrowVersion() {
  return {};
}

std::unique_ptr<RowSource> OpenParquet(const std::string& path, const ReadOptions&) {
  throw Error(ErrorCode::kUnsupported,
              fmt::format("'{}': this build does not read Parquet files; {}", Printable(path, 4096), kHowToGetParquet));
}

}  // namespace kindred
