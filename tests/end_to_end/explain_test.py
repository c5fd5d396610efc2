"""train, serve and query explain on events with types and times."""

import json
import math
import random
import shutil
import tempfile
import unittest
from pathlib import Path

import grpc

import support
from support import PATIENCE, connect, run

N_USERS, N_ITEMS = 300, 80
TYPES = ("view", "cart")


def write_export(path):
    """Users of four tastes; returns user -> item -> [(type, time), ...] in order of time."""
    random.seed(3)
    done = {}
    lines = ["user,item,event,time"]
    for user in range(N_USERS):
        own = done.setdefault(f"u{user}", {})
        for n in range(14):
            item = f"i{user % 4 * 20 + random.randrange(20) if random.random() < 0.85 else random.randrange(N_ITEMS)}"
            event = (random.choice(TYPES), 1_700_000_000 + 1000 * n + user)
            own.setdefault(item, []).append(event)
            lines.append(f"u{user},{item},{event[0]},{event[1]}")
    path.write_text("\n".join(lines) + "\n")
    return done


class Explain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        client_folder, cls.pb, rpc = support.generate_client()
        cls.addClassCleanup(shutil.rmtree, client_folder)
        folder = Path(tempfile.mkdtemp(prefix="kindred-explain-"))
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.done = write_export(folder / "export.csv")
        run("prepare", folder / "export.csv", "--out", folder / "data")
        trained = run("train", folder / "data", "--store", folder / "store", "--model", "shop", "--n-factors", 8,
                      "--epochs", 4, "--split", "random", "--k", 10, "--json")
        cls.report = json.loads(trained.stdout)
        cls.server = support.Server(folder / "store", "shop")
        cls.addClassCleanup(cls.server.kill)
        channel = connect(cls.server.address)
        cls.addClassCleanup(channel.close)
        cls.client = rpc.RecommenderStub(channel)

    def explain(self, **fields):
        return self.client.Explain(self.pb.ExplainRequest(**fields), timeout=PATIENCE)

    def test_the_report_has_the_check(self):
        found = self.report["evaluation"]["uncertainty"]
        self.assertGreater(found["noise_variance"], 0)
        manifest = json.loads(Path(self.report["path"], "manifest.json").read_text())
        self.assertEqual(manifest["noise_variance"], found["noise_variance"])
        self.assertEqual([of["items"] for of in found["moves"]], ["recommended", "random", "held_out"])
        self.assertEqual(found["n_learning_users"] + found["n_measuring_users"], self.report["holdout"]["n_users"])

    def test_the_best_items(self):
        reply = self.explain(user_id="u4", max_contributions=20)
        best = self.client.Recommend(self.pb.RecommendRequest(user_id="u4", n=3), timeout=PATIENCE)
        self.assertEqual(reply.served_by, self.pb.PERSONAL)
        self.assertEqual((reply.model.name, reply.model.version), ("shop", 1))
        self.assertEqual([(i.item_id, i.score, i.position) for i in reply.items],
                         [(i.item_id, i.score, at) for at, i in enumerate(best.items, 1)])
        for item in reply.items:
            self.assertEqual({by.item_id for by in item.contributions}, set(self.done["u4"]))
            self.assertAlmostEqual(sum(by.amount for by in item.contributions), item.score, 5)
            self.assertAlmostEqual(sum(abs(by.share) for by in item.contributions), 1, 9)
            self.assertGreater(item.variance, 0)
            for by in item.contributions:
                self.assertGreaterEqual(by.position_without, 1)
                events = [(event.event, event.time.seconds) for event in by.events]
                self.assertEqual(events, self.done["u4"][by.item_id][::-1])
                self.assertEqual(by.n_events, len(events))

    def test_a_position_without(self):
        """is that of a user who has everything but that."""
        item = self.explain(user_id="u4", max_contributions=1).items[2]
        without = item.contributions[0].item_id
        history = [self.pb.HistoryItem(item_id=i, value=len(e)) for i, e in self.done["u4"].items() if i != without]
        lists = self.client.Recommend(self.pb.RecommendRequest(history=history, n=N_ITEMS), timeout=PATIENCE)
        ids = [one.item_id for one in lists.items if one.item_id != without]
        self.assertEqual(ids.index(item.item_id) + 1, item.contributions[0].position_without)

    def test_statuses(self):
        def refused(code, detail, **fields):
            with self.assertRaises(grpc.RpcError) as failure:
                self.explain(**fields)
            self.assertEqual(failure.exception.code(), code)
            self.assertIn(detail, failure.exception.details())

        refused(grpc.StatusCode.NOT_FOUND, "item_ids[0]: the model has no item 'x'", user_id="u4", item_ids=["x"])
        refused(grpc.StatusCode.INVALID_ARGUMENT, "is in the user's history", user_id="u4",
                item_ids=[next(iter(self.done["u4"]))])
        refused(grpc.StatusCode.UNIMPLEMENTED, "tenant: ", tenant="x")
        self.assertEqual(self.explain(user_id="nobody").served_by, self.pb.POPULAR)

    def test_for_people_and_programs(self):
        address = ("--server", self.server.address)
        found = json.loads(run("query", "explain", "--user", "u4", "--n", 1, "--json", *address).stdout)
        item = found["items"][0]
        self.assertEqual(len(item["contributions"]), 5)
        text = run("query", "explain", "--user", "u4", "--item", item["item_id"], "--contributions", 2, *address).stdout
        lines = text.splitlines()
        self.assertEqual(lines[0], "user u4: PERSONAL, by shop version 1")
        self.assertEqual(lines[1], f"  {item['item_id']}: score {item['score']:.6g}, position 1, standard deviation "
                                   f"{math.sqrt(item['variance']):.3g}")
        for line, by in zip(lines[2:4], item["contributions"]):
            self.assertIn(f" {by['item_id']} ", line)
            self.assertIn(f"position {by['position_without']} without  {by['events'][0]['event']} 2023-11-1", line)
        self.assertTrue(lines[4].endswith(f"{len(self.done['u4']) - 2} others"))
        popular = run("query", "explain", *address).stdout
        self.assertIn("no user: POPULAR, by shop version 1", popular)
        self.assertIn("  because: no user and no history", popular)
        failed = run("query", "explain", "--item", "x", *address, check=False)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("NOT_FOUND: item_ids[0]: the model has no item 'x'", failed.stderr)


if __name__ == "__main__":
    unittest.main()
