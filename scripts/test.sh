#!/usr/bin/env bash
# Builds everything and runs every test, then those that a sanitizer is for under it (`make test`). Sanitizers' builds
# are clang's: it takes three quarters of g++'s time, its checks are more, and what `make fuzz` builds stays buildable.
#
#   PRESET, BUILD   the preset of the first round, and its folder   (release, build)
#   JOBS            how much runs at once                           (all cores)
set -uo pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
summary=()
failures=()
n_tests=0
n_failed=0

# round NAME BUILD_FOLDER TARGET [ctest option...]
round() {
  local name=$1 build=$2 target=$3 start=$SECONDS
  shift 3
  echo "== $name: building"
  if ! { cmake --preset "$name" && cmake --build "$build" --target "$target" -j "$jobs"; } > "$log" 2>&1; then
    cat "$log"
    summary+=("$(printf '%-12s the build failed' "$name")")
    n_tests=$((n_tests + 1)) n_failed=$((n_failed + 1))
    return
  fi
  echo "== $name: testing"
  ${runner[@]+"${runner[@]}"} ctest --test-dir "$build" -j "$jobs" --output-on-failure --no-tests=error "$@" 2>&1 | tee "$log"
  local closing failed tests
  closing=$(grep -E '^[0-9]+% tests passed, [0-9]+ tests failed out of [0-9]+' "$log" | tail -1)
  read -r failed tests < <(sed -E 's/.*passed, ([0-9]+) tests failed out of ([0-9]+).*/\1 \2/' <<< "${closing:-passed, 1 tests failed out of 1}")
  n_tests=$((n_tests + tests)) n_failed=$((n_failed + failed))
  summary+=("$(printf '%-12s %3d of %3d tests passed, %4d s with the build' "$name" $((tests - failed)) "$tests" $((SECONDS - start)))")
  # What failed is said again at the end, where a log that is cut in the middle still has it.
  ((failed == 0)) || failures+=("== $name: failed" "$(grep -aE -A8 ': Failure$|^\[  FAILED  \]|\*\*\*|(ERROR|WARNING): [A-Za-z]+Sanitizer|: runtime error: |^[A-Za-z.]*Error: ' "$log" | tail -80)")
}

round "${PRESET:-release}" "${BUILD:-build}" all
round asan+ubsan build-asan memory_tests --label-regex memory
# ThreadSanitizer cannot place its shadow where the kernel shuffles addresses too widely. Threads meet in few tests.
setarch "$(uname -m)" -R true 2> /dev/null && runner=(setarch "$(uname -m)" -R)
round tsan build-tsan threads_tests --label-regex threads

echo
printf '%s\n' ${failures[@]+"${failures[@]}"} "${summary[@]}"
echo
echo "$(((n_tests - n_failed) * 100 / n_tests))% tests passed, $n_failed tests failed out of $n_tests"
echo "Total time = $SECONDS s"
[[ $n_failed -eq 0 ]]
