"""A truncated SVD of a folder of arrays (bench/als_data.h), as an answer of kindred-bench.

arpack is scipy.sparse.linalg.svds; randomized is scikit-learn's randomized_svd; exact is arpack in double, to machine
precision, which leaves its values beside the data: the others are measured against them.
"""
import argparse
import json
import os
import time

parser = argparse.ArgumentParser()
parser.add_argument("method", choices=["arpack", "randomized", "exact"])
parser.add_argument("--data", required=True)
parser.add_argument("--n-factors", type=int, default=64)
parser.add_argument("--threads", type=int, default=os.cpu_count())
arguments = parser.parse_args()
os.environ["OPENBLAS_NUM_THREADS"] = str(arguments.threads)

import numpy as np  # noqa: E402
import scipy  # noqa: E402
import scipy.sparse as sp  # noqa: E402
from scipy.sparse.linalg import svds  # noqa: E402

indptr, indices = (np.load(f"{arguments.data}/train_{part}.npy") for part in ("indptr", "indices"))
n_items = int(np.load(f"{arguments.data}/n_items.npy")[0])
kind = np.float64 if arguments.method == "exact" else np.float32
matrix = sp.csr_matrix((np.ones(len(indices), kind), indices, indptr), shape=(len(indptr) - 1, n_items))
versions = {"scipy": scipy.__version__, "numpy": np.__version__}
if arguments.method == "randomized":
    import sklearn
    from sklearn.utils.extmath import randomized_svd

    versions["scikit-learn"] = sklearn.__version__

start, cpu = time.perf_counter(), time.process_time()
if arguments.method == "randomized":
    values = randomized_svd(matrix, n_components=arguments.n_factors, n_iter=4, random_state=1)[1]
else:
    values = svds(matrix, k=arguments.n_factors, random_state=1)[1]
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu

values = np.sort(np.asarray(values, np.float64))[::-1]
path = f"{arguments.data}/singular_values_{arguments.n_factors}.txt"
if arguments.method == "exact":
    np.savetxt(path, values, fmt="%.17g")
quality = {"energy": float((values**2).sum() / matrix.nnz)}
if os.path.exists(path):
    exact = np.loadtxt(path)
    quality["largest error"] = float(np.abs(values / exact - 1).max())
print(json.dumps({
    "measures": {
        "a decomposition": {"seconds": seconds, "cpu_seconds": cpu, "work": matrix.nnz / 1e6,
                            "unit": "million entries"}},
    "quality": quality,
    "versions": versions,
}))
