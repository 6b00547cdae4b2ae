#!/usr/bin/env python3
"""End-to-end tests of a fleet: three instances of the example server behind HAProxy.

    examples/http_server/e2e/fleet.py                                     about a minute: short storms
    examples/http_server/e2e/fleet.py --seconds 20 --draw docs/fleet.svg  the figures and the picture of docs/fleet.md

Needs what flood.py needs, and the package registry of Debian, from which `.ci/debian` takes HAProxy. `--draw` needs PyPI
too.
"""

import argparse
import contextlib
import csv
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from server import (
    HERE,
    MESSAGE_RATE,
    STORM_RATE,
    TOKEN,
    Server,
    debian,
    draw,
    exchange,
    messages,
    prepare,
    storm,
    wait_until,
)

FLEET = HERE.parent / "fleet"
NAMES = ["a", "b", "c"]
# Two of the three instances can guarantee these messages a permit.
FLEET_MESSAGE_RATE = 2 * MESSAGE_RATE
FLEET_STORM_RATE = len(NAMES) * STORM_RATE
# What the tests have measured, for the picture.
RUNS = []


def free_ports(count):
    """Returns ports that are free. They differ, because each is in use until all are known.

    HAProxy listens twice on a port that it is given twice, and either listener may get a connection.
    """
    with contextlib.ExitStack() as open_until_all_are_known:
        listeners = [open_until_all_are_known.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


class Fleet:
    """Three instances and the balancer, each on ports that stay the same."""

    def __init__(self, *arguments):
        self.arguments = arguments
        self.port, self.stats_port, *ports = free_ports(2 + 3 * len(NAMES))
        self.ports = {name: [ports.pop() for _ in range(3)] for name in NAMES}
        self.url = f"http://127.0.0.1:{self.port}"
        self.instances = {}

    def __enter__(self):
        with contextlib.ExitStack() as processes:
            for name in NAMES:
                processes.callback(self.kill, name)
                self.start(name)
            self.balancer = processes.enter_context(self.start_balancer())
            processes.callback(self.balancer.terminate)
            wait_until(lambda: [state["status"] for state in self.states().values()] == ["UP"] * len(NAMES))
            self.processes = processes.pop_all()
        return self

    def __exit__(self, *_):
        self.processes.close()

    def start(self, name):
        client, admin, agent = (f"127.0.0.1:{port}" for port in self.ports[name])
        listeners = [f"--listen={client}", f"--admin={admin}", f"--agent={agent}"]
        self.instances[name] = Server("--grace-seconds=2", *listeners, *self.arguments)

    def kill(self, name):
        if instance := self.instances.pop(name, None):
            instance.__exit__()

    def start_balancer(self):
        addresses = {"FLEET_LISTEN": f"127.0.0.1:{self.port}", "FLEET_STATS": f"127.0.0.1:{self.stats_port}"}
        for name, (client, admin, agent) in self.ports.items():
            key = f"FLEET_{name.upper()}"
            addresses |= {key: f"127.0.0.1:{client}", f"{key}_ADMIN": str(admin), f"{key}_AGENT": str(agent)}
        # In the foreground, without the notices of health checks. Ends by itself if this script is killed.
        command = ["timeout", "600", "haproxy", "-db", "-q", "-f", FLEET / "haproxy.cfg"]
        return subprocess.Popen(command, env={**debian("haproxy"), **addresses}, stderr=subprocess.DEVNULL)

    def states(self):
        """Returns HAProxy's statistics of each instance."""
        try:
            _, _, text = exchange(self.stats_port, "GET", "/;csv", None, {})
        except OSError:
            return {name: {"status": "no answer"} for name in NAMES}
        rows = csv.DictReader(text.removeprefix("# ").splitlines())
        return {row["svname"]: row for row in rows if row["svname"] in NAMES}

    def admin_urls(self):
        return [f"http://127.0.0.1:{self.ports[name][1]}" for name in NAMES]

    def push(self, rules, *options, instances=None):
        command = [FLEET / "push_rules.py", *options, rules, *(instances or self.admin_urls())]
        environment = {**os.environ, "FLOODWALL_ADMIN_TOKEN": TOKEN}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


class Run:
    """The streams of one fleet, and what happened to its instances."""

    def __init__(self, title):
        self.title, self.reports, self.marks = title, {}, []
        print(f"\n{title}")

    def data(self):
        """Returns what the picture shows."""
        streams = [report for name, report in self.reports.items() if name.startswith("messages")]
        return {"title": self.title, "streams": streams, "marks": self.marks, "seconds": SECONDS}

    def mark(self, event):
        self.marks.append((time.time(), event))

    def report(self, name, stream):
        report = stream.report()
        report["lost"] = report["totalRequests"] - report["answered"] - report["rejected"]
        print(
            f"{name:>28}: of {report['totalRequests']:6} {100 * report['success']:6.2f} % answered, "
            f"{report['rejected']} rejected, {report['lost']} lost; p50 {report['percentiles']['50']} ms, "
            f"p99 {report['percentiles']['99'] or '?'} ms"
        )
        self.reports[name] = report
        return report


class FleetTest(unittest.TestCase):
    def test_messages_are_answered_in_a_storm_a_crash_and_a_drain(self):
        run = Run("with walls")
        RUNS.append(run)
        with Fleet() as fleet:
            push = fleet.push(FLEET / "rules.json", "--watch")
            # The last one is called first. It does not end by itself, so leaving a `with` would wait forever.
            for cleanup in [push.stdout.close, push.wait, push.kill]:
                self.addCleanup(cleanup)
            normal = run.report("messages, normal load", messages(fleet, SECONDS, FLEET_MESSAGE_RATE))
            self.assertEqual(normal["success"], 1, normal["outcomes"])
            run.mark("storm")
            logins = storm(fleet, 3 * SECONDS + 8, FLEET_STORM_RATE)
            wait_until(lambda: all(self.is_rejecting(fleet, name) for name in NAMES))
            full = run.report("messages, storm", messages(fleet, SECONDS, FLEET_MESSAGE_RATE))

            stream = messages(fleet, SECONDS, FLEET_MESSAGE_RATE)
            time.sleep(SECONDS / 4)
            run.mark("a is killed")
            fleet.kill("a")
            wait_until(lambda: fleet.states()["a"]["status"] == "DOWN")
            fleet.start("a")
            wait_until(lambda: fleet.states()["a"]["status"] == "UP")
            run.mark("a is back")
            crash = run.report("messages, a is killed", stream)
            # The instance was built with 8.
            wait_until(lambda: fleet.instances["a"].per_class("cap")["background login"] == 4)

            stream = messages(fleet, SECONDS, FLEET_MESSAGE_RATE)
            time.sleep(SECONDS / 4)
            run.mark("b stops")
            self.assertEqual(fleet.instances["b"].stop(), 0)
            admitted = fleet.instances["b"].admitted()
            drain = run.report("messages, b stops", stream)
            states = fleet.states()
            logins = [run.report(name, stream) for name, stream in zip(["logins", "background logins"], logins)]

        rate = sum(stream["totalRequests"] for stream in logins) / (3 * SECONDS + 8)
        self.assertGreater(rate, 0.9 * FLEET_STORM_RATE, "the clients did not reach the storm's rate")
        phases = [full, crash, drain]
        answered = sum(phase["answered"] for phase in phases) / sum(phase["totalRequests"] for phase in phases)
        print(f"messages in all phases of the storm: {100 * answered:.2f} % answered")
        # In short phases, what the killed instance was working on is more than a hundredth.
        self.assertGreaterEqual(answered, 0.99 if SECONDS >= 12 else 0.98)
        self.assertLessEqual(crash["lost"], 64)
        self.assertLess(sum(phase["rejected"] for phase in phases), 0.01 * sum(phase["totalRequests"] for phase in phases))
        self.assertEqual((full["lost"], drain["lost"]), (0, 0))
        self.assertEqual(int(states["b"]["hrsp_2xx"]), admitted, "responses of b and requests that it admitted differ")

    def is_rejecting(self, fleet, name):
        return fleet.instances[name].rejected("background login") > 0

    def test_messages_are_lost_without_walls(self):
        run = Run("without walls")
        RUNS.append(run)
        with Fleet("--no-wall") as fleet:
            run.report("messages, normal load", messages(fleet, SECONDS, FLEET_MESSAGE_RATE))
            run.mark("storm")
            logins = storm(fleet, SECONDS + 2, FLEET_STORM_RATE)
            time.sleep(1)
            report = run.report("messages, storm", messages(fleet, SECONDS, FLEET_MESSAGE_RATE))
            for name, stream in zip(["logins", "background logins"], logins):
                run.report(name, stream)
        self.assertLess(report["success"], 0.6)

    def test_rules_are_set_on_all_instances_or_none(self):
        with Fleet() as fleet, tempfile.TemporaryDirectory() as folder:
            def push(rules, instances=None):
                path = pathlib.Path(folder) / "rules.json"
                path.write_text(rules)
                process = fleet.push(path, instances=instances)
                output = process.communicate(timeout=30)[0]
                return process.returncode, output

            versions = lambda: {name: instance.rules()[1] for name, instance in fleet.instances.items()}
            rules, built_in = fleet.instances["a"].rules()
            self.assertEqual(set(versions().values()), {built_in})
            for wrong in ["{", json.dumps({**rules, "capacity": 10}), json.dumps({**rules, "capacity": 65})]:
                status, output = push(wrong)
                self.assertEqual((status, set(versions().values())), (1, {built_in}), output)
                self.assertIn("no instance was changed", output)

            # A server that is no instance.
            status, output = push(json.dumps(rules), [*fleet.admin_urls(), f"http://127.0.0.1:{fleet.stats_port}"])
            self.assertEqual((status, set(versions().values())), (1, {built_in}), output)
            self.assertIn("no instance answers here", output)

            rules["classes"]["background login"] = {"cap": 0}
            fleet.kill("c")
            status, output = push(json.dumps(rules))
            self.assertEqual((status, output.count("has replaced"), output.count("not reached")), (1, 2, 1), output)
            fleet.start("c")
            self.assertEqual(fleet.instances["c"].rules()[1], built_in)
            status, output = push(json.dumps(rules))
            self.assertEqual((status, output.count("has replaced")), (0, 1), output)
            self.assertEqual(len(set(versions().values())), 1)
            self.assertNotIn(built_in, versions().values())

    def test_rejected_message_is_sent_to_another_instance(self):
        with Fleet("--backend-ms=0") as fleet:
            rules, _ = fleet.instances["a"].rules()
            rules["classes"]["message"] = {"cap": 0}
            rules["classes"]["login"] = {"cap": 0}
            fleet.instances["a"].set_rules(json.dumps(rules))
            # With the largest body that an instance accepts.
            post = lambda path: exchange(fleet.port, "POST", path, 65536 * "x", {})[0]
            self.assertEqual({post("/message") for _ in range(60)}, {200})
            self.assertGreater(fleet.instances["a"].rejected("message"), 0)
            # Once, and only messages.
            self.assertEqual({post("/login") for _ in range(60)}, {200, 503})
            for name in ["b", "c"]:
                fleet.instances[name].set_rules(json.dumps(rules))
            before = sum(fleet.instances[name].rejected("message") for name in NAMES)
            self.assertEqual({post("/message") for _ in range(20)}, {503})
            self.assertEqual(sum(fleet.instances[name].rejected("message") for name in NAMES) - before, 40)

    def test_weights_follow_free_capacity(self):
        with Fleet("--backend-ms=60000") as fleet, contextlib.ExitStack() as open_connections:
            self.assertEqual({state["weight"] for state in fleet.states().values()}, {"100"})
            for _ in range(48):
                connection = open_connections.enter_context(fleet.instances["a"].connect())
                connection.sendall(b"POST /message HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: fleet.states()["a"]["weight"] == "25")
            self.assertEqual(fleet.states()["b"]["weight"], "100")

    def test_leaving_instance_is_left_out_before_it_closes(self):
        with Fleet("--grace-seconds=60") as fleet:
            self.assertEqual({state["check_code"] for state in fleet.states().values()}, {"200"})
            fleet.instances["b"].process.send_signal(signal.SIGTERM)
            wait_until(lambda: fleet.states()["b"]["status"].startswith("DOWN"))
            self.assertEqual(fleet.states()["b"]["check_code"], "503")
            self.assertEqual(fleet.instances["b"].request("POST", "/message")[0], 200)


def main():
    global SECONDS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=int, default=8, help="length of each phase")
    parser.add_argument("--draw", type=pathlib.Path, metavar="FILE", help="draw a picture of the storms, too")
    arguments, rest = prepare(parser, "haproxy")
    SECONDS = arguments.seconds
    program = unittest.main(argv=[sys.argv[0], *rest], verbosity=2, exit=False)
    if arguments.draw:
        draw("draw_fleet.py", arguments.draw, {"offered": FLEET_MESSAGE_RATE, "runs": [run.data() for run in RUNS]})
    sys.exit(not program.result.wasSuccessful())


if __name__ == "__main__":
    main()
