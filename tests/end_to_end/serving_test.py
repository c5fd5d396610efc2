"""What a server answers, and `kindred query`, with a Python client generated from the proto."""

import json
import socket
import subprocess
import unittest

import grpc

import serving_case
import support
from serving_case import N_ITEMS, N_USERS, Serving
from support import PATIENCE, PROGRAM, connect, run


def setUpModule():
    global folder, history, pb, rpc
    folder, history, pb, rpc = serving_case.make_shop()


class Answers(Serving):
    @classmethod
    def setUpClass(cls):
        cls.server = support.Server(folder / "store", "shop")
        cls.addClassCleanup(cls.server.kill)
        cls.channel = connect(cls.server.address)
        cls.addClassCleanup(cls.channel.close)
        cls.client = rpc.RecommenderStub(cls.channel)

    def test_known_user(self):
        reply = self.client.Recommend(pb.RecommendRequest(user_id="u4", n=5), timeout=PATIENCE)
        self.assertEqual(reply.served_by, pb.PERSONAL)
        self.assertEqual((reply.model.name, reply.model.version, reply.why), ("shop", 1, ""))
        self.assertEqual(len(reply.items), 5)
        self.assertFalse({item.item_id for item in reply.items} & history["u4"])
        scores = [item.score for item in reply.items]
        self.assertEqual(scores, sorted(scores, reverse=True))
        own_taste = sum(int(item.item_id[1:]) // 25 == 0 for item in reply.items)
        self.assertGreaterEqual(own_taste, 4)

    def test_folded_in(self):
        given = sorted(history["u4"])
        request = pb.RecommendRequest(history=[pb.HistoryItem(item_id=item) for item in given + ["lost"]], n=5)
        reply = self.client.Recommend(request, timeout=PATIENCE)
        self.assertEqual(reply.served_by, pb.FOLDED_IN)
        self.assertEqual(list(reply.unknown_history_items), ["lost"])
        stored = self.client.Recommend(pb.RecommendRequest(user_id="u4", n=5), timeout=PATIENCE)
        self.assertEqual([item.item_id for item in reply.items], [item.item_id for item in stored.items])

    def test_unknown_user(self):
        reply = self.client.Recommend(pb.RecommendRequest(user_id="nobody"), timeout=PATIENCE)
        self.assertEqual(reply.served_by, pb.POPULAR)
        self.assertEqual(reply.why, "unknown user 'nobody' and no history")
        self.assertEqual(len(reply.items), 10)
        had = lambda item: sum(item in items for items in history.values())
        self.assertEqual([item.score for item in reply.items], [had(item.item_id) for item in reply.items])

    def test_shortfall(self):
        reply = self.client.Recommend(pb.RecommendRequest(user_id="u4", n=1000), timeout=PATIENCE)
        self.assertEqual(len(reply.items), N_ITEMS - len(history["u4"]))
        self.assertEqual((reply.shortfall.requested, reply.shortfall.returned), (1000, len(reply.items)))
        self.assertIn("100 items", reply.shortfall.reason)

    def test_batch(self):
        requests = [pb.RecommendRequest(user_id=f"u{i}", n=3) for i in range(64)]
        requests[7].n = 0
        reply = self.client.BatchRecommend(pb.BatchRecommendRequest(requests=requests), timeout=PATIENCE)
        self.assertEqual(len(reply.results), 64)
        for i, result in enumerate(reply.results):
            if i == 7:
                self.assertEqual(result.error.code, grpc.StatusCode.INVALID_ARGUMENT.value[0])
                self.assertEqual(result.error.message, "n: is 0, expected 1 to 1000")
            else:
                self.assertEqual(result.reply, self.client.Recommend(requests[i], timeout=PATIENCE))

    def test_similar_items(self):
        reply = self.client.SimilarItems(pb.SimilarItemsRequest(item_id="i3", n=4), timeout=PATIENCE)
        self.assertEqual(reply.served_by, pb.SIMILAR)
        self.assertEqual(len(reply.items), 4)
        self.assertNotIn("i3", [item.item_id for item in reply.items])
        self.assert_status(grpc.StatusCode.NOT_FOUND, "'lost'", self.client.SimilarItems,
                           pb.SimilarItemsRequest(item_id="lost"))

    def test_users_for_an_item(self):
        request = pb.UsersForItemRequest(item_id="i3", n=1000)
        reply = self.client.UsersForItem(request, timeout=PATIENCE)
        self.assertEqual((reply.model.name, reply.model.version), ("shop", 1))
        self.assertEqual({user.user_id for user in reply.users}, {u for u, items in history.items() if "i3" not in items})
        for user in reply.users[:5]:
            own = self.client.Recommend(pb.RecommendRequest(user_id=user.user_id, n=1000), timeout=PATIENCE)
            self.assertEqual([item.score for item in own.items if item.item_id == "i3"], [user.score])
        own_taste = sum(int(user.user_id[1:]) % 4 == 0 for user in reply.users[:20])
        self.assertGreaterEqual(own_taste, 16)
        request.include_users_with_item = True
        self.assertEqual(len(self.client.UsersForItem(request, timeout=PATIENCE).users), N_USERS)
        streamed = list(self.client.StreamUsersForItem(pb.UsersForItemRequest(item_id="i3"), timeout=PATIENCE))
        self.assertEqual([list(piece.users) for piece in streamed], [list(reply.users)])
        self.assert_status(grpc.StatusCode.NOT_FOUND, "'lost'", self.client.UsersForItem,
                           pb.UsersForItemRequest(item_id="lost"))

    def test_similar_users(self):
        reply = self.client.SimilarUsers(pb.SimilarUsersRequest(user_id="u4", n=20), timeout=PATIENCE)
        self.assertEqual((len(reply.users), reply.why), (20, ""))
        self.assertGreaterEqual(sum(int(user.user_id[1:]) % 4 == 0 for user in reply.users), 16)
        self.assert_status(grpc.StatusCode.NOT_FOUND, "'nobody'", self.client.SimilarUsers,
                           pb.SimilarUsersRequest(user_id="nobody"))

    def test_popular(self):
        reply = self.client.GetPopular(pb.GetPopularRequest(n=5), timeout=PATIENCE)
        expected = self.client.Recommend(pb.RecommendRequest(n=5), timeout=PATIENCE)
        self.assertEqual(list(reply.items), list(expected.items))
        self.assert_status(grpc.StatusCode.NOT_FOUND, "group: ", self.client.GetPopular,
                           pb.GetPopularRequest(group="DE"))

    def test_pages(self):
        whole = self.client.Recommend(pb.RecommendRequest(user_id="u4", n=1000), timeout=PATIENCE)
        items, cursor = [], ""
        while True:
            reply = self.client.Recommend(pb.RecommendRequest(user_id="u4", n=7, cursor=cursor),
                                          timeout=PATIENCE)
            items.extend(reply.items)
            cursor = reply.next_cursor
            if not cursor:
                break
        self.assertEqual(items, list(whole.items))
        self.assert_status(grpc.StatusCode.INVALID_ARGUMENT, "cursor: ", self.client.Recommend,
                           pb.RecommendRequest(user_id="u4", cursor="x"))

    def test_stream(self):
        requests = [pb.RecommendRequest(user_id=f"u{i % N_USERS}", n=i % 7) for i in range(500)]
        results = list(self.client.StreamRecommend(iter(requests), timeout=PATIENCE))
        batch = self.client.BatchRecommend(pb.BatchRecommendRequest(requests=requests), timeout=PATIENCE)
        self.assertEqual(results, list(batch.results))

    def test_what_an_answer_took(self):
        cost = self.client.Recommend(pb.RecommendRequest(user_id="u4", explain_cost=True), timeout=PATIENCE).cost
        self.assertEqual((cost.items, cost.scanned + cost.pruned, cost.selectivity), (N_ITEMS, N_ITEMS, 1))
        self.assertGreaterEqual(cost.rescored, 10)
        self.assertGreater(cost.microseconds, 0)

    def test_server_info(self):
        info = self.client.GetServerInfo(pb.GetServerInfoRequest(), timeout=PATIENCE)
        self.assertEqual((info.model.name, info.model.version, info.model.algorithm), ("shop", 1, "als"))
        self.assertEqual((info.model.n_users, info.model.n_items, info.model.n_factors), (N_USERS, N_ITEMS, 16))
        self.assertEqual(info.backend.name, "cpu")
        self.assertTrue(info.backend.reason)
        self.assertTrue(info.model.created_at)
        self.assertEqual((info.limits.max_n, info.limits.max_batch), (1000, 1024))

    def test_refused(self):
        for field, request in {
            "tenant": pb.RecommendRequest(tenant="a"),
            "explain": pb.RecommendRequest(explain=True), "dry_run": pb.RecommendRequest(dry_run=True),
            "history[0].event": pb.RecommendRequest(history=[pb.HistoryItem(item_id="i1", event="buy")]),
        }.items():
            self.assert_status(grpc.StatusCode.UNIMPLEMENTED, field + ": ", self.client.Recommend, request)
        for n in (0, -1, 10**9):
            self.assert_status(grpc.StatusCode.INVALID_ARGUMENT, f"n: is {n}, expected 1 to 1000",
                               self.client.Recommend, pb.RecommendRequest(n=n))
        too_many = pb.BatchRecommendRequest(requests=[pb.RecommendRequest()] * 1025)
        self.assert_status(grpc.StatusCode.INVALID_ARGUMENT, "requests: has 1025 entries", self.client.BatchRecommend,
                           too_many)

    def test_bytes_that_are_no_request(self):
        raw = self.channel.unary_unary("/kindred.v1.Recommender/Recommend")
        for request in (b"\x0a\x02\xff\xfe", b"\x0a\xff\xff\xff\xff\x0f", b"\xff" * 100):  # no UTF-8; cut; noise
            with self.assertRaises(grpc.RpcError):
                raw(request, timeout=PATIENCE)
        unknown = self.channel.unary_unary("/kindred.v1.Recommender/Recommen")
        self.assert_status(grpc.StatusCode.UNIMPLEMENTED, "", unknown, b"")
        self.assertTrue(raw(b"", timeout=PATIENCE))

    def test_health_and_reflection(self):
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        for service in (b"", b"kindred.v1.Recommender"):
            request = b"\x0a" + bytes([len(service)]) + service if service else b""
            self.assertEqual(check(request, timeout=PATIENCE), b"\x08\x01")  # SERVING
        reflect = self.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        symbol = b"kindred.v1.Recommender"
        listed, described = reflect(iter([b"\x3a\x00", b"\x22" + bytes([len(symbol)]) + symbol]),
                                    timeout=PATIENCE)
        self.assertIn(symbol, listed)
        self.assertIn(b"grpc.health.v1.Health", listed)
        self.assertIn(b"RecommendRequest", described)

    def test_query(self):
        def query(*args, check=True):
            return run("query", *args, "--server", self.server.address, check=check)

        recommend = json.loads(query("recommend", "--user", "u4", "--n", 3, "--json").stdout)
        expected = self.client.Recommend(pb.RecommendRequest(user_id="u4", n=3), timeout=PATIENCE)
        self.assertEqual([item["item_id"] for item in recommend["items"]], [item.item_id for item in expected.items])
        self.assertEqual(recommend["served_by"], "PERSONAL")
        self.assertEqual(recommend["model"], {"name": "shop", "version": 1})
        folded = json.loads(query("recommend", "--history", "i1", "--history", "lost", "--json").stdout)
        self.assertEqual((folded["served_by"], folded["unknown_history_items"]), ("FOLDED_IN", ["lost"]))
        batch = json.loads(query("batch-recommend", "--user", "u4", "--user", "nobody", "--n", 3, "--json").stdout)
        self.assertEqual(batch["results"][0]["reply"], recommend)
        self.assertEqual(batch["results"][1]["reply"]["served_by"], "POPULAR")
        self.assertEqual(len(json.loads(query("similar-items", "--item", "i3", "--json").stdout)["items"]), 10)
        self.assertEqual(json.loads(query("server-info", "--json").stdout)["model"]["version"], 1)
        self.assertEqual(json.loads(query("health", "--json").stdout), {"status": "SERVING"})
        table = query("recommend", "--user", "u4", "--n", 3, "--cost").stdout
        self.assertIn("user u4: PERSONAL, by shop version 1", table)
        self.assertIn(recommend["items"][0]["item_id"], table)
        self.assertIn("  cost: 100 items, ", table)
        self.assertIn(f"  more: --cursor {recommend['next_cursor']}\n", table)
        page = json.loads(query("recommend", "--user", "u4", "--n", 2, "--cursor", recommend["next_cursor"],
                                "--json").stdout)
        expected = self.client.Recommend(pb.RecommendRequest(user_id="u4", n=5), timeout=PATIENCE)
        self.assertEqual([item["item_id"] for item in page["items"]], [item.item_id for item in expected.items][3:])
        users = json.loads(query("users-for-item", "--item", "i3", "--n", 4, "--json").stdout)["users"]
        self.assertIn(users[0]["user_id"], query("users-for-item", "--item", "i3").stdout)
        self.assertIn("users for item i3, by shop version 1",
                      query("users-for-item", "--item", "i3", "--include-users-with-item").stdout)
        every = query("users-for-item", "--item", "i3", "--all", "--json").stdout.splitlines()
        self.assertEqual(json.loads(every[0]), users[0])
        self.assertEqual(len(every), sum("i3" not in items for items in history.values()))
        self.assertIn(f"{users[0]['user_id']} ", query("users-for-item", "--item", "i3", "--n", 2000).stdout)
        like = json.loads(query("similar-users", "--user", "u4", "--json").stdout)["users"]
        self.assertIn(like[0]["user_id"], query("similar-users", "--user", "u4").stdout)
        self.assertIn("whoever asks: POPULAR", query("popular", "--n", 2).stdout)
        self.assertEqual(len(json.loads(query("popular", "--n", 2, "--json").stdout)["items"]), 2)
        self.assertIn("NOT_FOUND: group: ", query("popular", "--group", "DE", check=False).stderr)
        for words in (["server-info"], ["health"], ["batch-recommend", "--user", "u4"], ["similar-items", "--item", "i3"]):
            self.assertTrue(query(*words).stdout)

        failed = query("similar-items", "--item", "lost", check=False)
        self.assertEqual((failed.returncode, failed.stdout), (1, ""))
        self.assertIn("NOT_FOUND: item_id: the model has no item 'lost'", failed.stderr)
        self.assertEqual(query("recommend", "--n", "x", check=False).returncode, 2)
        self.assertEqual(run("query", check=False).returncode, 2)

    def test_query_stream(self):
        def stream(text, *args):
            return subprocess.run([PROGRAM, "query", "stream-recommend", "--server", self.server.address, *args],
                                  input=text, capture_output=True, timeout=PATIENCE)

        users = [f"u{i % N_USERS}" for i in range(300)] + ["nobody"]
        done = stream("\n".join(users).encode(), "--json", "--n", "3")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line["user_id"] for line in lines], users)
        single = json.loads(run("query", "recommend", "--user", "u4", "--n", 3, "--json", "--server",
                                self.server.address).stdout)
        self.assertEqual(lines[4]["reply"], single)
        self.assertEqual(lines[-1]["reply"]["served_by"], "POPULAR")
        self.assertIn(b"user u4: PERSONAL, by shop version 1", stream(b"u4\n").stdout)
        self.assertEqual((stream(b"").returncode, stream(b"").stdout), (0, b""))
        refused = stream(b"u4\ncaf\xe9\n", "--n", "0")
        self.assertEqual(refused.returncode, 2)
        self.assertIn(b"user u4: INVALID_ARGUMENT: n: is 0", refused.stdout)
        self.assertIn(b"standard input: the user 'caf\\xe9' is not UTF-8", refused.stderr)
        nowhere = run("query", "stream-recommend", "--server", "127.0.0.1:1", "--timeout-ms", 100, check=False)
        self.assertEqual((nowhere.returncode, nowhere.stdout), (1, ""))
        self.assertIn("UNAVAILABLE: no server answers at 127.0.0.1:1", nowhere.stderr)

    def test_query_with_words_that_cannot_be_sent(self):
        for call, flag in (("recommend", "--user"), ("recommend", "--history"), ("batch-recommend", "--user"),
                           ("similar-items", "--item")):
            refused = run("query", call, flag, "caf\udce9", check=False)
            self.assertEqual((refused.returncode, refused.stdout), (2, ""))
            self.assertIn(f"{flag} 'caf\\xe9' is not UTF-8", refused.stderr)
        refused = run("query", "health", "--server", "", check=False)
        self.assertEqual((refused.returncode, refused.stdout), (2, ""))
        self.assertIn("--server is empty", refused.stderr)

    def test_query_without_a_server(self):
        with socket.socket() as held:  # bound and not listening: nobody answers there
            held.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % held.getsockname()[1]
            failed = run("query", "health", "--server", address, check=False)
        self.assertEqual((failed.returncode, failed.stdout), (1, ""))
        self.assertIn("UNAVAILABLE", failed.stderr)


if __name__ == "__main__":
    unittest.main()
