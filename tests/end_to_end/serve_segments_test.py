"""segment, serve --segments and query segments, and a client of another language."""

import csv
import io
import json
import random
import shutil
import subprocess
import tempfile
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path

import grpc

import support
from support import PATIENCE, PROGRAM, connect, eventually, run

N_USERS = 120
END = datetime(2024, 3, 1, tzinfo=timezone.utc)
CONFIG = """
schema_version = 1
reference = "2024-03-01"

[events]
views = "view"
carts = "cart"
purchases = "buy"

[[features]]
name = "recency"
kind = "recency"
normalize = "log"

[[features]]
name = "frequency"
kind = "count"
normalize = "log"

[[features]]
name = "monetary"
kind = "sum"
events = "purchases"
normalize = "log"

[clusters]
k = 2

[thresholds.big]
of = "monetary"
quantile = 0.9

[[rules]]
name = "Cart Abandoners"
when = "carts >= 1 in 7d and purchases = 0 in 7d"

[[rules]]
name = "Big, \\"spenders\\""
when = "monetary >= threshold.big"

[[stages]]
name = "awareness"
when = "views >= 1"

[[stages]]
name = "purchase"
when = "purchases >= 1"

[likelihood]
event = "purchases"
horizon = "14d"
"""


def email(user):
    return f'"User, {user}" <u{user}@example.com>'


def write_export(folder, seed=5):
    """Half of the users come daily and buy, half seldom. Returns user -> [(item, type, time, value), ...]."""
    random.seed(seed)
    done = {}
    with open(folder / "events.csv", "w", newline="") as file:
        events = csv.writer(file)
        events.writerow(["user", "item", "event", "time", "value"])
        for user in range(N_USERS):
            own = done.setdefault(f"u{user}", [])
            for day in range(60, 0, -1):
                if user % 2 and random.random() < 0.85 and day != 50:
                    continue
                time = int((END - timedelta(days=day, seconds=-random.randrange(3600))).timestamp())
                item = f"i{random.randrange(20)}"
                own.append((item, "view", time, 0))
                if random.random() < (0.15 if user % 2 else 0.3):
                    own.append((item, "cart", time + 60, 0))
                    if random.random() < 0.6:
                        own.append((item, "buy", time + 120, 10 + user % 7))
            events.writerows([f"u{user}", item, event, time, value] for item, event, time, value in own)
    with open(folder / "users.csv", "w", newline="") as file:
        users = csv.writer(file)
        users.writerow(["user", "email", "country"])
        users.writerows([f"u{user}", email(user), "de" if user % 3 else ""] for user in range(N_USERS))
    return done


class Segments(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        client_folder, cls.recommender, cls.recommender_rpc = support.generate_client()
        cls.addClassCleanup(shutil.rmtree, client_folder)
        from kindred.v1 import segments_pb2, segments_pb2_grpc
        cls.pb = segments_pb2
        cls.folder = folder = Path(tempfile.mkdtemp(prefix="kindred-segments-"))
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.done = write_export(folder)
        (folder / "segments.toml").write_text(CONFIG)
        run("prepare", folder / "events.csv", "--users", folder / "users.csv", "--out", folder / "data")
        cls.report = json.loads(cls.segment().stdout)
        cls.server = support.Server(folder / "store", None, "--segments", "shop-segments")
        cls.addClassCleanup(cls.server.kill)
        channel = connect(cls.server.address)
        cls.addClassCleanup(channel.close)
        cls.client = segments_pb2_grpc.SegmentsStub(channel)
        cls.others = cls.recommender_rpc.RecommenderStub(channel)

    @classmethod
    def segment(cls, *options):
        return run("segment", cls.folder / "data", "--store", cls.folder / "store", "--model", "shop-segments",
                   "--config", cls.folder / "segments.toml", "--json", *options)

    def query(self, *words, check=True, **options):
        return run("query", "segments", *words, "--server", self.server.address, check=check, **options)

    def id_of(self, kind, name=""):
        return self.pb.SegmentId(kind=kind, id=name)

    def members(self, segment, **fields):
        pages = list(self.client.ListMembers(self.pb.ListMembersRequest(segment=segment, **fields), timeout=PATIENCE))
        return [user for page in pages for user in page.user_ids]

    def refused(self, method, request, code, detail):
        with self.assertRaises(grpc.RpcError) as failure:
            reply = getattr(self.client, method)(request, timeout=PATIENCE)
            if hasattr(reply, "__iter__"):
                list(reply)
        self.assertEqual(failure.exception.code(), code)
        self.assertIn(detail, failure.exception.details())

    def test_all_segments_are_those_of_the_report(self):
        self.assertEqual(self.server.ready["segments"], {"name": "shop-segments", "version": self.report["version"]})
        self.assertIsNone(self.server.ready["model"])
        reply = self.client.ListSegments(self.pb.ListSegmentsRequest(), timeout=PATIENCE)
        found = [(one.id.kind, one.id.id, one.name, one.size) for one in reply.list]
        stages = self.report["stages"]
        self.assertEqual(found, [
            *((self.pb.CLUSTER, one["id"], one["name"], one["size"]) for one in self.report["segments"]),
            *((self.pb.RULE, one["name"], one["name"], one["size"]) for one in self.report["rules"]),
            *((self.pb.STAGE, name, name, size) for name, size in zip(stages["names"], stages["sizes"])),
            (self.pb.LIKELY, "", "likely to buy", self.report["likelihood"]["n_likely"])])
        for one in reply.list:
            self.assertEqual(len(self.members(one.id)), one.size)
        self.assertEqual(sum(one.size for one in reply.list if one.id.kind == self.pb.CLUSTER), N_USERS)
        lines = self.query("list").stdout.splitlines()
        self.assertEqual(len(lines), 1 + len(reply.list))
        self.assertIn("shop-segments version 1 as of 2024-03-01T00:00:00Z: 120 users, 0 of them in no cluster",
                      lines[0])

    def test_a_user_and_why(self):
        abandoners = set(self.members(self.id_of(self.pb.RULE, "Cart Abandoners")))
        self.assertTrue(abandoners)
        week = int((END - timedelta(days=7)).timestamp())
        for user, done in self.done.items():
            recent = [event for _, event, time, _ in done if time > week]
            self.assertEqual(user in abandoners, "cart" in recent and "buy" not in recent)
        user = sorted(abandoners)[0]
        reply = self.client.GetUserSegments(self.pb.GetUserSegmentsRequest(user_id=user), timeout=PATIENCE)
        rule = next(rule for rule in reply.rules if rule.name == "Cart Abandoners")
        n_carts = sum(event == "cart" and time > week for _, event, time, _ in self.done[user])
        self.assertIn(f"carts in 7d = {n_carts} >= 1", rule.reasons)
        self.assertLessEqual(reply.cluster.distance, reply.cluster.next.distance)
        self.assertEqual({reply.cluster.id, reply.cluster.next.id}, {one["id"] for one in self.report["segments"]})
        self.assertEqual(reply.stage.name,
                         "purchase" if any(e == "buy" for _, e, _, _ in self.done[user]) else "awareness")
        self.assertEqual({f.feature: f.value for f in reply.features}["frequency"], len(self.done[user]))
        text = self.query("get", "--user", user).stdout
        self.assertIn(f"user {user}, by shop-segments version 1 as of 2024-03-01T00:00:00Z", text)
        self.assertIn(f"  rule        Cart Abandoners: carts in 7d = {n_carts} >= 1", text)
        many = self.query("get", "--user", user, "--user", "stranger", "--json", check=False)
        self.assertEqual(many.returncode, 1)
        results = json.loads(many.stdout)["results"]
        self.assertEqual(results[0]["reply"]["user_id"], user)
        self.assertEqual(results[1]["error"], {"code": 5, "message": "user_ids[1]: the version has no user 'stranger'"})

    def test_a_segment(self):
        for one in self.report["segments"]:
            reply = self.client.DescribeSegment(
                self.pb.DescribeSegmentRequest(segment=self.id_of(self.pb.CLUSTER, one["id"])), timeout=PATIENCE)
            self.assertEqual(reply.segment.in_words, one["in_words"])
            self.assertEqual([(f.feature, f.mean, f.deviations) for f in reply.profile],
                             [(f["feature"], f["mean"], f["deviations"]) for f in one["profile"]])
            self.assertEqual([example.user_id for example in reply.examples],
                             [example["user"] for example in one["examples"]])
            self.assertAlmostEqual(reply.mean_silhouette, one["mean_silhouette"])
        rule = json.loads(self.query("describe", "--rule", 'Big, "spenders"', "--json").stdout)
        self.assertEqual(rule["condition"], "monetary >= threshold.big")
        self.assertEqual(rule["thresholds"][0]["value"], self.report["thresholds"]["big"]["value"])
        self.assertIn("threshold   big = ", self.query("describe", "--rule", 'Big, "spenders"').stdout)
        self.assertIn("purchases within 14 days", self.query("describe", "--likely").stdout)
        wrong = self.query("describe", "--stage", "purchas", check=False)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("NOT_FOUND: segment.id: there is no stage 'purchas'; the nearest is 'purchase'", wrong.stderr)
        self.assertEqual(self.query("describe", check=False).returncode, 2)
        self.assertEqual(self.query("describe", "--likely", "--stage", "purchase", check=False).returncode, 2)

    def test_members(self):
        stage = self.id_of(self.pb.STAGE, "purchase")
        users = self.members(stage)
        self.assertEqual(self.members(stage, n=3), users[:3])
        self.assertEqual(self.query("members", "--stage", "purchase").stdout.split(), users)
        lines = self.query("members", "--stage", "purchase", "--n", 2, "--json").stdout.splitlines()
        self.assertEqual([json.loads(line) for line in lines], [{"user_id": user} for user in users[:2]])

    def test_somebody_new(self):
        """is placed as a stored user who did the same."""
        for user in ("u0", "u1", "u2", "u3"):
            stored = self.client.GetUserSegments(self.pb.GetUserSegmentsRequest(user_id=user), timeout=PATIENCE)
            request = self.pb.AssignEventsRequest()
            request.reference.FromDatetime(END)
            for item, event, time, value in self.done[user]:
                one = request.events.add(item_id=item, type=event, value=value)
                one.time.seconds = time
            reply = self.client.AssignEvents(request, timeout=PATIENCE)
            self.assertFalse(reply.known_user)
            self.assertEqual(reply.n_given_events, len(self.done[user]))
            self.assertEqual(reply.user.cluster, stored.cluster)
            self.assertEqual(list(reply.user.rules), list(stored.rules))
            self.assertEqual(reply.user.stage, stored.stage)
            self.assertEqual(reply.user.likelihood.probability, stored.likelihood.probability)
            features = {f.feature: f.value for f in stored.features}
            placed = self.client.AssignFeatures(self.pb.AssignFeaturesRequest(features=features), timeout=PATIENCE)
            self.assertEqual(placed.cluster, stored.cluster)
            words = [word for name, value in features.items() for word in ("--feature", f"{name}={value!r}")]
            self.assertEqual(json.loads(self.query("assign", *words, "--json").stdout)["cluster"]["id"],
                             stored.cluster.id)

    def test_a_cart_that_is_paid_for(self):
        """makes an abandoner none, at once and for this answer alone."""
        user = self.members(self.id_of(self.pb.RULE, "Cart Abandoners"), n=1)[0]
        event = json.dumps({"item_id": "new", "type": "buy", "time": "2024-03-01T10:00:00Z", "value": 30})
        done = subprocess.run([PROGRAM, "query", "segments", "assign", "--user", user, "--events", "-", "--json",
                               "--server", self.server.address], input=event, capture_output=True, text=True,
                              timeout=PATIENCE, check=True)
        reply = json.loads(done.stdout)
        self.assertNotIn("Cart Abandoners", [rule["name"] for rule in reply["user"]["rules"]])
        self.assertEqual(reply["user"]["reference"], "2024-03-01T10:00:00Z")
        self.assertEqual((reply["n_given_events"], reply["unknown_item_ids"]), (1, ["new"]))
        self.assertIn(user, self.members(self.id_of(self.pb.RULE, "Cart Abandoners")))
        text = self.query("assign", "--user", user, "--reference", "2024-05-01").stdout
        self.assertNotIn("Cart Abandoners", text)
        self.assertIn(f"events      {len(self.done[user])} stored and 0 given", text)

    def test_words_that_say_nothing_are_usage_errors(self):
        for words, message in ((("--user", "u1", "--reference", "2024-13-01"), "--reference '2024-13-01': there is no"),
                               (("--feature", "=2"), "--feature '=2': expected NAME=VALUE"),
                               (("--feature", "recency=x"), "'x' is no number"),
                               (("--feature", "recency=1", "--user", "u1"), "--feature does not"), ((), "who is to be")):
            with self.subTest(words):
                refused = self.query("assign", *words, check=False)
                self.assertEqual((refused.returncode, refused.stdout), (2, ""))
                self.assertIn(message, refused.stderr)

    def test_an_export(self):
        rows = list(csv.DictReader(io.StringIO(
            self.query("export", "--rule", 'Big, "spenders"', "--feature", "monetary", "--attribute", "email",
                       "--attribute", "country").stdout)))
        self.assertEqual([row["user_id"] for row in rows],
                         self.members(self.id_of(self.pb.RULE, 'Big, "spenders"')))
        names = {one["id"]: one["name"] for one in self.report["segments"]}
        for row in rows:
            user = int(row["user_id"][1:])
            self.assertEqual(row["email"], email(user))
            self.assertEqual(row["country"], "de" if user % 3 else "")
            self.assertEqual(row["cluster_name"], names[row["cluster_id"]])
            self.assertIn('Big, "spenders"', row["rules"].split("|"))
            self.assertEqual(float(row["monetary"]),
                             sum(value for _, event, _, value in self.done[row["user_id"]] if event == "buy"))
        file = self.folder / "all.jsonl"
        self.query("export", "--attribute", "*", "--out", file)
        objects = [json.loads(line) for line in file.read_text().splitlines()]
        self.assertEqual(len(objects), N_USERS)
        self.assertIsNone(objects[0]["country"])
        again = self.query("export", "--out", file, check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("all.jsonl", again.stderr)
        self.query("export", "--out", file, "--overwrite", "--likely")
        self.assertEqual(len(file.read_text().splitlines()), self.report["likelihood"]["n_likely"])
        wrong = self.query("export", "--attribute", "e-mail", "--out", self.folder / "wrong.csv", check=False)
        self.assertIn("INVALID_ARGUMENT: attributes: users have no attribute 'e-mail'; the nearest is 'email'",
                      wrong.stderr)
        self.assertFalse((self.folder / "wrong.csv").exists())
        self.assertEqual([path for path in self.folder.iterdir() if ".tmp-" in path.name], [])

    def test_what_is_wrong_is_named(self):
        code = grpc.StatusCode
        self.refused("GetUserSegments", self.pb.GetUserSegmentsRequest(user_id="x"), code.NOT_FOUND,
                     "user_id: the version has no user 'x'")
        self.refused("GetUserSegments", self.pb.GetUserSegmentsRequest(), code.INVALID_ARGUMENT, "user_id: is empty")
        self.refused("AssignFeatures", self.pb.AssignFeaturesRequest(features={"recncy": 1}), code.INVALID_ARGUMENT,
                     "features: there is no feature 'recncy'; the nearest is 'recency'")
        self.refused("AssignEvents", self.pb.AssignEventsRequest(), code.INVALID_ARGUMENT, "events: is empty")
        request = self.pb.AssignEventsRequest(events=[self.pb.UserEvent(item_id="i1", type="by")])
        self.refused("AssignEvents", request, code.INVALID_ARGUMENT, "the nearest is 'buy'")
        request.events[0].type = "buy"
        request.events[0].time.FromDatetime(datetime(9000, 1, 1))
        self.refused("AssignEvents", request, code.INVALID_ARGUMENT, "events[0].time: is ")
        self.refused("ListMembers", self.pb.ListMembersRequest(), code.INVALID_ARGUMENT, "segment.kind: is 0")
        self.refused("ExportSegment", self.pb.ExportSegmentRequest(features=["x"]), code.INVALID_ARGUMENT,
                     "features: there is no feature 'x'")
        with self.assertRaises(grpc.RpcError) as failure:
            self.others.Recommend(self.recommender.RecommendRequest(user_id="u1"), timeout=PATIENCE)
        self.assertEqual(failure.exception.code(), code.FAILED_PRECONDITION)

    def test_the_next_version_is_swapped_in_beside_a_model(self):
        store = self.folder / "both"
        run("train", self.folder / "data", "--store", store, "--model", "shop", "--n-factors", 4, "--epochs", 2)
        shutil.copytree(self.folder / "store" / "shop-segments", store / "shop-segments")
        with_both = support.Server(store, "shop", "--segments", "shop-segments")
        self.addCleanup(with_both.kill)
        channel = connect(with_both.address)
        self.addCleanup(channel.close)
        client = self.recommender_rpc.RecommenderStub(channel)
        info = client.GetServerInfo(self.recommender.GetServerInfoRequest(), timeout=PATIENCE)
        self.assertEqual((info.model.name, info.segments.name, info.segments.version), ("shop", "shop-segments", 1))
        self.assertEqual(list(info.segments.features), ["recency", "frequency", "monetary"])
        self.assertTrue(client.Recommend(self.recommender.RecommendRequest(user_id="u1"), timeout=PATIENCE).items)
        run("segment", self.folder / "data", "--store", store, "--model", "shop-segments", "--config",
            self.folder / "segments.toml")
        eventually(lambda: client.GetServerInfo(self.recommender.GetServerInfoRequest(),
                                                timeout=PATIENCE).segments.version == 2, "version 2")
        self.assertIn("segments  shop-segments version 2: 120 users",
                      run("query", "server-info", "--server", with_both.address).stdout)
        self.assertEqual(run("query", "health", "--server", with_both.address).stdout, "SERVING\n")
        self.assertEqual(with_both.stop(), 0)

    def test_nothing_to_serve(self):
        for words, status, message in (
                (["--store", self.folder / "store"], 2, "expected --model, --segments or both"),
                (["--store", self.folder / "store", "--segments", "x"], 1, "nothing to serve: "),
                (["--store", self.folder / "store", "--model", "shop-segments"], 1,
                 "shop-segments/1' is a version of segments, which `kindred segment` makes; expected one of a model"),
                (["--segments", "x", "--state-dir", "y"], 2, "--state-dir is of a model"),
                (["--segments", "x", "--model-version", "2"], 2, "--model-version is of a model"),
                (["--model", "x", "--segments-version", "2"], 2, "--segments-version is of segments")):
            with self.subTest(words):
                failed = run("serve", "--listen", "127.0.0.1:0", *words, check=False)
                self.assertEqual(failed.returncode, status, failed.stderr)
                self.assertIn(message, failed.stderr)


if __name__ == "__main__":
    unittest.main()
