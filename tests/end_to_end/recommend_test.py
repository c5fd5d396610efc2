"""`kindred recommend` killed, or refused by the disk, at every call that changes its files, and stopped by signals, then
taken up again with --resume: the file has the bytes of one that was never ended, and is at its place only when whole.
"""

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from support import PATIENCE, PROGRAM, run
from publish_faults_test import run_with_fault
import publish_faults_test

MOST_CALLS = 100


def setUpModule():
    global folder, out
    in_memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    folder = Path(tempfile.mkdtemp(prefix="kindred-recommend-", dir=in_memory)).resolve()
    publish_faults_test.folder = folder
    unittest.addModuleCleanup(shutil.rmtree, folder)
    out = folder / "out"
    for name, n_users, n_items in (("small", 50, 20), ("large", 20000, 3000)):
        randomness = random.Random(n_users)
        (folder / f"{name}.csv").write_text("user,item\n" + "".join(
            f"u{u},i{int(n_items * randomness.random() ** 2)}\n" for u in range(n_users) for _ in range(5)))
        run("prepare", folder / f"{name}.csv", "--out", folder / name)
        run("train", folder / name, "--store", folder / "store", "--model", name, "--n-factors", 8, "--epochs", 1,
            "--backend", "cpu")


class Recommend(unittest.TestCase):
    def setUp(self):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()

    def command(self, model, name, *options):
        return ["recommend", "--store", folder / "store", "--model", model, "--out", out / name, "--with-scores",
                "--backend", "cpu", *options]

    def whole(self, *arguments):
        """The bytes of a run that is not ended, which leaves nothing."""
        run(*arguments)
        path = arguments[arguments.index("--out") + 1]
        data = path.read_bytes()
        path.unlink()
        self.assertEqual([], list(out.iterdir()))
        return data

    def go_on(self, path, *arguments):
        """Goes on as a user would: with --resume where that can be, else anew."""
        resumed = run(*arguments, "--resume", check=False)
        if resumed.returncode != 0:
            self.assertIn("nothing to resume", resumed.stderr)
            run(*arguments, *(["--overwrite"] if Path(f"{path}.partial").exists() else []))
        return resumed.returncode == 0


class Killed(Recommend):
    def every_call(self, action, name):
        command = self.command("small", name, "--batch", 20)
        expected = self.whole(*command)
        n_resumed = 0
        for at in range(1, MOST_CALLS):
            done, calls = run_with_fault(out, action, at, *command)
            with self.subTest(action=action, call=at, last=calls[-1:]):
                is_over = len(calls) < at
                status = 0 if is_over else -signal.SIGKILL if action == "kill" else 1
                self.assertEqual(status, done.returncode, done.stderr)
                if not (out / name).exists():
                    n_resumed += self.go_on(out / name, *command)
                self.assertEqual(expected, (out / name).read_bytes())
                for left in out.iterdir():
                    left.unlink()
                if is_over:
                    break
        self.assertIn(at, range(15, MOST_CALLS - 1))
        self.assertGreater(n_resumed, 8)

    def test_at_every_call(self):
        for name in ("lists.csv", "lists.jsonl.gz", "lists.parquet"):
            self.every_call("kill", name)

    def test_refused_at_every_call(self):
        self.every_call("enospc", "lists.csv")
        self.every_call("eio", "lists.parquet")


class Stopped(Recommend):
    def test_by_signals(self):
        command = self.command("large", "lists.csv", "--batch", 50)
        expected = self.whole(*command)
        for number in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen([PROGRAM, *map(str, command)], stderr=subprocess.PIPE, text=True)
            until = time.monotonic() + PATIENCE
            journal = out / "lists.csv.journal"
            while not (journal.exists() and journal.read_bytes().count(b"\n") > 2) and time.monotonic() < until:
                time.sleep(0.001)
            process.send_signal(number)
            _, log = process.communicate(timeout=PATIENCE)
            self.assertEqual(1, process.returncode, log)
            self.assertRegex(log, f"stopped by {number.name} after [1-9][0-9]* of 20000 users")
            self.assertFalse((out / "lists.csv").exists())
            run(*command, "--resume")
            self.assertEqual(expected, (out / "lists.csv").read_bytes())
            (out / "lists.csv").unlink()


if __name__ == "__main__":
    unittest.main()
