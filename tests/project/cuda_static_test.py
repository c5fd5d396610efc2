"""The CUDA kernels compile without spills for the architecture that they are tuned for. Skipped without nvcc.

For 8.0 the build of the plug-in sees to it, where a warning of ptxas (--warn-on-spills) is an error.
"""

import subprocess
import sys
import unittest

from sources import ROOT

sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts"))
import cuda_static  # noqa: E402

SKIPPED = 77  # tests/project/CMakeLists.txt
NVCC = cuda_static.find_nvcc()


class CudaStatic(unittest.TestCase):
    def test_no_kernel_spills(self):
        try:
            kernels = cuda_static.compile_kernels(NVCC, architectures=(90,))
        except subprocess.CalledProcessError as error:
            self.fail(f"{error}\n{error.stdout}{error.stderr}")
        self.assertGreater(len(kernels), 10)
        spilling = [f"{k.source}: {k.name} for {k.arch / 10}: {k.spill_bytes} bytes of spills, {k.registers} registers"
                    for k in kernels if k.spill_bytes > 0]
        self.assertEqual([], spilling)

    def test_a_spill_would_be_seen(self):
        gram = [path for path in cuda_static.sources() if path.name == "gram.cu"]
        kernels = cuda_static.compile_kernels(NVCC, gram, (90,), ("-maxrregcount", "16"))
        self.assertTrue(any(kernel.spill_bytes > 0 for kernel in kernels))


if __name__ == "__main__":
    if NVCC is None:
        print("no nvcc (CUDACXX, PATH, /usr/local/cuda): the CUDA kernels were not compiled")
        sys.exit(SKIPPED)
    unittest.main()
