#!/usr/bin/env bash
# The serving round trip beside an empty gRPC service built with the same flags; a Markdown table on standard output.
#
#   BUILD             the build folder, default build
#   KINDRED_DATA_DIR  the folder with gowalla/; without it a made-up catalogue of the same size is served
#   further options   as bench/serving.py takes them, such as --rounds 2 --seconds 1
set -euo pipefail
cd "$(dirname "$0")/.."
lines=${KINDRED_DATA_DIR:-}/gowalla/train.txt
if [[ ! -f $lines ]]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  lines=$folder/lines.txt
  awk 'BEGIN { srand(1); for (u = 0; u < 30000; ++u) { printf "%d", u
    for (i = 0; i < 27; ++i) printf " %d", int(41000 * rand() * rand()); print "" } }' > "$lines"
fi
python3 bench/serving.py "${BUILD:-build}" "$lines" "$@"
