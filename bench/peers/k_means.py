"""K-Means, its seeds, a sweep or a silhouette of points of bench/k_means.cc, as an answer of kindred-bench.

Usage: k_means.py scikit-learn|faiss lloyd|seeds|sweep|silhouette --data FOLDER --features D ...
"""
import argparse
import json
import time

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("library", choices=["scikit-learn", "faiss"])
parser.add_argument("what", choices=["lloyd", "seeds", "sweep", "silhouette"])
parser.add_argument("--data", required=True)
parser.add_argument("--features", type=int, required=True)
parser.add_argument("--k", type=int)
parser.add_argument("--k-max", type=int)
parser.add_argument("--restarts", type=int, default=1)
arguments = parser.parse_args()

STEPS = 20
points = np.load(f"{arguments.data}/points.npy").reshape(-1, arguments.features)
first = points[: 4 * (arguments.k or 0) : 4].copy()


def exact_inertia(centroids):
    """In double, of the nearest centroids."""
    total = 0.0
    wide = centroids.astype(np.float64)
    for begin in range(0, len(points), 10000):
        some = points[begin : begin + 10000].astype(np.float64)
        squares = (some**2).sum(1)[:, None] - 2 * some @ wide.T + (wide**2).sum(1)
        total += np.maximum(squares.min(1), 0).sum()
    return total


def faiss_lloyd():
    import faiss

    versions["faiss"] = faiss.__version__
    run = faiss.Kmeans(arguments.features, arguments.k, niter=STEPS, max_points_per_centroid=len(points))
    run.train(points, init_centroids=first)
    return "inertia", run.centroids


def sklearn_work():
    import sklearn
    from sklearn.cluster import KMeans, kmeans_plusplus
    from sklearn.metrics import silhouette_score

    versions["scikit-learn"] = sklearn.__version__
    if arguments.what == "lloyd":
        run = KMeans(arguments.k, init=first, n_init=1, max_iter=STEPS, tol=0).fit(points)
        return "inertia", run.cluster_centers_
    if arguments.what == "seeds":
        return "seeds' inertia", kmeans_plusplus(points, arguments.k, random_state=1)[0]
    if arguments.what == "sweep":
        fits = [KMeans(k, n_init=arguments.restarts, random_state=1).fit(points) for k in range(2, arguments.k_max + 1)]
        return "sum of inertias", sum(float(fit.inertia_) for fit in fits)
    labels = KMeans(arguments.k, init=first, n_init=1, max_iter=1).fit(first).predict(points)
    return "silhouette", float(silhouette_score(points, labels))


versions = {"numpy": np.__version__}
if arguments.library == "faiss":
    import faiss  # noqa: F401, before the clock starts
else:
    import sklearn.cluster  # noqa: F401
    import sklearn.metrics  # noqa: F401
start, cpu = time.perf_counter(), time.process_time()
name, found = faiss_lloyd() if arguments.library == "faiss" else sklearn_work()
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
value = found if isinstance(found, float) else exact_inertia(found)
print(json.dumps({
    "measures": {
        arguments.what: {"seconds": seconds, "cpu_seconds": cpu, "work": len(points) / 1e3, "unit": "thousand points"}},
    "quality": {name: value},
    "versions": versions,
}))
