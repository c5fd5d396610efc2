"""Makes CSV files of user, item, weight and timestamp, and loads them into a CSR matrix as pandas' users do.

Usage: load_csv.py make ROWS integers|strings FILE
       load_csv.py load C|pyarrow integers|strings FILE     prints {"seconds", "nnz", "sum", "n_users", "n_items", "version"}
"""
import json
import sys
import time

import numpy as np

USERS, ITEMS, PART = 138_000, 27_000, 1_000_000


def make(n_rows, ids, path):
    random = np.random.default_rng(1)
    form = "%d,%d,%d,%d" if ids == "integers" else "user_%08d,sku-%06d,%d,%d"
    with open(path, "w") as file:
        file.write("user,item,weight,timestamp\n")
        for begin in range(0, n_rows, PART):
            n = min(PART, n_rows - begin)
            users = (random.random(n) ** 1.6 * USERS).astype(int)
            items = (random.random(n) ** 2.2 * ITEMS).astype(int)
            weights = random.integers(1, 6, n)
            times = 1_500_000_000 + begin * 10 + np.sort(random.integers(0, 10 * n, n))
            rows = zip(users.tolist(), items.tolist(), weights.tolist(), times.tolist())
            file.write("\n".join(map(form.__mod__, rows)) + "\n")


def load(engine, ids, path):
    import pandas
    from scipy import sparse

    start = time.perf_counter()
    options = {"engine": engine.lower() if engine == "C" else engine}
    if ids == "integers":
        dtypes = {"user": np.int32, "item": np.int32, "weight": np.float32}
        table = pandas.read_csv(path, usecols=list(dtypes), dtype=dtypes, **options)
        users, items = table["user"].to_numpy(), table["item"].to_numpy()
    else:
        table = pandas.read_csv(path, dtype={"weight": np.float32}, **options)
        users, items = pandas.factorize(table["user"])[0], pandas.factorize(table["item"])[0]
    matrix = sparse.coo_matrix((table["weight"].to_numpy(dtype=np.float32), (users, items))).tocsr()
    seconds = time.perf_counter() - start
    print(json.dumps({
        "seconds": seconds,
        "nnz": int(matrix.nnz),
        "sum": float(matrix.data.sum(dtype=np.float64)),
        "n_users": int(len(np.unique(users))),
        "n_items": int(len(np.unique(items))),
        "version": f"pandas {pandas.__version__}",
    }))


if sys.argv[1] == "make":
    make(int(sys.argv[2]), sys.argv[3], sys.argv[4])
else:
    load(*sys.argv[2:])
