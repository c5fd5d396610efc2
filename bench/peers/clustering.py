"""A linkage of points of bench/clustering.cc by SciPy, as an answer of kindred-bench.

It leaves the heights beside the data: Kindred's are measured against them.
"""
import argparse
import json
import time

import numpy as np
import scipy
from scipy.cluster.hierarchy import linkage

parser = argparse.ArgumentParser()
parser.add_argument("method", choices=["ward", "average", "complete", "single"])
parser.add_argument("--data", required=True)
parser.add_argument("--features", type=int, required=True)
arguments = parser.parse_args()

points = np.load(f"{arguments.data}/points.npy").reshape(-1, arguments.features).astype(np.float64)
start, cpu = time.perf_counter(), time.process_time()
merges = linkage(points, arguments.method)
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
np.save(f"{arguments.data}/{arguments.method}.npy", merges[:, 2])
print(json.dumps({
    "measures": {
        "a linkage": {"seconds": seconds, "cpu_seconds": cpu, "work": len(points) / 1e3, "unit": "thousand points"}},
    "quality": {"height difference": 0.0},
    "versions": {"scipy": scipy.__version__, "numpy": np.__version__},
}))
