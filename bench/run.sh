#!/usr/bin/env bash
# Every bench beside its peers; tables go to bench/results/. Called by `make bench`.
#
#   BUILD             the build folder, default build
#   KINDRED_DATA_DIR  the folder with gowalla/; without it the benches on real data are left out
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
results=bench/results
mkdir -p "$results"

if [[ -f ${KINDRED_DATA_DIR:-}/gowalla/train.txt ]]; then
  echo "ALS epoch beside implicit -> $results/als_epoch.md"
  .venv-peers/bin/python bench/als.py "$build/bench/bench_als_epoch" .venv-peers/bin/python "$KINDRED_DATA_DIR" >"$results/als_epoch.md"
  cat "$results/als_epoch.md"
else
  echo "ALS epoch: left out, KINDRED_DATA_DIR names no folder with gowalla/train.txt" >&2
fi

echo "Loading beside pandas, and prepare by size -> $results/loading.md"
.venv-peers/bin/python bench/loading.py "$build" .venv-peers/bin/python "$results/loading.svg" >"$results/loading.md"
cat "$results/loading.md"

echo "Serving round trip beside an empty gRPC service -> $results/serving_round_trip.md"
BUILD=$build bench/serving.sh >"$results/serving_round_trip.md"
cat "$results/serving_round_trip.md"
