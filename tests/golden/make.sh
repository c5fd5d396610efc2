#!/usr/bin/env bash
# Makes a store of one version with the program of some commit, to be read by all later ones:
#
#   tests/golden/make.sh KINDRED NAME      KINDRED: a build of that commit; NAME: the folder here that it becomes
#
#   without_events   by 80705b7: versions before events were kept in them
#   schema_1         by e3e85bb: versions before their manifests had a schema_version
#
# What is there is never made again: it stands for what users have on their disks. A commit that changes what a version
# holds adds one, made by the program before it.
set -euo pipefail
program=$(realpath "$1")
folder=$(realpath "$(dirname "$0")")/$2
[[ ! -e $folder ]] || { echo "$folder is there already" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cd "$work"
cat >export.csv <<'CSV'
user,item,value,event,time
ann,tea,2,buy,2024-01-01
ann,cup,1,view,2024-01-02
bob,tea,1,view,2024-01-03
bob,pot,3,buy,2024-01-04
bob,tea,1,view,2024-01-05
cyd,cup,1,view,2024-01-06
cyd,pot,1,view,2024-01-07
cyd,"Käse, jung",4,buy,2024-01-08
CSV
"$program" prepare export.csv --out data
"$program" train data --store store --model shop --n-factors 3 --epochs 4 --seed 1 --threads 1 --backend cpu
rm -f store/shop/.lock
mv store "$folder"
