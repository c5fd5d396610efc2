"""What the end-to-end tests share: the program, a server of it, and a client generated from the proto."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = os.environ["KINDRED"]
PATIENCE = 60  # seconds; nothing takes so long unless it hangs


def run(*args, check=True, cwd=None, env=None):
    """One command of the program. Returns the finished process, its output as text."""
    done = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True, timeout=PATIENCE, cwd=cwd,
                          env=env)
    if check and done.returncode != 0:
        raise AssertionError(f"kindred {' '.join(map(str, args))}: status {done.returncode}\n{done.stderr}")
    return done


def generate_client():
    """Makes the Python client from the proto into a temporary folder. Returns (messages, services)."""
    folder = tempfile.mkdtemp(prefix="kindred-client-")
    sources = [f"kindred/v1/{path.name}" for path in sorted((ROOT / "proto/kindred/v1").glob("*.proto"))]
    subprocess.run([os.environ["PROTOC"], f"-I{ROOT / 'proto'}", f"--python_out={folder}",
                    f"--plugin=protoc-gen-grpc_python={os.environ['GRPC_PYTHON_PLUGIN']}",
                    f"--grpc_python_out={folder}", *sources], check=True, timeout=PATIENCE)
    sys.path.insert(0, folder)
    from kindred.v1 import recommender_pb2, recommender_pb2_grpc
    return folder, recommender_pb2, recommender_pb2_grpc


def connect(address):
    return grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0),
                                                   ("grpc.use_local_subchannel_pool", 1),
                                                   ("grpc.max_receive_message_length", -1)])


class Server:
    """`kindred serve`, by default on a free loopback port; ready when this is made. `model`: None for none."""

    def __init__(self, store, model, *options, listen="127.0.0.1:0", env=None):
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--store", str(store), *(["--model", model] if model else []), "--listen", listen,
             "--json", "--poll-ms", "20", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        try:
            self.log = b""
            readable, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
            line = self.process.stdout.readline() if readable else b""
            if not line:
                raise AssertionError("the server did not become ready: " + self.kill())
            self.ready = json.loads(line)
            self.address = self.ready["listening"]
        except BaseException:
            self.kill()
            raise

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait_for_log(self, text):
        """Reads the log until `text` is in it."""
        until = time.monotonic() + PATIENCE
        while text.encode() not in self.log:
            if not select.select([self.process.stderr], [], [], max(0, until - time.monotonic()))[0]:
                raise AssertionError(f"no '{text}' in the log:\n{self.log.decode()}")
            chunk = os.read(self.process.stderr.fileno(), 1 << 16)
            if not chunk:
                raise AssertionError(f"no '{text}' in the whole log:\n{self.log.decode()}")
            self.log += chunk

    def wait(self):
        """The exit status, once the server has ended; negative for a signal."""
        _, rest = self.process.communicate(timeout=PATIENCE)
        self.log += rest
        return self.process.returncode

    def stop(self):
        self.signal()
        return self.wait()

    def kill(self):
        """Whatever state it is in. Returns the log."""
        if self.process.poll() is None:
            self.process.kill()
        if not self.process.stderr.closed:
            self.log += self.process.communicate()[1]
        return self.log.decode(errors="replace")


def eventually(condition, what):
    """Waits until `condition()` is true."""
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"not within {PATIENCE} s: {what}")
        time.sleep(0.01)
