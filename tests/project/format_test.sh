#!/usr/bin/env bash
# Fails where clang-format-14 would change a source file, tracked or not.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v clang-format-14 > /dev/null || {
  echo "format_test.sh: clang-format-14 is not installed: run scripts/install_deps.sh" >&2
  exit 1
}
find . \( -path './build*' -o -path './.*' \) -prune -o \
  \( -name '*.cc' -o -name '*.h' -o -name '*.c' -o -name '*.cu' -o -name '*.cuh' \) -print0 |
  xargs -0 clang-format-14 --dry-run -Werror
