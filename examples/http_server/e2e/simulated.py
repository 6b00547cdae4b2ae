#!/usr/bin/env python3
"""Compares the example server under fixed-rate clients with its simulation, in which the same requests arrive.

    examples/http_server/e2e/simulated.py                 half a minute
    examples/http_server/e2e/simulated.py --seconds 30    the figures of crates/floodwall-sim/README.md

Needs cargo and npm.
"""

import argparse
import json
import subprocess
import sys
import unittest

from server import BACKEND_MS, BUILT, CAPACITY, MESSAGE_RATE, ROOT, TIMEOUT_MS, Server, Stream, build, install

PATHS = {"message": "/message", "login": "/login", "background login": "/login/background"}
# Requests per second by class.
LOADS = {
    "normal": {"message": MESSAGE_RATE, "login": 10, "background login": 5},
    "busy": {"message": MESSAGE_RATE, "login": 37, "background login": 113},
    "storm": {"message": MESSAGE_RATE, "login": CAPACITY, "background login": 9 * CAPACITY},
}


class Simulated(unittest.TestCase):
    """Shares of answered requests and their latency, measured and simulated."""

    def compare(self, name):
        with Server() as server:
            rules, _ = server.rules()
            streams = {kind: Stream(server.url + PATHS[kind], rate, SECONDS) for kind, rate in LOADS[name].items()}
            measured = {kind: stream.report() for kind, stream in streams.items()}
        simulated = simulate({kind: report["sentAt"] for kind, report in measured.items()}, rules)
        differences = []
        for kind, rate in LOADS[name].items():
            sent = measured[kind]["totalRequests"]
            # A client that falls behind sends another load.
            self.assertGreater(sent, 0.9 * rate * SECONDS)
            share, p99 = measured[kind]["success"], measured[kind]["percentiles"]["99"] / 1000
            expected, latency = simulated[kind]["good_share"]["value"], simulated[kind]["latency"]["p99"]
            print(
                f"{name:>6}, {kind:>16}, {sent / SECONDS:6.1f}/s: {100 * share:6.2f} % answered, "
                f"simulated {100 * expected:6.2f} %",
                end="",
            )
            differences.append(abs(share - expected))
            # The load generator counts rejections as well, which are fast.
            if share > 0.99:
                print(f"; p99 {1000 * p99:.0f} ms, simulated {1000 * latency:.0f} ms", end="")
                # In a short run, one pause of a busy machine shifts the 99th percentile.
                self.assertLess(abs(p99 / latency - 1), 0.15 if SECONDS >= 30 else 10)
            print()
        self.assertLess(max(differences), 0.02 if SECONDS >= 30 else 0.05)

    def test_normal(self):
        self.compare("normal")

    def test_busy(self):
        self.compare("busy")

    def test_storm(self):
        self.compare("storm")


def simulate(sent, rules):
    """Returns the simulated result of each class if its requests arrive when they were sent."""
    folder = ROOT / "target/simulated"
    folder.mkdir(parents=True, exist_ok=True)
    begin = min(min(times) for times in sent.values())
    rows = sorted((time - begin, kind) for kind, times in sent.items() for time in times)
    trace = ["time,class", *(f"{time:.4f},{kind}" for time, kind in rows)]
    (folder / "trace.csv").write_text("\n".join(trace) + "\n")
    # The last request arrives before the end.
    scenario = [f"seconds = {rows[-1][0] + 0.001}", "replications = 1"]
    for kind in rules["classes"]:
        scenario += [
            f'[class."{kind}"]',
            'trace = "trace.csv"' if kind in sent else "rate = 0",
            f"holding = {BACKEND_MS / 1000}",
            f"patience = {TIMEOUT_MS / 1000}",
        ]
    (folder / "scenario.toml").write_text("\n".join(scenario) + "\n")
    (folder / "rules.json").write_text(json.dumps(rules))
    command = [BUILT / "floodwall-sim", "run", "scenario.toml", "rules.json", "--json"]
    printed = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {result["name"]: result for result in json.loads(printed)["classes"]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=6, help="of each load; at least 30 compares latencies as well")
    arguments, rest = parser.parse_known_args()
    SECONDS = arguments.seconds
    build()
    build("--bin=floodwall-sim")
    install()
    unittest.main(argv=[sys.argv[0], *rest])
