#!/usr/bin/env bash
# What only a GPU can show of the CUDA backend: parity of its kernels, compute-sanitizer, and their speed beside the
# card's own rates and other libraries. Ends with OUT/gpu_check.md; results worth keeping go to bench/results/.
#
#   scripts/gpu_check.sh [option...] [-- cmake option...]
#     --strict          what was not run is a failure too
#     --quick           a tenth of the sizes, few rounds: whether it works, not how fast it is
#     --build-only      builds, and needs no GPU; BUILD/bin can then be carried to a machine that has one
#     --no-build        runs what is in BUILD/bin
#     --build BUILD     the build folder                          (build-gpu)
#     --out OUT         logs, measurements, table                 (BUILD/gpu_check)
#     --python PYTHON   one that has the peers                    (python3)
#     --limit SECONDS   for all steps together                    (590; an hour for --build-only)
#
# Needs a C++20 compiler, CMake, nvcc, Eigen's headers and GoogleTest (where they are not installed:
# -- -DEIGEN3_INCLUDE_DIR=FOLDER -DGTEST_SOURCE_DIR=FOLDER), and python3 for the table. What runs on the other machine needs a
# libstdc++ as new as the one it was built with, since plug-in and program must share one, and the CUDA libraries.
#
# Exit status: 0 all of it passed; 1 something failed, with --strict was not run, or there is no GPU; 2 usage.
set -uo pipefail
cd "$(dirname "$0")/.."
command_line="scripts/gpu_check.sh${*:+ $*}"

refuse() {
  echo "gpu_check.sh: $1" >&2
  exit 2
}
strict=no quick=no with_build=yes with_checks=yes build=build-gpu out='' python=python3 limit=''
while [[ $# -gt 0 ]]; do
  case "$1" in
    --strict) strict=yes ;;
    --quick) quick=yes ;;
    --build-only) with_checks=no ;;
    --no-build) with_build=no ;;
    --build | --out | --python | --limit)
      [[ $# -gt 1 ]] || refuse "$1 has no value"
      case "$1" in
        --build) build=$2 ;;
        --out) out=$2 ;;
        --python) python=$2 ;;
        --limit) [[ $2 =~ ^[0-9]+$ ]] || refuse "--limit is '$2'; expected seconds"; limit=$2 ;;
      esac
      shift
      ;;
    --) shift; break ;;
    *) refuse "unknown option '$1'; its head lists what there is" ;;
  esac
  shift
done
[[ $with_build == yes || $with_checks == yes ]] || refuse "--build-only and --no-build leave nothing to do"
out=${out:-$build/gpu_check}
limit=${limit:-$([[ $with_checks == yes ]] && echo 590 || echo 3600)}
mkdir -p "$build" "$out" || exit 1
build=$(realpath "$build") out=$(realpath "$out") bin=$build/bin
peers=(torch cupy implicit scikit-learn)
rm -f "$out"/{steps.tsv,machine.json,gpu_check.md,gpu_check.md.part} "$out"/{ceilings,bench,float32}.jsonl
for peer in "${peers[@]}"; do rm -f "$out/peer_$peer.jsonl"; done
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
n_failed=0 n_not_run=0 state='' failure=FAILED expected=''

# note STATE STEP SECONDS DETAIL: what became of a step. Sets state.
note() {
  state=$1
  [[ $state == FAILED ]] && n_failed=$((n_failed + 1))
  [[ $state == 'NOT RUN' ]] && n_not_run=$((n_not_run + 1))
  printf '%s\t%s\t%s\t%s\n' "$2" "$1" "$3" "$4" >> "$out/steps.tsv"
  printf '%-11s %-16s %4s s  %s\n' "$1" "$2" "$3" "$4"
}

# run STEP SECONDS STDOUT command...: one step under its time limit, the rest of what it prints in STEP.log. STDOUT must
# have a line that matches `expected`, an extended regular expression.
run() {
  local step=$1 seconds=$2 stdout=$3 start=$SECONDS status log
  log=$out/${1// /_}.log
  shift 3
  [[ $seconds -le $((limit - SECONDS)) ]] || seconds=$((limit - SECONDS))
  if [[ $seconds -lt 1 ]]; then
    note 'NOT RUN' "$step" 0 "no time left of the $limit s for all steps"
    return
  fi
  timeout -k 5 "$seconds" "$@" > "$stdout" 2> "$log" < /dev/null
  status=$?
  [[ $status -ne 0 ]] || grep -qE "$expected" "$stdout" || status=empty
  case $status in
    empty) note "$failure" "$step" $((SECONDS - start)) "it ran, but did nothing: no line like '$expected' in $stdout" ;;
    0) note ok "$step" $((SECONDS - start)) "$(detail "$stdout")" ;;
    124 | 137) note "$failure" "$step" $((SECONDS - start)) "stopped: not done within $seconds s" ;;
    *) note "$failure" "$step" $((SECONDS - start)) "exit status $status: $(cat "$stdout" "$log" | grep -v '^ *$' | tail -1 | cut -c1-300)" ;;
  esac
}

# What a program of tests says it did, in all its shards.
detail() {
  awk '/^\[  PASSED  \] [0-9]+ tests?\.$/ { passed += $4; any = 1 } /^\[  SKIPPED \] [0-9]+ tests?, / { skipped += $4 }
       END { if (any) printf "%d tests passed%s", passed, skipped ? ", " skipped " skipped" : "" }' "$1"
}

# in_shards N command...: the tests of one program, shared among N processes.
in_shards() {
  local n=$1 status=0 pids=() shard
  shift
  for ((shard = 0; shard < n; shard++)); do
    GTEST_TOTAL_SHARDS=$n GTEST_SHARD_INDEX=$shard "$@" &
    pids+=($!)
  done
  for shard in "${pids[@]}"; do wait "$shard" || status=$?; done
  return "$status"
}
export -f in_shards

# tests STEP SECONDS FILTER [runner...]: kernels_test; no test at all, as without the backend, is a failure.
tests() {
  local step=$1 seconds=$2 filter=$3
  shift 3
  expected='^\[==========\] [1-9][0-9]* tests? from'
  run "$step" "$seconds" "$out/$step.stdout.log" env KINDRED_PLUGIN_DIR="$bin" "$@" "$bin/kernels_test" --gtest_filter="$filter"
  expected=''
}

build_all() {
  local generator=()
  command -v ninja > /dev/null && generator=(-G Ninja)
  cmake -S . -B "$build" "${generator[@]}" -DKINDRED_KERNELS_ONLY=ON -DKINDRED_CUDA=ON "$@" &&
    cmake --build "$build" -j "$(nproc)" --target kernels_test kindred_cuda bench_kernels gpu_ceilings &&
    cp "$build/kindred_cuda.so" "$bin/" && commit > "$bin/commit.txt"
}
commit() {
  local status
  status=$(git status --porcelain --untracked-files=no 2> /dev/null)
  echo "$(git rev-parse --short HEAD 2> /dev/null || echo unknown)${status:+ with changes}"
}
finish() {
  echo "$1" >&2
  exit 1
}

if [[ $with_build == yes ]]; then
  export -f build_all commit
  export build bin
  [[ $with_checks == yes ]] && seconds=240 || seconds=$limit
  run build "$seconds" "$out/build.stdout.log" bash -c 'build_all "$@"' build "$@"
  [[ $state == ok ]] || finish "gpu_check: the build failed, nothing was checked; see $out/build.log and build.stdout.log"
fi
[[ $with_checks == yes ]] || exit 0
for program in kernels_test bench_kernels gpu_ceilings kindred_cuda.so; do
  [[ -e $bin/$program ]] || finish "gpu_check: nothing was checked: there is no $bin/$program; build it first"
done

nvcc=$(command -v nvcc || ls "${CUDACXX:-/usr/local/cuda/bin/nvcc}" 2> /dev/null)
[[ -z $nvcc ]] || export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$(dirname "$(dirname "$nvcc")")/lib64
run device 30 "$out/machine.json" "$bin/bench_kernels" --backend cuda --describe
[[ $state == 'NOT RUN' ]] && finish "gpu_check: nothing was checked: no time was left to look for a GPU"
[[ $state == ok ]] || finish "gpu_check: no GPU: nothing was checked (why none is used: $(tail -1 "$out/device.log"))"

# Every kernel over the sweep of shapes, on both precisions; under the sanitizers without those that are long, or run the
# kernels of others again.
tests parity 90 '*/cuda:*/cuda_float32'
small='*/cuda:*AlsTest*/cuda_float32:-*ManyFactors*:*AThousandFactors*:*HugeRows*:*ManyQueries*:*LittleMemory*:*BitsDoNotDependOn*:*BesidePanels*'
for tool in memcheck racecheck; do
  if sanitizer=$(command -v compute-sanitizer || ls "$(dirname "${nvcc:-/}")/compute-sanitizer" 2> /dev/null); then
    tests "$tool" 290 "$small" bash -c 'in_shards 6 "$@"' shards "$sanitizer" --tool "$tool" --kernel-name kns=kindred --report-api-errors no --error-exitcode 9
  else
    note 'NOT RUN' "$tool" 0 'compute-sanitizer is not installed'
  fi
done

run ceilings 20 "$out/ceilings.jsonl" "$bin/gpu_ceilings"
sizes=(--rounds 30)
[[ $quick == yes ]] && sizes=(--rounds 3 --scale 0.1)
run 'bench bf16x3' 90 "$out/bench.jsonl" "$bin/bench_kernels" --backend cuda --data "$data" "${sizes[@]}"
run 'bench float32' 40 "$out/float32.jsonl" "$bin/bench_kernels" --backend cuda --gram-precision float32 --only als_epoch "${sizes[@]}"
failure='peer failed'  # is in the table, and is not ours
for peer in "${peers[@]}"; do
  [[ $peer == torch || $peer == implicit ]] && seconds=70 || seconds=30
  run "peer $peer" "$seconds" "$out/peer_$peer.jsonl" "$python" bench/peers/gpu_kernels.py "$peer" --cases "$out/bench.jsonl" --data "$data" "${sizes[@]:0:2}"
done

"$python" bench/gpu_table.py "$out" --command "$command_line" --commit "$(cat "$bin/commit.txt" 2> /dev/null || echo unknown)" > "$out/gpu_check.md.part" &&
  mv "$out/gpu_check.md.part" "$out/gpu_check.md" || finish "gpu_check: the table could not be made"
echo "$out/gpu_check.md: $n_failed failed, $n_not_run not run, $SECONDS s"
[[ $n_failed -eq 0 && ($strict == no || $n_not_run -eq 0) ]]
