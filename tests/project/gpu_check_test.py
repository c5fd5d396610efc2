"""scripts/gpu_check.sh and the table it makes, on programs that pretend to have run on a GPU."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from sources import ROOT, sources

CEILINGS = [
    {"ceiling": "copy", "shape": "4096 MiB", "bytes": 8e9, "seconds": [0.002, 0.002, 0.004]},
    {"ceiling": "fp32", "shape": "8192 x 8192 x 8192", "flops": 1e12, "seconds": [0.02]},
    {"ceiling": "bf16", "shape": "8192 x 8192 x 8192", "flops": 1e12, "seconds": [0.002]},
]
MACHINE = {"backend": "cuda", "device": "NVIDIA Made-Up", "memory_bytes": 80 * 2**30,
           "steps": {"device": "NVIDIA Made-Up, 7 multiprocessors", "driver": "runs CUDA up to 13.0"}}
TOP_N = {"operation": "top_n", "case": "batch=64", "program": "kindred", "gram_precision": "bf16x3", "shape": "64 of them",
         "parameters": {}, "bytes": 4e9, "fp32_flops": 0, "bf16_flops": 1e11, "error": 0, "error_limit": 0,
         "error_measure": "places wrong", "seconds": [0.002, 0.002, 0.003]}
ALS = TOP_N | {"operation": "als_epoch", "case": "f=64", "shape": "ALS 64", "bytes": 4e9, "fp32_flops": 4e11,
               "bf16_flops": 1e12, "error": 1e-5, "error_limit": 1e-3, "error_measure": "off", "seconds": [0.01]}
TORCH = {"operation": "top_n", "case": "batch=64", "program": "torch fp32", "version": "2.0", "note": "float32",
         "same_ids": 0.5, "seconds": [0.02]}
PASSED = "[==========] 5 tests from 2 test suites ran. (9 ms total)\n[  PASSED  ] 5 tests.\n"
NONE = "[==========] 0 tests from 0 test suites ran. (0 ms total)\n[  PASSED  ] 0 tests.\n"


def lines(objects):
    return "".join(json.dumps(o) + "\n" for o in objects)


class GpuCheck(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.out = self.folder / "out"
        (self.folder / "build/bin").mkdir(parents=True)
        (self.folder / "tools").mkdir()
        (self.folder / "build/bin/kindred_cuda.so").touch()
        (self.folder / "build/bin/commit.txt").write_text("abc1234\n")
        self.program("build/bin/kernels_test", PASSED)
        self.program("build/bin/gpu_ceilings", lines(CEILINGS))
        self.program("tools/compute-sanitizer", PASSED)
        self.bench([TOP_N, ALS])

    def program(self, path, text, status=0, errors=""):
        """A program that prints this, whatever it is asked."""
        path = self.folder / path
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\ncat >&2 <<'END'\n{errors}END\nexit {status}\n")
        path.chmod(0o755)

    def bench(self, measured, describe=0, errors=""):
        self.program("describe", lines([MACHINE]), describe, errors)
        self.program("measured", lines(measured))
        self.program("precision", lines([ALS | {"gram_precision": "float32", "seconds": [0.03]}]))
        bench = self.folder / "build/bin/bench_kernels"
        bench.write_text(f'#!/bin/sh\ncase "$*" in\n*--describe) exec {self.folder}/describe ;;\n'
                         f"*--gram-precision*) exec {self.folder}/precision ;;\n*) exec {self.folder}/measured ;;\nesac\n")
        bench.chmod(0o755)
        self.program("torch", lines([TORCH]))
        python = self.folder / "tools/python"
        python.write_text(f'#!/bin/sh\ncase "$*" in\n*gpu_kernels.py\\ torch*) exec {self.folder}/torch ;;\n'
                          f"*gpu_kernels.py*) echo '{{\"program\": \"cupy\", \"absent\": \"not installed\"}}' ;;\n"
                          f'*) exec {sys.executable} -B "$@" ;;\nesac\n')
        python.chmod(0o755)

    def check(self, *options):
        command = [ROOT / "scripts/gpu_check.sh", "--no-build", "--build", self.folder / "build", "--out", self.out,
                   "--python", self.folder / "tools/python", *options]
        environment = {"PATH": f"{self.folder}/tools:/usr/bin:/bin", "CUDACXX": "/nowhere/nvcc",
                       "HOME": os.environ.get("HOME", "/")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        self.said = done.stdout + done.stderr
        return done.returncode

    def table(self):
        """Operation, program -> the row's cells."""
        text = (self.out / "gpu_check.md").read_text()
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]
        return {(row[0], row[2]): row for row in rows if len(row) == 9}, text

    def test_everything_passes(self):
        self.assertEqual(0, self.check("--strict"), self.said)
        rows, text = self.table()
        self.assertEqual(["2 [2-3]", "2,000", "50", "50 % of copy", "", "0 places wrong"], rows["top_n", "kindred"][3:])
        # 4e9 bytes take 1 ms at the copy's rate, 1e12 flops 2 ms in bf16, 4e11 8 ms in float32.
        self.assertEqual(["10 [10-10]", "400", "140", "80 % of fp32", "", "1e-05 off"],
                         rows["als_epoch", "kindred, bf16x3"][3:])
        self.assertEqual("3", rows["als_epoch", "kindred, float32"][7])
        self.assertEqual(["20 [20-20]", "", "", "", "10", "float32; 50 % of places as kindred's"],
                         rows["top_n", "torch fp32"][3:])
        for line in ("- GPU: NVIDIA Made-Up, 7 multiprocessors, 80.0 GiB", "; runs CUDA up to 13.0", "- commit: abc1234", "- versions: torch 2.0",
                     "| parity | ok | ", "5 tests passed", "| copy | 4096 MiB | 4,000 GB/s |", "- cupy: not installed"):
            self.assertIn(line, text)

    def test_without_a_gpu_nothing_is_claimed(self):
        self.bench([], describe=1, errors="--backend cuda: there is no NVIDIA driver\n")
        self.out.mkdir()
        (self.out / "gpu_check.md").write_text("of an earlier run")
        for options in ([], ["--strict"], ["--quick"]):
            self.assertEqual(1, self.check(*options))
            self.assertIn("no GPU: nothing was checked (why none is used: --backend cuda: there is no NVIDIA driver)", self.said)
            self.assertFalse((self.out / "gpu_check.md").exists())

    def test_without_a_build_nothing_is_claimed(self):
        (self.folder / "build/bin/kindred_cuda.so").unlink()
        self.assertEqual(1, self.check())
        self.assertRegex(self.said, "nothing was checked: there is no .*kindred_cuda.so")

    def test_a_missing_tool_is_not_run_and_fails_strict(self):
        (self.folder / "tools/compute-sanitizer").unlink()
        self.assertEqual(0, self.check())
        self.assertIn("| racecheck | NOT RUN | 0 | compute-sanitizer is not installed |", self.table()[1])
        self.assertRegex(self.said, r"NOT RUN +memcheck")
        self.assertEqual(1, self.check("--strict"))

    def test_what_fails_fails_and_the_rest_is_still_run(self):
        self.program("build/bin/kernels_test", "[  FAILED  ] Backends/GramTest\n", 1)
        self.program("build/bin/gpu_ceilings", "", 1, "gpu_ceilings: cudaMalloc: out of memory\n")
        self.bench([TOP_N, ALS | {"error": 0.5, "seconds": []}])
        self.program("torch", lines([TORCH | {"failed": "OutOfMemoryError"}]))
        self.assertEqual(1, self.check())
        rows, text = self.table()
        self.assertIn("exit status 1: [  FAILED  ] Backends/GramTest", text)
        self.assertEqual("no ceiling", rows["top_n", "kindred"][6])
        self.assertEqual("WRONG, not timed", rows["als_epoch", "kindred, bf16x3"][3])
        self.assertEqual(["failed", "", "", "", "", "OutOfMemoryError"], rows["top_n", "torch fp32"][3:])

    def test_a_peer_that_fails_fails_nothing_else(self):
        self.program("torch", lines([TORCH]), 1, "Segmentation fault\n")
        self.assertEqual(0, self.check("--strict"))
        self.assertIn("| peer torch | peer failed |", self.table()[1])

    def test_no_test_for_the_device_is_a_failure(self):
        self.program("build/bin/kernels_test", NONE)
        self.assertEqual(1, self.check())
        self.assertRegex(self.said, r"FAILED +parity .* did nothing")
        self.assertNotRegex(self.said, r"ok +parity")

    def test_a_cut_line_is_left_out_and_said(self):
        self.program("measured", lines([TOP_N]) + '{"operation": "als_ep\n', 1)
        self.assertEqual(1, self.check())
        rows, text = self.table()
        self.assertIn(("top_n", "kindred"), rows)
        self.assertIn("1 lines of measurements were cut off", text)

    def test_steps_without_time_are_not_run(self):
        self.assertEqual(1, self.check("--limit", "0"))
        self.assertIn("nothing was checked", self.said)
        self.assertFalse((self.out / "gpu_check.md").exists())

    def test_usage(self):
        for options in (["--stritc"], ["--limit", "soon"], ["--out"], ["--build-only"]):
            self.assertEqual(2, self.check(*options), options)

    def test_what_it_builds_needs_no_other_library(self):
        folders = ("kernels/", "tests/kernels/", "tests/simt/", "tests/reference/", "bench/kernel", "bench/synthetic")
        allowed = {"host/data/random.h"}  # which includes nothing
        self.assertNotIn('#include "', (ROOT / "host/data/random.h").read_text())
        for path in sources(".cc", ".h", ".cu"):
            if not path.startswith(folders):
                continue
            for target in re.findall(r'^#include ["<]([^">]+)', (ROOT / path).read_text(), re.MULTILINE):
                ours = target.startswith(("host/", "training/", "serving/", "proto/"))
                others = target.split("/")[0] in ("CLI", "nlohmann", "spdlog", "fmt", "toml++", "openssl", "grpcpp")
                self.assertFalse((ours or others) and target not in allowed, f"{path}: {target}")

    def test_peers_say_that_they_are_not_installed(self):
        (self.folder / "cases.jsonl").write_text(lines([TOP_N]))
        for peer in ("torch", "cupy", "implicit", "scikit-learn"):
            done = subprocess.run(
                [sys.executable, "-S", "-B", ROOT / "bench/peers/gpu_kernels.py", peer, "--cases",
                 self.folder / "cases.jsonl", "--data", self.folder], capture_output=True, text=True, timeout=60)
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertTrue(re.match("not installed|has none", json.loads(done.stdout)["absent"]), done.stdout)


if __name__ == "__main__":
    unittest.main()
