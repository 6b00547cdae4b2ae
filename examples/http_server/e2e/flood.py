#!/usr/bin/env python3
"""End-to-end tests of the example server: a storm with the wall and without it, and single requests.

    examples/http_server/e2e/flood.py                            less than a minute: short storms
    examples/http_server/e2e/flood.py --seconds 30 --stops 20    the figures of docs/in-a-server.md

Needs cargo and npm. The load generator is the npm package loadtest, at a fixed rate: its clients do not
wait for responses, and a fast rejection does not make them send more. (autocannon keeps its rate by
sending from all connections at the same instant of each second, which is a storm of its own.)
"""

import argparse
import collections
import concurrent.futures
import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

from server import (
    BACKEND_MS,
    CAPACITY,
    MESSAGE_RATE,
    PROGRAM,
    STORM_RATE,
    TOKEN,
    Server,
    build,
    install,
    messages,
    storm,
    wait_for_storm,
    wait_until,
)


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
                self.assertEqual(server.admin("GET", "/healthz")[0], 200)
            # Reject all background logins.
            rules, version = server.rules()
            rules["classes"]["background login"] = {"cap": 0}
            status, _, body = server.set_rules(json.dumps(rules), version)
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
                admitted = server.admitted()
            answered = sum(stream.report()["answered"] for stream in streams)
            self.assertGreater(admitted, 0)
            self.assertEqual(answered, admitted, "responses received and requests admitted differ")

    def test_silent_and_slow_connections_hold_no_permit(self):
        with Server() as server, contextlib.ExitStack() as open_connections:
            for _silent in range(100):
                open_connections.enter_context(server.connect())
            slow = [open_connections.enter_context(server.connect()) for _ in range(100)]
            stream = messages(server, 3)
            # One byte at a time of a head that never ends.
            for byte in b"POST /message HTTP/1.1\r\nHost":
                for connection in slow:
                    connection.send(bytes([byte]))
                time.sleep(0.1)
            report = stream.report()
            # By then, the last messages are answered.
            time.sleep(2 * BACKEND_MS / 1000)
            self.assertEqual(sum(server.per_class("in_use").values()), 0)
            self.assertEqual(report["success"], 1)
            # The server closes a connection whose head does not arrive.
            self.assertEqual(slow[0].recv(1000), b"")

    def test_slow_bodies_hold_no_permit(self):
        with Server() as server, contextlib.ExitStack() as open_connections:
            def withhold_body(framing=b"Content-Length: 1"):
                connection = open_connections.enter_context(server.connect())
                connection.sendall(b"POST /message HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n")
                return connection

            slow = [withhold_body() for _ in range(62)]
            for framing in [b"Content-Length: 65536", b"Transfer-Encoding: chunked"]:
                slow += [withhold_body(framing) for _ in range(256)]
            stream = messages(server, SLOW_SECONDS)
            # As each of them is given up after 5 seconds, eleven per second keep 55.
            for _ in range(SLOW_SECONDS):
                for _ in range(11):
                    withhold_body()
                time.sleep(1)
            report = stream.report()
            self.assertEqual(report["outcomes"], {"200": report["totalRequests"]})
            self.assertGreaterEqual(report["totalRequests"], 0.9 * MESSAGE_RATE * SLOW_SECONDS)
            self.assertIn(b" 408 ", slow[0].recv(1000))

    def test_bodies_in_small_pieces_take_little_memory(self):
        with Server() as server, contextlib.ExitStack() as open_connections:
            def start_body():
                connection = open_connections.enter_context(server.connect())
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.sendall(b"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n")
                return connection

            slow = [start_body() for _ in range(100)]
            for _ in range(600):
                for connection in slow:
                    connection.send(b"x")
            # 60 kB of bodies. To keep the buffer of each read would take 90 MB.
            self.assertLess(server.resident_kib(), 50_000)
            self.assertEqual(server.request("POST", "/message", "x")[0], 200)

    def test_idle_connections_leave_room_for_probes_and_clients(self):
        with Server() as server, contextlib.ExitStack() as open_connections:
            def is_kept(connection):
                connection.sendall(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
                return b"connection: close" not in connection.recv(1000).lower()

            kept = 0
            for _ in range(900):
                connection = open_connections.enter_context(server.connect())
                if is_kept(connection):
                    kept += 1
                else:
                    connection.close()
            self.assertEqual(kept, 675)
            status, headers, _ = server.request("POST", "/message")
            self.assertEqual((status, headers["Connection"]), (200, "close"))

        with Server() as server, contextlib.ExitStack() as open_connections:
            for _ in range(900):
                open_connections.enter_context(server.connect())
            in_use = 'floodwall_bulkhead_in_use{bulkhead="connections"}'
            wait_until(lambda: server.metrics()[in_use] == 900)
            for path in ["/healthz", "/readyz", "/"]:
                self.assertEqual(server.admin("GET", path)[0], 200)
            with self.assertRaises(OSError):
                server.request("POST", "/message")
            self.assertEqual(server.metrics()["http_connections_closed_over_limit_total"], 1)
            # The server gives them up.
            wait_until(lambda: server.metrics()[in_use] == 0)
            self.assertEqual(server.request("POST", "/message")[0], 200)

    def test_client_that_never_reads_occupies_little_and_is_given_up(self):
        with Server() as server, socket.socket() as client:
            for option in [socket.SO_SNDBUF, socket.SO_RCVBUF]:
                client.setsockopt(socket.SOL_SOCKET, option, 65536)
            client.settimeout(0.5)
            client.connect(("127.0.0.1", server.port))
            requests = 1000 * b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"
            sent = 0
            with contextlib.suppress(OSError):
                while True:
                    sent += client.send(requests)
            # With buffers of the kernel's choice, a client can send 1.2 MB before it has to wait.
            self.assertLess(sent, 600_000)
            in_use = 'floodwall_bulkhead_in_use{bulkhead="connections"}'
            self.assertEqual(server.metrics()[in_use], 1)
            wait_until(lambda: server.metrics()[in_use] == 0)

    def test_burst_of_connections_does_not_wait_for_the_server(self):
        with Server() as server, contextlib.ExitStack() as open_connections:
            # A stopped server accepts nothing. A client that finds the queue of the kernel full tries again after a second.
            server.process.send_signal(signal.SIGSTOP)
            for _ in range(500):
                open_connections.enter_context(server.connect(timeout=0.9))
            server.process.send_signal(signal.SIGCONT)
            self.assertEqual(server.admin("GET", "/readyz")[0], 200)

    def test_too_few_open_files_are_an_error(self):
        command = f"ulimit -n 512; exec '{PROGRAM}' --listen=127.0.0.1:0 --admin=127.0.0.1:0"
        result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=10)
        self.assertEqual(result.returncode, 1)
        self.assertIn("1024 open files are needed, and 512 are allowed", result.stderr)

    def test_invalid_requests_get_the_matching_status(self):
        with Server() as server:
            for request, status in [
                (b"nonsense\r\n\r\n", "400"),
                (b"POST /message HTTP/1.1\r\n\r\n", "400"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
                (b"POST /message HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"),
                (b"POST * HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
                (b"POST a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "400"),
                (b"CONNECT /message HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
                (b"POST /m\xc3\xa9ssage HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "400"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "400"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\n" + 2 * b"Transfer-Encoding: chunked\r\n" + b"\r\n0\r\n\r\n", "501"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", "400"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", "413"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n" + 10_000_000 * b"x", "413"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                 b"10001\r\n" + 65537 * b"x" + b"\r\n0\r\n\r\n", "413"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\nX: " + 9000 * b"x" + b"\r\n\r\n", "431"),
                (b"POST /message HTTP/1.1\r\nHost: a\r\n" + 100 * b"X: x\r\n" + b"\r\n", "431"),
                (b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", "404"),
                (b"GET /admin/rules HTTP/1.1\r\nHost: a\r\n\r\n", "404"),
                (b"GET /message HTTP/1.1\r\nHost: a\r\n\r\n", "405"),
            ]:
                with self.subTest(request[:60]):
                    self.assertEqual(server.status_line(request).split()[1], status)

    def test_all_forms_of_a_request_are_served(self):
        with Server("--backend-ms=0") as server:
            for request in [
                b"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
                b"POST /message?a=b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
                b"POST http://a/message HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
                b"POST /message HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
                b"POST /message HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi",
                # An HTTP/1.0 client does not know 100 Continue (RFC 9110 10.1.1).
                b"POST /message HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
            ]:
                with self.subTest(request), server.connect() as connection:
                    connection.sendall(request)
                    connection.shutdown(socket.SHUT_WR)
                    response = connection.makefile("rb").read()
                    self.assertRegex(response, rb"^HTTP/1.[01] 200 ")
                    self.assertTrue(response.endswith(b"\r\n\r\ndone, body of 2 bytes\n"), response)
            self.assertEqual(server.request("POST", "/message", "x" * 65536)[0], 200)
            _, _, body = server.admin("GET", "/healthz")
            status, headers, no_body = server.admin("HEAD", "/healthz")
            self.assertEqual((status, headers["Content-Length"], no_body), (200, str(len(body)), ""))

    def test_client_that_waits_for_100_continue_is_told_to_send_its_body(self):
        with Server() as server, server.connect() as connection:
            connection.sendall(b"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            self.assertEqual(connection.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(b"hi")
            self.assertIn(b"HTTP/1.1 200 OK", connection.recv(1000))

    def test_rejection_states_its_reason(self):
        with Server() as server:
            rules, version = server.rules()
            rules["classes"]["message"] = {"cap": 0}
            server.set_rules(json.dumps(rules), version)
            status, headers, body = server.request("POST", "/message", "hello")
            self.assertEqual(status, 503)
            self.assertIn(int(headers["Retry-After"]), range(1, 11))
            self.assertEqual(body, "message: class full: 0 of 0 permits in use\n")

    def test_many_probes_at_once_are_answered(self):
        with Server() as server, concurrent.futures.ThreadPoolExecutor(8) as probes:
            for _ in range(20):
                statuses = list(probes.map(lambda _: server.admin("GET", "/healthz")[0], range(8)))
                self.assertEqual(statuses, 8 * [200])

    def test_liveness_fails_if_no_pool_thread_is_free(self):
        with Server("--no-wall", "--backend-ms=60000") as server, contextlib.ExitStack() as open_connections:
            for _ in range(64):
                connection = open_connections.enter_context(server.connect())
                connection.sendall(b"POST /message HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: server.metrics()['floodwall_pool_active{pool="threads"}'] == 64)
            status, _, body = server.admin("GET", "/healthz")
            self.assertEqual((status, body), (503, "no pool thread was free for half a second\n"))
            # Whether to send requests is another question.
            self.assertEqual(server.admin("GET", "/readyz")[0], 200)

    def test_caps_can_be_reached(self):
        with Server() as server:
            caps, reachable = server.per_class("cap"), server.per_class("reachable")
            # Messages have no cap: the metric is then the capacity.
            self.assertEqual(caps.pop("message"), 64)
            self.assertLess(reachable.pop("message"), 64)
            self.assertEqual(caps, reachable)

    def test_peaks_restart_with_each_scrape(self):
        with Server() as server:
            self.assertEqual(server.request("POST", "/login")[0], 200)
            self.assertEqual(server.per_class("peak")["login"], 1)
            self.assertEqual(server.per_class("peak")["login"], 0)

    def test_server_serves_on_while_balancers_notice(self):
        with Server("--grace-seconds=1.5") as server:
            self.assertEqual(server.admin("GET", "/readyz")[0], 200)
            start = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: server.admin("GET", "/readyz")[0] == 503)
            self.assertEqual(server.admin("GET", "/healthz")[0], 200)
            status, headers, _ = server.request("POST", "/message")
            self.assertEqual((status, headers["Connection"]), (200, "close"))
            self.assertEqual(server.process.wait(timeout=30), 0)
            self.assertGreater(time.monotonic() - start, 1.5)

    def test_second_signal_ends_the_grace_period(self):
        with Server("--grace-seconds=60") as server:
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: server.admin("GET", "/readyz")[0] == 503)
            self.assertEqual(server.stop(), 0)

    def test_stop_resets_no_client(self):
        """Clients that send one request after another until the server is gone."""
        for _ in range(STOPS):
            with Server("--grace-seconds=0.3", "--backend-ms=20") as server:
                outcomes = collections.Counter()

                def client():
                    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
                    while True:
                        try:
                            connection.request("POST", "/message", "hello")
                            response = connection.getresponse()
                            response.read()
                            outcomes[response.status] += 1
                        except ConnectionRefusedError:
                            return
                        except (OSError, http.client.HTTPException) as error:
                            outcomes[repr(error)] += 1
                            connection.close()

                clients = [threading.Thread(target=client) for _ in range(24)]
                for thread in clients:
                    thread.start()
                time.sleep(0.3)
                self.assertEqual(server.stop(), 0)
                for thread in clients:
                    thread.join()
                self.assertEqual(set(outcomes) - {200, 503}, set(), outcomes)
                admitted = server.admitted()
                self.assertEqual(outcomes[200], admitted)
                self.assertGreater(admitted, 24)

    def test_rule_update_during_shutdown_does_not_reopen_the_wall(self):
        with Server() as server, contextlib.ExitStack() as open_connections:
            admitted, accepted = [open_connections.enter_context(server.connect()) for _ in range(2)]
            admitted.sendall(b"POST /message HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: server.per_class("in_use")["message"] == 1)
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: server.metrics()['floodwall_closed{wall="http"}'] == 1)
            rules, version = server.rules()
            self.assertEqual(server.set_rules(json.dumps(rules), version)[0], 200)
            accepted.sendall(b"POST /message HTTP/1.1\r\nHost: a\r\n\r\n")
            rejection = accepted.recv(1000)
            self.assertIn(b" 503 ", rejection)
            self.assertIn(b"message: closed", rejection)
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
            self.assertEqual(sum(server.per_class("in_use").values()), 0)
            self.assertEqual(server.request("POST", "/message")[0], 200)

    def test_invalid_rules_change_nothing(self):
        with Server() as server:
            rules, version = server.rules()
            status, _, body = server.set_rules(json.dumps({**rules, "capacity": 10}), version)
            self.assertEqual(status, 422)
            self.assertIn("capacity of 10", body)
            status, _, body = server.set_rules(json.dumps({**rules, "capacity": 65}))
            self.assertEqual((status, body), (422, "a capacity of 65 exceeds the 64 threads\n"))
            self.assertEqual(server.set_rules("{", version)[0], 422)
            self.assertEqual(server.rules(), (rules, version))

    def test_rules_need_the_token(self):
        with Server() as server:
            for token in [{"Authorization": "Bearer open"}, {"Authorization": ""}]:
                for method in ["GET", "PUT"]:
                    status, headers, _ = server.admin(method, "/admin/rules", "{}", {"If-Match": "*", **token})
                    self.assertEqual((status, headers["WWW-Authenticate"]), (401, "Bearer"))
            self.assertEqual(server.admin("GET", "/admin/rules", headers={"Authorization": f"bearer {TOKEN}"})[0], 200)

    def test_no_operator_undoes_unseen_what_another_one_has_done(self):
        with Server() as server:
            (rules, first), (old_rules, old) = server.rules(), server.rules()
            rules["classes"]["background login"] = {"cap": 0}
            status, headers, _ = server.set_rules(json.dumps(rules), first)
            self.assertEqual(status, 200)
            self.assertEqual(headers["ETag"], server.rules()[1])
            # The second operator has read the rules before that.
            old_rules["classes"]["login"]["cap"] = 12
            status, headers, body = server.set_rules(json.dumps(old_rules), old)
            self.assertEqual((status, headers["ETag"]), (412, server.rules()[1]))
            self.assertEqual(json.loads(body), server.rules()[0], "the response shows what is in force")
            self.assertEqual(server.rules()[0]["classes"]["background login"], {"cap": 0})
            status, _, _ = server.admin("PUT", "/admin/rules", json.dumps(old_rules))
            self.assertEqual(status, 428)
            self.assertEqual(server.set_rules(json.dumps(old_rules), f'"other", {headers["ETag"]}')[0], 200)
            self.assertEqual(server.set_rules(json.dumps(rules), "*")[0], 200)
            # Equal rules have equal versions.
            self.assertEqual(server.rules()[1], headers["ETag"])

    def test_status_page_lists_the_classes(self):
        with Server() as server:
            status, headers, page = server.admin("GET", "/")
            self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
            for name in ["message", "login", "background login", "health check"]:
                self.assertIn(f"<td>{name}<", page)


def main():
    global SECONDS, STOPS, SLOW_SECONDS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="length of each storm")
    parser.add_argument("--stops", type=int, default=1, help="number of SIGTERMs during a storm")
    arguments, rest = parser.parse_known_args()
    SECONDS, STOPS, SLOW_SECONDS = arguments.seconds, arguments.stops, max(arguments.seconds, 6)
    build()
    install()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
