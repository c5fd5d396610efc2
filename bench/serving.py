"""Round trips of `kindred serve` beside an empty gRPC service, in alternating processes, as a Markdown table.

Usage: bench/serving.py BUILD DATASET_LINES [--rounds N] [--seconds S]

DATASET_LINES is an adjacency file (`user item item ...`): a model of it is trained for one epoch, and every user
is asked for in turn.
"""
import argparse
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from table import heading, markdown, spread

parser = argparse.ArgumentParser()
parser.add_argument("build", type=Path)
parser.add_argument("lines", type=Path)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--seconds", type=float, default=3)
parser.add_argument("--factors", type=int, default=128)
parser.add_argument("--n", type=int, default=10)
arguments = parser.parse_args()

KINDRED = arguments.build / "kindred"
CELLS = [(1, 1), (4, 1), (16, 1), (64, 1), (4, 64), (16, 64)]  # callers, users a call


def kindred(*args):
    done = subprocess.run([KINDRED, *map(str, args)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"kindred {' '.join(map(str, args))}\n{done.stderr}")


def measure(command, users):
    """Starts the server, measures every cell, stops it."""
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        address = json.loads(server.stdout.readline())["listening"]
        found = {}
        for callers, batch in CELLS:
            load = subprocess.run(
                [arguments.build / "bench/bench_serving_load", "--server", address, "--users", users,
                 "--callers", str(callers), "--batch", str(batch), "--n", str(arguments.n),
                 "--seconds", str(arguments.seconds), "--server-pid", str(server.pid)],
                capture_output=True, text=True)
            if load.returncode != 0:
                sys.exit(load.stderr)
            found[callers, batch] = json.loads(load.stdout)
        return found
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()


def versions():
    packages = ["libgrpc++-dev", "libprotobuf-dev"]
    found = subprocess.run(["dpkg-query", "-W", "-f=${Package} ${Version}\n", *packages], capture_output=True, text=True)
    return ", ".join(found.stdout.split("\n")[:-1]).replace("lib", "").replace("-dev", "")


def publish(folder, name, lines, factors):
    """Trains a model of an adjacency file for one epoch. Returns its manifest; its users are in NAME.users."""
    with open(lines) as file:
        rows = [line.split(maxsplit=1) for line in file]
    (folder / f"{name}.users").write_text("".join(row[0] + "\n" for row in rows if len(row) > 1))
    kindred("prepare", lines, "--format", "adjacency", "--out", folder / name)
    kindred("train", folder / name, "--store", folder / "store", "--model", name, "--algorithm", "als",
            "--n-factors", factors, "--epochs", 1)
    return json.loads((folder / f"store/{name}/1/manifest.json").read_text())


def write_small(path):
    draw = random.Random(1)
    path.write_text("".join(f"{user} {' '.join(str(draw.randrange(200)) for _ in range(10))}\n" for user in range(2000)))


with tempfile.TemporaryDirectory(prefix="kindred-bench-") as folder:
    folder = Path(folder)
    write_small(folder / "small.txt")
    serve = [KINDRED, "serve", "--store", folder / "store", "--listen", "127.0.0.1:0", "--json", "--model"]
    model = publish(folder, "bench", arguments.lines, arguments.factors)
    small = publish(folder, "small", folder / "small.txt", 16)
    commands = {
        "empty service": ([arguments.build / "bench/bench_empty_service"], folder / "bench.users"),
        f"kindred, {small['n_items']} items": ([*serve, "small"], folder / "small.users"),
        f"kindred, {model['n_items']:,} items": ([*serve, "bench"], folder / "bench.users"),
    }
    runs = {name: [] for name in commands}
    for _ in range(arguments.rounds):
        for name, command in commands.items():
            runs[name].append(measure(*command))

rows = []
for cell in CELLS:
    rate = {name: statistics.median(run[cell]["calls_per_second"] for run in found) for name, found in runs.items()}
    for name, found in runs.items():
        column = lambda key: spread([run[cell][key] for run in found])  # noqa: E731
        rows.append([*cell, name, column("calls_per_second"), column("users_per_second"), column("p50_us"),
                     column("p99_us"), column("server_cpu_us_per_call"),
                     f"{100 * rate[name] / rate['empty service']:.0f} %"])

command = f"bench/serving.py --rounds {arguments.rounds} --seconds {arguments.seconds:g}"
print(heading("Serving round trip", command, versions()))
print(
    f"Known users in turn, n = {arguments.n}, seen items left out; exact, nothing cached. The catalogue of "
    f"{model['n_items']:,} items has {arguments.factors} factors and {model['n_users']:,} users; the small one, with 16 "
    "factors, shows what a call costs without the scan. The empty service has the same settings and replies of the "
    "same size, and computes nothing. Closed loop over 2 loopback connections, client and server on the same cores. "
    f"Median [min-max] over {arguments.rounds} alternating processes of each, {arguments.seconds:g} s a cell.\n"
)
print(markdown(["callers", "users a call", "service", "calls/s", "users/s", "p50 us", "p99 us", "server CPU us a call",
                "calls/s of the empty service's"], rows))
