"""`kindred train` killed, or refused by the disk, at every call that publication makes (tests/support/fault_shim.c).

What is published is checked here from the files alone, by their SHA-256.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import PATIENCE, PROGRAM, run

MODEL = "m"
MOST_CALLS = 300


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class PublishFaults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="kindred-faults-")).resolve()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        export = cls.folder / "export.txt"
        export.write_text("".join(f"u{u} i{u % 5} i{(u + 1) % 5} i{(u * 3 + 2) % 7}\n" for u in range(9)))
        run("prepare", export, "--format", "adjacency", "--out", cls.folder / "data")

    def setUp(self):
        self.store = Path(tempfile.mkdtemp(prefix="store-", dir=self.folder))

    def train(self, action="none", at=0):
        log = self.folder / "calls"
        log.unlink(missing_ok=True)
        environment = os.environ | {
            "LD_PRELOAD": os.environ["FAULT_SHIM"], "KINDRED_FAULT_PREFIX": str(self.store), "KINDRED_FAULT_LOG": str(log),
            "KINDRED_FAULT_ACTION": action, "KINDRED_FAULT_AT": str(at)}
        done = subprocess.run([PROGRAM, "train", self.folder / "data", "--store", self.store, "--model", MODEL,
                               "--n-factors", "4", "--epochs", "1", "--threads", "1"],
                              env=environment, capture_output=True, text=True, timeout=PATIENCE)
        calls = log.read_text().splitlines() if log.exists() else []
        return done, calls

    def versions(self):
        return sorted(int(p.name) for p in (self.store / MODEL).glob("*") if p.name.isdigit())

    def current_verified(self):
        """Every version there is must be whole, and CURRENT must name one (0: there is no CURRENT)."""
        for version in self.versions():
            path = self.store / MODEL / str(version)
            self.assertEqual((path / "manifest.json.sha256").read_text(), sha256(path / "manifest.json") + "  manifest.json\n")
            for name, entry in json.loads((path / "manifest.json").read_text())["files"].items():
                self.assertEqual(entry["sha256"], sha256(path / name), name)
        current = self.store / MODEL / "CURRENT"
        if not current.exists():
            return 0
        self.assertIn(int(current.read_text()), self.versions())
        return int(current.read_text())

    def train_unharmed(self):
        before = self.current_verified()
        done, _ = self.train()
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertGreater(self.current_verified(), before)
        leftovers = [p.name for p in (self.store / MODEL).iterdir()
                     if not p.name.isdigit() and p.name not in ("CURRENT", ".lock")]
        self.assertEqual([], leftovers)

    def test_killed_at_every_call(self):
        for at in range(1, MOST_CALLS):
            before = max(self.versions(), default=0)
            done, _ = self.train("kill", at)
            if done.returncode == 0:
                break
            with self.subTest(call=at):
                self.assertEqual(-signal.SIGKILL, done.returncode, done.stderr)
                self.assertIn(self.current_verified(), (before, before + 1))
                self.train_unharmed()
        self.assertIn(at, range(40, MOST_CALLS - 1))

    def test_refused_at_every_call(self):
        for action, reason in (("enospc", "No space left on device"), ("eio", "Input/output error")):
            for at in range(1, MOST_CALLS):
                before = self.versions()
                done, calls = self.train(action, at)
                with self.subTest(action=action, call=at):
                    current = self.current_verified()
                    if done.returncode == 0:
                        self.assertEqual(current, max(before, default=0) + 1)
                    else:
                        self.assertEqual(1, done.returncode)
                        self.assertIn(reason, done.stderr)
                        self.assertIn(str(self.store), done.stderr)
                        # Only the very last step, making the new CURRENT last, can fail after it is visible.
                        if calls[-1] != f"fsync {self.store / MODEL}":
                            self.assertEqual(before, self.versions())
                if len(calls) < at:
                    break
                if at % 10 == 0:
                    self.train_unharmed()
            self.assertIn(at, range(40, MOST_CALLS - 1))


if __name__ == "__main__":
    unittest.main()
