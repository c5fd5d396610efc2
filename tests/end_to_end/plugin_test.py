"""Where the program finds its plug-in, and what a user sees of one that fails (tests/support/fake_plugin.cc)."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import PATIENCE, PROGRAM

PLUGIN = "kindred_cuda.so"


class Plugin(unittest.TestCase):
    """The program is installed into bin/ of a folder, without any plug-in at first."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="kindred-plugin-")).resolve()
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "bin").mkdir()
        shutil.copy(PROGRAM, self.folder / "bin" / "kindred")

    def run_program(self, *arguments, fault="", **environment):
        base = {name: value for name, value in os.environ.items() if name != "KINDRED_PLUGIN_DIR"}
        return subprocess.run([self.folder / "bin" / "kindred", *map(str, arguments)], capture_output=True, text=True,
                              timeout=PATIENCE, env=base | {"KINDRED_FAKE_PLUGIN": fault} | environment)

    def install(self, *parts):
        path = self.folder.joinpath(*parts, PLUGIN)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(os.environ["FAKE_PLUGIN_DIR"]) / PLUGIN, path)
        return path

    def found(self, **environment):
        """What doctor says of the step "plug-in"."""
        done = self.run_program("doctor", "--json", **environment)
        self.assertEqual(0, done.returncode, done.stderr)
        cuda = json.loads(done.stdout)["backends"][1]
        self.assertEqual(cuda["steps"][0]["state"] == "ok", cuda["available"])
        return cuda["steps"][0]["detail"]

    def test_it_is_looked_for_beside_the_program_and_in_lib(self):
        self.assertEqual(f"there is no CUDA plug-in: no {PLUGIN} in '{self.folder}/bin' or '{self.folder}/lib/kindred'",
                         self.found())
        installed = self.install("lib", "kindred")
        self.assertEqual(str(installed), self.found())
        beside = self.install("bin")
        self.assertEqual(str(beside), self.found())
        elsewhere = self.install("elsewhere")
        self.assertEqual(str(elsewhere), self.found(KINDRED_PLUGIN_DIR=str(elsewhere.parent)))
        self.assertEqual(f"there is no CUDA plug-in: no {PLUGIN} in '{self.folder}'",
                         self.found(KINDRED_PLUGIN_DIR=str(self.folder)))

    def test_training_with_a_device_that_fails(self):
        self.install("lib", "kindred")
        interactions = self.folder / "a.txt"
        interactions.write_text("".join(f"u{u} i{u % 5} i{(u + 1) % 5}\n" for u in range(20)))
        prepared = self.run_program("prepare", interactions, "--format", "adjacency", "--out", self.folder / "data")
        self.assertEqual(0, prepared.returncode, prepared.stderr)

        def train(backend, fault):
            return self.run_program("train", self.folder / "data", "--store", self.folder / "store", "--model", "m",
                                    "--n-factors", 4, "--epochs", 2, "--backend", backend, fault=fault)

        failed = train("cuda", "solve_als:5")
        self.assertEqual(1, failed.returncode)
        self.assertEqual("", failed.stdout)
        self.assertIn("kindred: CUDA: the fake device is lost (solving the user side)", failed.stderr)
        self.assertEqual([".lock"], [path.name for path in (self.folder / "store" / "m").iterdir()])

        went_on = train("auto", "solve_als:5")
        self.assertEqual(0, went_on.returncode, went_on.stderr)
        reason = "while fitting, fell back from cuda (Fake Card): CUDA: the fake device is lost (solving the user side)"
        self.assertIn(f"warning {reason}; starting that again on the CPU", went_on.stderr)
        self.assertIn(f"on the CPU: {reason}\n", went_on.stdout)
        manifest = json.loads((self.folder / "store" / "m" / "1" / "manifest.json").read_text())
        self.assertEqual(reason, manifest["fell_back"])
        self.assertEqual("cpu", manifest["backend"]["name"])


if __name__ == "__main__":
    unittest.main()
