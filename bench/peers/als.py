"""A fit of implicit's ALS on a folder of arrays (bench/als_data.h), as an answer of kindred-bench."""
import argparse
import json
import os
import statistics
import time

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--n-factors", type=int, default=64)
parser.add_argument("--epochs", type=int, default=15)
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--regularization", type=float, default=10.0)
parser.add_argument("--alpha", type=float, default=40.0)
parser.add_argument("--exact", action="store_true", help="Cholesky instead of three steps of conjugate gradient")
parser.add_argument("--show-quality", action="store_true")
parser.add_argument("--epochs-to-quality", type=int, default=0)
arguments = parser.parse_args()
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as implicit's documentation asks

import implicit  # noqa: E402
import numpy as np  # noqa: E402
import scipy  # noqa: E402
import scipy.sparse as sp  # noqa: E402
from implicit.cpu.als import AlternatingLeastSquares  # noqa: E402

CURVE_USERS = 5000


def matrix(name, n_items):
    indptr, indices = (np.load(f"{arguments.data}/{name}_{part}.npy") for part in ("indptr", "indices"))
    return sp.csr_matrix((np.ones(len(indices), np.float32), indices, indptr), shape=(len(indptr) - 1, n_items))


def quality(model, train, test, most_users=None):
    users = np.flatnonzero(np.diff(test.indptr))[:most_users]
    discount = 1 / np.log2(np.arange(2, 22))
    lists, _ = model.recommend(users, train[users], N=20, filter_already_liked_items=True)
    recall = ndcg = 0.0
    for user, found in zip(users, lists):
        items = test.indices[test.indptr[user] : test.indptr[user + 1]]
        hits = np.isin(found, items)
        recall += hits.sum() / len(items)
        ndcg += (hits * discount).sum() / discount[: min(20, len(items))].sum()
    return {"recall_at_20": recall / len(users), "ndcg_at_20": ndcg / len(users)}


n_items = int(np.load(f"{arguments.data}/n_items.npy")[0])
train, test = matrix("train", n_items), matrix("test", n_items)
model = AlternatingLeastSquares(
    factors=arguments.n_factors,
    regularization=arguments.regularization,
    alpha=arguments.alpha,
    iterations=arguments.epochs,
    use_cg=not arguments.exact,
    num_threads=arguments.threads,
    random_state=1,
)
seconds, cpu, curve = [], [], []
last = time.perf_counter(), time.process_time()


def note(_iteration, _seconds, _loss):
    global last
    now = time.perf_counter(), time.process_time()
    seconds.append(now[0] - last[0])
    cpu.append(now[1] - last[1])
    if arguments.show_quality:
        curve.append(quality(model, train, test, CURVE_USERS)["ndcg_at_20"])
    last = time.perf_counter(), time.process_time()


model.fit(train, show_progress=False, callback=note)
without_first = slice(1 if len(seconds) > 1 else 0, None)
report = {
    "measures": {
        "an epoch": {
            "seconds": statistics.median(seconds[without_first]),
            "cpu_seconds": statistics.median(cpu[without_first]),
            "work": train.nnz / 1e6,
            "unit": "million entries",
        }
    },
    "versions": {"implicit": implicit.__version__, "numpy": np.__version__, "scipy": scipy.__version__},
}
if arguments.epochs_to_quality > 0:
    epochs = min(arguments.epochs_to_quality, arguments.epochs)
    report["measures"]["to equal quality"] = {
        "seconds": sum(seconds[:epochs]), "cpu_seconds": sum(cpu[:epochs]), "work": 1, "unit": "model"}
    report["settings"] = {"epochs to equal quality": epochs}
if arguments.show_quality:
    report["quality"] = quality(model, train, test)
    report["curve"] = curve
print(json.dumps(report))
