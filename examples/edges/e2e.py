#!/usr/bin/env python3
"""End-to-end tests of the recipes for tiny_http and rouille, alone and behind HAProxy.

    examples/edges/e2e.py    about 20 seconds

Needs the package registry of Debian, from which `.ci/debian` takes HAProxy.
"""

import argparse
import contextlib
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

from process import Process, build

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "http_server/e2e"))

from server import debian, exchange, wait_until  # noqa: E402

EXPORT_BYTES = 32 << 20
# Exports that are admitted at once.
CAP = 4
CONNECTIONS = 300
# Connections of HAProxy to a server.
MAXCONN = 16


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def haproxy(server):
    """Starts HAProxy in front of this server; its value is the port for clients."""
    port = free_port()
    addresses = {"EDGE_LISTEN": f"127.0.0.1:{port}", "EDGE_SERVER": f"127.0.0.1:{server.port}"}
    # In the foreground. Ends by itself if this script is killed.
    command = ["timeout", "300", "haproxy", "-db", "-q", "-f", HERE / "behind_haproxy.cfg"]
    process = subprocess.Popen(command, env={**HAPROXY, **addresses}, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_listening(port))
        yield port
    finally:
        process.terminate()
        process.wait()


def is_listening(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port)).close()
        return True


def get(port, path):
    """Returns the status, the headers and the body of the response."""
    return exchange(port, "GET", path, None, {"Connection": "close"})


def send(stack, port, request):
    """Sends these bytes on a new connection that reads nothing, with a small buffer."""
    connection = stack.enter_context(socket.socket())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(10)
    connection.connect(("127.0.0.1", port))
    connection.sendall(request)
    return connection


GET_EXPORT = b"GET /export HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
PIPELINED = 20 * b"GET /export HTTP/1.1\r\nHost: a\r\n\r\n"
# A head without an end, and a head without its body.
UNFINISHED = [
    b"GET /page HTTP/1.1\r\nHost: a\r\n",
    b"POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n",
]


class Recipe:
    """The tests of one recipe."""

    def setUp(self):
        self.server = self.enterContext(Process(self.name, "--port=0"))
        self.connections = self.enterContext(contextlib.ExitStack())

    def in_use(self):
        return int(get(self.server.port, "/in-use")[2])

    def exports(self, number, port=None):
        """Starts exports that no client reads."""
        return [send(self.connections, port or self.server.port, GET_EXPORT) for _ in range(number)]

    def wait_until_in_use(self, number):
        wait_until(lambda: self.in_use() == number, seconds=10)

    def test_permit_is_held_until_the_body_is_read_and_rejections_are_503(self):
        clients = self.exports(CAP)
        self.wait_until_in_use(CAP)
        # The handlers of rouille have returned by now.
        time.sleep(0.3)
        self.assertEqual(self.in_use(), CAP)
        rejected, headers, body = get(self.server.port, "/export")
        expected = (503, "5", f"export: class full: {CAP} of {CAP} permits in use")
        self.assertEqual((rejected, headers["Retry-After"], body), expected)
        self.assertEqual(get(self.server.port, "/page")[0], 200)
        for left in reversed(range(CAP)):
            received = 0
            reader = clients.pop()
            # Ends without a page of the body that the kernel has buffered.
            while received < EXPORT_BYTES // 2:
                received += len(reader.recv(1 << 20))
            self.assertEqual(self.in_use(), left + 1, "released after half of the body")
            while received < EXPORT_BYTES:
                received += len(reader.recv(1 << 20))
            self.wait_until_in_use(left)

    def test_permit_is_released_if_the_client_disconnects(self):
        self.exports(CAP)
        self.wait_until_in_use(CAP)
        self.connections.close()
        self.wait_until_in_use(0)
        self.assertEqual(get(self.server.port, "/page")[::2], (200, "a page"))

    def test_haproxy_bounds_the_threads_of_the_server(self):
        with haproxy(self.server) as port:
            waiting = [send(self.connections, port, UNFINISHED[n % 2]) for n in range(CONNECTIONS)]
            behind = self.server.threads()
            self.assertEqual(get(port, "/page")[0], 200)

            clients = self.exports(CONNECTIONS, port)
            self.wait_until_in_use(CAP)
            busy = self.server.threads()
            self.assertEqual(get(port, "/page")[0], 200)
            statuses = [client.recv(12) for client in clients]
            self.assertEqual(statuses.count(b"HTTP/1.1 200"), CAP)
            self.assertEqual(statuses.count(b"HTTP/1.1 503"), CONNECTIONS - CAP)
            self.assertEqual({connection.recv(12) for connection in waiting}, {b"HTTP/1.1 408"})
            # They still read nothing else, and HAProxy does not wait forever.
            began = time.monotonic()
            self.wait_until_in_use(0)
            seconds = time.monotonic() - began

        server = self.enterContext(Process(self.name, "--port=0"))
        for n in range(CONNECTIONS):
            # After a first request, because a connection of a burst may have no thread.
            connection = send(self.connections, server.port, b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(connection.recv(12), b"HTTP/1.1 200")
            connection.sendall(UNFINISHED[n % 2])
        direct = server.threads()
        print(
            f"\n{self.name}: with {CONNECTIONS} unfinished requests {direct} threads directly, {behind} behind HAProxy; "
            f"there {busy} with {CONNECTIONS} exports that are not read, whose permits are released after {seconds:.1f} s"
        )
        self.assertLess(max(behind, busy), 40)
        self.assertGreater(direct, CONNECTIONS)

    def test_haproxy_opens_few_connections_to_a_server_that_does_not_answer(self):
        with haproxy(self.server) as port:
            self.server.process.send_signal(signal.SIGSTOP)
            clients = self.exports(CONNECTIONS, port)
            # The others wait in HAProxy, which answers them after a second.
            wait_until(lambda: len(select.select(clients, [], [], 0)[0]) == CONNECTIONS - MAXCONN, seconds=5)
            self.server.process.send_signal(signal.SIGCONT)
            statuses = [client.recv(12) for client in clients]
            self.assertEqual(statuses.count(b"HTTP/1.1 200"), CAP)

    def test_haproxy_closes_each_connection_to_the_server(self):
        idle = self.server.open_files()
        with haproxy(self.server) as port:
            self.assertEqual(get(port, "/page")[0], 200)
            # HAProxy would keep an idle connection for longer.
            wait_until(lambda: self.server.open_files() == idle, seconds=3)

    def test_haproxy_sends_one_request_at_a_time(self):
        # The responses to pipelined requests wait for the first one, which is not read.
        with haproxy(self.server) as port:
            send(self.connections, port, PIPELINED)
            self.wait_until_in_use(1)
            self.assertEqual(get(port, "/page")[0], 200)
            self.assertEqual(self.in_use(), 1)
        send(self.connections, self.server.port, PIPELINED)
        wait_until(self.is_stuck)

    def is_stuck(self):
        try:
            with self.server.connect(timeout=1) as client:
                client.sendall(b"GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                client.recv(1)
        except TimeoutError:
            return True


class TinyHttpTest(Recipe, unittest.TestCase):
    name = "tiny_http"


class RouilleTest(Recipe, unittest.TestCase):
    name = "rouille"


def main():
    global HAPROXY
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    help_of_missing = "test nothing, without failing, on a system without apt-get"
    parser.add_argument("--allow-missing", action="store_true", help=help_of_missing)
    arguments, rest = parser.parse_known_args()
    if arguments.allow_missing and not shutil.which("apt-get"):
        print("NOT RUN: haproxy is a package of Debian, and this system has no apt-get", file=sys.stderr)
        sys.exit()
    HAPROXY = debian("haproxy")
    build("tiny_http", "rouille")
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
