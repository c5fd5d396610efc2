"""Evaluates a condition of bench/expression.cc with NumPy, as an answer of kindred-bench."""
import argparse
import json
import statistics
import time

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--form", required=True)
parser.add_argument("--call-rows", type=int, required=True)
parser.add_argument("--seconds", type=float, default=0.5)
arguments = parser.parse_args()

WANTED = ["category 1", "category 7", "category 99"]


def columns():
    if arguments.form.startswith("cells"):
        with open(f"{arguments.data}/{arguments.form}.txt") as file:
            return [np.array(file.read().splitlines())]
    if arguments.form == "codes":
        return [np.load(f"{arguments.data}/codes.npy")]
    kind = {"float": np.float32, "double": np.float64, "int64": np.int64}[arguments.form]
    return [np.load(f"{arguments.data}/{name}.npy").astype(kind) for name in ("price", "stock")]


def codes(category):
    names = [f"category {i}" for i in range(500)]
    return np.array([name in WANTED or name.startswith("category 4") for name in names])[category]


def numbers(x):
    values = x.astype(np.float64)
    return (values > 0) & (values < 50)


CONDITIONS = {
    "codes": codes,
    "cells of numbers": numbers,
    "cells of texts": lambda x: np.isin(x, WANTED),
    "cells of times": lambda x: x.astype("datetime64[s]") >= np.datetime64("2024-11-24"),
}
condition = CONDITIONS.get(arguments.form, lambda price, stock: (price < 50) & (stock > 0))
data = columns()
n_rows = len(data[0])
seconds, cpu = [], time.process_time()
while len(seconds) < 5 or sum(seconds) < arguments.seconds:
    start = time.perf_counter()
    if arguments.call_rows >= n_rows:
        found = condition(*data)
    else:
        found = np.empty(n_rows, bool)
        for first in range(0, n_rows, arguments.call_rows):
            cut = slice(first, first + arguments.call_rows)
            found[cut] = condition(*(column[cut] for column in data))
    seconds.append(time.perf_counter() - start)
cpu = (time.process_time() - cpu) / len(seconds)
rows = np.flatnonzero(found)
print(json.dumps({
    "measures": {
        "all rows": {"seconds": statistics.median(seconds), "cpu_seconds": cpu, "work": n_rows / 1e6,
                     "unit": "million rows"}},
    "answer": {"n_true": len(rows), "sum_of_rows": int(rows.sum())},
    "versions": {"numpy": np.__version__},
}))
