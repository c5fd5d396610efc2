"""A shop of four tastes and a model of it, for the tests of servers."""

import random
import shutil
import tempfile
import threading
import unittest
from pathlib import Path

import grpc

import support
from support import PATIENCE, connect, run

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


def make_shop():
    """In setUpModule. Returns (a folder with "data" and "store", who had what, messages, services)."""
    global folder, rpc
    client_folder, pb, rpc = support.generate_client()
    unittest.addModuleCleanup(shutil.rmtree, client_folder)
    folder = Path(tempfile.mkdtemp(prefix="kindred-serving-"))
    unittest.addModuleCleanup(shutil.rmtree, folder)
    history = write_export(folder / "export.txt")
    run("prepare", folder / "export.txt", "--format", "adjacency", "--out", folder / "data")
    train(folder / "store", 1)
    return folder, history, pb, rpc


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
            call(*args, timeout=PATIENCE)
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
                thread.join(PATIENCE)
            return errors

        self.addCleanup(finish)
        return finish
