"""The operations of bench_kernels by another library, on the inputs it wrote: one JSON object a line.

Usage: bench/peers/gpu_kernels.py PEER --cases bench.jsonl --data FOLDER [--device cpu]
  PEER     torch, cupy, implicit or scikit-learn
  --cases  what bench_kernels printed; a case without a peer's function is left out

A peer that is not installed, or fails, is a line that says so. A new operation adds a function to PEERS, called with a
case's parameters and the data; it returns (run, note, answer): run() does the work until it is done, answer() gives the
ids it found, or None.
"""
import argparse
import functools
import importlib
import json
import os
import pathlib
import time

BATCH_FLOATS = 1 << 27  # gathered at a time by the batched ALS


def als_batches(indptr, n_factors):
    """Rows by falling length, in batches whose padded gather fits BATCH_FLOATS."""
    import numpy as np

    lengths = np.diff(indptr)
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        size = max(1, min(8192, BATCH_FLOATS // (longest * n_factors)))
        yield order[start : start + size], longest
        start += size


class Data:
    """The arrays bench_kernels wrote."""

    def __init__(self, folder):
        self.folder = folder
        self.both_sides = None

    @functools.lru_cache(maxsize=4)
    def array(self, name):
        import numpy as np

        return np.load(self.folder / f"{name}.npy")

    def top_n(self, p):
        items = self.array("top_n_items").reshape(p["n_items"], p["n_factors"])
        return items, self.array(f"top_n_queries_{p['batch']}").reshape(p["batch"], p["n_factors"])

    def sides(self, p):
        """(indptr, indices, values) of the users' rows and of the items'."""
        import numpy as np

        if self.both_sides:
            return self.both_sides
        indptr, indices, values = (self.array(f"als_{part}") for part in ("indptr", "indices", "values"))
        order = np.argsort(indices, kind="stable")
        rows = np.repeat(np.arange(p["n_users"], dtype=np.int32), np.diff(indptr))
        lengths = np.bincount(indices, minlength=p["n_items"])
        items = (np.concatenate([[0], np.cumsum(lengths)]), rows[order], values[order])
        self.both_sides = [(indptr, indices, values), items]
        return self.both_sides


def random_matrix(p):
    import numpy as np

    return np.random.default_rng(7).standard_normal((p["n_rows"], p["n_factors"]), dtype=np.float32)


# torch


def torch_done(device):
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def torch_als(p, data, device):
    import numpy as np
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    f, a0, regularization = p["n_factors"], 0.03, 0.003
    sides = []
    for (indptr, indices, values), n_fixed in zip(data.sides(p), (p["n_items"], p["n_users"])):
        batches = []
        for rows, longest in als_batches(indptr, f):
            lengths = indptr[rows + 1] - indptr[rows]
            places = np.minimum(indptr[rows][:, None] + np.arange(longest)[None], len(indices) - 1)
            inside = np.arange(longest)[None] < lengths[:, None]
            diagonal = (regularization * (lengths + a0 * n_fixed)).astype(np.float32)
            parts = (rows, np.where(inside, indices[places], 0).astype(np.int64), np.where(inside, values[places], 0), diagonal)
            batches.append([torch.from_numpy(np.ascontiguousarray(x)).to(device) for x in parts])
        sides.append(batches)
    factors = [torch.zeros(n, f, device=device) for n in (p["n_users"], p["n_items"])]
    factors[1].normal_(0, 0.1 / f**0.5)
    identity = torch.eye(f, device=device)

    def half(side):
        fixed = factors[1 - side]
        gram = a0 * (fixed.T @ fixed)
        for rows, columns, weights, diagonal in sides[side]:
            gathered = fixed[columns]
            weighted = gathered * weights[..., None]
            systems = gram + weighted.transpose(1, 2) @ gathered + diagonal[:, None, None] * identity
            lower = torch.linalg.cholesky(systems)
            factors[side][rows] = torch.cholesky_solve(weighted.sum(1)[..., None], lower)[..., 0]

    def run():
        half(0)
        half(1)
        torch_done(device)

    return run, "exact: batched gather, product, Cholesky in float32; no loss", None


def torch_top_n(precision):
    def prepare(p, data, device):
        import torch

        torch.backends.cuda.matmul.allow_tf32 = False
        items, queries = (torch.from_numpy(x).to(device) for x in data.top_n(p))
        if precision == "bf16":
            items, queries = items.bfloat16(), queries.bfloat16()
        found = []

        def run():
            found[:] = [torch.topk(part @ items.T, p["n"])[1] for part in queries.split(1024)]
            torch_done(device)

        exact = "matmul and topk in float32" if precision == "fp32" else "matmul and topk in bf16: approximate"
        return run, exact, lambda: torch.cat(found).cpu().numpy()

    return prepare


def torch_gram(p, data, device):
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    a = torch.from_numpy(random_matrix(p)).to(device)

    def run():
        a.T @ a
        torch_done(device)

    return run, "float32", None


def torch_diagonalize(p, data, device):
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    a = torch.from_numpy(random_matrix(p)).to(device)

    def run():
        a @ torch.linalg.eigh((a.T @ a).double())[1].float()
        torch_done(device)

    return run, "products in float32, eigh in double", None


def torch_inverse(p, data, device):
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    n = p["n"]
    x = torch.randn(n, 16, device=device)
    a = x @ x.T + 50 * torch.eye(n, device=device)

    def run():
        torch.cholesky_inverse(torch.linalg.cholesky(a))
        torch_done(device)

    return run, "Cholesky and its inverse in float32, in memory of their own", None


# cupy


def cupy_done():
    import cupy

    cupy.cuda.Device().synchronize()


def cupy_top_n(p, data, device):
    import cupy

    items, queries = (cupy.asarray(x) for x in data.top_n(p))
    found = []

    def run():
        found.clear()
        for start in range(0, len(queries), 256):
            scores = queries[start : start + 256] @ items.T
            best = cupy.argpartition(-scores, p["n"] - 1, axis=1)[:, : p["n"]]
            order = cupy.argsort(-cupy.take_along_axis(scores, best, 1), axis=1)
            found.append(cupy.take_along_axis(best, order, 1))
        cupy_done()

    return run, "matmul and argpartition in float32", lambda: cupy.asnumpy(cupy.concatenate(found))


def cupy_gram(p, data, device):
    import cupy

    a = cupy.asarray(random_matrix(p))

    def run():
        a.T @ a
        cupy_done()

    return run, "float32", None


def cupy_diagonalize(p, data, device):
    import cupy

    a = cupy.asarray(random_matrix(p))

    def run():
        a @ cupy.linalg.eigh((a.T @ a).astype(cupy.float64))[1].astype(cupy.float32)
        cupy_done()

    return run, "products in float32, eigh in double", None


# implicit


def implicit_als(p, data, device):
    """One run is an iteration of fit; fit goes on from the factors the model has."""
    import scipy.sparse as sp

    indptr, indices, values = data.sides(p)[0]
    entries = sp.csr_matrix((values, indices, indptr), shape=(p["n_users"], p["n_items"]))
    seconds = []
    options = {"factors": p["n_factors"], "regularization": 1.0, "random_state": 1, "iterations": 1}
    if device == "cuda":
        from implicit.gpu.als import AlternatingLeastSquares
    else:
        from implicit.cpu.als import AlternatingLeastSquares

        options["use_cg"] = True
    model = AlternatingLeastSquares(**options)

    def fit(iterations):
        model.iterations = iterations
        last = [None]

        def note(*_):
            if device == "cuda":
                model.item_factors[0].to_numpy()  # waits for the device
            now = time.perf_counter()
            if last[0] is not None:
                seconds.append(now - last[0])
            last[0] = now

        model.fit(entries, show_progress=False, callback=note)

    def timed(rounds):
        fit(rounds + 1)  # the first has no iteration before it to be timed from
        return seconds

    return timed, "3 steps of conjugate gradient: approximate", None


def implicit_top_n(p, data, device):
    import implicit.gpu

    if device != "cuda":
        raise RuntimeError("needs a GPU")
    items, queries = (implicit.gpu.Matrix(x) for x in data.top_n(p))
    knn = implicit.gpu.KnnQuery()
    found = []

    def run():
        found[:] = [knn.topk(items, queries, p["n"])[0]]  # gives numpy arrays

    return run, "float32; the lists are copied to the host", lambda: found[0]


PEERS = {
    "torch": {
        "als_epoch": {"torch": torch_als},
        "top_n": {"torch fp32": torch_top_n("fp32"), "torch bf16": torch_top_n("bf16")},
        "gram": {"torch": torch_gram},
        "diagonalize": {"torch": torch_diagonalize},
        "inverse": {"torch": torch_inverse},
    },
    "cupy": {"top_n": {"cupy": cupy_top_n}, "gram": {"cupy": cupy_gram}, "diagonalize": {"cupy": cupy_diagonalize}},
    "implicit": {"als_epoch": {"implicit": implicit_als}, "top_n": {"implicit": implicit_top_n}},
    "scikit-learn": {},  # has none of these operations
}
MODULES = {"torch": "torch", "cupy": "cupy", "implicit": "implicit", "scikit-learn": "sklearn"}
TIMED_BY_THEMSELVES = (implicit_als,)


def measure(prepare, case, data, arguments):
    run, note, answer = prepare(case["parameters"], data, arguments.device)
    result = {"note": note, "seconds": []}
    if prepare in TIMED_BY_THEMSELVES:
        return result | {"seconds": run(min(arguments.rounds, 5))}
    run()
    run()
    while len(result["seconds"]) < arguments.rounds and (
        len(result["seconds"]) < 3 or sum(result["seconds"]) < arguments.seconds
    ):
        start = time.perf_counter()
        run()
        result["seconds"].append(time.perf_counter() - start)
    if answer:
        p = case["parameters"]
        ours = data.array(f"{case['operation']}_ids_{p['batch']}").reshape(p["batch"], p["n"])
        result["same_ids"] = float((answer() == ours).mean())
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--cases", required=True)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1, help="no more rounds of a case after these")
    arguments = parser.parse_args()

    def say(line):
        print(json.dumps(line), flush=True)

    if arguments.peer == "implicit":
        os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as its documentation asks
    if not PEERS[arguments.peer]:
        return say({"program": arguments.peer, "absent": "has none of these operations"})
    try:
        library = importlib.import_module(MODULES[arguments.peer])
        importlib.import_module("numpy")
    except ImportError as error:
        return say({"program": arguments.peer, "absent": f"not installed ({error})"})
    data = Data(arguments.data)
    with open(arguments.cases) as lines:
        cases = [json.loads(line) for line in lines]
    for case in cases:
        for name, prepare in PEERS[arguments.peer].get(case["operation"], {}).items():
            line = {"operation": case["operation"], "case": case["case"], "program": name,
                    "version": library.__version__}
            try:
                line |= measure(prepare, case, data, arguments)
            except Exception as error:  # a peer's failure is a finding
                line["failed"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            say(line)


if __name__ == "__main__":
    main()
