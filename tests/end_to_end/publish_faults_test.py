"""`kindred train`, `prepare` and `models` killed, or refused by the disk, at every call that changes what is stored
(tests/support/fault_shim.c).

What is stored is checked here from the files alone, by their SHA-256.
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


def setUpModule():
    global folder
    folder = Path(tempfile.mkdtemp(prefix="kindred-faults-")).resolve()
    unittest.addModuleCleanup(shutil.rmtree, folder)
    for name, n_users in (("old", 9), ("new", 11)):
        (folder / f"{name}.txt").write_text(
            "".join(f"u{u} i{u % 5} i{(u + 1) % 5} i{(u * 3 + 2) % 7}\n" for u in range(n_users)))
    run("prepare", folder / "old.txt", "--format", "adjacency", "--out", folder / "data")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def verified_manifest(path):
    """The manifest of an artifact whose every file is as it should be."""
    text = (path / "manifest.json").read_bytes()
    assert (path / "manifest.json.sha256").read_text() == hashlib.sha256(text).hexdigest() + "  manifest.json\n", path
    manifest = json.loads(text)
    for name, entry in manifest["files"].items():
        assert entry["sha256"] == sha256(path / name), path / name
    return manifest


def run_with_fault(prefix, action, at, *arguments):
    """Returns the finished process and the calls that were counted."""
    log = folder / "calls"
    log.unlink(missing_ok=True)
    environment = os.environ | {
        "LD_PRELOAD": os.environ["FAULT_SHIM"], "KINDRED_FAULT_PREFIX": str(prefix), "KINDRED_FAULT_LOG": str(log),
        "KINDRED_FAULT_ACTION": action, "KINDRED_FAULT_AT": str(at)}
    done = subprocess.run([PROGRAM, *map(str, arguments)], env=environment, capture_output=True, text=True,
                          timeout=PATIENCE)
    return done, log.read_text().splitlines() if log.exists() else []


class Prepare(unittest.TestCase):
    def setUp(self):
        self.parent = Path(tempfile.mkdtemp(prefix="prepare-", dir=folder))
        self.path = self.parent / "data"

    def prepare(self, name, action="none", at=0):
        return run_with_fault(self.parent, action, at, "prepare", folder / f"{name}.txt", "--format", "adjacency",
                              "--out", self.path, "--overwrite")

    def n_users(self):
        return verified_manifest(self.path)["n_users"] if self.path.exists() else 0

    def every_call(self, action, before, check):
        for at in range(1, MOST_CALLS):
            if before:
                self.assertEqual(0, self.prepare("old")[0].returncode)
            else:
                shutil.rmtree(self.path, ignore_errors=True)
            done, calls = self.prepare("new", action, at)
            with self.subTest(action=action, call=at, before=before):
                self.assertIn(self.n_users(), (before, 11))
                check(done)
            if len(calls) < at:
                break
        self.assertIn(at, range(20, MOST_CALLS - 1))
        self.assertEqual(0, done.returncode)
        self.assertEqual(["data"], [p.name for p in self.parent.iterdir()])

    def test_killed_at_every_call(self):
        for before in (0, 9):
            self.every_call("kill", before, lambda done: self.assertIn(done.returncode, (-signal.SIGKILL, 0)))

    def test_refused_at_every_call(self):
        def check(done):
            if done.returncode != 0:
                self.assertEqual(1, done.returncode)
                self.assertIn("No space left on device", done.stderr)
                self.assertEqual(9, self.n_users())
        self.every_call("enospc", 9, check)


class Train(unittest.TestCase):
    def setUp(self):
        self.store = Path(tempfile.mkdtemp(prefix="store-", dir=folder))

    def train(self, action="none", at=0):
        return run_with_fault(self.store, action, at, "train", folder / "data", "--store", self.store, "--model", MODEL,
                              "--backend", "cpu", "--n-factors", 4, "--epochs", 1, "--threads", 1)

    def versions(self):
        return sorted(int(p.name) for p in (self.store / MODEL).glob("*") if p.name.isdigit())

    def current_verified(self):
        """Every version there is must be whole, and CURRENT must name one (0: there is no CURRENT)."""
        for version in self.versions():
            verified_manifest(self.store / MODEL / str(version))
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

    def test_a_disk_that_cannot_be_written_is_found_before_training(self):
        for before in (0, 1):
            for action, reason in (("erofs", "Read-only file system"), ("enospc", "No space left on device")):
                with self.subTest(action=action, before=before):
                    done, _ = self.train(action, 1)
                    self.assertEqual(1, done.returncode)
                    self.assertIn(reason, done.stderr)
                    self.assertIn(str(self.store), done.stderr)
                    self.assertNotIn("epoch", done.stderr)
                    self.assertEqual(before, self.current_verified())
            self.train_unharmed()


class Models(unittest.TestCase):
    """The commands that change a store which has versions 1 to 4, label good at 2, and what a killed training left."""

    COMMANDS = (("rollback", MODEL), ("rollback", MODEL, "--to", "good"), ("prune", MODEL, "--keep", 1),
                ("label", MODEL, 1, "good"), ("label", MODEL, 1, "first"), ("label", MODEL, "--remove", "good"))

    @classmethod
    def setUpClass(cls):
        cls.template = Path(tempfile.mkdtemp(prefix="template-", dir=folder)) / "store"
        for _ in range(4):
            run("train", folder / "data", "--store", cls.template, "--model", MODEL, "--backend", "cpu", "--n-factors", 2,
                "--epochs", 1)
        run("models", "label", MODEL, 2, "good", "--store", cls.template)
        (cls.template / MODEL / ".9.tmp-1").mkdir()
        (cls.template / MODEL / ".9.tmp-1" / "a.npy").write_text("left behind")

    def setUp(self):
        self.store = Path(tempfile.mkdtemp(prefix="store-", dir=folder)) / "store"

    def reset(self):
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.copytree(self.template, self.store)

    def models(self, command, action="none", at=0):
        return run_with_fault(self.store, action, at, "models", *command, "--store", self.store)

    def state(self):
        """What readers see, after looking that all of it is whole: CURRENT, the labels, the versions."""
        model = self.store / MODEL
        versions = sorted(int(p.name) for p in model.iterdir() if p.name.isdigit())
        for version in versions:
            verified_manifest(model / str(version))
        labels = {p.name: int(p.read_text()) for p in (model / "labels").iterdir() if not p.name.startswith(".")}
        current = int((model / "CURRENT").read_text())
        self.assertLessEqual({current, *labels.values()}, set(versions))
        return current, labels, versions

    def outcome(self, command):
        """The states before and after the command, and how many calls it makes."""
        self.reset()
        before = self.state()
        done, calls = self.models(command)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertNotEqual(before, self.state())
        return before, self.state(), len(calls)

    def test_killed_at_every_call(self):
        for command in self.COMMANDS:
            before, after, n_calls = self.outcome(command)
            self.assertGreaterEqual(n_calls, 4)
            for at in range(1, n_calls + 1):
                with self.subTest(command=command, call=at):
                    self.reset()
                    self.assertEqual(-signal.SIGKILL, self.models(command, "kill", at)[0].returncode)
                    state = self.state()
                    self.assertIn(state[:2], (before[:2], after[:2]))
                    self.assertTrue(set(after[2]) <= set(state[2]) <= set(before[2]))
                    run("models", "verify", "--store", self.store)
                    if command[0] == "prune":  # what the killed one left goes with the next
                        run("models", *command, "--store", self.store)
                        self.assertEqual(after, self.state())
                        self.assertEqual([], [p.name for p in (self.store / MODEL).glob(".*.tmp-*")])

    def test_refused_at_every_call(self):
        for command in self.COMMANDS:
            before, after, n_calls = self.outcome(command)
            for action, reason in (("enospc", "No space left on device"), ("eio", "Input/output error")):
                for at in range(1, n_calls + 1):
                    with self.subTest(command=command, action=action, call=at):
                        self.reset()
                        done, calls = self.models(command, action, at)
                        state = self.state()
                        if done.returncode == 0:
                            self.assertEqual(after, state)
                            continue
                        self.assertEqual(1, done.returncode)
                        self.assertIn(reason, done.stderr)
                        self.assertIn(str(self.store), done.stderr)
                        if calls[-1].startswith("fsync"):  # making the last rename last is all that failed
                            self.assertIn(state[:2], (before[:2], after[:2]))
                        elif command[0] != "prune":
                            self.assertEqual(before, state)

    def test_a_read_only_disk(self):
        for command in self.COMMANDS:
            before = self.outcome(command)[0]
            with self.subTest(command=command):
                self.reset()
                done, _ = self.models(command, "erofs")
                self.assertEqual((1, ""), (done.returncode, done.stdout))
                self.assertIn("Read-only file system", done.stderr)
                self.assertIn(str(self.store), done.stderr)
                self.assertEqual(before, self.state())
        for command in (("list",), ("show", MODEL), ("verify",), ("prune", MODEL, "--keep", 1, "--dry-run")):
            done, calls = self.models(command, "erofs")
            self.assertEqual((0, []), (done.returncode, calls), done.stderr)

    def test_a_full_disk_can_be_pruned(self):
        self.reset()
        done, _ = self.models(("prune", MODEL, "--keep", 1), "enospc", 2)  # writing who holds the lock is the first to fail
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual([2, 3, 4], self.state()[2])


if __name__ == "__main__":
    unittest.main()
