"""What `kindred train` says that it will take of memory, beside what it took, and that --plan takes little and leaves
nothing. That of time is measured in the bench als-scale."""

import json
import random
import shutil
import tempfile
import unittest
from pathlib import Path

from support import run

TOLERANCE = 0.10  # of the peak, most of which is the factors


def setUpModule():
    global folder
    folder = Path(tempfile.mkdtemp(prefix="kindred-plan-"))
    unittest.addModuleCleanup(shutil.rmtree, folder)
    randomness = random.Random(1)
    n_users, n_items = 150_000, 1_500
    with open(folder / "events.csv", "w") as file:
        file.write("user,item,value\n")
        for user in range(n_users):
            for _ in range(1 + user % 12):
                file.write(f"u{user},i{int(n_items * randomness.random() ** 2)},{1 + randomness.randrange(5)}\n")
    run("prepare", folder / "events.csv", "--value-column", "value", "--out", folder / "data")


class Plan(unittest.TestCase):
    def train(self, *options):
        return json.loads(run("train", folder / "data", "--store", folder / "models", "--model", "m", "--epochs", "1",
                              "--backend", "cpu", "--json", *options).stdout)

    def check(self, *options):
        report = self.train(*options)
        planned, used = report["plan"]["peak_memory_bytes"], report["peak_memory_bytes"]
        self.assertLess(abs(planned / used - 1), TOLERANCE, f"{options}: planned {planned:,}, used {used:,}")
        alone = self.train("--plan", *options)["plan"]
        self.assertLess(abs(alone["peak_memory_bytes"] / planned - 1), TOLERANCE)

    def test_memory_of_als(self):
        self.check("--n-factors", "256")

    def test_memory_with_a_holdout_and_a_refit(self):
        self.check("--n-factors", "256", "--split", "random")
        self.check("--n-factors", "256", "--split", "random", "--no-refit")

    def test_memory_of_explicit_feedback(self):
        self.check("--n-factors", "256", "--feedback", "explicit", "--split", "random")

    def test_the_plan_alone_leaves_nothing(self):
        store = folder / "nothing"
        done = run("train", folder / "data", "--store", store, "--model", "m", "--plan")
        self.assertIn("memory: at most", done.stdout)
        self.assertFalse(store.exists())


if __name__ == "__main__":
    unittest.main()
