#!/usr/bin/env python3
"""End-to-end tests of the example server: a storm with the wall and without it, and single requests.

    examples/http_server/e2e/flood.py                            less than a minute: short storms
    examples/http_server/e2e/flood.py --seconds 30 --stops 20    the figures of docs/in-a-server.md

Needs cargo and npm. The load generator is the npm package loadtest, at a fixed rate: its clients do not
wait for responses, and a fast rejection does not make them send more. (autocannon keeps its rate by
sending from all connections at the same instant of each second, which is a storm of its own.)
"""

import argparse
import contextlib
import json
import signal
import socket
import sys
import time
import unittest

from server import BACKEND_MS, CAPACITY, STORM_RATE, TOKEN, Server, build, messages, storm, wait_for_storm


class Flood(unittest.TestCase):
    """Messages at half of the capacity, logins at ten times the capacity, and single requests."""

    def flood(self, *arguments):
        with Server(*arguments) as server:
            normal = messages(server, SECONDS).report()
            # The storm starts before the messages and ends after them.
            logins = storm(server, SECONDS + 2)
            time.sleep(1)
            flood = messages(server, SECONDS).report()
            logins = [stream.report() for stream in logins]
        print(f"\n{' '.join(arguments) or 'with the wall'}")
        reports = [normal, flood, *logins]
        names = ["messages, normal load", "messages, storm", "logins", "background logins"]
        for name, report in zip(names, reports):
            lost = report["totalRequests"] - report["answered"] - report["rejected"]
            print(
                f"{name:>21}: of {report['totalRequests']:6} {100 * report['success']:6.2f} % answered, "
                f"{report['rejected']} rejected, {lost} disconnected or timed out; "
                f"p50 {report['percentiles']['50']} ms, p99 {report['percentiles']['99'] or '?'} ms"
            )
        return normal, flood, logins

    def test_messages_are_answered_during_a_storm(self):
        normal, flood, logins = self.flood()
        rate = sum(stream["totalRequests"] for stream in logins) / (SECONDS + 2)
        self.assertGreater(rate, 0.9 * STORM_RATE, "the clients did not reach the storm's rate")
        self.assertGreaterEqual(flood["success"], 0.99)
        # In a short storm, one pause of a busy machine shifts the 99th percentile.
        if SECONDS >= 30:
            self.assertLessEqual(flood["percentiles"]["99"], 1.3 * normal["percentiles"]["99"])

    def test_messages_are_lost_during_a_storm_without_the_wall(self):
        normal, flood, _ = self.flood("--no-wall")
        self.assertGreaterEqual(normal["success"], 0.99)
        self.assertLess(flood["success"], 0.6)

    def test_health_checks_and_rule_updates_work_during_a_storm(self):
        with Server() as server:
            logins = storm(server, SECONDS)
            wait_for_storm(server)
            for _ in range(10):
                self.assertEqual(server.request("GET", "/healthz")[0], 200)
            # Reject all background logins.
            rules = self.rules(server)
            rules["classes"]["background login"] = {"cap": 0}
            status, _, body = self.set_rules(server, json.dumps(rules))
            self.assertEqual((status, json.loads(body)["classes"]["background login"]["cap"]), (200, 0))
            time.sleep(2 * BACKEND_MS / 1000)
            before = server.metrics()
            time.sleep(1)
            after = server.metrics()
            admitted = 'floodwall_admitted_total{wall="http",class="background login"}'
            full = 'floodwall_rejected_total{wall="http",class="background login",reason="class_full"}'
            self.assertEqual(after[admitted], before[admitted])
            self.assertGreater(after[full], before[full] + CAPACITY)
            for stream in logins:
                stream.report()

    def test_sigterm_during_a_storm_loses_no_admitted_request(self):
        for _ in range(STOPS):
            with Server() as server:
                streams = [*storm(server, 3), messages(server, 3)]
                wait_for_storm(server)
                time.sleep(0.5)
                self.assertEqual(server.stop(), 0)
                admitted = int(server.process.stdout.readline().split()[1])
            answered = sum(stream.report()["answered"] for stream in streams)
            self.assertGreater(admitted, 0)
            self.assertEqual(answered, admitted, "responses received and requests admitted differ")

    def test_silent_and_slow_connections_hold_no_permit(self):
        with Server() as server, contextlib.ExitStack() as open_connections:
            def connect():
                address = ("127.0.0.1", server.port)
                return open_connections.enter_context(socket.create_connection(address))

            _silent = [connect() for _ in range(100)]
            slow = [connect() for _ in range(100)]
            stream = messages(server, 3)
            # One byte at a time of a head that never ends.
            for byte in b"POST /message HTTP/1.1\r\nHost":
                for connection in slow:
                    with contextlib.suppress(OSError):
                        connection.send(bytes([byte]))
                time.sleep(0.1)
            report = stream.report()
            # By then, the last messages are answered.
            time.sleep(2 * BACKEND_MS / 1000)
            self.assertEqual(sum(self.in_use(server)), 0)
            self.assertGreaterEqual(report["success"], 0.99)
            # A slow client gets 408 before its connection is closed.
            slow[0].settimeout(10)
            self.assertIn(b" 408 ", slow[0].recv(1000))

    def test_invalid_requests_get_the_matching_status(self):
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
                    self.assertEqual(server.status_line(request).split()[1], status)
            self.assertEqual(server.request("POST", "/message", "x" * 65536)[0], 200)
            _, _, body = server.request("GET", "/healthz")
            status, headers, no_body = server.request("HEAD", "/healthz")
            self.assertEqual((status, headers["Content-Length"], no_body), (200, str(len(body)), ""))

    def test_rejection_states_its_reason_and_does_not_wait_for_the_body(self):
        with Server() as server:
            rules = self.rules(server)
            rules["classes"]["message"] = {"cap": 0}
            self.set_rules(server, json.dumps(rules))
            status, headers, body = server.request("POST", "/message", "hello")
            self.assertEqual(status, 503)
            self.assertIn(int(headers["Retry-After"]), range(1, 11))
            self.assertEqual(body, "message: class full: 0 of 0 permits in use\n")
            request = b"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
            self.assertEqual(server.status_line(request), "HTTP/1.1 503 Service Unavailable")
            # The client may send the body or omit it, so the connection cannot be reused.
            _, headers, _ = server.request("POST", "/message", "hello", {"Expect": "100-continue"})
            self.assertEqual(headers["Connection"], "close")

    def test_withheld_body_does_not_block_health_checks(self):
        with Server() as server, contextlib.ExitStack() as open_connections:
            for _ in range(4):
                address = ("127.0.0.1", server.port)
                connection = open_connections.enter_context(socket.create_connection(address))
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
                self.assertIn(b" 200 ", connection.recv(1000))
            self.assertEqual(server.request("GET", "/healthz")[0], 200)

    def test_rule_update_during_shutdown_does_not_reopen_the_wall(self):
        with Server() as server, contextlib.ExitStack() as open_connections:
            def connect():
                address = ("127.0.0.1", server.port)
                return open_connections.enter_context(socket.create_connection(address, timeout=10))

            admitted, update = connect(), connect()
            rules = json.dumps(self.rules(server)).encode()
            head = f"PUT /admin/rules HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n"
            update.sendall(f"{head}Content-Length: {len(rules)}\r\n\r\n".encode() + rules[:-1])
            admitted.sendall(b"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
            time.sleep(0.2)
            # After SIGSTOP and SIGCONT, the server continues interrupted reads.
            server.process.send_signal(signal.SIGSTOP)
            time.sleep(0.2)
            server.process.send_signal(signal.SIGCONT)
            time.sleep(0.2)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            admitted.sendall(b"x")
            update.sendall(rules[-1:])
            self.assertIn(b" 200 ", update.recv(1000))
            status, headers, _ = server.request("POST", "/message")
            self.assertEqual((status, headers["Connection"]), (503, "close"))
            self.assertIn(b" 200 ", admitted.recv(1000))
            self.assertEqual(server.process.wait(timeout=30), 0)

    def test_background_login_with_user_activity_counts_as_login(self):
        with Server() as server:
            for headers, kind in [
                ({}, "background login"),
                ({"X-Unlocked": "yes"}, "background login"),
                ({"X-Unlocked": "yes", "X-Seconds-Used": "4"}, "background login"),
                ({"X-Unlocked": "yes", "X-Seconds-Used": "5"}, "login"),
            ]:
                sample = f'floodwall_admitted_total{{wall="http",class="{kind}"}}'
                before = server.metrics()[sample]
                self.assertEqual(server.request("POST", "/login/background", headers=headers)[0], 200)
                self.assertEqual(server.metrics()[sample], before + 1)

    def test_panicking_handler_releases_its_permit(self):
        with Server("--may-panic") as server:
            for _ in range(2 * 64):
                self.assertEqual(server.request("POST", "/message", headers={"X-Panic": "yes"})[0], 500)
            self.assertEqual(sum(self.in_use(server)), 0)
            self.assertEqual(server.request("POST", "/message")[0], 200)

    def test_invalid_rules_change_nothing(self):
        with Server() as server:
            rules = self.rules(server)
            invalid = {**rules, "capacity": 10}
            status, _, body = self.set_rules(server, json.dumps(invalid))
            self.assertEqual(status, 422)
            self.assertIn("capacity of 10", body)
            status, _, body = self.set_rules(server, json.dumps({**rules, "capacity": 65}))
            self.assertEqual((status, body), (422, "a capacity of 65 exceeds the 64 threads\n"))
            self.assertEqual(self.set_rules(server, "{")[0], 422)
            self.assertEqual(server.request("PUT", "/admin/rules", json.dumps(invalid))[0], 401)
            wrong_token = {"Authorization": "Bearer open"}
            self.assertEqual(server.request("PUT", "/admin/rules", json.dumps(invalid), wrong_token)[0], 401)
            self.assertEqual(self.rules(server), rules)

    def test_status_page_lists_the_classes(self):
        with Server() as server:
            status, headers, page = server.request("GET", "/")
            self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
            for name in ["message", "login", "background login", "health check"]:
                self.assertIn(f"<td>{name}<", page)

    def in_use(self, server):
        in_use = [value for sample, value in server.metrics().items() if sample.startswith("floodwall_in_use{")]
        self.assertEqual(len(in_use), 4)
        return in_use

    def set_rules(self, server, text):
        return server.request("PUT", "/admin/rules", text, {"Authorization": f"Bearer {TOKEN}"})

    def rules(self, server):
        status, _, body = server.request("GET", "/admin/rules", headers={"Authorization": f"Bearer {TOKEN}"})
        self.assertEqual(status, 200)
        return json.loads(body)


def main():
    global SECONDS, STOPS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="length of each storm")
    parser.add_argument("--stops", type=int, default=1, help="number of SIGTERMs during a storm")
    arguments, rest = parser.parse_known_args()
    SECONDS, STOPS = arguments.seconds, arguments.stops
    build()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
