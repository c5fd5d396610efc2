#include "host/expression/column.h"

namespace kindred {

const char* NameOf(ColumnType type) {
  static constexpr const char* kNames[] = {"untyped", "text", "number", "boolean", "time", "tags"};
  return kNames[static_cast<int>(type)];
}

}  // namespace kindred
