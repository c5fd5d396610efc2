#!/usr/bin/env bash
# Runs every fuzz target under libFuzzer with AddressSanitizer and UndefinedBehaviorSanitizer (`make fuzz`).
#
#   SECONDS_EACH   time for each target   (300)
#   TARGETS        names, without fuzz_   (all)
#
# New inputs gather in build-fuzz/found/NAME/corpus, and inputs that crash a target in build-fuzz/found/NAME.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${SECONDS_EACH:-300}
cmake --preset fuzz --log-level=WARNING
cmake --build build-fuzz --target fuzz_targets -j "${JOBS:-$(nproc)}"
[[ -d /dev/shm ]] && export TMPDIR=/dev/shm

status=0
summary=()
for program in build-fuzz/tests/fuzz/fuzz_*; do
  [[ -f $program && -x $program ]] || continue
  name=${program##*/fuzz_}
  [[ " ${TARGETS:-$name} " == *" $name "* ]] || continue
  found=build-fuzz/found/$name
  mkdir -p "$found/corpus"
  echo "== $name: $seconds s"
  outcome="no crash"
  "$program" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$found/" "$found/corpus" "tests/fuzz/corpus/$name" 2>&1 | tee "$found/log" || {
    outcome="CRASHED: see $found"
    status=1
  }
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$found/log")
  summary+=("$(printf '%-16s %12s runs  %s' "$name" "${runs:-?}" "$outcome")")
done
echo
printf '%s\n' "${summary[@]}"
exit $status
