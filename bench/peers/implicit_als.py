"""Seconds of an epoch of implicit's ALS on an adjacency file, and the quality reached, as one JSON object."""
import argparse
import json
import os
import time

parser = argparse.ArgumentParser()
parser.add_argument("train")
parser.add_argument("--test")
parser.add_argument("--n-factors", type=int, default=64)
parser.add_argument("--epochs", type=int, default=15)
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--regularization", type=float, default=10.0)
parser.add_argument("--alpha", type=float, default=40.0)
parser.add_argument("--exact", action="store_true", help="Cholesky instead of three steps of conjugate gradient")
arguments = parser.parse_args()
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as implicit's documentation asks

import implicit  # noqa: E402
import numpy as np  # noqa: E402
import scipy.sparse as sp  # noqa: E402
from implicit.cpu.als import AlternatingLeastSquares  # noqa: E402


def read(path):
    with open(path) as lines:
        return [(line[0], line[1:]) for line in ([int(x) for x in text.split()] for text in lines) if line]


def quality(model, train, test):
    users = np.array([user for user, items in test if items])
    discount = 1 / np.log2(np.arange(2, 22))
    lists, _ = model.recommend(users, train[users], N=20, filter_already_liked_items=True)
    recall = ndcg = 0.0
    for found, (_, items) in zip(lists, (row for row in test if row[1])):
        items = set(items)
        hits = np.isin(found, list(items))
        recall += hits.sum() / len(items)
        ndcg += (hits * discount).sum() / discount[: min(20, len(items))].sum()
    return {"recall_at_20": recall / len(users), "ndcg_at_20": ndcg / len(users)}


rows = read(arguments.train)
pairs = np.array([(user, item) for user, items in rows for item in items])
train = sp.csr_matrix((np.ones(len(pairs), np.float32), (pairs[:, 0], pairs[:, 1])))
model = AlternatingLeastSquares(
    factors=arguments.n_factors,
    regularization=arguments.regularization,
    alpha=arguments.alpha,
    iterations=arguments.epochs,
    use_cg=not arguments.exact,
    num_threads=arguments.threads,
    random_state=1,
)
seconds = []
last = time.perf_counter()


def note(_iteration, _seconds, _loss):
    global last
    now = time.perf_counter()
    seconds.append(now - last)
    last = now


model.fit(train, show_progress=False, callback=note)
report = {"epoch_seconds": seconds, "version": implicit.__version__, "numpy": np.__version__}
if arguments.test:
    report["metrics"] = quality(model, train, read(arguments.test))
print(json.dumps(report))
