#!/usr/bin/env bash
# Long runs of tests that make up their cases (`make soak`): top-N of about a million queries against a full sort, from a
# new seed each time, which a failure prints.
#
#   KINDRED_SOAK_SEED   start with this one, to see a failure again
#   PRESET, BUILD   as of scripts/test.sh                         (release, build)
#   QUERIES         for each instruction set of the CPU backend   (1000000)
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset "${PRESET:-release}" --log-level=WARNING
cmake --build "${BUILD:-build}" --target kernels_test -j "${JOBS:-$(nproc)}"
KINDRED_SOAK_QUERIES=${QUERIES:-1000000} "${BUILD:-build}"/tests/kernels/kernels_test --gtest_filter='*TopNRandom*cpu*'
