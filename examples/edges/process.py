"""An example as a process that listens on a free port."""

import json
import pathlib
import re
import socket
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAMS = {}


def build(*names):
    """Builds examples, so that `Process` can start them."""
    # Without a package, so that the dependencies have the features with which `cargo test` builds them.
    command = ["cargo", "build", "--message-format=json-render-diagnostics"]
    command += [f"--example={name}" for name in names]
    printed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    for message in map(json.loads, printed.splitlines()):
        if message.get("executable"):
            PROGRAMS[message["target"]["name"]] = message["executable"]


class Process:
    def __init__(self, name, *arguments):
        self.process = subprocess.Popen([PROGRAMS[name], *arguments], stdout=subprocess.PIPE, text=True)
        self.port = self.read_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def read_port(self):
        """Returns the port of the next address that the process prints."""
        return int(self.process.stdout.readline().rpartition(":")[2])

    def connect(self, timeout=10):
        """Returns a connection on which nothing is sent yet."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def threads(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^Threads:\s+(\d+)$", status, re.M)[1])

    def open_files(self):
        return len(list(pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir()))
