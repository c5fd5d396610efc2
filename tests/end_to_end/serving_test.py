"""prepare, train, serve and query as users run them, with a Python client generated from the proto."""

import json
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

import grpc

import support
from support import PATIENCE, PROGRAM, connect, eventually, run

N_USERS, N_ITEMS = 200, 100


def write_export(path):
    """Users of four tastes; returns who had what."""
    random.seed(1)
    history = {}
    for user in range(N_USERS):
        taste = range(user % 4 * 25, user % 4 * 25 + 25)
        items = {random.choice(taste) if random.random() < 0.85 else random.randrange(N_ITEMS) for _ in range(12)}
        history[f"u{user}"] = {f"i{item}" for item in items}
    path.write_text("".join(f"{user} {' '.join(sorted(items))}\n" for user, items in history.items()))
    return history


def setUpModule():
    global folder, history, client_folder, pb, rpc
    client_folder, pb, rpc = support.generate_client()
    folder = Path(tempfile.mkdtemp(prefix="kindred-serving-"))
    history = write_export(folder / "export.txt")
    run("prepare", folder / "export.txt", "--format", "adjacency", "--out", folder / "data")
    train(folder / "store", 1)


def tearDownModule():
    shutil.rmtree(folder)
    shutil.rmtree(client_folder)


def train(store, seed):
    run("train", folder / "data", "--store", store, "--model", "shop", "--algorithm", "als", "--n-factors", 16,
        "--epochs", 3, "--seed", seed)


class Serving(unittest.TestCase):
    def store(self):
        """A store of this test's own, with version 1."""
        copy = Path(tempfile.mkdtemp(prefix="kindred-store-", dir=folder)) / "store"
        shutil.copytree(folder / "store", copy)
        return copy

    def serve(self, store, *options, **named):
        server = support.Server(store, "shop", *options, **named)
        self.addCleanup(server.kill)
        return server

    def stub(self, server):
        channel = connect(server.address)
        self.addCleanup(channel.close)
        return rpc.RecommenderStub(channel)

    def assert_status(self, code, detail, call, *args):
        with self.assertRaises(grpc.RpcError) as failure:
            call(*args, timeout=support.PATIENCE)
        self.assertEqual(failure.exception.code(), code)
        self.assertIn(detail, failure.exception.details())

    def callers(self, n, call):
        """Runs `call()` again and again on n threads until the returned function is called, which gives the
        exceptions they met."""
        stop, errors = threading.Event(), []

        def work():
            while not stop.is_set():
                try:
                    call()
                except Exception as error:
                    errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(n)]
        for thread in threads:
            thread.start()

        def finish():
            stop.set()
            for thread in threads:
                thread.join(support.PATIENCE)
            return errors

        self.addCleanup(finish)
        return finish


class Answers(Serving):
    @classmethod
    def setUpClass(cls):
        cls.server = support.Server(folder / "store", "shop")
        cls.addClassCleanup(cls.server.kill)
        cls.channel = connect(cls.server.address)
        cls.addClassCleanup(cls.channel.close)
        cls.client = rpc.RecommenderStub(cls.channel)

    def test_known_user(self):
        reply = self.client.Recommend(pb.RecommendRequest(user_id="u4", n=5), timeout=support.PATIENCE)
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
        reply = self.client.Recommend(request, timeout=support.PATIENCE)
        self.assertEqual(reply.served_by, pb.FOLDED_IN)
        self.assertEqual(list(reply.unknown_history_items), ["lost"])
        stored = self.client.Recommend(pb.RecommendRequest(user_id="u4", n=5), timeout=support.PATIENCE)
        self.assertEqual([item.item_id for item in reply.items], [item.item_id for item in stored.items])

    def test_unknown_user(self):
        reply = self.client.Recommend(pb.RecommendRequest(user_id="nobody"), timeout=support.PATIENCE)
        self.assertEqual(reply.served_by, pb.POPULAR)
        self.assertEqual(reply.why, "unknown user 'nobody' and no history")
        self.assertEqual(len(reply.items), 10)
        had = lambda item: sum(item in items for items in history.values())
        self.assertEqual([item.score for item in reply.items], [had(item.item_id) for item in reply.items])

    def test_shortfall(self):
        reply = self.client.Recommend(pb.RecommendRequest(user_id="u4", n=1000), timeout=support.PATIENCE)
        self.assertEqual(len(reply.items), N_ITEMS - len(history["u4"]))
        self.assertEqual((reply.shortfall.requested, reply.shortfall.returned), (1000, len(reply.items)))
        self.assertIn("100 items", reply.shortfall.reason)

    def test_batch(self):
        requests = [pb.RecommendRequest(user_id=f"u{i}", n=3) for i in range(64)]
        requests[7].n = 0
        reply = self.client.BatchRecommend(pb.BatchRecommendRequest(requests=requests), timeout=support.PATIENCE)
        self.assertEqual(len(reply.results), 64)
        for i, result in enumerate(reply.results):
            if i == 7:
                self.assertEqual(result.error.code, grpc.StatusCode.INVALID_ARGUMENT.value[0])
                self.assertEqual(result.error.message, "n: is 0, expected 1 to 1000")
            else:
                self.assertEqual(result.reply, self.client.Recommend(requests[i], timeout=support.PATIENCE))

    def test_similar_items(self):
        reply = self.client.SimilarItems(pb.SimilarItemsRequest(item_id="i3", n=4), timeout=support.PATIENCE)
        self.assertEqual(reply.served_by, pb.SIMILAR)
        self.assertEqual(len(reply.items), 4)
        self.assertNotIn("i3", [item.item_id for item in reply.items])
        self.assert_status(grpc.StatusCode.NOT_FOUND, "'lost'", self.client.SimilarItems,
                           pb.SimilarItemsRequest(item_id="lost"))

    def test_users_for_an_item(self):
        request = pb.UsersForItemRequest(item_id="i3", n=1000)
        reply = self.client.UsersForItem(request, timeout=support.PATIENCE)
        self.assertEqual((reply.model.name, reply.model.version), ("shop", 1))
        self.assertEqual({user.user_id for user in reply.users}, {u for u, items in history.items() if "i3" not in items})
        for user in reply.users[:5]:
            own = self.client.Recommend(pb.RecommendRequest(user_id=user.user_id, n=1000), timeout=support.PATIENCE)
            self.assertEqual([item.score for item in own.items if item.item_id == "i3"], [user.score])
        own_taste = sum(int(user.user_id[1:]) % 4 == 0 for user in reply.users[:20])
        self.assertGreaterEqual(own_taste, 16)
        request.include_users_with_item = True
        self.assertEqual(len(self.client.UsersForItem(request, timeout=support.PATIENCE).users), N_USERS)
        streamed = list(self.client.StreamUsersForItem(pb.UsersForItemRequest(item_id="i3"), timeout=support.PATIENCE))
        self.assertEqual([list(piece.users) for piece in streamed], [list(reply.users)])
        self.assert_status(grpc.StatusCode.NOT_FOUND, "'lost'", self.client.UsersForItem,
                           pb.UsersForItemRequest(item_id="lost"))

    def test_similar_users(self):
        reply = self.client.SimilarUsers(pb.SimilarUsersRequest(user_id="u4", n=20), timeout=support.PATIENCE)
        self.assertEqual((len(reply.users), reply.why), (20, ""))
        self.assertGreaterEqual(sum(int(user.user_id[1:]) % 4 == 0 for user in reply.users), 16)
        self.assert_status(grpc.StatusCode.NOT_FOUND, "'nobody'", self.client.SimilarUsers,
                           pb.SimilarUsersRequest(user_id="nobody"))

    def test_popular(self):
        reply = self.client.GetPopular(pb.GetPopularRequest(n=5), timeout=support.PATIENCE)
        expected = self.client.Recommend(pb.RecommendRequest(n=5), timeout=support.PATIENCE)
        self.assertEqual(list(reply.items), list(expected.items))
        self.assert_status(grpc.StatusCode.NOT_FOUND, "group: ", self.client.GetPopular,
                           pb.GetPopularRequest(group="DE"))

    def test_pages(self):
        whole = self.client.Recommend(pb.RecommendRequest(user_id="u4", n=1000), timeout=support.PATIENCE)
        items, cursor = [], ""
        while True:
            reply = self.client.Recommend(pb.RecommendRequest(user_id="u4", n=7, cursor=cursor),
                                          timeout=support.PATIENCE)
            items.extend(reply.items)
            cursor = reply.next_cursor
            if not cursor:
                break
        self.assertEqual(items, list(whole.items))
        self.assert_status(grpc.StatusCode.INVALID_ARGUMENT, "cursor: ", self.client.Recommend,
                           pb.RecommendRequest(user_id="u4", cursor="x"))

    def test_stream(self):
        requests = [pb.RecommendRequest(user_id=f"u{i % N_USERS}", n=i % 7) for i in range(500)]
        results = list(self.client.StreamRecommend(iter(requests), timeout=support.PATIENCE))
        batch = self.client.BatchRecommend(pb.BatchRecommendRequest(requests=requests), timeout=support.PATIENCE)
        self.assertEqual(results, list(batch.results))

    def test_what_an_answer_took(self):
        cost = self.client.Recommend(pb.RecommendRequest(user_id="u4", explain_cost=True), timeout=support.PATIENCE).cost
        self.assertEqual((cost.items, cost.scanned + cost.pruned, cost.selectivity), (N_ITEMS, N_ITEMS, 1))
        self.assertGreaterEqual(cost.rescored, 10)
        self.assertGreater(cost.microseconds, 0)

    def test_server_info(self):
        info = self.client.GetServerInfo(pb.GetServerInfoRequest(), timeout=support.PATIENCE)
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
                raw(request, timeout=support.PATIENCE)
        unknown = self.channel.unary_unary("/kindred.v1.Recommender/Recommen")
        self.assert_status(grpc.StatusCode.UNIMPLEMENTED, "", unknown, b"")
        self.assertTrue(raw(b"", timeout=support.PATIENCE))

    def test_health_and_reflection(self):
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        for service in (b"", b"kindred.v1.Recommender"):
            request = b"\x0a" + bytes([len(service)]) + service if service else b""
            self.assertEqual(check(request, timeout=support.PATIENCE), b"\x08\x01")  # SERVING
        reflect = self.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        symbol = b"kindred.v1.Recommender"
        listed, described = reflect(iter([b"\x3a\x00", b"\x22" + bytes([len(symbol)]) + symbol]),
                                    timeout=support.PATIENCE)
        self.assertIn(symbol, listed)
        self.assertIn(b"grpc.health.v1.Health", listed)
        self.assertIn(b"RecommendRequest", described)

    def test_query(self):
        def query(*args, check=True):
            return run("query", *args, "--server", self.server.address, check=check)

        recommend = json.loads(query("recommend", "--user", "u4", "--n", 3, "--json").stdout)
        expected = self.client.Recommend(pb.RecommendRequest(user_id="u4", n=3), timeout=support.PATIENCE)
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
        expected = self.client.Recommend(pb.RecommendRequest(user_id="u4", n=5), timeout=support.PATIENCE)
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


class Starting(Serving):
    def test_a_taken_port(self):
        server = self.serve(folder / "store")
        second = run("serve", "--store", folder / "store", "--model", "shop", "--listen", server.address, check=False)
        self.assertEqual((second.returncode, second.stdout), (1, ""))
        self.assertIn(f"cannot listen on {server.address}: Address already in use", second.stderr)
        self.assertEqual(server.stop(), 0)

    def test_addresses_of_the_network_are_refused(self):
        for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:50051"):
            refused = run("serve", "--store", folder / "store", "--model", "shop", "--listen", address, check=False)
            self.assertEqual(refused.returncode, 2)
            self.assertIn("is not the loopback interface", refused.stderr)

    def test_options_out_of_range_are_found_by_check_config(self):
        def check(*words):
            return run("serve", "--model", "shop", "--check-config", *words, check=False).returncode
        self.assertEqual(check(), 0)
        for option, good, bad in (("--backend", "cpu", "gpu"), ("--threads", 1024, 1025), ("--max-queue", 1000000, 0),
                                  ("--max-streams", 1000000, 0),
                                  ("--drain-ms", 0, 1e18), ("--poll-ms", 86400000, 86400001),
                                  ("--model-version", 7, "a/b"), ("--listen", "localhost:0", "0.0.0.0:0")):
            with self.subTest(option):
                self.assertEqual((check(option, good), check(option, bad)), (0, 2))

    def test_a_ready_line_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([PROGRAM, "serve", "--store", folder / "store", "--model", "shop", "--listen",
                                   "127.0.0.1:0", "--json"], stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write to standard output", done.stderr)

    def test_nothing_to_serve(self):
        for store, model, version, message in ((folder / "nowhere", "shop", 0, "nowhere"),
                                               (folder / "store", "shoe", 0, "shoe"), (folder / "store", "shop", 7, "7")):
            failed = run("serve", "--store", store, "--model", model, "--model-version", version, "--listen",
                         "127.0.0.1:0", check=False)
            self.assertEqual((failed.returncode, failed.stdout), (1, ""))
            self.assertIn(message, failed.stderr)

    def test_a_unix_socket(self):
        address = f"unix:{folder}/socket"
        server = self.serve(folder / "store", listen=address)
        self.assertEqual(server.address, address)
        self.assertEqual(run("query", "health", "--server", address).stdout, "SERVING\n")
        self.assertEqual(server.stop(), 0)


class Versions(Serving):
    def test_a_new_version_under_load(self):
        store = self.store()
        server = self.serve(store)
        client = self.stub(server)
        users = [pb.RecommendRequest(user_id=f"u{i}", n=5) for i in range(8)]
        seen = {}  # version -> the replies of a batch of all users
        lock = threading.Lock()

        def call():
            batch = client.BatchRecommend(pb.BatchRecommendRequest(requests=users), timeout=support.PATIENCE)
            single = client.Recommend(users[3], timeout=support.PATIENCE)
            replies = [result.reply for result in batch.results]
            with lock:
                seen.setdefault(single.model.version, []).append((None, single))
                seen.setdefault(replies[0].model.version, []).append((replies, None))

        finish = self.callers(4, call)
        for version in (2, 3, 4):
            train(store, version)
            eventually(lambda: version in seen, f"version {version} answers")
        self.assertEqual(finish(), [])
        self.assertEqual(sorted(seen), [1, 2, 3, 4])
        for version, replies in seen.items():
            batches = [batch for batch, _ in replies if batch]
            for batch in batches:  # no reply mixes two versions
                self.assertEqual({reply.model.version for reply in batch}, {version})
                self.assertEqual(batch, batches[0])
            for _, single in replies:
                if single:
                    self.assertEqual(single.model.version, version)
                    self.assertTrue(not batches or single == batches[0][3])
        self.assertEqual(client.GetServerInfo(pb.GetServerInfoRequest()).load_failures.count, 0)
        self.assertEqual(server.stop(), 0)

    def test_a_corrupt_version_is_not_served(self):
        store = self.store()
        server = self.serve(store)
        client = self.stub(server)
        before = client.Recommend(pb.RecommendRequest(user_id="u4"), timeout=support.PATIENCE)
        shutil.copytree(store / "shop" / "1", store / "shop" / "2")
        factors = store / "shop" / "2" / "item_factors.npy"
        content = bytearray(factors.read_bytes())
        content[len(content) // 2] ^= 1
        factors.write_bytes(content)
        (store / "shop" / "CURRENT.new").write_text((store / "shop" / "CURRENT").read_text().replace("1", "2"))
        (store / "shop" / "CURRENT.new").rename(store / "shop" / "CURRENT")
        info = lambda: client.GetServerInfo(pb.GetServerInfoRequest(), timeout=support.PATIENCE)
        eventually(lambda: info().load_failures.count > 0, "the failure is reported")
        self.assertEqual(info().load_failures.last_version, 2)
        self.assertIn("item_factors.npy", info().load_failures.last_reason)
        self.assertEqual(info().model.version, 1)
        self.assertEqual(client.Recommend(pb.RecommendRequest(user_id="u4"), timeout=support.PATIENCE), before)
        self.assertEqual(run("query", "health", "--server", server.address).stdout, "SERVING\n")
        self.assertEqual(server.stop(), 0)
        self.assertIn("shop version 2 was not loaded", server.kill())

    def test_a_pinned_version(self):
        store = self.store()
        train(store, 2)
        server = self.serve(store, "--model-version", "1")
        self.assertEqual(server.ready["model"], {"name": "shop", "version": 1})
        self.assertEqual(server.stop(), 0)

    def models(self, store, *words):
        return run("models", *words, "--store", store)

    def test_a_rollback_and_a_prune_under_load(self):
        store = self.store()
        server = self.serve(store)
        train(store, 2)
        train(store, 3)
        pinned = self.serve(store, "--model-version", "2")
        client, old = self.stub(server), self.stub(pinned)
        seen = set()

        def call():
            seen.add(client.Recommend(pb.RecommendRequest(user_id="u4", n=5), timeout=support.PATIENCE).model.version)
            self.assertEqual(
                old.Recommend(pb.RecommendRequest(user_id="u4", n=5), timeout=support.PATIENCE).model.version, 2)

        finish = self.callers(4, call)
        version = lambda: client.GetServerInfo(pb.GetServerInfoRequest(), timeout=support.PATIENCE).model.version
        for expected, words in ((3, None), (2, ("rollback", "shop")), (1, ("rollback", "shop", "--to", "1")),
                                (3, ("rollback", "shop", "--to", "3"))):
            if words:
                self.models(store, *words)
            eventually(lambda: version() == expected, f"version {expected} is served")
        train(store, 4)
        eventually(lambda: version() == 4, "version 4 is served")
        self.models(store, "prune", "shop", "--keep", "1")
        self.assertEqual(sorted(p.name for p in (store / "shop").iterdir() if p.name.isdigit()), ["3", "4"])
        seen.clear()
        eventually(lambda: 4 in seen, "calls go on")
        self.assertEqual(finish(), [])
        for one in (server, pinned):
            self.assertEqual(self.stub(one).GetServerInfo(pb.GetServerInfoRequest()).load_failures.count, 0)
            self.assertEqual(one.stop(), 0)

    def test_a_label_is_followed(self):
        store = self.store()
        train(store, 2)
        missing = run("serve", "--store", store, "--model", "shop", "--model-version", "canary", "--listen",
                      "127.0.0.1:0", check=False)
        self.assertEqual(missing.returncode, 1)
        self.assertIn("has no label 'canary'; it has none", missing.stderr)
        self.models(store, "label", "shop", "1", "canary")
        server = self.serve(store, "--model-version", "canary")
        self.assertEqual(server.ready["model"], {"name": "shop", "version": 1})
        client = self.stub(server)
        info = lambda: client.GetServerInfo(pb.GetServerInfoRequest(), timeout=support.PATIENCE)
        self.models(store, "label", "shop", "2", "canary")
        eventually(lambda: info().model.version == 2, "the label's new version is served")
        self.models(store, "label", "shop", "--remove", "canary")
        eventually(lambda: info().load_failures.count > 0, "the failure is reported")
        self.assertIn("has no label 'canary'", info().load_failures.last_reason)
        self.assertEqual(info().model.version, 2)
        self.assertEqual(server.stop(), 0)


def send_call_and_never_read(address):
    """A call on a connection whose window for replies is closed: it stays in flight. Returns the socket."""
    def frame(kind, flags, stream, payload):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    def header(name, value):  # HPACK: literal without indexing, no Huffman coding
        return b"\x00" + b"".join(bytes([len(text)]) + text.encode() for text in (name, value))

    headers = b"".join(header(*pair) for pair in (
        (":method", "POST"), (":scheme", "http"), (":path", "/kindred.v1.Recommender/Recommend"),
        (":authority", "localhost"), ("content-type", "application/grpc"), ("te", "trailers")))
    request = pb.RecommendRequest(user_id="u4").SerializeToString()
    host, port = address.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), timeout=support.PATIENCE)
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                       + frame(4, 0, 0, b"\x00\x04" + bytes(4))  # SETTINGS: INITIAL_WINDOW_SIZE 0
                       + frame(1, 4, 1, headers)  # HEADERS, END_HEADERS
                       + frame(0, 1, 1, b"\x00" + len(request).to_bytes(4, "big") + request))  # DATA, END_STREAM
    return connection


class Stopping(Serving):
    def serve_with_a_call_in_flight(self, *options):
        server = self.serve(folder / "store", *options)
        connection = send_call_and_never_read(server.address)
        self.addCleanup(connection.close)
        client = self.stub(server)
        info = lambda: client.GetServerInfo(pb.GetServerInfoRequest(), timeout=support.PATIENCE)
        eventually(lambda: info().calls_in_flight == 2, "the call arrived")
        return server

    def test_no_accepted_call_fails(self):
        server = self.serve(folder / "store")
        client = self.stub(server)
        batch = pb.BatchRecommendRequest(requests=[pb.RecommendRequest(user_id=f"u{i % N_USERS}", n=80)
                                                   for i in range(500)])
        answered = []
        finish = self.callers(6, lambda: answered.append(client.BatchRecommend(batch, timeout=support.PATIENCE)))
        eventually(lambda: len(answered) > 20, "calls flow")
        self.assertEqual(server.stop(), 0)
        for error in finish():  # those that came too late
            self.assertIn(error.code(), (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED))
        self.assertEqual({len(reply.results) for reply in answered}, {500})
        self.assertIn(f"stopped; {len(answered)} calls were answered", server.kill())

    def test_an_idle_client_does_not_hold_it_up(self):
        server = self.serve(folder / "store", "--drain-ms", "600000")
        self.stub(server).GetServerInfo(pb.GetServerInfoRequest(), timeout=support.PATIENCE)
        channel = connect(server.address)
        self.addCleanup(channel.close)
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
        self.assertEqual(next(watch), b"\x08\x01")  # SERVING
        self.assertEqual(server.stop(), 0)

    def test_health_says_so_while_it_drains(self):
        server = self.serve_with_a_call_in_flight("--drain-ms", "600000")
        server.signal(signal.SIGINT)
        server.wait_for_log("SIGINT")
        health = lambda: run("query", "health", "--server", server.address, check=False)
        eventually(lambda: health().stdout == "NOT_SERVING\n", "health is NOT_SERVING")
        self.assertEqual(health().returncode, 1)
        self.assert_status(grpc.StatusCode.UNAVAILABLE, "the server is stopping", self.stub(server).Recommend,
                           pb.RecommendRequest(user_id="u4"))
        server.signal(signal.SIGTERM)  # a second signal ends it at once
        self.assertEqual(server.wait(), -signal.SIGTERM)

    def test_the_drain_has_an_end(self):
        server = self.serve_with_a_call_in_flight("--drain-ms", "100")
        self.assertEqual(server.stop(), 0)
        self.assertIn("1 calls were not answered in that time", server.kill())


if __name__ == "__main__":
    unittest.main()
