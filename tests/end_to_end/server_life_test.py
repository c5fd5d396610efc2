"""How `kindred serve` starts, follows the versions of its model, and stops."""

import shutil
import signal
import socket
import subprocess
import threading
import unittest

import grpc

import serving_case
from serving_case import N_USERS, Serving, train
from support import PATIENCE, PROGRAM, connect, eventually, run


def setUpModule():
    global folder, pb, rpc
    folder, _, pb, rpc = serving_case.make_shop()


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
            batch = client.BatchRecommend(pb.BatchRecommendRequest(requests=users), timeout=PATIENCE)
            single = client.Recommend(users[3], timeout=PATIENCE)
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
        before = client.Recommend(pb.RecommendRequest(user_id="u4"), timeout=PATIENCE)
        shutil.copytree(store / "shop" / "1", store / "shop" / "2")
        factors = store / "shop" / "2" / "item_factors.npy"
        content = bytearray(factors.read_bytes())
        content[len(content) // 2] ^= 1
        factors.write_bytes(content)
        (store / "shop" / "CURRENT.new").write_text((store / "shop" / "CURRENT").read_text().replace("1", "2"))
        (store / "shop" / "CURRENT.new").rename(store / "shop" / "CURRENT")
        info = lambda: client.GetServerInfo(pb.GetServerInfoRequest(), timeout=PATIENCE)
        eventually(lambda: info().load_failures.count > 0, "the failure is reported")
        self.assertEqual(info().load_failures.last_version, 2)
        self.assertIn("item_factors.npy", info().load_failures.last_reason)
        self.assertEqual(info().model.version, 1)
        self.assertEqual(client.Recommend(pb.RecommendRequest(user_id="u4"), timeout=PATIENCE), before)
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
            seen.add(client.Recommend(pb.RecommendRequest(user_id="u4", n=5), timeout=PATIENCE).model.version)
            self.assertEqual(
                old.Recommend(pb.RecommendRequest(user_id="u4", n=5), timeout=PATIENCE).model.version, 2)

        finish = self.callers(4, call)
        version = lambda: client.GetServerInfo(pb.GetServerInfoRequest(), timeout=PATIENCE).model.version
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
        info = lambda: client.GetServerInfo(pb.GetServerInfoRequest(), timeout=PATIENCE)
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
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
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
        info = lambda: client.GetServerInfo(pb.GetServerInfoRequest(), timeout=PATIENCE)
        eventually(lambda: info().calls_in_flight == 2, "the call arrived")
        return server

    def test_no_accepted_call_fails(self):
        server = self.serve(folder / "store")
        client = self.stub(server)
        batch = pb.BatchRecommendRequest(requests=[pb.RecommendRequest(user_id=f"u{i % N_USERS}", n=80)
                                                   for i in range(500)])
        answered = []
        finish = self.callers(6, lambda: answered.append(client.BatchRecommend(batch, timeout=PATIENCE)))
        eventually(lambda: len(answered) > 20, "calls flow")
        self.assertEqual(server.stop(), 0)
        for error in finish():  # those that came too late
            self.assertIn(error.code(), (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED))
        self.assertEqual({len(reply.results) for reply in answered}, {500})
        self.assertIn(f"stopped; {len(answered)} calls were answered", server.kill())

    def test_an_idle_client_does_not_hold_it_up(self):
        server = self.serve(folder / "store", "--drain-ms", "600000")
        self.stub(server).GetServerInfo(pb.GetServerInfoRequest(), timeout=PATIENCE)
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
