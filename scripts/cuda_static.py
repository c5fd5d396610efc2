"""What can be known of the CUDA kernels without a GPU: registers, spills, shared memory, loads, occupancy.

Reads what ptxas says (-v) and the PTX it was given; nvcc is found as CMake finds it: CUDACXX, PATH, /usr/local/cuda.
"""

import concurrent.futures
import dataclasses
import math
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
WITHOUT_KERNELS = ("libs.cu", "plugin.cu")
ARCHITECTURES = (80, 90)

# Of one multiprocessor (CUDA C++ Programming Guide, compute capabilities); a block also reserves 1 KB of shared memory.
REGISTERS, MAX_THREADS, MAX_BLOCKS = 65536, 2048, 32
SHARED_BYTES = {80: 164 * 1024, 90: 228 * 1024}
RESERVED_BYTES = 1024


@dataclasses.dataclass
class Kernel:
    name: str  # with template arguments, without namespaces
    source: str
    arch: int
    registers: int = 0
    static_bytes: int = 0
    stack_bytes: int = 0
    spill_bytes: int = 0  # stores and loads
    max_threads: int = 0  # of __launch_bounds__; 0: none
    loads: int = 0  # instructions that read global memory, copies to shared memory among them
    wide_loads: int = 0  # of 16 bytes a thread

    def blocks(self, threads, dynamic_bytes):
        """How many blocks of this shape one multiprocessor holds."""
        warps = -(-threads // 32)
        a_warp = -(-self.registers * 32 // 256) * 256
        by_registers = 4 * (REGISTERS // 4 // a_warp) // warps
        a_block = -(-(self.static_bytes + dynamic_bytes) // 128) * 128 + RESERVED_BYTES
        return min(by_registers, MAX_THREADS // (warps * 32), SHARED_BYTES[self.arch] // a_block, MAX_BLOCKS)


def find_nvcc():
    """The path of nvcc, or None."""
    for name in (os.environ.get("CUDACXX"), "nvcc", "/usr/local/cuda/bin/nvcc"):
        path = name and shutil.which(name)
        if path:
            return path
    return None


def nvcc_version(nvcc):
    return re.search(r"release ([\d.]+)", subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout)[1]


def sources():
    return sorted(path for path in (ROOT / "kernels/cuda").glob("*.cu") if path.name not in WITHOUT_KERNELS)


def demangled(names):
    names = list(names)
    done = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
    return dict(zip(names, map(short_name, done.stdout.splitlines())))


def short_name(signature):
    """'void a::(anonymous namespace)::Kernel<(int)1, true>(int)' is 'Kernel<1, true>'."""
    signature = re.sub(r"\(anonymous namespace\)::|kindred::cuda::|\((?:int|bool)\)(?=\d)", "", signature)
    name = signature.partition("(")[0].replace("> >", ">>")
    template = name.find("<")
    head, arguments = (name, "") if template < 0 else (name[:template], name[template:])
    return re.split(r"::| ", head)[-1] + arguments


def parse_ptx(text):
    """Mangled name -> (max_threads, loads, wide_loads) for each kernel of a PTX file."""
    result = {}
    for match in re.finditer(r"\.entry (\w+)\((.*?)\n\}", text, re.DOTALL):
        body = match[2]
        threads = re.search(r"\.maxntid (\d+)(?:, (\d+), (\d+))?", body)
        loads = re.findall(r"^\s*(?:@!?%\w+\s+)?(ld\.global\S*|cp\.async\.c[ag]\.shared\S*[^;]*)", body, re.MULTILINE)
        wide = [load for load in loads
                if re.search(r"\.v4\.\w?32|\.v2\.\w?64", load) or re.search(r"^cp\.async.*\], 16\b", load)]
        result[match[1]] = (math.prod(int(n or 1) for n in threads.groups()) if threads else 0, len(loads), len(wide))
    return result


def parse_ptxas(text):
    """Mangled name -> (registers, static_bytes, stack_bytes, spill_bytes) for each kernel of ptxas -v."""
    result = {}
    for part in re.split(r"Compiling entry function ", text)[1:]:
        name = re.match(r"'(\w+)'", part)[1]
        stack, stores, loads = map(int, re.search(
            r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", part).groups())
        static = re.search(r"(\d+) bytes smem", part)
        result[name] = (int(re.search(r"Used (\d+) registers", part)[1]), int(static[1]) if static else 0, stack,
                        stores + loads)
    return result


def compile_kernels(nvcc, paths=None, architectures=ARCHITECTURES, ptxas_options=()):
    """Every kernel of the sources, once an architecture. Raises CalledProcessError with the compiler's words."""
    def one(path, arch, folder):
        ptx = pathlib.Path(folder) / f"{path.stem}.{arch}.ptx"
        subprocess.run([nvcc, "-std=c++20", "-I", ROOT, f"-arch=compute_{arch}", "-ptx", path, "-o", ptx], check=True,
                       capture_output=True, text=True)
        ptxas = pathlib.Path(nvcc).resolve().parent / "ptxas"
        done = subprocess.run([ptxas, "-v", f"-arch=sm_{arch}", *ptxas_options, ptx, "-o", ptx.with_suffix(".cubin")],
                              check=True, capture_output=True, text=True)
        said, read = parse_ptxas(done.stderr + done.stdout), parse_ptx(ptx.read_text())
        if said.keys() != read.keys():
            raise RuntimeError(f"{path.name}: ptxas and the PTX do not name the same kernels")
        names = demangled(said)
        return [Kernel(names[name], path.name, arch, *said[name], *read[name]) for name in said]

    work = [(path, arch) for path in (paths or sources()) for arch in architectures]
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = pool.map(lambda item: one(*item, folder), work)
        return [kernel for part in parts for kernel in part]
