"""`kindred demo`, and what it leaves behind: nothing but files."""

import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import PATIENCE, PROGRAM, eventually, run


def processes_of(folder):
    """Process ids whose command line names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in command and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def limit_files():
    """So that a step which outlives a killed test does not fill the disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 30, 4 << 30))


class Demo(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="kindred demo-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def start(self, **environment):
        process = subprocess.Popen([PROGRAM, "demo", "--dir", str(self.folder / "d")], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | environment,
                                   preexec_fn=limit_files)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_shows_its_commands_and_a_table_and_stops_its_server(self):
        for attempt in ("first", "again over what is there"):
            with self.subTest(attempt):
                done = run("demo", "--dir", self.folder / "d")
                commands = re.findall(r"^\$ kindred ([a-z-]+)", done.stdout, re.MULTILINE)
                self.assertEqual(commands, ["generate", "prepare", "train", "segment", "serve", "query", "query"])
                self.assertRegex(done.stdout, r"shop-segments version \d+: \d+ segments of [\d,]+ users")
                tables = re.findall(r"^(\S+) before \(\d+ items\) +recommended$", done.stdout, re.MULTILINE)
                self.assertGreater(len(set(tables)), 1)
                self.assertIn("stopped", done.stderr)
                self.assertEqual([], processes_of(self.folder))

    def test_keep_serving_says_how_to_ask_and_how_to_stop(self):
        done = run("demo", "--dir", self.folder / "d", "--keep-serving")
        pid = int(re.search(r"Stop it: +kill (\d+)$", done.stdout, re.MULTILINE).group(1))
        try:
            self.assertEqual([pid], processes_of(self.folder))
            question = re.search(r"Ask it: +kindred (query recommend --server \S+ --user) USER", done.stdout).group(1)
            user = re.search(r"^(\S+) before", done.stdout, re.MULTILINE).group(1)
            self.assertIn("PERSONAL", run(*question.split(), user).stdout)
        finally:
            os.kill(pid, signal.SIGTERM)
        eventually(lambda: not processes_of(self.folder), "the server ends")
        self.assertIn("stopped", (self.folder / "d" / "server.log").read_text())

    def test_stops_its_server_when_a_step_fails(self):
        process = self.start(KINDRED_HISTORY="\udcff")  # one byte, no UTF-8: refused by the query
        output, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual(1, process.returncode)
        self.assertIn("$ kindred serve", output)
        self.assertIn("'kindred query' failed with exit status 2", errors)
        self.assertEqual([], processes_of(self.folder))

    def test_stops_its_step_when_it_is_stopped(self):
        for number, status in ((signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGKILL, -signal.SIGKILL)):
            with self.subTest(number.name):
                process = self.start(KINDRED_EVENTS="2000000000")
                eventually(lambda: len(processes_of(self.folder)) == 2, "a step runs")
                process.send_signal(number)
                self.assertEqual(status, process.wait(PATIENCE))
                eventually(lambda: not processes_of(self.folder), "the step ends")
        self.assertFalse((self.folder / "d" / "shop").exists())


if __name__ == "__main__":
    unittest.main()
