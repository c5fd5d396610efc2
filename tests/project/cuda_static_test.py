"""Registers that spill fail the build of the plug-in where warnings are errors, as in CI: with its flags, a kernel that is
given too few registers does not compile. Skipped without nvcc."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from sources import ROOT

sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts"))
import cuda_static  # noqa: E402

SKIPPED = 77  # tests/project/CMakeLists.txt
NVCC = cuda_static.find_nvcc()
FLAGS = ("-Xptxas=--warn-on-spills", "-Werror=all-warnings")


class CudaStatic(unittest.TestCase):
    def test_a_spill_fails_the_build(self):
        build = (ROOT / "kernels/cuda/CMakeLists.txt").read_text()
        for flag in FLAGS:
            self.assertIn(flag, build)
        with tempfile.TemporaryDirectory() as folder:
            command = [NVCC, "-std=c++20", f"-I{ROOT}", "-arch=sm_90", "-cubin", "-o", Path(folder) / "gram.cubin",
                       "--diag-suppress=554", *FLAGS, ROOT / "kernels/cuda/gram.cu"]
            self.assertEqual(0, subprocess.run(command, capture_output=True, timeout=300).returncode)
            squeezed = subprocess.run([*command, "-maxrregcount=24"], capture_output=True, text=True, timeout=300)
        self.assertNotEqual(0, squeezed.returncode)
        self.assertIn("Registers are spilled", squeezed.stdout + squeezed.stderr)


if __name__ == "__main__":
    if NVCC is None:
        print("no nvcc (CUDACXX, PATH, /usr/local/cuda): the CUDA kernels were not compiled")
        sys.exit(SKIPPED)
    unittest.main()
