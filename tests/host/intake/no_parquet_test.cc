// Parquet in a build without Apache Arrow.
#include <gtest/gtest.h>

#include "host/intake/parquet.h"
#include "host/intake/row_source.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

TEST(NoParquet, TheErrorTellsHowToGetIt) {
  EXPECT_EQ(ArrowVersion(), "");
  ExpectError(ErrorCode::kUnsupported,
              "'f.parquet': this build does not read Parquet files; run scripts/install_deps.sh --parquet",
              [] { OpenParquet("f.parquet", {}); });
}

TEST(NoParquet, ParquetFilesAreNotTested) {
  GTEST_SKIP() << "this build has no Apache Arrow; " << kHowToGetParquet;
}

}  // namespace
}  // namespace kindred
