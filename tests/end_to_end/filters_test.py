"""prepare with tables, train, serve with scenarios, and answers under filters, candidates and exclusions."""

import json
import random
import shutil
import tempfile
import time
import unittest
from pathlib import Path

import grpc
from google.protobuf.struct_pb2 import Value

import support
from support import PATIENCE, connect, run

N_USERS, N_ITEMS = 200, 60
CATEGORIES = ("shoes", "bags", "hats")
NOW = int(time.time())
SCENARIOS = """[scenarios.homepage]
n = 4
filter = "in_stock and price < context.budget"
exclude_events = ["buy", "view:5d"]
context = { budget = 60 }
"""


def write_export(folder):
    """Events of the last days and tables. Returns (user -> [(item, type, days ago)], item -> attributes)."""
    random.seed(5)
    items = {f"i{i}": {"category": random.choice(CATEGORIES), "in_stock": random.random() < 0.6,
                       "price": random.choice(["", *range(5, 100)])} for i in range(N_ITEMS)}
    events = {}
    lines = ["user,item,event,time"]
    for user in range(N_USERS):
        own = events.setdefault(f"u{user}", [])
        for _ in range(12):
            own.append((f"i{random.randrange(N_ITEMS)}", random.choice(("view", "buy")), random.randrange(1, 10)))
            item, event, days = own[-1]
            lines.append(f"u{user},{item},{event},{NOW - days * 86400 - 3600}")
    (folder / "events.csv").write_text("\n".join(lines) + "\n")
    (folder / "items.csv").write_text("item,category,in_stock,price\n" + "".join(
        f"{i},{a['category']},{str(a['in_stock']).lower()},{a['price']}\n" for i, a in items.items()))
    (folder / "users.csv").write_text("user,likes\n" + "".join(
        f"u{u},{CATEGORIES[u % 3]}\n" for u in range(N_USERS)))
    (folder / "scenarios.toml").write_text(SCENARIOS)
    return events, items


class Filters(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        client_folder, cls.pb, rpc = support.generate_client()
        cls.addClassCleanup(shutil.rmtree, client_folder)
        cls.folder = Path(tempfile.mkdtemp(prefix="kindred-filters-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.events, cls.items = write_export(cls.folder)
        run("prepare", cls.folder / "events.csv", "--items", cls.folder / "items.csv", "--users",
            cls.folder / "users.csv", "--out", cls.folder / "data")
        run("train", cls.folder / "data", "--store", cls.folder / "store", "--model", "shop", "--n-factors", 8,
            "--epochs", 3)
        cls.server = support.Server(cls.folder / "store", "shop", "--scenarios", str(cls.folder / "scenarios.toml"))
        cls.addClassCleanup(cls.server.kill)
        channel = connect(cls.server.address)
        cls.addClassCleanup(channel.close)
        cls.client = rpc.RecommenderStub(channel)

    def ids(self, **fields):
        request = self.pb.RecommendRequest(**fields)
        return [item.item_id for item in self.client.Recommend(request, timeout=PATIENCE).items]

    def everything(self, user):
        """All items, best first, those of the history among them."""
        all_items = self.ids(user_id=user, n=1000, exclude_events=[self.pb.EventExclusion(within_seconds=0)])
        self.assertEqual(len(all_items), N_ITEMS)
        return all_items

    def seen(self, user, *types, days=1000):
        return {item for item, event, ago in self.events[user] if event in types and ago < days}

    def test_filters_are_exact(self):
        for user in ("u3", "u4", "u5"):
            expected = [i for i in self.everything(user)
                        if self.items[i]["category"] == CATEGORIES[int(user[1:]) % 3] and self.items[i]["price"] != ""
                        and self.items[i]["price"] <= 70 and i not in self.seen(user, "view", "buy")]
            self.assertEqual(self.ids(user_id=user, n=5, filter="category = user.likes and price <= 70"), expected[:5])

    def test_exclusions_and_candidates(self):
        everything = self.everything("u7")
        gone = self.seen("u7", "buy", days=4) | {"i1", "i2"}
        exclusion = self.pb.EventExclusion(event="buy", within_seconds=4 * 86400)
        self.assertEqual(self.ids(user_id="u7", n=1000, exclude_events=[exclusion], exclude_items=["i1", "i2"]),
                         [i for i in everything if i not in gone])
        candidates = ["i5", "i9", "i20", "i21", "lost"]
        self.assertEqual(self.ids(user_id="u7", candidates=candidates),
                         [i for i in everything if i in candidates and i not in self.seen("u7", "view", "buy")])

    def test_a_scenario(self):
        gone = self.seen("u8", "buy") | self.seen("u8", "view", days=5)
        expected = [i for i in self.everything("u8")
                    if self.items[i]["in_stock"] and self.items[i]["price"] != "" and i not in gone]
        in_budget = [i for i in expected if self.items[i]["price"] < 60]
        self.assertEqual(self.ids(user_id="u8", scenario="homepage"), in_budget[:4])
        self.assertEqual(self.ids(user_id="u8", scenario="homepage", n=50, context={"budget": Value(number_value=20)}),
                         [i for i in expected if self.items[i]["price"] < 20])
        with self.assertRaises(grpc.RpcError) as failure:
            self.ids(user_id="u8", scenario="homepge")
        self.assertEqual(failure.exception.code(), grpc.StatusCode.NOT_FOUND)
        self.assertIn("there are 'homepage'", failure.exception.details())

    def test_for_people_and_programs(self):
        address = ("--server", self.server.address)
        found = json.loads(run("query", "recommend", "--user", "u3", "--filter", "price < context.budget", "--context",
                               "budget=30", "--exclude-event", "buy:4d", "--exclude-item", "i1", "--n", 60, "--json",
                               *address).stdout)
        gone = self.seen("u3", "buy", days=4) | {"i1"}
        expected = [i for i in self.everything("u3") if self.items[i]["price"] != "" and self.items[i]["price"] < 30]
        self.assertEqual([item["item_id"] for item in found["items"]], [i for i in expected if i not in gone])
        self.assertEqual(found["shortfall"]["reason"],
                         f"the model has {N_ITEMS} items, the filter lets {len(expected)} of them through, and "
                         f"{len(gone.intersection(expected))} of those are excluded")
        similar = json.loads(run("query", "similar-items", "--item", "i3", "--filter", 'category = "hats"', "--n", 60,
                                 "--json", *address).stdout)
        self.assertEqual({item["item_id"] for item in similar["items"]},
                         {i for i, a in self.items.items() if a["category"] == "hats" and i != "i3"})
        failed = run("query", "recommend", "--user", "u3", "--filter", "prise < 5", *address, check=False)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("INVALID_ARGUMENT: filter: line 1, column 1: unknown attribute 'prise'; the nearest is 'price'",
                      failed.stderr)
        self.assertEqual(run("query", "recommend", "--context", "x", *address, check=False).returncode, 2)

    def test_a_scenario_that_does_not_fit_is_found_at_the_start(self):
        path = self.folder / "bad.toml"
        path.write_text('[scenarios.a]\nn = 5\nfilter = "prise < 5"\n')
        done = run("serve", "--store", self.folder / "store", "--model", "shop", "--listen", "127.0.0.1:0",
                   "--scenarios", path, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{path}: line 3, column 10: scenarios.a.filter: line 1, column 1: unknown attribute 'prise'",
                      done.stderr)


if __name__ == "__main__":
    unittest.main()
