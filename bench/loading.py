"""Loading a CSV file of interactions beside pandas, in alternating processes, and prepare's cost by size: Markdown, and
a plot as SVG.

Usage: bench/loading.py BUILD PYTHON SVG [--rows N] [--rounds N] [--sizes N ...] [--folder DIR]
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from table import heading, markdown, spread

parser = argparse.ArgumentParser()
parser.add_argument("build", help="the folder with kindred and bench/bench_loading")
parser.add_argument("python", help="a Python that has pandas, scipy and matplotlib")
parser.add_argument("svg", help="where the plot goes")
parser.add_argument("--rows", type=int, default=10_000_000)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--sizes", type=float, nargs="*", default=[1e6, 3e6, 1e7, 3e7, 1e8])
parser.add_argument("--folder", help="for the files, of up to 10 GB; default: a temporary one")
arguments = parser.parse_args()

KINDRED = f"{arguments.build}/kindred"
LOADING = f"{arguments.build}/bench/bench_loading"
PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers", "load_csv.py")


def run(*command):
    """What it printed, its wall seconds and its peak memory in bytes."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)} failed")
    return output, time.perf_counter() - start, usage.ru_maxrss * 1024


def same(results):
    keys = ("nnz", "sum", "n_users", "n_items")
    first = [results[0][key] for key in keys]
    for result in results:
        if [result[key] for key in keys] != first:
            sys.exit(f"the matrices differ: {results}")


def beside_pandas(folder):
    rows = []
    version = ""
    for ids in ("integers", "strings"):
        path = os.path.join(folder, f"{ids}.csv")
        run(arguments.python, PEER, "make", str(arguments.rows), ids, path)
        ours, whole, peers = [], [], {"C": [], "pyarrow": []}
        for _ in range(arguments.rounds):
            results = [json.loads(run(LOADING, path)[0])]
            ours.append(results[0]["seconds"])
            for engine, seconds in peers.items():
                results.append(json.loads(run(arguments.python, PEER, "load", engine, ids, path)[0]))
                seconds.append(results[-1]["seconds"])
                version = results[-1]["version"]
            same(results)
            dataset = os.path.join(folder, "dataset")
            whole.append(run(KINDRED, "prepare", path, "--value-column", "weight", "--out", dataset, "--overwrite")[1])
        best = min(statistics.median(seconds) for seconds in peers.values())
        rows.append([ids, f"{os.path.getsize(path) / 1e6:.0f} MB", spread(ours), spread(peers["C"]),
                     spread(peers["pyarrow"]), f"{statistics.median(ours) / statistics.median(peers['C']):.2f}",
                     f"{statistics.median(ours) / best:.2f}", spread(whole)])
        os.remove(path)
    return rows, version


def by_size(folder):
    rows = []
    for n_events in (int(size) for size in arguments.sizes):
        shop, dataset = os.path.join(folder, "shop"), os.path.join(folder, "dataset")
        _, generating, generate_memory = run(KINDRED, "generate", "--out", shop, "--events", str(n_events), "--users",
                                             str(max(1000, n_events // 100)), "--items", str(max(500, n_events // 500)),
                                             "--days", "365")
        path = os.path.join(shop, "events.csv")
        size = os.path.getsize(path)
        _, seconds, memory = run(KINDRED, "prepare", path, "--out", dataset, "--overwrite")
        stored = sum(entry.stat().st_size for entry in os.scandir(dataset))
        rows.append((n_events, size, generating, generate_memory, seconds, memory, stored))
        shutil.rmtree(shop)
        shutil.rmtree(dataset)
    return rows


def plot(rows):
    script = """
import json, sys
import matplotlib
matplotlib.use("svg")
import matplotlib.pyplot as plt
rows = json.loads(sys.argv[1])
events = [row[0] / 1e6 for row in rows]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
left.loglog(events, [row[4] for row in rows], "o-", label="prepare")
left.loglog(events, [row[2] for row in rows], "s--", label="generate")
left.set_ylabel("seconds")
right.loglog(events, [row[5] / 2**30 for row in rows], "o-", label="peak memory of prepare")
right.loglog(events, [row[6] / 2**30 for row in rows], "^-", label="the dataset")
right.loglog(events, [row[1] / 2**30 for row in rows], "s--", label="the CSV file")
right.set_ylabel("GiB")
for axes in (left, right):
    axes.set_xlabel("million events")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
figure.tight_layout()
plt.rcParams["svg.hashsalt"] = "kindred"
figure.savefig(sys.argv[2], metadata={"Date": None})
"""
    run(arguments.python, "-c", script, json.dumps(rows), arguments.svg)


with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
    compared, version = beside_pandas(folder)
    sizes = by_size(folder)
plot(sizes)
print(heading("Loading a CSV file of interactions", "make bench", version))
print(f"\n{arguments.rows:,} rows of user, item, weight and timestamp to a CSR matrix in memory, seconds; the matrices have the "
      "same entries and sum.\npandas: dtypes given for integers, `factorize` for strings, then SciPy's COO to CSR. Kindred "
      "keeps times as well and sorts by them.\nThe last column is the whole of `kindred prepare`, with the dataset written, "
      "synced, read back and reported on.\n")
print(markdown(["ids", "file", "kindred", "pandas, C", "pandas, pyarrow", "ratio to C", "ratio to the faster",
                "`kindred prepare`"], compared))
print("\n`kindred prepare` of what `kindred generate` makes (nine columns, with times, types and event ids), by size; "
      f"[plotted]({os.path.basename(arguments.svg)}).\n")
print(markdown(["events", "CSV", "generate, s", "its peak memory", "prepare, s", "million rows/s", "peak memory", "dataset"],
               [[f"{n:,}", f"{size / 2**20:.0f} MiB", f"{generating:.1f}", f"{generate_memory / 2**20:.0f} MiB",
                 f"{seconds:.2f}", f"{n / seconds / 1e6:.2f}", f"{memory / 2**20:.0f} MiB", f"{stored / 2**20:.0f} MiB"]
                for n, size, generating, generate_memory, seconds, memory, stored in sizes]))
