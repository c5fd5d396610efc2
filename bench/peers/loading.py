"""Loads a CSV file of user, item, weight and timestamp into a CSR matrix as pandas' users do.

Usage: loading.py c|pyarrow integers|strings FILE     prints an answer of kindred-bench
"""
import json
import sys
import time

import numpy as np
import pandas
import scipy
from scipy import sparse

engine, ids, path = sys.argv[1:]
start, cpu = time.perf_counter(), time.process_time()
if ids == "integers":
    dtypes = {"user": np.int32, "item": np.int32, "weight": np.float32}
    table = pandas.read_csv(path, usecols=list(dtypes), dtype=dtypes, engine=engine)
    users, items = table["user"].to_numpy(), table["item"].to_numpy()
else:
    table = pandas.read_csv(path, dtype={"weight": np.float32}, engine=engine)
    users, items = pandas.factorize(table["user"])[0], pandas.factorize(table["item"])[0]
matrix = sparse.coo_matrix((table["weight"].to_numpy(dtype=np.float32), (users, items))).tocsr()
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
print(json.dumps({
    "measures": {
        "file to matrix": {"seconds": seconds, "cpu_seconds": cpu, "work": len(users) / 1e6, "unit": "million rows"}},
    "answer": {
        "nnz": int(matrix.nnz),
        "sum": float(matrix.data.sum(dtype=np.float64)),
        "n_users": int(len(np.unique(users))),
        "n_items": int(len(np.unique(items))),
    },
    "versions": {"pandas": pandas.__version__, "numpy": np.__version__, "scipy": scipy.__version__},
}))
