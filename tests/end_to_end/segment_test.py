"""`kindred segment` on the shop that `kindred generate` makes: twice, its report, and killed while it publishes."""

import json
import re
import shutil
import signal
import tempfile
import unittest
from pathlib import Path

import publish_faults_test
from publish_faults_test import run_with_fault, verified_manifest
from support import run

MODEL = "shop-segments"
MOST_CALLS = 400
CONFIG = """schema_version = 1
[events]
views = "view"
purchases = "buy"
[[features]]
name = "recency"
kind = "recency"
normalize = "log"
[[features]]
name = "frequency"
kind = "count"
normalize = "log"
events = "purchases"
[[features]]
name = "views_30d"
kind = "count"
normalize = "log"
events = "views"
window = "30d"
[clusters]
k = 4
restarts = 2
[[rules]]
name = "Lookers"
when = "views >= 3 in 30d and purchases = 0 in 30d"
[[stages]]
name = "looked"
when = "views >= 1"
[[stages]]
name = "bought"
when = "purchases >= 1"
[segment]
backend = "cpu"
"""


def setUpModule():
    global folder
    folder = Path(tempfile.mkdtemp(prefix="kindred-segment-")).resolve()
    publish_faults_test.folder = folder
    unittest.addModuleCleanup(shutil.rmtree, folder)
    run("generate", "--out", folder / "shop", "--users", 400, "--items", 60, "--events", 8000, "--days", 90, "--seed", 3)
    run("prepare", folder / "shop/events.csv", "--users", folder / "shop/users.csv", "--out", folder / "data")
    (folder / "segments.toml").write_text(CONFIG)


class Segment(unittest.TestCase):
    def setUp(self):
        self.store = Path(tempfile.mkdtemp(prefix="store-", dir=folder))

    def segment(self, *options, check=True):
        return run("segment", folder / "data", "--store", self.store, "--model", MODEL, *options, check=check)

    def test_twice(self):
        page, tree = folder / "segments.html", folder / "tree.svg"
        config = ("--config", folder / "segments.toml")
        first = json.loads(self.segment(*config, "--json", "--report", page, "--dendrogram", tree).stdout)
        self.assertEqual([first["version"], len(first["segments"]), first["metrics"]["k"]], [1, 4, 4])
        self.assertEqual(first["backend"]["name"], "cpu")
        self.assertEqual(sum(s["size"] for s in first["segments"]) + first["n_users_without_events"], first["n_users"])
        self.assertEqual([rule["name"] for rule in first["rules"]], ["Lookers"])
        self.assertIsNone(first["lineage"])

        html = page.read_text()
        self.assertTrue(html.startswith("<!doctype html>") or html.startswith("<!DOCTYPE html>"))
        self.assertEqual([], re.findall(r"""(?:src|href)=["']?(?!#|data:)[^"'\s>]+""", html), "nothing is loaded")
        self.assertEqual([], re.findall(r"@import|url\((?!#|[\"']?data:)|fetch\(|XMLHttpRequest", html))
        for one in first["segments"]:
            self.assertIn(one["name"], html)
        self.assertIn("<svg", tree.read_text()[:200])
        refused = self.segment(*config, "--report", page, check=False)
        self.assertEqual(1, refused.returncode)
        self.assertIn(str(page), refused.stderr)
        self.assertEqual(["1"], [p.name for p in (self.store / MODEL).glob("[0-9]*")], "refused before publishing")

        second = json.loads(self.segment(*config, "--json", "--report", page, "--overwrite").stdout)
        self.assertEqual(second["version"], 2)
        self.assertEqual(second["lineage"]["n_movers"], 0)
        for key in ("segments", "silhouettes", "metrics", "features", "rules", "map"):
            one, other = first[key], second[key]
            if key == "segments":
                self.assertEqual([s["id"] for s in other], [s["kept_from"] for s in other])
                one, other = ([{**s, "kept_from": None} for s in part] for part in (one, other))
            self.assertEqual(one, other, key)
        self.assertNotEqual(html, page.read_text())

        text = self.segment("--config", folder / "segments.toml").stdout
        self.assertIn(f"{MODEL} version 3: 4 segments of ", text)
        self.assertIn("rule Lookers: ", text)
        self.assertIn("since version 2: 0 users moved", text)
        self.assertIn(f"{MODEL} version 1: whole", run("models", "verify", "--store", self.store).stdout)
        kept = json.loads(self.segment(*config, "--keep-clusters", "--json").stdout)
        self.assertEqual(kept["curves"]["chosen_by"], "kept")
        self.assertEqual([s["size"] for s in kept["segments"]], [s["size"] for s in second["segments"]])

    def test_without_a_file(self):
        report = json.loads(self.segment("--backend", "cpu", "--json").stdout)
        self.assertIn("recency", [feature["name"] for feature in report["features"]])
        self.assertGreaterEqual(len(report["segments"]), 2)

    def test_with_a_model(self):
        """Factors of its users as features, and an audit by its evaluation."""
        run("train", folder / "data", "--store", self.store, "--model", "shop", "--n-factors", 4, "--epochs", 2, "--split",
            "random", "--backend", "cpu")
        config = folder / "audit.toml"
        config.write_text(CONFIG.replace("[clusters]", '[[features]]\nname = "f"\nkind = "factors"\nmodel = "shop"\n[clusters]') +
                          '[audit]\nattributes = ["country"]\nmodel = "shop"\n')
        report = json.loads(self.segment("--config", config, "--json").stdout)
        self.assertIn("f.f4", [feature["name"] for feature in report["features"]])
        country, = report["audit"]["attributes"]
        self.assertEqual(report["audit"]["metric"], "ndcg_at_20")
        self.assertTrue(all(group["quality"] for group in country["groups"] if group["n_users"] > 30))
        self.assertEqual(sum(group["n_users"] for group in country["groups"]),
                         report["n_users"] - report["n_users_without_events"])
        refused = run("train", folder / "data", "--store", self.store, "--model", MODEL, check=False)
        self.assertEqual(1, refused.returncode)
        self.assertIn("is one of segments", refused.stderr)

    def test_usage(self):
        wrong = folder / "wrong.toml"
        wrong.write_text(CONFIG.replace("restarts", "restart"))
        failed = self.segment("--config", wrong, check=False)
        self.assertEqual(2, failed.returncode)
        self.assertRegex(failed.stderr, r"wrong.toml: line \d+, column 1: clusters: unknown key 'restart'")
        wrong.write_text(CONFIG.replace("backend", "backened"))
        failed = self.segment("--config", wrong, check=False)
        self.assertEqual(2, failed.returncode)
        self.assertIn("unknown key 'backened' for 'kindred segment'; the nearest known key is 'backend'", failed.stderr)
        self.assertFalse((self.store / MODEL).exists())
        printed = self.segment("--config", folder / "segments.toml", "--print-config").stdout
        (folder / "printed.toml").write_text(printed)
        again = json.loads(self.segment("--config", folder / "printed.toml", "--json").stdout)
        self.assertEqual(len(again["segments"]), 4)

    def versions(self):
        return sorted(int(p.name) for p in (self.store / MODEL).glob("*") if p.name.isdigit())

    def test_killed_while_it_publishes(self):
        """At every fifth call that changes the store: the version is whole or not there."""
        options = ("segment", folder / "data", "--store", self.store, "--model", MODEL, "--config",
                   folder / "segments.toml", "--threads", 1)
        for at in range(1, MOST_CALLS, 5):
            before = max(self.versions(), default=0)
            done, _ = run_with_fault(self.store, "kill", at, *options)
            for version in self.versions():
                verified_manifest(self.store / MODEL / str(version))
            if done.returncode == 0:
                break
            self.assertEqual(-signal.SIGKILL, done.returncode, done.stderr)
            self.assertIn(max(self.versions(), default=0), (before, before + 1))
            current = self.store / MODEL / "CURRENT"
            if current.exists():
                self.assertIn(int(current.read_text()), self.versions())
                run("models", "verify", "--store", self.store)
        self.assertIn(at, range(60, MOST_CALLS - 5))


if __name__ == "__main__":
    unittest.main()
