#!/usr/bin/env python3
"""Writes bench/results/cuda_kernels.md: what is known of the CUDA kernels without a GPU.

    scripts/kernel_table.py              needs nvcc, and a build with tests in build/ (BUILD=folder for another)

Registers, spills and static shared memory are ptxas's; blocks and dynamic shared memory are those that the operations
ask for, seen on the emulator (tests/simt/launches_main.cc); loads are counted in the PTX.
"""

import os
import subprocess
import sys

import cuda_static
from cuda_static import ROOT

TABLE = ROOT / "bench/results/cuda_kernels.md"
N_FACTORS = 128


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


HEAD = """# The CUDA kernels without a GPU

Written by `scripts/kernel_table.py` with nvcc {nvcc}: what the compiler says; times are in gpu_h200.md.

For compute capability 8.0 / 9.0, one figure where both agree. No kernel spills. Threads and dynamic shared memory are
those of n_factors {f}, or of the n_factors named, on a device whose blocks may use 227 KB (KB of 1024 bytes; bytes in the
table); a multiprocessor has 65,536 registers, room for 2,048 threads and {s80} / {s90} KB of shared memory. Loads are
instructions of the PTX that read global memory, asynchronous copies among them; a loop counts once, and kernels that take
any n_factors have a path of 4-byte loads beside that of 16-byte ones.

"""


def main():
    nvcc = cuda_static.find_nvcc()
    if nvcc is None:
        sys.exit("kernel_table.py: no nvcc (CUDACXX, PATH, /usr/local/cuda)")
    build = ROOT / os.environ.get("BUILD", "build")
    subprocess.run(["cmake", "--build", build, "--target", "simt_launches"], check=True, stdout=subprocess.DEVNULL)
    kernels = cuda_static.compile_kernels(nvcc)
    if any(kernel.spill_bytes > 0 for kernel in kernels):
        sys.exit("kernel_table.py: a kernel spills")
    shapes = launches(build)
    shared = {f"s{arch}": bytes_ // 1024 for arch, bytes_ in cuda_static.SHARED_BYTES.items()}
    text = HEAD.format(nvcc=cuda_static.nvcc_version(nvcc), f=N_FACTORS, **shared)
    TABLE.write_text(text + "\n".join(kernel_rows(kernels, shapes)) + "\n")
    print(f"{TABLE.relative_to(ROOT)}: {len(kernels)} kernels of {len(cuda_static.ARCHITECTURES)} architectures")


if __name__ == "__main__":
    main()
