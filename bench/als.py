"""An ALS epoch on gowalla beside implicit's, in alternating processes, as a Markdown table.

Usage: bench/als.py PROGRAM PYTHON DATA_DIR [--rounds N]
"""
import argparse
import json
import statistics
import subprocess
import sys

from table import heading, markdown, spread

parser = argparse.ArgumentParser()
parser.add_argument("program", help="bench_als_epoch")
parser.add_argument("python", help="a Python that has implicit")
parser.add_argument("data", help="the folder with gowalla/train.txt and test.txt")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--factors", type=int, nargs="*", default=[64, 128, 256])
parser.add_argument("--threads", type=int, default=2)
arguments = parser.parse_args()

TRAIN, TEST = f"{arguments.data}/gowalla/train.txt", f"{arguments.data}/gowalla/test.txt"
# Settings of equal quality: ours from the README; implicit's the best of those published for this split.
SETTINGS = {
    64: (["--regularization", "0.003", "--unobserved-weight", "0.02"], ["--regularization", "10", "--alpha", "40"]),
    128: (["--regularization", "0.003", "--unobserved-weight", "0.03"], ["--regularization", "50", "--alpha", "40"]),
    256: (["--regularization", "0.005", "--unobserved-weight", "0.02"], ["--regularization", "50", "--alpha", "40"]),
}


def run(command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{result.stderr}")
    return json.loads(result.stdout)


rows = []
versions = ""
for factors in arguments.factors:
    common = [TRAIN, "--n-factors", str(factors), "--threads", str(arguments.threads)]
    ours, peer = SETTINGS[factors]
    commands = {
        "kindred (exact)": [arguments.program, *common, *ours, "--epochs", "8"],
        "implicit (CG, 3 steps)": [arguments.python, "bench/peers/implicit_als.py", *common, *peer, "--epochs", "15"],
    }
    found = {name: [] for name in commands}
    for round_number in range(arguments.rounds):
        for name, command in commands.items():
            last = round_number == arguments.rounds - 1
            found[name].append(run(command + (["--test", TEST] if last else [])))
    medians = {}
    for name, reports in found.items():
        epochs = [statistics.median(report["epoch_seconds"][1:]) for report in reports]
        totals = [sum(report["epoch_seconds"]) + report.get("final_users_seconds", 0) for report in reports]
        medians[name] = statistics.median(epochs)
        metrics = reports[-1]["metrics"]
        rows.append(
            [factors, name, len(reports[-1]["epoch_seconds"]), spread(epochs), spread(totals)]
            + [f"{metrics[metric]:.4f}" for metric in ("recall_at_20", "ndcg_at_20")]
            + [f"{medians[name] / medians[next(iter(medians))]:.2f}"]
        )
        if "version" in reports[-1]:
            versions = f"implicit {reports[-1]['version']}, numpy {reports[-1]['numpy']}"

print(heading("ALS epoch, gowalla", f"bench/als.py --rounds {arguments.rounds}", versions))
print(
    "Seconds on 29,858 users x 40,981 items, 810,128 entries, "
    f"{arguments.threads} threads; median [min-max] over {arguments.rounds} alternating processes of each; "
    "a process's epoch is its median without the first.\n"
)
print(markdown(["n_factors", "program", "epochs", "s an epoch", "s in all", "R@20", "N@20", "epoch against kindred"], rows))
