#!/usr/bin/env python3
"""The server in front of real clients: a flood with the wall and without it, and what goes wrong beside.

    examples/http_server/e2e/flood.py                            under a minute: the storms are short
    examples/http_server/e2e/flood.py --seconds 30 --stops 20    the figures of docs/in-a-server.md

It needs cargo and npm. The clients are those of the npm package loadtest, at a fixed rate: they do not
wait for answers, and being turned away fast does not make them ask more often. (autocannon's rate is
kept by all its connections asking at the same instant of each second, which is a storm by itself.)
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent

# 64 threads that wait 0.4 s for the backend: 160 requests per second are all that the pool can do.
BACKEND_MS = 400
CAPACITY = 64 * 1000 // BACKEND_MS
MESSAGES = CAPACITY // 2
STORM = CAPACITY * 10
# Whoever waits longer has given up.
PATIENCE_MS = 2000
TOKEN = "open sesame"


class Server:
    """One that was started for a test, on a port of its own."""

    def __init__(self, *arguments):
        command = [ROOT / "target/release/examples/http_server", "--listen=127.0.0.1:0"]
        self.process = subprocess.Popen(
            [*command, f"--backend-ms={BACKEND_MS}", *arguments],
            stdout=subprocess.PIPE,
            # It reports handlers that panic.
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
        """What it exits with, when it is asked to end."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def ask(self, method, path, body=None, headers=None):
        """The status, the headers and the body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()

    def raw(self, request):
        """The first line that comes back for these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            return connection.makefile().readline().strip()

    def metrics(self):
        """Each sample of /metrics by its name and labels."""
        samples = {}
        for line in self.ask("GET", "/metrics")[2].splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples


class Stream:
    """Clients that ask for one thing at a fixed rate, for so many seconds."""

    def __init__(self, server, path, rate, seconds):
        options = [server.url + path, *map(str, [rate, seconds, PATIENCE_MS])]
        command = ["node", HERE / "stream.js", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def report(self):
        """What the clients say, of all that came to an end in time."""
        report = json.loads(self.process.communicate()[0])
        report["answered"] = report["outcomes"].get("200", 0)
        report["turned away"] = report["outcomes"].get("503", 0)
        report["success"] = report["answered"] / report["totalRequests"]
        return report


def messages(server, seconds):
    return Stream(server, "/message", MESSAGES, seconds)


def storm(server, seconds):
    """Ten times what the pool can do, and only every tenth login is one that somebody waits for."""
    return [
        Stream(server, "/login", STORM // 10, seconds),
        Stream(server, "/login/background", STORM * 9 // 10, seconds),
    ]


class Flood(unittest.TestCase):
    """Messages at half of the capacity, beside background logins at ten times the capacity."""

    def flood(self, *arguments):
        with Server(*arguments) as server:
            calm = messages(server, SECONDS).report()
            # It begins sooner and ends later.
            logins = storm(server, SECONDS + 2)
            time.sleep(1)
            flood = messages(server, SECONDS).report()
            logins = [stream.report() for stream in logins]
        print(f"\n{' '.join(arguments) or 'with the wall'}")
        reports = [calm, flood, *logins]
        for name, report in zip(["messages, calm", "messages, storm", "logins", "background logins"], reports):
            lost = report["totalRequests"] - report["answered"] - report["turned away"]
            print(
                f"{name:>18}: of {report['totalRequests']:6} {100 * report['success']:6.2f} % answered, "
                f"{report['turned away']} turned away, {lost} hung up on or given up; "
                f"p50 {report['percentiles']['50']} ms, p99 {report['percentiles']['99'] or '?'} ms"
            )
        return calm, flood, logins

    def test_with_the_wall_messages_flow(self):
        calm, flood, logins = self.flood()
        asked = sum(stream["totalRequests"] for stream in logins) / (SECONDS + 2)
        self.assertGreater(asked, 0.9 * STORM, "that was no storm")
        self.assertGreaterEqual(flood["success"], 0.99)
        # One pause of a busy machine is enough to shift it in a short storm.
        if SECONDS >= 30:
            self.assertLessEqual(flood["percentiles"]["99"], 1.3 * calm["percentiles"]["99"])

    def test_without_it_they_do_not(self):
        calm, flood, _ = self.flood("--no-wall")
        self.assertGreaterEqual(calm["success"], 0.99)
        self.assertLess(flood["success"], 0.6)

    def test_health_checks_are_answered_and_rules_are_changed_in_the_storm(self):
        with Server() as server:
            logins = storm(server, SECONDS)
            time.sleep(1)
            for _ in range(10):
                self.assertEqual(server.ask("GET", "/healthz")[0], 200)
            self.assertGreater(server.metrics()['floodwall_admitted_total{class="background login"}'], 0)
            # No background logins at all.
            rules = self.rules(server)
            rules["classes"]["background login"] = {"cap": 0}
            status, _, body = self.set_rules(server, json.dumps(rules))
            self.assertEqual((status, json.loads(body)["classes"]["background login"]["cap"]), (200, 0))
            time.sleep(2 * BACKEND_MS / 1000)
            before = server.metrics()
            time.sleep(1)
            after = server.metrics()
            admitted = 'floodwall_admitted_total{class="background login"}'
            full = 'floodwall_rejected_total{class="background login",reason="class_full"}'
            self.assertEqual(after[admitted], before[admitted])
            self.assertGreater(after[full], before[full] + CAPACITY)
            for stream in logins:
                stream.report()

    def test_a_stop_in_the_storm_loses_nothing_admitted(self):
        for _ in range(STOPS):
            with Server() as server:
                streams = [*storm(server, 3), messages(server, 3)]
                time.sleep(1.5)
                self.assertEqual(server.stop(), 0)
                admitted = int(server.process.stdout.readline().split()[1])
            answered = sum(stream.report()["answered"] for stream in streams)
            self.assertGreater(admitted, 0)
            self.assertEqual(answered, admitted, "as the clients say, and as the server says")

    def test_whoever_says_nothing_stops_nobody(self):
        with Server() as server, contextlib.ExitStack() as open_connections:
            def connect():
                address = ("127.0.0.1", server.port)
                return open_connections.enter_context(socket.create_connection(address))

            _silent = [connect() for _ in range(100)]
            dripping = [connect() for _ in range(100)]
            flow = messages(server, 3)
            # A byte now and then, of a head that never ends.
            for byte in b"POST /message HTTP/1.1\r\nHost":
                for connection in dripping:
                    with contextlib.suppress(OSError):
                        connection.send(bytes([byte]))
                time.sleep(0.1)
            report = flow.report()
            # The last messages have been answered by then.
            time.sleep(2 * BACKEND_MS / 1000)
            self.assertEqual(sum(self.in_use(server)), 0)
            self.assertGreaterEqual(report["success"], 0.99)
            # They are told that it takes too long, and hung up on.
            dripping[0].settimeout(10)
            self.assertIn(b" 408 ", dripping[0].recv(1000))

    def test_what_is_wrong_with_a_request_is_said(self):
        with Server() as server:
            for request, status in [
                (b"nonsense\r\n\r\n", "400"),
                (b"GET / HTTP/1.1\r\n\r\n", "400"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "400"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "411"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", "413"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", "413"),
                (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + 9000 * b"x" + b"\r\n\r\n", "431"),
                (b"GET / HTTP/1.1\r\nHost: a\r\n" + 100 * b"X: x\r\n" + b"\r\n", "431"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n" + 10_000_000 * b"x", "413"),
                (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "400"),
                (b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", "404"),
                (b"GET /metrics?all HTTP/1.1\r\nHost: a\r\n\r\n", "200"),
            ]:
                with self.subTest(request[:60]):
                    self.assertEqual(server.raw(request).split()[1], status)
            self.assertEqual(server.ask("POST", "/message", "x" * 65536)[0], 200)
            _, headers, body = server.ask("GET", "/healthz")
            status, alone, nothing = server.ask("HEAD", "/healthz")
            self.assertEqual((status, alone["Content-Length"], nothing), (200, str(len(body)), ""))

    def test_whoever_is_turned_away_learns_why_and_need_not_send_the_body(self):
        with Server() as server:
            self.set_rules(server, json.dumps({**self.rules(server), "capacity": 0}))
            status, headers, body = server.ask("POST", "/message", "hello")
            self.assertEqual(status, 503)
            self.assertIn(int(headers["Retry-After"]), range(1, 11))
            self.assertEqual(body, "message: closed: the capacity is 0\n")
            request = b"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
            self.assertEqual(server.raw(request), "HTTP/1.1 503 Service Unavailable")
            # It may send the body or not.
            _, headers, _ = server.ask("POST", "/message", "hello", {"Expect": "100-continue"})
            self.assertEqual(headers["Connection"], "close")

    def test_a_body_that_does_not_come_keeps_nobody_from_asking_how_the_server_is(self):
        with Server() as server, contextlib.ExitStack() as open_connections:
            for _ in range(4):
                address = ("127.0.0.1", server.port)
                connection = open_connections.enter_context(socket.create_connection(address))
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
                self.assertIn(b" 200 ", connection.recv(1000))
            self.assertEqual(server.ask("GET", "/healthz")[0], 200)

    def test_who_comes_while_the_server_ends_is_turned_away_and_opens_nothing(self):
        with Server() as server, contextlib.ExitStack() as open_connections:
            def connect():
                address = ("127.0.0.1", server.port)
                return open_connections.enter_context(socket.create_connection(address, timeout=10))

            admitted, change = connect(), connect()
            rules = json.dumps(self.rules(server)).encode()
            head = f"PUT /admin/rules HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n"
            change.sendall(f"{head}Content-Length: {len(rules)}\r\n\r\n".encode() + rules[:-1])
            admitted.sendall(b"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
            time.sleep(0.2)
            # Stopped by a terminal, it goes on with what it was reading.
            server.process.send_signal(signal.SIGSTOP)
            time.sleep(0.2)
            server.process.send_signal(signal.SIGCONT)
            time.sleep(0.2)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            admitted.sendall(b"x")
            change.sendall(rules[-1:])
            self.assertIn(b" 200 ", change.recv(1000))
            status, headers, _ = server.ask("POST", "/message")
            self.assertEqual((status, headers["Connection"]), (503, "close"))
            self.assertIn(b" 200 ", admitted.recv(1000))
            self.assertEqual(server.process.wait(timeout=30), 0)

    def test_a_login_with_evidence_is_one_that_somebody_wants(self):
        with Server() as server:
            for headers, kind in [
                ({}, "background login"),
                ({"X-Unlocked": "yes"}, "background login"),
                ({"X-Unlocked": "yes", "X-Seconds-Used": "4"}, "background login"),
                ({"X-Unlocked": "yes", "X-Seconds-Used": "5"}, "login"),
            ]:
                sample = f'floodwall_admitted_total{{class="{kind}"}}'
                before = server.metrics()[sample]
                self.assertEqual(server.ask("POST", "/login/background", headers=headers)[0], 200)
                self.assertEqual(server.metrics()[sample], before + 1)

    def test_a_handler_that_panics_gives_its_permit_back(self):
        with Server("--may-panic") as server:
            for _ in range(2 * 64):
                self.assertEqual(server.ask("POST", "/message", headers={"X-Panic": "yes"})[0], 500)
            self.assertEqual(sum(self.in_use(server)), 0)
            self.assertEqual(server.ask("POST", "/message")[0], 200)

    def test_wrong_rules_change_nothing(self):
        with Server() as server:
            rules = self.rules(server)
            wrong = {**rules, "capacity": 10}
            status, _, body = self.set_rules(server, json.dumps(wrong))
            self.assertEqual(status, 422)
            self.assertIn("capacity of 10", body)
            status, _, body = self.set_rules(server, json.dumps({**rules, "capacity": 65}))
            self.assertEqual((status, body), (422, "a capacity of 65 is more than the 64 threads\n"))
            self.assertEqual(self.set_rules(server, "{")[0], 422)
            self.assertEqual(server.ask("PUT", "/admin/rules", json.dumps(wrong))[0], 401)
            guess = {"Authorization": "Bearer open"}
            self.assertEqual(server.ask("PUT", "/admin/rules", json.dumps(wrong), guess)[0], 401)
            self.assertEqual(self.rules(server), rules)

    def in_use(self, server):
        return [value for sample, value in server.metrics().items() if sample.startswith("floodwall_in_use{")]

    def set_rules(self, server, text):
        return server.ask("PUT", "/admin/rules", text, {"Authorization": f"Bearer {TOKEN}"})

    def rules(self, server):
        status, _, body = server.ask("GET", "/admin/rules", headers={"Authorization": f"Bearer {TOKEN}"})
        self.assertEqual(status, 200)
        return json.loads(body)

    def test_the_page_shows_the_classes(self):
        with Server() as server:
            status, headers, page = server.ask("GET", "/")
            self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
            for name in ["message", "login", "background login", "health check"]:
                self.assertIn(f"<td>{name}<", page)


def main():
    global SECONDS, STOPS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="how long each storm is")
    parser.add_argument("--stops", type=int, default=1, help="how often the server is stopped in a storm")
    arguments, rest = parser.parse_known_args()
    SECONDS, STOPS = arguments.seconds, arguments.stops
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=HERE, check=True)
    build = ["cargo", "build", "--release", "--package=floodwall-http-server", "--example=http_server"]
    subprocess.run(build, cwd=ROOT, check=True)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
