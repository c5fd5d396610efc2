// What rules take that are asked with again and again, of one version.
#pragma once

#include "host/conditions/value_codes.h"
#include "host/ranking/boosted_order.h"

namespace kindred {

/// Thread-safe.
struct RuleCache {
  ValueCodesCache codes;
  BoostClassCache parts{int64_t{64} << 20};  // an eighth of a byte an item, and set; a backend takes more beside
};

}  // namespace kindred
