"""Items that change while a server runs: at once, for good, over every version, by the commands users have."""

import json
import shutil
import signal
import tempfile
import unittest
from pathlib import Path

import support
from support import PATIENCE, connect, eventually, run

N_USERS, N_ITEMS = 60, 40


def setUpModule():
    global folder, client_folder, pb, rpc
    client_folder, pb, rpc = support.generate_client()
    folder = Path(tempfile.mkdtemp(prefix="kindred-items-"))
    (folder / "export.txt").write_text("".join(
        f"u{user} {' '.join(f'i{(user + step * step) % N_ITEMS}' for step in range(6))}\n" for user in range(N_USERS)))
    (folder / "items.csv").write_text("item,price,in_stock,title,until\n" + "".join(
        f"i{item},{item}.5,{'yes' if item % 2 else 'no'},thing {item} of many,2026-01-{item % 28 + 1:02}\n"
        for item in range(N_ITEMS)))
    prepare("data", "--items", folder / "items.csv")
    prepare("bare")
    train(folder / "store", "data")


def tearDownModule():
    shutil.rmtree(folder)
    shutil.rmtree(client_folder)


def prepare(name, *options):
    run("prepare", folder / "export.txt", "--format", "adjacency", "--out", folder / name, *options)


def train(store, data):
    run("train", folder / data, "--store", store, "--model", "shop", "--algorithm", "als", "--n-factors", 4,
        "--epochs", 1)


class Items(unittest.TestCase):
    def setUp(self):
        self.home = Path(tempfile.mkdtemp(prefix="test-", dir=folder))
        self.store, self.state = self.home / "store", self.home / "state"
        shutil.copytree(folder / "store", self.store)

    def serve(self, *options):
        server = support.Server(self.store, "shop", "--state-dir", str(self.state), *options)
        self.addCleanup(server.kill)
        return server

    def items(self, server, *args, check=True):
        return run("items", *args, "--server", server.address, check=check)

    def item(self, server, item):
        """What there is of an item, by name: (value, whether it was updated)."""
        shown = json.loads(self.items(server, "show", "--item", item, "--json").stdout)
        return {one["name"]: (one["value"], "updated_at" in one) for one in shown["attributes"]}

    def cheap(self, server):
        """The items of an answer that may cost less than 3."""
        answer = run("query", "recommend", "--filter", "price < 3", "--n", N_ITEMS, "--json", "--server",
                     server.address)
        return {item["item_id"] for item in json.loads(answer.stdout)["items"]}

    def version(self, server):
        return json.loads(run("query", "server-info", "--server", server.address, "--json").stdout)["model"]["version"]

    def test_updates_last(self):
        server = self.serve()
        self.assertEqual(self.item(server, "i3"),
                         {"price": (3.5, False), "in_stock": (True, False), "title": ("thing 3 of many", False),
                          "until": ("2026-01-04T00:00:00Z", False)})
        self.assertEqual(self.cheap(server), {"i0", "i1", "i2"})
        done = self.items(server, "update", "--item", "i3", "price=1.25", "in_stock=no", "title=", "until=2027-01-01")
        self.assertEqual(done.stdout, "updated   4 values by 1 update, by shop version 1; epoch 1\n")
        after = {"price": (1.25, True), "in_stock": (False, True), "title": (None, True),
                 "until": ("2027-01-01T00:00:00Z", True)}
        self.assertEqual(self.item(server, "i3"), after)
        self.assertEqual(self.cheap(server), {"i0", "i1", "i2", "i3"})
        self.items(server, "update", "--item", "i1", "price=")
        self.assertEqual(self.cheap(server), {"i0", "i2", "i3"})
        self.assertIn("price     number    1.25  (updated 20", self.items(server, "show", "--item", "i3").stdout)

        server.signal(signal.SIGKILL)
        server.wait()
        server = self.serve()
        self.assertEqual(self.item(server, "i3"), after)
        self.assertEqual(self.cheap(server), {"i0", "i2", "i3"})

        train(self.store, "data")
        eventually(lambda: self.version(server) == 2, "version 2 is served")
        self.assertEqual(self.item(server, "i3"), after)
        self.assertEqual(self.cheap(server), {"i0", "i2", "i3"})
        self.items(server, "update", "--item", "i3", "--reset", "price", "--reset", "until", "in_stock=yes")
        self.assertEqual(self.cheap(server), {"i0", "i2"})
        self.assertEqual(self.item(server, "i3"),
                         {"price": (3.5, False), "in_stock": (True, True), "title": (None, True),
                          "until": ("2026-01-04T00:00:00Z", False)})
        self.assertEqual(server.stop(), 0)

    def test_what_a_version_has_no_use_for_is_kept_and_said(self):
        server = self.serve()
        self.items(server, "update", "--item", "i3", "price=1")
        self.items(server, "update", "--item", "later", "price=2", "--allow-unknown")
        train(self.store, "bare")
        server.wait_for_log("2 of them do not fit shop")
        server.wait_for_log("item 'i3', attribute 'price': unknown attribute 'price'")
        info = run("query", "server-info", "--server", server.address)
        self.assertIn("2 item updates", info.stdout)
        self.assertIn("2 of them do not fit", info.stdout)
        self.assertIn("kept, not used: price = 1", self.items(server, "show", "--item", "i3").stdout)
        run("models", "rollback", "shop", "--store", self.store)
        eventually(lambda: self.version(server) == 1, "version 1 is served again")
        self.assertEqual(self.item(server, "i3")["price"], (1.0, True))

    def test_two_servers_of_one_state(self):
        server = self.serve()
        second = run("serve", "--store", self.store, "--model", "shop", "--listen", "127.0.0.1:0", "--state-dir",
                     self.state, check=False)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"the state in '{self.state}' is used by process {server.process.pid} (serve) since", second.stderr)

    def test_a_damaged_state(self):
        self.serve().stop()
        database = self.state / "state.sqlite3"
        database.write_bytes(database.read_bytes()[:5000])
        failed = run("serve", "--store", self.store, "--model", "shop", "--listen", "127.0.0.1:0", "--state-dir",
                     self.state, check=False)
        self.assertEqual(failed.returncode, 1)
        self.assertIn(f"the state '{database}' is damaged", failed.stderr)

    def test_files(self):
        server = self.serve()
        updates = self.home / "updates.csv"
        updates.write_text("item_id,price,in_stock\n" + "".join(f"i{i % N_ITEMS},{i},\n" for i in range(2500)))
        done = json.loads(self.items(server, "update", "--file", updates, "--json").stdout)
        self.assertEqual((done["n_updates"], done["epoch"]), (2500, 3))
        self.assertEqual(self.item(server, "i3")["price"], (2483.0, True))
        self.assertEqual(self.item(server, "i3")["in_stock"], (True, False))

        lines = self.home / "updates.jsonl"
        lines.write_text('{"item_id": "i3", "price": null}\n\n{"item_id": "i4", "price": 4, "in_stock": true}\n')
        self.items(server, "update", "--file", lines)
        self.assertEqual(self.item(server, "i3")["price"], (None, True))
        self.assertEqual(self.item(server, "i4")["in_stock"], (True, True))

        for text, message in (
                ('{"item_id": "i3"}\n{"item_id": "i4", "price": "4"}', 'line 2: INVALID_ARGUMENT: updates[0]'),
                ('{"item_id": "i3", "price": 1}\n\n{"item_id": "lost", "price": 2}', "line 3: NOT_FOUND: updates[1]"),
                ('{"item_id": "i3", "price": 1}\n{"item_id"', "line 2: is no JSON object")):
            lines.write_text(text)
            failed = self.items(server, "update", "--file", lines, check=False)
            self.assertEqual(failed.returncode, 1)
            self.assertIn(f"{lines}: {message}", failed.stderr)
            self.assertEqual(self.item(server, "i3")["price"], (None, True))
        updates.write_text("item_id,price\n" + "".join(f"i3,{i}\n" for i in range(1500)) + "i3,much\n")
        failed = self.items(server, "update", "--file", updates, check=False)
        self.assertIn(f"{updates}: line 1502: column 'price': found 'much'", failed.stderr)
        self.assertIn("what is before is done, 1000 updates; the same file", failed.stderr)
        self.assertEqual(self.item(server, "i3")["price"], (999.0, True))

    def test_what_is_refused(self):
        server = self.serve()
        for args, status, message in (
                (("update",), 2, "either --item ID"),
                (("update", "--item", "i3"), 2, "expected attribute=value"),
                (("update", "--item", "i3", "price"), 2, "'price': expected attribute=value"),
                (("update", "--item", "i3", "price=1", "price=2"), 2, "'price' is set twice"),
                (("update", "--item", "i3", "prise=1"), 1, "the nearest is 'price'"),
                (("update", "--item", "i3", "price=much"), 1, "price: found 'much'; expected a number"),
                (("update", "--item", "lost", "price=1"), 1, "NOT_FOUND"),
                (("update", "--file", self.home / "updates.parquet"), 2, "expected a file of CSV"),
                (("show", "--item", "lost"), 1, "NOT_FOUND")):
            with self.subTest(args=args):
                done = self.items(server, *args, check=False)
                self.assertIn(message, done.stderr)
                self.assertEqual(done.returncode, status)
        self.state = self.home / "none"
        plain = support.Server(self.store, "shop")
        self.addCleanup(plain.kill)
        done = self.items(plain, "update", "--item", "i3", "price=1", check=False)
        self.assertIn("FAILED_PRECONDITION", done.stderr)
        self.assertIn("--state-dir", done.stderr)


if __name__ == "__main__":
    unittest.main()
