#!/usr/bin/env python3
"""End-to-end tests of the axum server, with curl, hey and h2load as clients.

    examples/axum_server/e2e.py                      about 15 seconds
    examples/axum_server/e2e.py --requests 1000000   a long storm

Needs curl, and the package registry of Debian, from which `.ci/debian` takes hey and h2load.
"""

import argparse
import contextlib
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "edges"))

from process import Process, build  # noqa: E402

sys.path.insert(0, str(HERE.parent / "http_server/e2e"))

from server import debian, exchange, wait_until  # noqa: E402

# A connection lasts 60 seconds, and h2load does not open another one.
BATCH = 20_000
# Rounds of the key derivation of a login: milliseconds, and a second.
FAST, SLOW = 20_000, 3_000_000
PROTOCOLS = ["--http1.1", "--http2-prior-knowledge"]


class Server(Process):
    """The example as a process on free ports."""

    def __init__(self, rounds=FAST):
        super().__init__("axum_server", "--port=0", "--operators-port=0", f"--rounds={rounds}")
        self.operators_port = self.read_port()

    def ready(self):
        return exchange(self.operators_port, "GET", "/ready", None, {})[0]

    def metrics(self):
        """Returns each sample of /metrics by its name and labels."""
        lines = exchange(self.operators_port, "GET", "/metrics", None, {})[2].splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    def sum(self, family, name=None):
        """Returns the sum of the samples of a family, of one class or of all."""
        start = f'floodwall_{family}{{wall="http",class="{name}"' if name else f"floodwall_{family}{{"
        return sum(value for sample, value in self.metrics().items() if sample.startswith(start))

    def connections(self):
        return self.metrics()['floodwall_bulkhead_in_use{bulkhead="connections"}']

    def wait_until_empty(self):
        wait_until(lambda: self.sum("in_use") == 0)

    def stop(self):
        """Sends SIGTERM; returns the exit status, and how many requests the server says that it has admitted."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=40)
        return status, int(self.process.stdout.read().split()[1])


def start(*command):
    # Ends by itself if this script is killed.
    command = ["timeout", "300", *map(str, command)]
    return subprocess.Popen(command, env=TOOLS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def curl(url, *options):
    """Starts a curl that prints the status and the size of the body."""
    written = "%{http_code} %{size_download}"
    return start("curl", "--silent", "--max-time", "30", "--output", "/dev/null", "--write-out", written, *options, url)


def hey(url, *options):
    """Starts HTTP/1.1 clients."""
    return start("hey", *options, "-m", "POST", "-d", "a password", url)


def h2load(url, *options):
    """Starts HTTP/2 clients."""
    return start("h2load", *options, "--data", BODY.name, url)


def output(client):
    return client.communicate(timeout=300)[0]


def hey_statuses(client):
    """Returns the number of responses by status."""
    text = output(client)
    return {int(status): int(number) for status, number in re.findall(r"\[(\d{3})\]\t(\d+) responses", text)}


def h2load_statuses(client):
    """Returns the number of responses with 2xx, and with others."""
    text = output(client)
    ok, *others = map(int, re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text).groups())
    return ok, sum(others)


class AxumServerTest(unittest.TestCase):
    def test_permit_is_held_while_a_response_is_sent_and_released_if_the_client_disconnects(self):
        with Server() as server:
            for protocol in PROTOCOLS:
                complete = curl(f"{server.url}/export", protocol)
                self.assertEqual(output(complete), f"200 {64 << 20}")
                server.wait_until_empty()
                # Most of the body is left when curl gives up.
                cut_off = curl(f"{server.url}/export", protocol, "--limit-rate", "4M", "--max-time", "0.8")
                wait_until(lambda: server.sum("in_use", "export") == 1)
                # The handler has returned by then.
                time.sleep(0.3)
                self.assertEqual(server.sum("in_use", "export"), 1)
                output(cut_off)
                self.assertEqual(cut_off.returncode, 28)
                server.wait_until_empty()
            self.assertEqual(server.sum("admitted_total", "export"), 4)

    def test_permit_is_held_while_a_thread_works_for_a_client_that_is_gone(self):
        with Server(SLOW) as server:
            for protocol in PROTOCOLS:
                client = curl(f"{server.url}/login", protocol, "--data", "a password", "--max-time", "0.2")
                output(client)
                self.assertEqual(client.returncode, 28)
                self.assertEqual(server.sum("in_use", "login"), 1)
                server.wait_until_empty()

    def test_clients_that_send_slowly_hold_no_permit(self):
        with Server() as server, contextlib.ExitStack() as connections:
            head = b"POST /messages HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
            clients = [connections.enter_context(server.connect()) for _ in range(40)]
            for client in clients:
                client.sendall(head + b"hell")
            unfinished = connections.enter_context(server.connect())
            unfinished.sendall(b"GET /health HTTP/1.1\r\n")
            wait_until(lambda: server.connections() == 41)
            self.assertEqual((server.sum("in_use"), server.sum("admitted_total")), (0, 0))
            clients[0].sendall(b"o")
            self.assertIn(b"200 OK", clients[0].recv(1000))
            # The others are answered with 408, and the head without an end is not.
            self.assertIn(b"408 ", clients[1].recv(1000))
            self.assertEqual(unfinished.recv(1000), b"")

    def test_connections_over_the_limit_are_closed(self):
        with Server() as server, contextlib.ExitStack() as connections:
            for _ in range(512):
                connections.enter_context(server.connect())
            self.assertEqual(connections.enter_context(server.connect()).recv(1), b"")
            self.assertEqual(server.ready(), 200)

    def test_messages_are_answered_in_a_storm_of_logins_and_every_request_is_counted(self):
        with Server() as server:
            answered = rejected = sent = messages_sent = 0
            began = time.monotonic()
            while sent < REQUESTS:
                n = min(REQUESTS - sent, BATCH)
                background = h2load(f"{server.url}/login", "-n", n, "-c", 10, "-m", 10, "-H", "x-background: 1")
                logins = hey(f"{server.url}/login", "-n", n, "-c", 20)
                # As many at once as are guaranteed.
                messages = hey(f"{server.url}/messages", "-n", n // 6 * 6, "-c", 6)
                health = [output(curl(f"{server.url}/health")) for _ in range(5)]
                background, logins, messages = h2load_statuses(background), hey_statuses(logins), hey_statuses(messages)
                self.assertEqual(messages, {200: n // 6 * 6})
                self.assertEqual(set(health), {"200 7"})
                self.assertEqual((sum(background), sum(logins.values())), (n, n // 20 * 20))
                answered += background[0] + logins[200] + messages[200] + len(health)
                rejected += background[1] + sum(logins.values()) - logins[200]
                sent += n
                messages_sent += messages[200]
            seconds = time.monotonic() - began
            server.wait_until_empty()
            self.assertEqual((server.sum("admitted_total"), server.sum("rejected_total")), (answered, rejected))
            print(f"\nin {seconds:.1f} s: {answered} answered, {rejected} rejected; all {messages_sent} messages answered")
            self.assertGreater(rejected, answered / 10)
            self.assertEqual(server.stop(), (0, answered))

    def test_sigterm_in_a_storm_loses_no_admitted_request(self):
        with Server(10 * FAST) as server:
            clients = hey(f"{server.url}/login", "-z", "1s", "-c", 10)
            more = h2load(f"{server.url}/login", "-n", 10_000_000, "-c", 4, "-m", 5, "-H", "x-background: 1")
            wait_until(lambda: server.sum("in_use", "login") > 2 and server.sum("in_use", "background login") > 0)
            status, admitted = server.stop()
            answered = hey_statuses(clients)[200] + h2load_statuses(more)[0]
            self.assertEqual((status, answered), (0, admitted))
            self.assertGreater(answered, 0)

    def test_closed_server_is_not_ready_and_answers_what_it_has_admitted(self):
        with Server(SLOW) as server:
            clients = [curl(f"{server.url}/login", protocol, "--data", "a password") for protocol in PROTOCOLS]
            wait_until(lambda: server.sum("in_use", "login") == 2)
            late = server.connect()
            self.addCleanup(late.close)
            late.sendall(b"POST /messages HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell")
            wait_until(lambda: server.connections() == 3)
            self.assertEqual(server.ready(), 200)
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: server.ready() == 503)
            self.assertEqual(server.sum("in_use", "login"), 2)
            with self.assertRaises(OSError):
                server.connect()
            self.assertEqual([output(client) for client in clients], ["200 64", "200 64"])
            # No permit is in use, but this request is not complete.
            with self.assertRaises(subprocess.TimeoutExpired):
                server.process.wait(timeout=0.3)
            late.sendall(b"o")
            self.assertRegex(late.makefile().read(), r"(?s)503 Service Unavailable.*\nclosed$")
            self.assertEqual(server.process.wait(timeout=30), 0)


def main():
    global BODY, REQUESTS, TOOLS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000, help="logins, background logins and messages, each")
    help_of_missing = "test nothing, without failing, on a system without apt-get"
    parser.add_argument("--allow-missing", action="store_true", help=help_of_missing)
    arguments, rest = parser.parse_known_args()
    if arguments.allow_missing and not shutil.which("apt-get"):
        print("NOT RUN: hey is a package of Debian, and this system has no apt-get", file=sys.stderr)
        sys.exit()
    REQUESTS = arguments.requests
    TOOLS = debian("hey", "nghttp2-client")
    build("axum_server")
    with tempfile.NamedTemporaryFile() as BODY:
        BODY.write(b"a password")
        BODY.flush()
        unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
