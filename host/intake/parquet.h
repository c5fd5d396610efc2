// Whether this build reads Parquet files (OpenParquet of host/intake/row_source.h).
#pragma once

#include <string>

namespace kindred {

/// The version of Apache Arrow that reads them; empty where this build has none.
std::string ArrowVersion();

/// How to get a build that does.
inline constexpr const char* kHowToGetParquet =
    "run scripts/install_deps.sh --parquet (or install Apache's libparquet-dev) and build again";

}  // namespace kindred
