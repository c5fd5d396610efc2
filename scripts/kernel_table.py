#!/usr/bin/env python3
"""Writes bench/results/cuda_kernels.md: what is known of the CUDA kernels without a GPU, and what that predicts.

    scripts/kernel_table.py              needs nvcc, and a build with tests in build/ (BUILD=folder for another)

Registers, spills and static shared memory are ptxas's; blocks and dynamic shared memory are those that the operations
ask for, seen on the emulator (tests/simt/launches_main.cc); loads are counted in the PTX. Predictions are rooflines.
"""

import dataclasses
import math
import os
import pathlib
import statistics
import subprocess
import sys

import cuda_static
from cuda_static import ROOT

TABLE = ROOT / "bench/results/cuda_kernels.md"
N_FACTORS = 128

# One H200: copy and bf16 as measured there by large copies and library products; mma.sync reaches about 1/1.6 of that
# bf16 rate; float32 by the data sheet.
BYTES_A_SECOND, TENSOR_FLOPS, FLOPS = 4.3e12, 790e12 / 1.6, 67e12


@dataclasses.dataclass
class Work:
    kernel: str
    what: str
    bytes: float
    tensor_flops: float = 0
    flops: float = 0

    def seconds(self):
        return max(self.bytes / BYTES_A_SECOND, self.tensor_flops / TENSOR_FLOPS + self.flops / FLOPS)

    def bound(self):
        return "bytes" if self.bytes / BYTES_A_SECOND >= self.seconds() else "arithmetic"


def launches(build):
    """Kernel -> (n_factors, threads, dynamic shared bytes) of its first launch; n_factors 128 comes first."""
    program = build / "tests/simt/simt_launches"
    names = {}
    for line in subprocess.run(["nm", "-C", program], capture_output=True, text=True, check=True).stdout.splitlines():
        address, kind, name = (line.split(" ", 2) + ["", ""])[:3]
        if kind in ("t", "T", "w", "W"):
            names[int(address, 16)] = cuda_static.short_name(name)
    result = {}
    for line in subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines():
        words = line.split()
        if words[0].isdigit():
            result.setdefault(names[int(words[1], 16)], (int(words[0]), int(words[2]), int(words[3])))
    return result


def kernel_rows(kernels, shapes):
    yield "| kernel | registers | shared memory: static + dynamic | threads | blocks (threads) a multiprocessor | " \
          "16-byte loads of all |"
    yield "|---|---|---|---|---|---|"
    by_name = {}
    for kernel in kernels:
        by_name.setdefault((kernel.source, kernel.name), {})[kernel.arch] = kernel
    for (source, name), archs in sorted(by_name.items()):
        if name not in shapes:
            sys.exit(f"{source}: {name} is never launched by simt_launches; add a shape that does")
        f, threads, dynamic = shapes[name]
        each = [archs[arch] for arch in cuda_static.ARCHITECTURES]
        for kernel in each:
            if 0 < kernel.max_threads < threads:
                sys.exit(f"{source}: {name} is launched with {threads} threads, beyond its launch bounds")
        blocks = [kernel.blocks(threads, dynamic) for kernel in each]
        both = lambda values: " / ".join(map(str, values)) if len(set(values)) > 1 else str(values[0])
        factors = "" if f == N_FACTORS else f" (n_factors {f})"
        yield f"| `{name}`{factors}, {source} | {both([k.registers for k in each])} | " \
              f"{both([k.static_bytes for k in each])} + {dynamic} | {threads} | " \
              f"{both([f'{b} ({b * threads})' for b in blocks])} | " \
              f"{both([f'{k.wide_loads} of {k.loads}' for k in each])} |"


def degrees(n_rows, n_cols, least, median, mean):
    """Lengths of rows: `least` and a log-normal of that median and mean, by its quantiles; at most n_cols."""
    sigma = math.sqrt(2 * math.log((mean - least) / (median - least)))
    normal = statistics.NormalDist(math.log(median - least), sigma)
    drawn = [least + math.exp(normal.inv_cdf((i + 0.5) / n_rows)) for i in range(n_rows)]
    for _ in range(50):  # what the ends lose goes to the others
        scale = mean * n_rows / sum(drawn)
        drawn = [min(d * scale, n_cols) for d in drawn]
    return [max(1, round(d)) for d in drawn]


def als_work(sides):
    """One iteration: both half-steps."""
    f = N_FACTORS
    rows = [n for side in sides for n in side]
    vector, entry = 4 * f, 8  # bytes of a row of factors, and of an entry

    def dual(most, least, kernel, passes):
        of = [n for n in rows if least < n <= most]
        return Work(kernel, f"{len(of)} rows of {least + 1} to {most} entries",
                    sum(passes * n * vector + n * entry + vector for n in of),
                    flops=sum(2 * most * most * f + n**3 / 3 + n**2 * 2 + 2 * n * f for n in of))

    fragments = 16 * 8 * (f // 16) * (f // 16 + 1)  # of the triangle that is multiplied
    long = [n for n in rows if 128 < n <= 4096]
    huge = [n for n in rows if n > 4096]
    chunks = sum(math.ceil(n / 2048) for n in huge)
    solve = f**3 / 3 + 2 * f**2
    products = lambda of: sum(3 * 2 * fragments * math.ceil(n / 32) * 32 for n in of)
    yield dual(32, 0, "SolveDual<32, 8, true>", 1)
    yield dual(64, 32, "SolveDual<64, 16, true>", 1)
    yield dual(128, 64, "SolveDual<128, 16, false>", 2)
    yield Work("SolvePrimal<128, true>", f"{len(long)} rows of 129 to 4096 entries",
               sum(n * (vector + entry) + vector for n in long), products(long),
               sum(2 * n * f + solve for n in long))
    yield Work("AssembleChunk<false, true>", f"{len(huge)} longer rows, {chunks} chunks",
               sum(n * (vector + entry) for n in huge) + chunks * f * vector, products(huge), sum(2 * n * f for n in huge))
    yield Work("AddChunks", "their sums", (chunks + len(huge)) * f * vector, flops=chunks * f * f)
    yield Work("SolveAdded", "their systems", 2 * len(huge) * f * vector, flops=len(huge) * solve)


def top_n_work(n_queries, n_items=1_000_000, n=100):
    f, tile = N_FACTORS, 16 if n_queries <= 16 else 128
    shape = "1, 1" if tile == 16 else "4, 2"
    n_tiles = math.ceil(n_queries / tile)
    yield Work(f"ScanTopN<Shape<{shape}, true>>", f"{n_queries} queries in {n_tiles} tiles of {tile}",
               n_items * f * 2 + n_queries * f * 2, 2 * n_tiles * tile * n_items * f)
    yield Work("MergeTopN", f"{n_queries} x {n} items scored by the definition", n_queries * n * f * 4,
               flops=2 * 2 * n_queries * n * f)  # doubles at half the rate


def prediction_rows(work):
    yield "| kernel | work | bytes | tensor flops | other flops | **prediction** | bound by |"
    yield "|---|---|---|---|---|---|---|"
    number = lambda x: "" if x == 0 else f"{x:.2g}"
    work = list(work)
    for w in work:
        yield f"| `{w.kernel}` | {w.what} | {number(w.bytes)} | {number(w.tensor_flops)} | {number(w.flops)} | " \
              f"**{milliseconds(w.seconds())} ms** | {w.bound()} |"
    yield f"| together | | | | | **{milliseconds(sum(w.seconds() for w in work))} ms** | |"


def milliseconds(seconds):
    return f"{seconds * 1e3:.2g}" if seconds < 1e-2 else f"{seconds * 1e3:.1f}"


HEAD = """# The CUDA kernels without a GPU

Written by `scripts/kernel_table.py` with nvcc {nvcc}. Nothing here was measured on a GPU: the first table is what the
compiler says, and every time in the others is a **prediction**.

## What the compiler says

For compute capability 8.0 / 9.0, one figure where both agree. No kernel spills. Threads and dynamic shared memory are
those of n_factors {f}, or of the n_factors named, on a device whose blocks may use 227 KB (KB of 1024 bytes; bytes in the
table); a multiprocessor has 65,536 registers, room for 2,048 threads and {s80} / {s90} KB of shared memory. Loads are
instructions of the PTX that read global memory, asynchronous copies among them; a loop counts once, and kernels that take
any n_factors have a path of 4-byte loads beside that of 16-byte ones.

"""

PREDICTIONS = """
## What that predicts

For one H200, the time of each kernel is the larger of bytes / 4.3 TB/s and tensor flops / (790/1.6 TFLOP/s) + other flops /
67 TFLOP/s: copy and bf16 rates as measured with large copies and library products, a share of 1/1.6 for `mma.sync`, the
data sheet's float32. That is a roofline: latency, barriers, bank conflicts, shared memory and the L2 cache can only add to
it. Kernels run one after another. Left out: launches, and the library's part (Gram matrix, eigenvectors, rotation).

### ALS, one iteration (both half-steps), 138,493 users x 26,744 items, 20 million entries, n_factors 128

The size of MovieLens 20M; how its rows' lengths are distributed is an assumption: log-normal, users at least 20, half of
them below 68, items half below 18. bytes = rows of factors gathered once (twice where 65 to 128 entries are in the dual: a
ring), 8 an entry, results. Flops of the dual: 2 M^2 f for the M x M systems it is compiled for + n^3/3; of the primal: 3
products of bf16 parts over the triangle's fragments on tensor cores, f^3/3 for Cholesky.

"""

TOP_N = """
### Top-{n} of 1,000,000 items, n_factors 128, {queries} {noun}

"""

TOP_N_NOTE = """
bytes = the items' bf16 copy once, as where all tiles of queries run side by side and share it through the L2 cache, and
the queries; flops = 2 f a score, over whole tiles of queries. The lists' traffic depends on the scores and is left out.
"""


def main():
    nvcc = cuda_static.find_nvcc()
    if nvcc is None:
        sys.exit("kernel_table.py: no nvcc (CUDACXX, PATH, /usr/local/cuda)")
    build = ROOT / os.environ.get("BUILD", "build")
    subprocess.run(["cmake", "--build", build, "--target", "simt_launches"], check=True, stdout=subprocess.DEVNULL)
    kernels = cuda_static.compile_kernels(nvcc)
    if any(kernel.spill_bytes > 0 for kernel in kernels):
        sys.exit("kernel_table.py: a kernel spills; see tests/project/cuda_static_test.py")
    shapes = launches(build)
    shared = {f"s{arch}": bytes_ // 1024 for arch, bytes_ in cuda_static.SHARED_BYTES.items()}
    text = HEAD.format(nvcc=cuda_static.nvcc_version(nvcc), f=N_FACTORS, **shared)
    text += "\n".join(kernel_rows(kernels, shapes)) + "\n" + PREDICTIONS
    sides = degrees(138_493, 26_744, 20, 68, 20e6 / 138_493), degrees(26_744, 138_493, 0, 18, 20e6 / 26_744)
    text += "\n".join(prediction_rows(als_work(sides))) + "\n"
    for n_queries in (1, 64, 4096):
        text += TOP_N.format(n=100, queries=n_queries, noun="query" if n_queries == 1 else "queries")
        text += "\n".join(prediction_rows(top_n_work(n_queries))) + "\n"
    TABLE.write_text(text + TOP_N_NOTE)
    print(f"{TABLE.relative_to(ROOT)}: {len(kernels)} kernels of {len(cuda_static.ARCHITECTURES)} architectures")


if __name__ == "__main__":
    main()
