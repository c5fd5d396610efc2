"""A server whose device fails: every call is answered all the same, by the CPU, and the server says so."""

import json
import os
import shutil
import tempfile
import threading
import unittest
from pathlib import Path

import support
from support import connect, eventually, run

N_USERS, N_ITEMS, N_CALLERS = 60, 40, 4
LOST, NO_MEMORY = "CUDA: the fake device is lost", "bytes of GPU memory; 0 are free"


def setUpModule():
    global folder, client_folder, pb, rpc, calls, expected
    client_folder, pb, rpc = support.generate_client()
    folder = Path(tempfile.mkdtemp(prefix="kindred-device-faults-"))
    export = folder / "export.txt"
    export.write_text("".join(f"u{user} " + " ".join(f"i{(user * 7 + i * i) % N_ITEMS}" for i in range(6)) + "\n"
                              for user in range(N_USERS)))
    run("prepare", export, "--format", "adjacency", "--out", folder / "data")
    train(folder / "store", 1)
    calls = calls_of_every_kind()
    server = support.Server(folder / "store", "shop", "--backend", "cpu")
    try:
        with connect(server.address) as channel:
            expected = ask_all(channel)
    finally:
        server.kill()


def tearDownModule():
    shutil.rmtree(folder)
    shutil.rmtree(client_folder)


def train(store, seed):
    run("train", folder / "data", "--store", store, "--model", "shop", "--algorithm", "als", "--n-factors", 8,
        "--epochs", 2, "--seed", seed, "--backend", "cpu")


def calls_of_every_kind():
    """(method, request) of every way of answering, alone and in batches."""
    known = [pb.RecommendRequest(user_id=f"u{user}", n=5) for user in range(0, N_USERS, 7)]
    given = [pb.RecommendRequest(history=[pb.HistoryItem(item_id=f"i{item}")], n=5) for item in range(0, N_ITEMS, 9)]
    nobody = [pb.RecommendRequest(user_id="nobody", n=5)]
    singles = [("Recommend", request) for pair in zip(known, given) for request in pair]
    similar = [("SimilarItems", pb.SimilarItemsRequest(item_id=f"i{item}", n=5)) for item in range(0, N_ITEMS, 11)]
    explain = [("Explain", pb.ExplainRequest(user_id=f"u{user}")) for user in range(0, N_USERS, 50)]
    batch = ("BatchRecommend", pb.BatchRecommendRequest(requests=known + given + nobody))
    return singles + similar + explain + [batch, ("Recommend", nobody[0])]


def ask_all(channel, first=0):
    """The replies in the order of `calls`, asked for from `first` on."""
    client = rpc.RecommenderStub(channel)
    replies = {}
    for i in range(len(calls)):
        method, request = calls[(first + i) % len(calls)]
        replies[(first + i) % len(calls)] = getattr(client, method)(request, timeout=support.PATIENCE)
    return [replies[i] for i in range(len(calls))]


class DeviceFaults(unittest.TestCase):
    def serve(self, fault, backend, store=None):
        server = support.Server(store or folder / "store", "shop", "--backend", backend, "--threads", "3",
                                env=environment(fault))
        self.addCleanup(server.kill)
        return server

    def backend_of(self, server):
        return json.loads(run("query", "server-info", "--server", server.address, "--json").stdout)["backend"]

    def assert_all_are_answered(self, server):
        """By callers at once, each starting at another call."""
        replies = [None] * N_CALLERS

        def work(caller):
            with connect(server.address) as channel:
                replies[caller] = ask_all(channel, first=caller * len(calls) // N_CALLERS)

        threads = [threading.Thread(target=work, args=(caller,)) for caller in range(N_CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(support.PATIENCE)
        for of_caller in replies:
            self.assertEqual(of_caller, expected)

    def assert_degraded(self, server, doing, what):
        backend = self.backend_of(server)
        self.assertEqual((backend["name"], backend["degraded"], backend["n_threads"]), ("cpu", True, 3))
        self.assertTrue(backend["degraded_reason"].startswith(f"while {doing}: "), backend["degraded_reason"])
        self.assertIn(what, backend["degraded_reason"])
        self.assertIn("fell back from cuda (Fake Card): ", backend["reason"])
        self.assertIn(what, backend["reason"])
        self.assertIn("degraded  " + backend["degraded_reason"],
                      run("query", "server-info", "--server", server.address).stdout)
        self.assertEqual(run("query", "health", "--server", server.address).stdout, "SERVING\n")

    def assert_said_once(self, server, what):
        self.assertEqual(server.stop(), 0)
        lines = [line for line in server.kill().splitlines() if "degraded" in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertIn(" warn", lines[0])
        self.assertIn(what, lines[0])

    def test_a_working_device(self):
        server = self.serve("", "auto")
        self.assertEqual(server.ready["backend"], {"name": "cuda", "reason": "auto: Fake Card passed the self-test"})
        self.assert_all_are_answered(server)
        backend = self.backend_of(server)
        self.assertEqual((backend["name"], backend["device"], backend["n_threads"]), ("cuda", "Fake Card", 3))
        self.assertEqual((backend["degraded"], backend["degraded_reason"]), (False, ""))
        self.assertNotIn("degraded", run("query", "server-info", "--server", server.address).stdout)
        self.assertEqual(server.stop(), 0)

    def test_a_device_that_fails_in_a_call(self):
        for fault, what in (("top_n:6", LOST), ("top_n:40", LOST), ("solve_als:4", LOST), ("allocate:150", NO_MEMORY)):
            for backend in ("auto", "cuda"):
                with self.subTest(fault=fault, backend=backend):
                    server = self.serve(fault, backend)
                    self.assertEqual(server.ready["backend"]["name"], "cuda")
                    self.assert_all_are_answered(server)
                    self.assert_degraded(server, "answering calls", what)
                    self.assert_all_are_answered(server)
                    self.assert_said_once(server, what)

    def test_a_device_on_which_no_model_is_loaded(self):
        for fault, what in (("top_n:1", LOST), ("solve_als:1", LOST), ("allocate:1", NO_MEMORY)):
            with self.subTest(fault):
                server = self.serve(fault, "auto")
                self.assertEqual(server.ready["backend"]["name"], "cpu")
                self.assert_all_are_answered(server)
                self.assert_degraded(server, "loading a model", what)
                self.assert_said_once(server, what)
                failed = run("serve", "--store", folder / "store", "--model", "shop", "--listen", "127.0.0.1:0",
                             "--backend", "cuda", check=False, env=environment(fault))
                self.assertEqual((failed.returncode, failed.stdout), (1, ""))
                self.assertIn("kindred: --backend cuda: while loading a model: ", failed.stderr)
                self.assertIn(what, failed.stderr)

    def test_versions_that_come_later(self):
        store = Path(tempfile.mkdtemp(prefix="kindred-store-", dir=folder)) / "store"
        shutil.copytree(folder / "store", store)
        server = self.serve("top_n:6", "auto", store)
        self.assert_all_are_answered(server)
        self.assert_degraded(server, "answering calls", LOST)
        train(store, 2)
        version = lambda: json.loads(run("query", "server-info", "--server", server.address,
                                         "--json").stdout)["model"]["version"]
        eventually(lambda: version() == 2, "the new version is served")
        self.assertEqual(len(json.loads(run("query", "recommend", "--server", server.address, "--user", "u4",
                                            "--json").stdout)["items"]), 10)
        self.assert_degraded(server, "answering calls", LOST)
        self.assert_said_once(server, LOST)


def environment(fault):
    return {**os.environ, "KINDRED_PLUGIN_DIR": os.environ["FAKE_PLUGIN_DIR"], "KINDRED_FAKE_PLUGIN": fault}


if __name__ == "__main__":
    unittest.main()
