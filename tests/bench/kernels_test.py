"""bench_kernels on the CPU at a thousandth of its sizes: what it prints, what it writes for peers, and the table.

Usage: kernels_test.py BENCH_KERNELS
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import gpu_table  # noqa: E402

PROGRAM = sys.argv.pop()


def bench(*options):
    return subprocess.run([PROGRAM, *map(str, options)], capture_output=True, text=True, timeout=100)


class Kernels(unittest.TestCase):
    def test_every_case_is_right_and_has_its_row(self):
        with tempfile.TemporaryDirectory() as folder:
            done = bench("--backend", "cpu", "--threads", 2, "--scale", 0.001, "--rounds", 1, "--data", folder)
            self.assertEqual(0, done.returncode, done.stderr)
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            names = [line["operation"] + " " + line["case"] for line in lines]
            self.assertEqual(bench("--list").stdout.splitlines(), names)
            for line in lines:
                self.assertLessEqual(line["error"], line["error_limit"])
                self.assertEqual(1, len(line["seconds"]))
                self.assertGreater(line["bytes"], 0)
            ids = (pathlib.Path(folder) / "top_n_ids_64.npy").read_bytes()
            self.assertEqual(64 * 100 * 4, len(ids) - 64 * ((10 + ids[8] + 256 * ids[9]) // 64))
        rates = {"copy": 1e12, "fp32": 1e13, "bf16": 1e14}
        table = gpu_table.table_of_operations(lines, [], [], rates).splitlines()
        self.assertEqual(len(lines) + 2, len(table))
        self.assertNotIn("no ceiling", "".join(table))

    def test_the_device_is_described(self):
        for backend in ("cpu", "auto"):
            described = json.loads(bench("--describe", "--backend", backend).stdout)
            self.assertGreater(described["memory_bytes"], 0)
        self.assertIn("plug-in", described["steps"])

    def test_what_cannot_be_run_is_refused(self):
        for options, status, reason in (
            (["--scale", 2], 2, "--scale is '2'; expected a number from"),
            (["--rounds", "3x"], 2, "--rounds is '3x'; expected a number from"),
            (["--backend", "tpu"], 2, "tpu"),
            (["--only", "magic", "--backend", "cpu"], 2, "--only is 'magic'; expected an operation"),
            (["--backend"], 2, "--backend has no value"),
            (["--fast"], 2, "unknown option '--fast'"),
        ):
            done = bench(*options)
            self.assertEqual((status, ""), (done.returncode, done.stdout), options)
            self.assertIn(reason, done.stderr)


if __name__ == "__main__":
    unittest.main()
