#!/usr/bin/env bash
# The table of bench/results/quality.md, but for its targets: searched and trained on train alone, then evaluated on test,
# once.
#   scripts/quality.sh DATA_FOLDER [OUT_FOLDER]     data as the LightGCN and RecZoo splits have it, for example
#                                                   DATA_FOLDER/gowalla/train.txt and test.txt
# KINDRED names the program; default build/kindred. NAMES the data sets; default gowalla amazonelectronics. What the
# program says goes to OUT_FOLDER/log.
set -Eeuo pipefail  # E: the trap holds in functions, too
data=${1:?the folder of the data sets}
out=${2:-quality}
kindred=${KINDRED:-build/kindred}
mkdir -p "$out"
log=$out/log
: > "$log"
trap 'echo "failed; $log says at what" >&2' ERR

row() { # data set, model, what it is, seconds
  "$kindred" evaluate --store "$out/store" --model "$2" --test "$data/$1/test.txt" --test-format adjacency --k 20 --json \
    2>> "$log" > "$out/$2.json"
  python3 - "$out/$2.json" "$1" "$3" "$4" <<'PY'
import json, sys
metrics = json.load(open(sys.argv[1]))["metrics"]
print("| %s | %s | %.4f / %.4f | %s |" % (sys.argv[2], sys.argv[3], metrics["recall_at_20"], metrics["ndcg_at_20"], sys.argv[4]))
PY
}

echo "| data | model | recall@20 / NDCG@20 | seconds to search, to train |"
echo "|---|---|---|---|"
for name in ${NAMES:-gowalla amazonelectronics}; do
  rm -rf "${out:?}/$name"
  "$kindred" prepare "$data/$name/train.txt" --format adjacency --out "$out/$name" >> "$log" 2>&1
  calls=("svd-filter 30" "rp3beta 20" "als 30" "ease 30")
  if [ "$name" = gowalla ]; then  # large: a part of the space of als, on some users, and too many items for ease
    calls=("svd-filter 30" "rp3beta 20"
      "als 16 --set n-factors=256 --set regularization=0.001..0.02 --max-users 6000 --max-epochs 12")
  fi
  components=()
  for call in "${calls[@]}"; do
    read -r algorithm trials flags <<< "$call"
    config=$out/$name-$algorithm.toml
    begin=$SECONDS
    # shellcheck disable=SC2086
    "$kindred" tune "$out/$name" --algorithm "$algorithm" --trials "$trials" $flags --seed 1 --out "$config" --overwrite \
      > "$out/$name-$algorithm.txt" 2>> "$log"
    searched=$((SECONDS - begin)) begin=$SECONDS
    "$kindred" train "$out/$name" --store "$out/store" --model "$name-$algorithm" --config "$config" >> "$log" 2>&1
    row "$name" "$name-$algorithm" "\`$algorithm\`, $trials trials" "$searched, $((SECONDS - begin))"
    components+=(--component "$config")
  done
  begin=$SECONDS
  "$kindred" train "$out/$name" --store "$out/store" --model "$name-blend" --algorithm blend "${components[@]}" \
    >> "$log" 2>&1
  row "$name" "$name-blend" "\`blend\` of these" "-, $((SECONDS - begin))"
done
