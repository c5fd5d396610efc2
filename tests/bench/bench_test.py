"""kindred-bench on tiny data: every workload runs, and what it writes is what docs/benchmarks.md says.

Usage: bench_test.py KINDRED_BENCH
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

PROGRAM = sys.argv.pop()
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "KINDRED_DATA_DIR"}
NUMBER = (int, float)
SPREAD = {"median": NUMBER, "min": NUMBER, "max": NUMBER, "all": list}
ROW = {"workload": str, "case": str, "program": str, "measure": str, "role": str, "status": str, "reason": str,
       "settings": dict, "quality": dict, "seconds": (dict, type(None)), "latency": (dict, type(None)),
       "peak_rss_bytes": (int, type(None)), "cpu_seconds": (*NUMBER, type(None)), "work": (*NUMBER, type(None)),
       "cost": (dict, type(None)), "ratios": dict, "others_share": (*NUMBER, type(None)), "size": NUMBER}
RESULT = {"schema_version": int, "machine": dict, "commit": (dict, type(None)), "date": str, "command": str,
          "load": dict, "version": str, "quick": bool, "workloads": list, "rows": list}
MACHINE = {"cpu": str, "instruction_set": str, "cores": int, "memory_bytes": int, "kernel": str,
           "gpu": (dict, type(None))}


def bench(*options):
    return subprocess.run([PROGRAM, *map(str, options)], capture_output=True, text=True, timeout=280, env=ENVIRONMENT)


def workloads():
    return [line.split(":")[0] for line in bench("--list", "--quick").stdout.splitlines() if not line.startswith(" ")]


class Bench(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def shaped(self, value, shape, where):
        self.assertEqual(set(shape), set(value), where)
        for name, kind in shape.items():
            self.assertIsInstance(value[name], kind, f"{where}, {name}")

    def check(self, result):
        self.shaped(result, RESULT, "the result")
        self.shaped(result["machine"], MACHINE, "the machine")
        self.assertEqual(1, result["schema_version"])
        for row in result["rows"]:
            where = f"{row['workload']}, {row['case']}, {row['program']}"
            self.shaped(row, ROW, where)
            self.assertIn(row["role"], ("kindred", "peer", "stage"), where)
            if row["role"] == "peer" and "empty service" not in row["program"]:
                self.assertEqual("missing", row["status"], where)
            if row["status"] != "ok":
                self.assertEqual((None, True), (row["seconds"], bool(row["reason"])), where)
                continue
            self.shaped(row["seconds"], SPREAD, where)
            self.assertLessEqual(row["seconds"]["min"], row["seconds"]["median"])
            self.assertGreater(row["seconds"]["min"], 0, where)
            self.assertGreater(row["peak_rss_bytes"], 1 << 20, where)
            self.assertGreaterEqual(row["cost"]["cpu_core_seconds"], 0, where)
            self.assertTrue(row["cost"]["unit"] and row["work"] > 0, where)

    def test_every_workload_runs_and_writes_its_files(self):
        names = workloads()
        for name in ("als", "als-scale", "clustering", "loading", "expression", "topn"):
            self.assertIn(name, names)
        for name in names:
            with self.subTest(workload=name):
                out = self.folder / "out"
                done = bench(name, "--quick", "--no-peers", "--out", out, "--json", self.folder / "all.json", "--folder",
                             self.folder)
                self.assertEqual(0, done.returncode, done.stderr)
                self.assertNotIn("FAILED", done.stdout)
                result = json.loads((self.folder / "all.json").read_text())
                self.check(result)
                self.assertEqual({name}, {row["workload"] for row in result["rows"]})
                self.assertTrue(any(row["status"] == "ok" for row in result["rows"]))
                self.assertEqual(result, json.loads((out / f"{name}.json").read_text()))
                self.assertIn(f"]({name}.svg)", (out / f"{name}.md").read_text())
                self.assertTrue(xml.etree.ElementTree.parse(out / f"{name}.svg").getroot().tag.endswith("svg"))
                self.assertEqual({"out", "all.json"}, {path.name for path in self.folder.iterdir()}, "data was left")

    def test_als_reaches_quality_and_says_how_soon(self):
        done = bench("als", "--quick", "--no-peers", "--json", self.folder / "als.json")
        self.assertEqual(0, done.returncode, done.stderr)
        rows = [row for row in json.loads((self.folder / "als.json").read_text())["rows"] if row["role"] == "kindred"]
        self.assertEqual({"an epoch", "to equal quality"}, {row["measure"] for row in rows})
        for row in rows:
            self.assertGreater(row["quality"]["ndcg_at_20"], 0.1)
            self.assertGreaterEqual(row["settings"]["epochs to equal quality"], 1)

    def test_a_result_is_compared(self):
        base, slow = self.folder / "base.json", self.folder / "slow.json"
        quick = ("expression", "--quick", "--no-peers", "--only", "expression/float")
        self.assertEqual(0, bench(*quick, "--json", base).returncode)
        done = bench("--compare", base, base)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("0 regressions", done.stdout)
        result = json.loads(base.read_text())
        for row in result["rows"]:
            if row["seconds"]:
                row["seconds"]["all"] = [10 * seconds for seconds in row["seconds"]["all"]]
        slow.write_text(json.dumps(result))
        done = bench("--compare", base, slow)
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertIn("REGRESSION", done.stdout)
        self.assertEqual(0, bench("--compare", slow, base).returncode)
        done = bench(*quick, "--compare", slow, "--threshold", "50")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("figures compared", done.stdout)

    def test_what_cannot_be_done_is_refused(self):
        other = self.folder / "other.json"
        other.write_text('{"schema_version": 9}')
        torn = self.folder / "torn.json"
        torn.write_text('{"schema')
        for options, status, reason in (
            (["nonsense"], 2, "there is no workload 'nonsense'; expected one of als, als-scale,"),
            (["--only", "nonsense", "--quick", "expression"], 2, "no case has any of the texts of --only"),
            (["--rounds", "0"], 2, "--rounds"),
            (["--fast"], 2, "--fast"),
            (["--kindred", "/nonexistent", "--quick", "als"], 1, "'/nonexistent' is not there"),
            (["--compare", other, other], 1, "'schema_version' is 9; this program reads 1"),
            (["--compare", torn], 1, "is no JSON"),
            (["--compare", self.folder / "missing.json"], 1, "missing.json"),
            (["program", "nonsense"], 2, "there is no program 'nonsense'"),
        ):
            done = bench(*options)
            self.assertEqual((status, ""), (done.returncode, done.stdout), options)
            self.assertIn(reason, done.stderr)

    def test_a_peer_that_fails_is_a_failure(self):
        python = self.folder / "python"
        python.write_text('#!/bin/sh\ntest "$1" = -c && exit 0\necho broken >&2; exit 4\n')
        python.chmod(0o755)
        done = bench("expression", "--quick", "--only", "expression/float", "--peers-python", python, "--json",
                     self.folder / "result.json")
        self.assertEqual(1, done.returncode)
        self.assertIn("NumPy: exit status 4: broken", done.stderr)
        rows = json.loads((self.folder / "result.json").read_text())["rows"]
        self.assertEqual({"ok", "failed"}, {row["status"] for row in rows})


if __name__ == "__main__":
    unittest.main()
