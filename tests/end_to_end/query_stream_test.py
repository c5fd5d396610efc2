"""`kindred query stream-recommend` beside servers that do not do what the real one does."""

import json
import shutil
import subprocess
import threading
import unittest
from concurrent import futures

import grpc

import support
from support import PATIENCE, PROGRAM


def setUpModule():
    global client_folder, pb, rpc
    client_folder, pb, rpc = support.generate_client()


def tearDownModule():
    shutil.rmtree(client_folder)


class QueryStream(unittest.TestCase):
    def serve(self, stream_recommend):
        """A server whose StreamRecommend is `stream_recommend(requests, context)`. Returns its address."""
        class Servicer(rpc.RecommenderServicer):
            def StreamRecommend(self, requests, context):
                return stream_recommend(requests, context)

        server = grpc.server(futures.ThreadPoolExecutor(2))
        rpc.add_RecommenderServicer_to_server(Servicer(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(lambda: server.stop(None).wait())
        return f"127.0.0.1:{port}"

    def query(self, address, *args):
        """The program with its standard input open."""
        process = subprocess.Popen([PROGRAM, "query", "stream-recommend", "--json", "--server", address, *args],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.__exit__, None, None, None)
        self.addCleanup(process.kill)
        return process

    def ask(self, process, *lines):
        process.stdin.write("".join(line + "\n" for line in lines).encode())
        process.stdin.flush()

    def assert_ends(self, process, message, status=1):
        """By itself, whatever may still come from standard input."""
        self.assertEqual(process.wait(PATIENCE), status)
        self.assertEqual(process.stderr.read().decode().strip(), f"kindred: {message}")

    def test_each_answer_is_printed_when_it_has_come(self):
        process = self.query(self.serve(lambda requests, context: (pb.BatchResult() for _ in requests)))
        for user in ("u1", "u2", "u3"):
            self.ask(process, "", user, "")  # empty lines are nobody
            self.assertEqual(json.loads(process.stdout.readline()), {"user_id": user})
        process.stdin.close()
        self.assertEqual((process.wait(PATIENCE), process.stdout.read(), process.stderr.read()), (0, b"", b""))

    def test_the_server_ends_the_stream(self):
        def answer_one(requests, context):
            yield pb.BatchResult()
            next(requests)
            context.abort(grpc.StatusCode.UNAVAILABLE, "the server is stopping")

        process = self.query(self.serve(answer_one))
        self.ask(process, "u1")
        self.assertEqual(json.loads(process.stdout.readline()), {"user_id": "u1"})
        self.assert_ends(process, "UNAVAILABLE: the server is stopping")

    def test_an_end_without_an_error_is_none_of_the_answers(self):
        process = self.query(self.serve(lambda requests, context: iter(())))
        self.ask(process, "u1")
        self.assert_ends(process, "the server ended the stream before all was answered")

    def test_no_answer_in_time(self):
        over = threading.Event()
        self.addCleanup(over.set)

        def wait(requests, context):
            over.wait()
            return iter(())

        def answer_and_wait(requests, context):
            for _ in requests:
                yield pb.BatchResult()
            over.wait()

        process = self.query(self.serve(wait), "--timeout-ms", "200")
        self.ask(process, "u1", "u2")
        self.assert_ends(process, "DEADLINE_EXCEEDED: no answer for the user 'u1' in 200 ms")
        process = self.query(self.serve(answer_and_wait), "--timeout-ms", "200")
        self.ask(process, "u1")
        process.stdin.close()
        self.assert_ends(process, "DEADLINE_EXCEEDED: no end of the stream in 200 ms")

    def test_flags_are_looked_at_before_anything_is_asked(self):
        for words, message in ((("--filter", "caf\udce9"), "--filter 'caf\\xe9' is not UTF-8, which ids in calls must be"),
                               (("--context", "x"), "--context 'x': expected NAME=VALUE"),
                               (("--max-per", "a=1", "--max-per", "a=2"), "--max-per: 'a' is there twice")):
            with self.subTest(words):
                process = self.query("127.0.0.1:1", *words)
                self.assertEqual(process.wait(PATIENCE), 2)
                self.assertIn(f"kindred: {message}", process.stderr.read().decode())


if __name__ == "__main__":
    unittest.main()
