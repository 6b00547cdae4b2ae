"""The example server as a process, and clients that send requests to it at a fixed rate."""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent

# 64 threads that wait 0.4 s for the backend serve at most 160 requests per second.
BACKEND_MS = 400
CAPACITY = 64 * 1000 // BACKEND_MS
MESSAGE_RATE = CAPACITY // 2
STORM_RATE = CAPACITY * 10
# A client stops waiting after this.
TIMEOUT_MS = 2000
TOKEN = "open sesame"


class Server:
    """A server process on a free port."""

    def __init__(self, *arguments):
        command = [ROOT / "target/release/examples/http_server", "--listen=127.0.0.1:0"]
        self.process = subprocess.Popen(
            [*command, f"--backend-ms={BACKEND_MS}", *arguments],
            stdout=subprocess.PIPE,
            # Handlers that panic write to stderr.
            stderr=subprocess.DEVNULL if "--may-panic" in arguments else None,
            text=True,
            env={**os.environ, "FLOODWALL_ADMIN_TOKEN": TOKEN},
        )
        self.url = self.process.stdout.readline().split()[-1]
        self.port = int(self.url.rpartition(":")[2])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        """Sends SIGTERM and returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def request(self, method, path, body=None, headers=None):
        """Returns the status, the headers and the body of the response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()

    def status_line(self, request):
        """Sends these bytes and returns the first line of the response."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            return connection.makefile().readline().strip()

    def metrics(self):
        """Returns each sample of /metrics by its name and labels."""
        samples = {}
        for line in self.request("GET", "/metrics")[2].splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples


class Stream:
    """Clients that send one kind of request at a fixed rate."""

    def __init__(self, server, path, rate, seconds):
        options = [server.url + path, *map(str, [rate, seconds, TIMEOUT_MS])]
        command = ["node", HERE / "stream.js", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def report(self):
        """Waits for the end and returns what the clients counted."""
        report = json.loads(self.process.communicate()[0])
        report["answered"] = report["outcomes"].get("200", 0)
        report["rejected"] = report["outcomes"].get("503", 0)
        report["success"] = report["answered"] / report["totalRequests"]
        return report


def messages(server, seconds):
    return Stream(server, "/message", MESSAGE_RATE, seconds)


def storm(server, seconds):
    """Ten times the capacity in logins. A user waits for one in ten; the others are background logins."""
    return [
        Stream(server, "/login", STORM_RATE // 10, seconds),
        Stream(server, "/login/background", STORM_RATE * 9 // 10, seconds),
    ]


def wait_for_storm(server):
    """Waits until the storm fills the pool: the wall has admitted background logins and rejected others."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        metrics = server.metrics()
        admitted = metrics['floodwall_admitted_total{wall="http",class="background login"}']
        rejected = 'floodwall_rejected_total{wall="http",class="background login"'
        if admitted and sum(value for sample, value in metrics.items() if sample.startswith(rejected)):
            return
        time.sleep(0.05)
    raise AssertionError("the storm did not fill the pool")


def build():
    """Builds the server and installs the load generator."""
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=HERE, check=True)
    command = ["cargo", "build", "--release", "--package=floodwall-examples", "--example=http_server"]
    subprocess.run(command, cwd=ROOT, check=True)
