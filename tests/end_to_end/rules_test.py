"""Answers under rules, by the flags of `kindred query` and by a scenario, over the generated shop."""

import csv
import json
import shutil
import tempfile
import unittest
from collections import Counter
from pathlib import Path

import support
from support import run

SCENARIOS = """[scenarios.homepage]
n = 12
min_score = 0.01
boosts = [{ filter = "brand = user.favourite or 'playful' in tags", factor = 1.5 }]
promotions = [{ name = "in stock", filter = "in_stock", percent = 50 }]
diversity = { strength = 0.2, max_per_attribute = { brand = 2 } }
"""


class Rules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="kindred-rules-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        run("generate", "--out", cls.folder / "shop")
        run("prepare", cls.folder / "shop/events.csv", "--items", cls.folder / "shop/items.csv", "--out",
            cls.folder / "data")
        run("train", cls.folder / "data", "--store", cls.folder / "store", "--model", "shop", "--split",
            "leave-last-n", "--n-factors", 16, "--epochs", 3)
        (cls.folder / "scenarios.toml").write_text(SCENARIOS.replace("brand = user.favourite or ", ""))
        cls.server = support.Server(cls.folder / "store", "shop", "--scenarios", str(cls.folder / "scenarios.toml"))
        cls.addClassCleanup(cls.server.kill)
        with open(cls.folder / "shop/items.csv", newline="") as table:
            cls.items = {row["item_id"]: row for row in csv.DictReader(table)}

    def ask(self, *flags):
        done = run("query", "recommend", "--server", self.server.address, "--user", "u00016", "--json", *flags)
        return json.loads(done.stdout)

    def test_boosts_order_by_probability(self):
        plain = self.ask("--n", 1000)["items"]
        factor = 2.5

        def value(item):
            return item.get("probability", 0) * (factor if "playful" in self.tags(item) else 1)

        expected = sorted(plain, key=lambda item: -value(item))[:10]
        found = self.ask("--n", 10, "--boost", f"'playful' in tags={factor}")["items"]
        for place, item in enumerate(found):
            self.assertAlmostEqual(value(item), value(expected[place]), places=6)

    def tags(self, item):
        return self.items[item["item_id"]]["tags"].split("|")

    def test_promotions_caps_and_diversity(self):
        reply = self.ask("--n", 12, "--promote", "first: 'playful' in tags=2", "--promote", "cheap: price < 20=25%",
                         "--max-per", "brand=2", "--diversity", "0.3")
        items = reply["items"]
        self.assertEqual(len(items), 12)
        self.assertEqual([item.get("promotion") for item in items[:2]], ["first", "first"])
        for item in items[:2]:
            self.assertIn("playful", self.tags(item))
        self.assertGreaterEqual(sum(float(self.items[item["item_id"]]["price"]) < 20 for item in items), 3)
        self.assertLessEqual(max(Counter(self.items[item["item_id"]]["brand"] for item in items).values()), 2)
        self.assertTrue(reply["rules"]["diversified"])
        self.assertEqual(reply["rules"]["promoted"], 5)
        self.assertNotIn("next_cursor", reply)

    def test_a_minimum_says_why_there_are_fewer(self):
        best = self.ask("--n", 3)["items"]
        reply = self.ask("--n", 10, "--min-score", best[2]["score"])
        self.assertEqual([item["item_id"] for item in reply["items"]], [item["item_id"] for item in best])
        self.assertIn("score below", reply["shortfall"]["reason"])

    def test_a_scenario_has_rules(self):
        reply = self.ask("--scenario", "homepage")
        brands = Counter(self.items[item["item_id"]]["brand"] for item in reply["items"])
        self.assertLessEqual(max(brands.values()), 2)
        self.assertEqual(len(reply["items"]), 12)
        self.assertGreaterEqual(sum(self.items[item["item_id"]]["in_stock"] == "true" for item in reply["items"]), 6)
        text = run("query", "recommend", "--server", self.server.address, "--user", "u00016", "--scenario",
                   "homepage").stdout
        self.assertIn("promoted by in stock", text)
        self.assertIn("diversified", text)

    def test_contradictions_are_refused(self):
        for flags, part in ((("--boost", "price < 5=-1"), "boosts[0].factor: is -1"),
                            (("--boost", "prize < 5=2"), "boosts[0].filter: line 1, column 1"),
                            (("--promote", "a: in_stock=60%", "--promote", "b: in_stock=50%"), "at most 100"),
                            (("--promote", "a: in_stock=11"), "promotions[0].slots: is 11"),
                            (("--max-per", "brand=0"), "expected 1 or more"),
                            (("--diversity", "2"), "diversity.strength: is 2"),
                            (("--boost", "in_stock"), "--boost 'in_stock': expected FILTER=FACTOR")):
            done = run("query", "recommend", "--server", self.server.address, "--user", "u00016", *flags, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(part, done.stderr)

    def test_a_scenario_that_does_not_fit_is_refused_at_the_start(self):
        path = self.folder / "misfit.toml"
        path.write_text(SCENARIOS)
        done = run("serve", "--store", self.folder / "store", "--model", "shop", "--listen", "127.0.0.1:0",
                   "--scenarios", path, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("line 4, column", done.stderr)


if __name__ == "__main__":
    unittest.main()
