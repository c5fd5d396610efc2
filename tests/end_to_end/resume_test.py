"""`kindred train` killed at random moments, and at every call that changes what is stored, then taken up again with
--resume: what is published in the end has the bytes of a training that was never ended.
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
from publish_faults_test import run_with_fault, sha256, verified_manifest
import publish_faults_test

MODEL = "m"
MOST_CALLS = 600
N_RANDOM_KILLS = int(os.environ.get("KINDRED_TEST_KILLS", "10"))
SEED = int(os.environ.get("KINDRED_TEST_SEED", "1"))


def setUpModule():
    global folder
    in_memory = "/dev/shm" if os.path.isdir("/dev/shm") else None  # thousands of fsyncs
    folder = Path(tempfile.mkdtemp(prefix="kindred-resume-", dir=in_memory)).resolve()
    publish_faults_test.folder = folder
    unittest.addModuleCleanup(shutil.rmtree, folder)
    for name, n_users, n_items in (("small", 11, 7), ("large", 4000, 1500)):
        randomness = random.Random(n_users)
        (folder / f"{name}.csv").write_text("user,item,value\n" + "".join(
            f"u{u},i{int(n_items * randomness.random() ** 2)},{randomness.randint(1, 5)}\n"
            for u in range(n_users) for _ in range(3 + u % 40)))
        run("prepare", folder / f"{name}.csv", "--out", folder / name)


class Resume(unittest.TestCase):
    FEEDBACK = "implicit"

    def setUp(self):
        self.store = Path(tempfile.mkdtemp(prefix="store-", dir=folder))
        self.place = self.store / MODEL / "checkpoint"

    def command(self, data, *options):
        return ["train", folder / data, "--store", self.store, "--model", MODEL, "--backend", "cpu",
                "--feedback", self.FEEDBACK, *options]

    def arrays(self, version=None):
        """The arrays of a version, by their SHA-256, after it was verified."""
        version = version or int((self.store / MODEL / "CURRENT").read_text())
        path = self.store / MODEL / str(version)
        verified_manifest(path)
        return {file.name: sha256(file) for file in path.glob("*.npy")}

    def names(self):
        return sorted(p.name for p in (self.store / MODEL).iterdir() if not p.name.isdigit())

    def start(self, *arguments):
        return subprocess.Popen([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True)

    def leave_checkpoint(self, options, data="small"):
        """Trains until the second checkpoint is there, and no further. `options` write one after each epoch."""
        _, calls = run_with_fault(self.store, "none", 0, *self.command(data, *options))
        second = [i for i, call in enumerate(calls, 1) if call == f"rename {self.place}"][1]
        done, _ = run_with_fault(self.store, "kill", second + 1, *self.command(data, *options))
        self.assertEqual(-signal.SIGKILL, done.returncode, done.stderr)
        self.assertEqual(4, verified_manifest(self.place)["n_half_steps"])

    def resume_option(self):
        return ["--resume"] if self.place.exists() else []


class Killed(Resume):
    def kill_at_random(self, randomness, *arguments):
        """Kills it a moment after one of its next epochs, if it comes so far. Returns the status and the log."""
        process = self.start(*arguments)
        log = ""
        for _ in range(randomness.randint(2, 5)):
            line = process.stderr.readline()
            while line and ": epoch " not in line:
                log += line
                line = process.stderr.readline()
        time.sleep(randomness.uniform(0, 0.03))
        process.kill()
        log += process.communicate(timeout=PATIENCE)[1]
        return process.returncode, log

    def test_at_random_moments(self):
        for split in ([], ["--split", "random"]):
            options = ["--n-factors", 24, "--epochs", 15, "--checkpoint-every", "epoch", *split]
            run(*self.command("large", *options))
            expected = self.arrays()
            randomness = random.Random(SEED)
            n_resumed = 0
            for n_kills in range(N_RANDOM_KILLS):
                resume = self.resume_option()
                status, log = self.kill_at_random(
                    randomness, *self.command("large", *options, "--threads", 1 + n_kills % 3, *resume))
                n_resumed += len(resume)
                with self.subTest(split=split, seed=SEED, kills=n_kills):
                    if "has published version" in log:  # killed between the publication and the end
                        shutil.rmtree(self.place)
                    else:
                        self.assertIn(status, (0, -signal.SIGKILL), log)
                    self.assertEqual(expected, self.arrays())
            self.assertGreater(n_resumed, N_RANDOM_KILLS // 2)
            done = run(*self.command("large", *options, *self.resume_option()), check=False)
            self.assertTrue(done.returncode == 0 or "has published version" in done.stderr, done.stderr)
            self.assertEqual(expected, self.arrays())

    def test_at_every_call(self):
        options = ["--n-factors", 4, "--epochs", 2, "--threads", 1, "--split", "random", "--checkpoint-every", "epoch"]
        run(*self.command("small", *options))
        expected = self.arrays()
        for at in range(1, MOST_CALLS):
            done, _ = run_with_fault(self.store, "kill", at, *self.command("small", *options))
            if done.returncode == 0:
                break
            with self.subTest(call=at):
                self.assertEqual(-signal.SIGKILL, done.returncode, done.stderr)
                if self.place.exists():
                    verified_manifest(self.place)
                again = run(*self.command("small", *options, *self.resume_option()), check=False)
                if again.returncode != 0:  # between the publication and the end
                    self.assertIn("has published version", again.stderr)
                    run(*self.command("small", *options))
                self.assertEqual(expected, self.arrays())
                self.assertEqual([".lock", "CURRENT"], self.names())
        self.assertIn(at, range(100, MOST_CALLS - 1))

    def test_while_resuming_at_every_call(self):
        options = ["--n-factors", 4, "--epochs", 3, "--threads", 1, "--checkpoint-every", "epoch"]
        run(*self.command("small", *options))
        expected = self.arrays()
        for at in range(1, MOST_CALLS):
            self.leave_checkpoint(options)
            done, _ = run_with_fault(self.store, "kill", at, *self.command("small", *options, "--resume"))
            if done.returncode == 0:
                break
            with self.subTest(call=at):
                if self.place.exists():
                    verified_manifest(self.place)
                again = run(*self.command("small", *options, *self.resume_option()), check=False)
                self.assertTrue(again.returncode == 0 or "has published version" in again.stderr, again.stderr)
                self.assertEqual(expected, self.arrays())
            shutil.rmtree(self.place, ignore_errors=True)
        self.assertIn(at, range(40, MOST_CALLS - 1))


class KilledOfRatings(Killed):
    FEEDBACK = "explicit"


class Stopped(Resume):
    def test_by_signals(self):
        options = ["--n-factors", 24, "--epochs", 100000, "--checkpoint-every", "1h"]
        for number, name in ((signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT")):
            process = self.start(*self.command("large", *options))
            line = process.stderr.readline()
            while "epoch 2/" not in line:
                line = process.stderr.readline()
                self.assertTrue(line)
            process.send_signal(number)
            _, errors = process.communicate(timeout=PATIENCE)
            self.assertEqual(1, process.returncode, errors)
            self.assertIn(f"stopped by {name} after ", errors)
            self.assertIn(f"the same command with --resume goes on from '{self.place}'", errors)
            self.assertGreaterEqual(verified_manifest(self.place)["n_half_steps"], 4)
            self.assertEqual([".lock", "checkpoint"], self.names())
            # The lock is free, and the next one goes on.
            again = self.start(*self.command("large", *options, "--resume"))
            line = again.stderr.readline()
            while "going on after" not in line:
                line = again.stderr.readline()
                self.assertTrue(line)
            again.kill()
            again.communicate()

    def test_at_once_by_a_second_signal(self):
        process = self.start(*self.command("large", "--n-factors", 24, "--epochs", 100000))
        line = process.stderr.readline()
        while "epoch 1/" not in line:
            line = process.stderr.readline()
            self.assertTrue(line)
        os.kill(process.pid, signal.SIGSTOP)  # so that both are there before it looks
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        os.kill(process.pid, signal.SIGCONT)
        process.communicate(timeout=PATIENCE)
        self.assertIn(process.returncode, (-signal.SIGTERM, -signal.SIGINT))


class StoppedOfRatings(Stopped):
    FEEDBACK = "explicit"


class Refused(Resume):
    options = ["--n-factors", 4, "--epochs", 3, "--threads", 1, "--checkpoint-every", "epoch"]

    def test_what_is_of_another_training(self):
        self.leave_checkpoint(self.options)
        before = sha256(self.place / "manifest.json")
        for options, reason in ((["--n-factors", 5, *self.options[2:]], "n_factors is 4 in the checkpoint and 5 here"),
                                ([*self.options, "--seed", 2], "seed is 1 in the checkpoint and 2 here")):
            done = run(*self.command("small", *options, "--resume"), check=False)
            self.assertEqual(1, done.returncode)
            self.assertIn(reason, done.stderr)
        done = run(*self.command("large", *self.options, "--resume"), check=False)
        self.assertEqual(1, done.returncode)
        self.assertIn("dataset.digest is", done.stderr)
        self.assertEqual(before, sha256(self.place / "manifest.json"))

    def test_what_is_cut_short(self):
        self.leave_checkpoint(self.options)
        whole = (self.place / "user_factors.npy").read_bytes()
        (self.place / "user_factors.npy").write_bytes(whole[:-1])
        done = run(*self.command("small", *self.options, "--resume"), check=False)
        self.assertEqual(1, done.returncode)
        self.assertIn(f"user_factors.npy': has {len(whole) - 1} bytes", done.stderr)
        self.assertIn("without --resume the training starts anew", done.stderr)
        self.assertEqual("1\n", (self.store / MODEL / "CURRENT").read_text())

    def test_disks_that_refuse_checkpoints_do_not_stop_a_training(self):
        run(*self.command("small", *self.options))
        expected = self.arrays()
        _, calls = run_with_fault(self.store, "none", 0, *self.command("small", *self.options))
        of_checkpoints = [i for i, call in enumerate(calls, 1) if "checkpoint" in call and "rename" not in call]
        self.assertGreater(len(of_checkpoints), 10)
        for at in of_checkpoints[::3]:
            done, _ = run_with_fault(self.store, "eio", at, *self.command("small", *self.options))
            with self.subTest(call=calls[at - 1]):
                self.assertEqual(0, done.returncode, done.stderr)
                self.assertEqual(expected, self.arrays())

    def test_what_cannot_be_published_is_kept(self):
        run(*self.command("small", *self.options))
        expected = self.arrays()
        _, calls = run_with_fault(self.store, "none", 0, *self.command("small", *self.options))
        publishing = next(i for i, call in enumerate(calls, 1) if "history_indptr" in call)
        done, _ = run_with_fault(self.store, "eio", publishing, *self.command("small", *self.options))
        self.assertEqual(1, done.returncode)
        self.assertIn("Input/output error", done.stderr)
        self.assertIn(f"the same command with --resume goes on from '{self.place}'", done.stderr)
        self.assertEqual(7, verified_manifest(self.place)["n_half_steps"])
        run(*self.command("small", *self.options, "--resume"))
        self.assertEqual(expected, self.arrays())
        done, _ = run_with_fault(self.store, "enospc", publishing, *self.command("small", *self.options))
        self.assertEqual(1, done.returncode)
        self.assertIn("No space left on device", done.stderr)
        self.assertIn("after 3 of 3 epochs", done.stderr)  # the one written before the disk was full
        run(*self.command("small", *self.options, "--resume"))
        self.assertEqual(expected, self.arrays())


if __name__ == "__main__":
    unittest.main()
