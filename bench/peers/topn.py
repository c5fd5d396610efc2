"""Top-N of a folder of arrays (bench/topn_data.h), as an answer of kindred-bench.

Usage: topn.py faiss|implicit|hnswlib|numpy --data FOLDER --n-factors F ...
"""
import argparse
import importlib.metadata
import json
import os
import statistics
import time

parser = argparse.ArgumentParser()
parser.add_argument("method", choices=["faiss", "implicit", "hnswlib", "numpy"])
parser.add_argument("--data", required=True)
parser.add_argument("--n-factors", type=int, required=True)
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--seconds", type=float, default=0.5)
parser.add_argument("--batches", type=lambda text: [int(word) for word in text.split(",")], default=[])
parser.add_argument("--one-in", type=int, default=0, help="only eligible items")
parser.add_argument("--of-users", action="store_true", help="without what each user has, and items like one")
parser.add_argument("--wait-policy", choices=["passive", "default"], default="default")
parser.add_argument("--check", action="store_true", help="show the quality, and time nothing but the index")
arguments = parser.parse_args()
if arguments.wait_policy == "passive":
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
os.environ["OPENBLAS_NUM_THREADS"] = str(arguments.threads)

import numpy as np  # noqa: E402

LIST_LENGTH, USER_LIST_LENGTH = 100, 20
LEAST_SINGLE_CALLS, MOST_CALLS = 100, 5000  # as bench/topn.cc
LARGEST_DEFICIT = 1e-5  # of an exact program: beyond float32 sums in another order
ROWS_AT_ONCE = 64  # NumPy's scores in memory
HNSW = {"M": 16, "ef_construction": 100}
EF = 200


def rows(name):
    return np.load(f"{arguments.data}/{name}.npy").reshape(-1, arguments.n_factors)


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


items, queries = rows("items"), rows("queries")
for batch in arguments.batches:
    if not 1 <= batch <= len(queries):
        parser.error(f"--batches {batch}: expected 1 to the {len(queries)} queries that there are")
versions = {"numpy": np.__version__}
measures = {}


def timed(name, unit, work, call):
    before = resident_bytes()
    start, cpu = time.perf_counter(), time.process_time()
    result = call()
    measures[name] = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu, "work": work,
                      "unit": unit}
    if name == "index":
        size = (resident_bytes() - before) / 2**20
        measures[name]["settings"] = {"memory": f"{size:.1f} MiB"}
    return result


def time_calls(name, batch, n_queries, call):
    """call(first, last) answers these queries."""
    seconds, cpu = [], 0.0
    least = LEAST_SINGLE_CALLS if batch == 1 else 1
    while len(seconds) < MOST_CALLS and (sum(seconds) < arguments.seconds or len(seconds) < least):
        first = len(seconds) % (n_queries // batch) * batch
        start, cpu_before = time.perf_counter(), time.process_time()
        call(first, first + batch)
        seconds.append(time.perf_counter() - start)
        cpu += time.process_time() - cpu_before
    seconds.sort()
    median = statistics.median(seconds)
    measures[name] = {"seconds": median, "cpu_seconds": cpu / len(seconds), "work": batch, "unit": "query",
                      "settings": {"queries/s": batch / median}}
    if batch == 1:
        rank = lambda q: seconds[max(0, int(np.ceil(q * len(seconds))) - 1)]  # noqa: E731
        measures[name].update(p50_seconds=rank(0.5), p99_seconds=rank(0.99))


def quality(question, n, answer, vectors=None, asked=None):
    """How near the lists of the first queries are to the defined ones; answer(first, last) has their ids."""
    vectors, asked = items if vectors is None else vectors, queries if asked is None else asked
    defined = np.load(f"{arguments.data}/{question}_items.npy").reshape(-1, n)
    scores = np.load(f"{arguments.data}/{question}_scores.npy").reshape(-1, n)
    found = np.asarray(answer(0, len(defined)))
    recalls, deficit = [], 0.0
    for query, (ids, wanted, best) in enumerate(zip(found, defined, scores)):
        there = wanted >= 0
        recalls.append(np.isin(wanted[there], ids).mean() if there.any() else 1.0)
        own = vectors[ids[ids >= 0]].astype(np.float64) @ asked[query].astype(np.float64)
        own = np.sort(own)[::-1].astype(np.float32)[: there.sum()]
        if len(own) < there.sum():
            deficit = 1.0
        elif len(own):
            deficit = max(deficit, float((best[there] - own).max() / abs(best[0])))
    if arguments.method != "hnswlib" and deficit > LARGEST_DEFICIT:
        raise SystemExit(f"{question}: scores fall behind the defined ones by {deficit} of the best")
    return {"recall": float(np.mean(recalls)), "deficit": deficit}


def best_of(scores, n):
    """The columns of the n largest of each row, best first."""
    n = min(n, scores.shape[1])
    columns = np.argpartition(scores, scores.shape[1] - n, axis=1)[:, -n:]
    order = np.argsort(-np.take_along_axis(scores, columns, axis=1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1)


def faiss_answers():
    import faiss

    versions["faiss"] = faiss.__version__
    faiss.omp_set_num_threads(arguments.threads)
    index = faiss.IndexFlatIP(arguments.n_factors)
    timed("index", "million items", len(items) / 1e6, lambda: index.add(items))
    parameters = None
    if arguments.one_in > 0:
        bits = np.load(f"{arguments.data}/one_in_{arguments.one_in}.npy").view(np.uint8)
        selector = timed("filter", "filter", 1, lambda: faiss.IDSelectorBitmap(bits))
        parameters = faiss.SearchParameters(sel=selector)
    return lambda first, last: index.search(queries[first:last], LIST_LENGTH, params=parameters)[1]


def implicit_answers():
    import implicit
    from implicit.cpu.topk import topk
    from threadpoolctl import threadpool_limits

    versions["implicit"] = implicit.__version__

    def answer(first, last):
        return topk(items, queries[first:last], LIST_LENGTH, num_threads=arguments.threads)[0]

    def limited(first, last):
        with threadpool_limits(1, "blas"):
            return answer(first, last)

    return lambda first, last: (limited if last - first > 100 else answer)(first, last)


def numpy_answers():
    eligible, ids = items, None
    if arguments.one_in > 0:
        bits = np.load(f"{arguments.data}/one_in_{arguments.one_in}.npy").view(np.uint8)
        ids = np.flatnonzero(np.unpackbits(bits, bitorder="little")[: len(items)])
        eligible = timed("filter", "filter", 1, lambda: items[ids])

    def answer(first, last):
        lists = []
        for begin in range(first, last, ROWS_AT_ONCE):
            part = queries[begin : min(last, begin + ROWS_AT_ONCE)]
            lists.append(best_of(part @ eligible.T, LIST_LENGTH))
        columns = np.concatenate(lists)
        return columns if ids is None else ids[columns]

    return answer


def hnswlib_answers():
    import hnswlib

    versions["hnswlib"] = importlib.metadata.version("hnswlib")
    index = hnswlib.Index(space="ip", dim=arguments.n_factors)
    path = f"{arguments.data}/hnswlib.bin"
    if os.path.exists(path):
        index.load_index(path)
    else:
        start = time.perf_counter()
        index.init_index(max_elements=len(items), random_seed=1, **HNSW)
        index.add_items(items, num_threads=arguments.threads)
        with open(path + ".seconds", "w") as file:
            file.write(repr(time.perf_counter() - start))
        index.save_index(path)
    index.set_ef(EF)
    return lambda first, last: index.knn_query(queries[first:last], LIST_LENGTH, num_threads=arguments.threads)[0]


def of_users():
    import implicit
    import scipy
    import scipy.sparse as sp
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    versions.update(implicit=implicit.__version__, scipy=scipy.__version__)
    indptr, indices = (np.load(f"{arguments.data}/train_{part}.npy") for part in ("indptr", "indices"))
    seen = sp.csr_matrix((np.ones(len(indices), np.float32), indices, indptr), shape=(len(indptr) - 1, len(items)))
    model = AlternatingLeastSquares(factors=arguments.n_factors, num_threads=arguments.threads)
    model.user_factors, model.item_factors = queries, items
    histories = [seen[user] for user in range(min(MOST_CALLS, seen.shape[0]))]

    def recommend(first, last):
        return model.recommend(np.arange(first, last), seen[first:last], N=USER_LIST_LENGTH)[0]

    def recommend_one(first, _last):
        return model.recommend(first, histories[first], N=USER_LIST_LENGTH)[0]

    def similar(first, last):
        lists, _ = model.similar_items(np.arange(first, last), N=USER_LIST_LENGTH + 1)
        return [ids[ids != item][:USER_LIST_LENGTH] for item, ids in zip(range(first, last), lists)]

    def similar_one(first, _last):
        return model.similar_items(first, N=USER_LIST_LENGTH + 1)[0]

    directions = items / np.maximum(np.linalg.norm(items.astype(np.float64), axis=1, keepdims=True), 1e-30)
    directions = directions.astype(np.float32)
    figures = [quality("unseen", USER_LIST_LENGTH, recommend),
               quality("similar", USER_LIST_LENGTH, similar, directions, directions)]
    if not arguments.check:
        with threadpool_limits(1, "blas"):
            time_calls("all users", len(queries), len(queries), recommend)
        time_calls("one user", 1, len(histories), recommend_one)
        similar_one(0, 1)  # the lengths of the items, once
        time_calls("items like one", 1, len(items), similar_one)
    return {"recall": min(of["recall"] for of in figures), "deficit": max(of["deficit"] for of in figures)}


settings = {}
if arguments.of_users:
    figures = of_users()
else:
    answer = {"faiss": faiss_answers, "implicit": implicit_answers, "numpy": numpy_answers,
              "hnswlib": hnswlib_answers}[arguments.method]()
    figures = quality(f"one_in_{max(1, arguments.one_in)}", LIST_LENGTH, answer)
    for batch in [] if arguments.check else arguments.batches:
        time_calls("1 query" if batch == 1 else f"{batch} queries", batch, len(queries), answer)
if arguments.method == "hnswlib":
    with open(f"{arguments.data}/hnswlib.bin.seconds") as file:
        settings = {**HNSW, "ef": EF, "built in": f"{float(file.read()):.3g} s",
                    "index file": f"{os.path.getsize(arguments.data + '/hnswlib.bin') / 2**20:.1f} MiB"}
if not measures:
    measures["check"] = {"seconds": 1}
print(json.dumps({"measures": measures, "quality": figures, "settings": settings, "versions": versions}))
