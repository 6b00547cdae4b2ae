#!/usr/bin/env python3
"""End-to-end test of floodwall-prometheus: a real Prometheus scrapes the example server during a storm.

    examples/http_server/e2e/prometheus.py                     the test, with a short storm
    examples/http_server/e2e/prometheus.py --draw FILE.svg     a picture of the dashboard in a longer storm

Prometheus answers each query of `dashboard.json` and evaluates `alerts.yml`, both of crates/floodwall-prometheus. Needs
cargo and npm, and the package registry of Debian, from which `.ci/debian` takes Prometheus. `--draw` needs PyPI too.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from server import MESSAGE_RATE, ROOT, Server, Stream, debian, draw, messages, prepare, storm, wait_until

CRATE = ROOT / "crates/floodwall-prometheus"
ALERTS = CRATE / "alerts.yml"
DASHBOARD = json.loads((CRATE / "dashboard.json").read_text())
# Scrapes and evaluations of alerts, in seconds.
INTERVAL = 1
# Grafana's `$__rate_interval`, if the data source knows the interval of the scrapes.
RATE_INTERVAL = f"{4 * INTERVAL}s"
CLASSES = ["background login", "health check", "login", "message"]


class Prometheus:
    """A Prometheus process on a free port, which scrapes one server."""

    def __init__(self, server):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        # A rule that waits for minutes waits for a second here.
        alerts, count = re.subn(r"\bfor: \d+m$", "for: 1s", ALERTS.read_text(), flags=re.M)
        assert count > 0, "no alert waits for minutes"
        (self.folder / "alerts.yml").write_text(alerts)
        target = {"targets": [server.metrics_address], "labels": {"instance": "example"}}
        # JSON is YAML.
        times = ["scrape_interval", "scrape_timeout", "evaluation_interval"]
        (self.folder / "prometheus.yml").write_text(json.dumps({
            "global": {name: f"{INTERVAL}s" for name in times},
            "rule_files": ["alerts.yml"],
            "scrape_configs": [{"job_name": "http_server", "static_configs": [target]}],
        }))
        self.log = self.folder / "log"
        # Ends by itself if this script is killed.
        command = ["timeout", "--signal=KILL", "300", "prometheus", "--web.listen-address=127.0.0.1:0"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, "--config.file=prometheus.yml", "--storage.tsdb.path=data"],
                cwd=self.folder,
                env=debian("prometheus"),
                stderr=log,
            )

    def __enter__(self):
        def is_ready():
            assert self.process.poll() is None, self.log.read_text()
            return "Server is ready" in self.log.read_text()

        try:
            wait_until(is_ready)
            self.address = re.search(r'"Listening on" address=(\S+)', self.log.read_text())[1]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # `timeout` forwards SIGTERM.
        self.process.terminate()
        self.process.wait(timeout=30)
        shutil.rmtree(self.folder)

    def get(self, path, **parameters):
        """Returns the data of a response of the HTTP API."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {json.load(error)['error']}") from None

    def query(self, query):
        """Returns the present value of each series."""
        result = self.get("query", query=query)["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def query_range(self, query, period):
        """Returns the values of each series, as pairs of a time and a value, without those that are not a number."""
        start, end = period
        result = self.get("query_range", query=query, start=start, end=end, step=INTERVAL)["result"]
        return [
            (series["metric"], [(at, float(value)) for at, value in series["values"] if value != "NaN"])
            for series in result
        ]

    def label_values(self, variable, values):
        """Returns the values that Grafana offers for a variable of the dashboard."""
        selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
        return self.get(f"label/{label}/values", **{"match[]": substitute(selector, values)})

    def wait_for_scrape(self):
        """Waits for a scrape that begins after this call."""
        query = f"timestamp(floodwall_capacity) > {time.time()}"
        wait_until(lambda: self.query(query))


def update_rules(server, classes):
    """Changes the rules of these classes."""
    rules, version = server.rules()
    rules["classes"] |= classes
    status, _, body = server.set_rules(json.dumps(rules), version)
    assert status == 200, body


# The dashboard


def variables():
    """Returns the variables of the dashboard that a query fills."""
    return [variable for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"]


def panels():
    """Returns the panels of the dashboard that have queries."""
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def targets():
    """Returns each query of the dashboard with the title of its panel."""
    return [(panel["title"], target) for panel in panels() for target in panel["targets"]]


def substitute(text, values):
    """Replaces the variables in a query as Grafana does."""
    text = text.replace("$__rate_interval", RATE_INTERVAL)
    for name, value in values.items():
        text = re.sub(rf"\${name}\b", lambda _: value, text)
    return text


def any_of(values):
    """Returns what Grafana puts into a query if all these values are selected."""
    return "(" + "|".join(re.escape(value).replace("\\", r"\\") for value in values) + ")"


ALL = {variable["name"]: variable["allValue"] for variable in variables()}


class PrometheusScrapesTheServer(unittest.TestCase):
    """Messages at an eighth of the capacity, and logins at ten times the capacity."""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server())
        # With few messages too, logins reach their cap, and background logins are shed.
        shed = {"cap": 24, "shed": {"linear": {"lo": 0.1, "hi": 0.2}}}
        update_rules(cls.server, {"login": {"guarantee": 9, "cap": 9}, "background login": shed})
        cls.prometheus = cls.enterClassContext(Prometheus(cls.server))
        cls.prometheus.wait_for_scrape()
        start = time.time()
        # Fewer than the guarantee, also if a busy machine delays the clients and then sends what is overdue.
        streams = [messages(cls.server, SECONDS + 1, MESSAGE_RATE // 4), *storm(cls.server, SECONDS)]
        cls.reports = [stream.report() for stream in streams]
        cls.prometheus.wait_for_scrape()
        cls.storm = start, time.time()

    def test_target_is_up(self):
        self.prometheus.wait_for_scrape()
        [target] = self.prometheus.get("targets")["activeTargets"]
        self.assertEqual((target["health"], target["lastError"]), ("up", ""))

    def test_samples_are_those_of_the_server(self):
        # No request is running, and the peaks are those of now.
        self.prometheus.wait_for_scrape()
        self.prometheus.wait_for_scrape()
        scraped = {}
        for metric, value in self.prometheus.query('{__name__=~"floodwall_.+", wall="http"}'):
            labels = [f'{name}="{metric[name]}"' for name in ("wall", "class", "reason") if name in metric]
            scraped[f"{metric['__name__']}{{{','.join(labels)}}}"] = value
        samples = {name: value for name, value in self.server.metrics().items() if 'wall="http"' in name}
        self.assertEqual(scraped, samples)
        # The server has counted each response that a client has received.
        for family, received in [("admitted", "answered"), ("rejected", "rejected")]:
            counted = sum(value for name, value in samples.items() if name.startswith(f"floodwall_{family}_total"))
            self.assertGreaterEqual(counted, sum(report[received] for report in self.reports), family)
        for sample in [
            'floodwall_admitted_total{wall="http",class="message"}',
            'floodwall_rejected_total{wall="http",class="login",reason="class_full"}',
            'floodwall_rejected_total{wall="http",class="background login",reason="shed"}',
        ]:
            self.assertGreater(samples[sample], 0)
            print(f"\n{sample} {samples[sample]:.0f}", end="")
        print(f"\n{len(samples)} samples agree")

    def test_peaks_are_at_least_the_permits_in_use(self):
        peaks, in_use = ({metric["class"]: max(value for _, value in values)
                          for metric, values in self.prometheus.query_range(family, self.storm)}
                         for family in ("floodwall_peak", "floodwall_in_use"))
        self.assertEqual(sorted(peaks), CLASSES)
        for name in ["background login", "login", "message"]:
            self.assertGreaterEqual(peaks[name], max(in_use[name], 1), name)

    def test_variables_of_the_dashboard_have_the_values_of_the_server(self):
        expected = {"job": ["http_server"], "instance": ["example"], "wall": ["http"], "class": CLASSES}
        values = {}
        for variable in variables():
            name = variable["name"]
            for other in [values, ALL]:
                self.assertEqual(sorted(self.prometheus.label_values(variable, other)), expected[name], name)
            values[name] = any_of(expected[name])
        self.assertEqual(list(values), list(expected))

    def test_every_query_of_the_dashboard_has_data(self):
        selected = {variable["name"]: any_of(self.prometheus.label_values(variable, ALL)) for variable in variables()}
        # A repeated panel has one value.
        selections = [ALL, selected, *(selected | {"class": any_of([name])} for name in CLASSES)]
        for title, target in targets():
            for values in selections:
                query = substitute(target["expr"], values)
                with self.subTest(title, query=query):
                    self.assertNotIn("$", query)
                    result = self.prometheus.query_range(query, self.storm)
                    self.assertTrue(result, "no series")
                    for metric, values_of_series in result:
                        self.assertTrue(values_of_series, f"{metric}: no value")
                        # The labels that name the series.
                        for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                            self.assertIn(label, metric)
        print(f"\n{len(targets())} queries in {len(panels())} panels, each with {len(selections)} selections")

    def test_dashboard_shows_every_family(self):
        queries = " ".join(target["expr"] for _, target in targets())
        shown = set(re.findall(r"floodwall_\w+", queries))
        exported = {sample.partition("{")[0] for sample in self.server.metrics() if sample.startswith("floodwall_")}
        self.assertEqual(shown, exported)

    def test_dashboard_has_no_private_identifiers(self):
        self.assertEqual([DASHBOARD.get("id"), DASHBOARD.get("uid")], [None, None])
        for panel in panels():
            sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
            for source in [*sources, *(variable["datasource"] for variable in variables())]:
                self.assertEqual(source, {"type": "prometheus", "uid": "${datasource}"})

    def test_alert_rules_are_evaluated_without_errors(self):
        [group] = self.prometheus.get("rules")["groups"]
        self.assertEqual([rule["name"] for rule in group["rules"]], re.findall(r"- alert: (\w+)", ALERTS.read_text()))
        for rule in group["rules"]:
            self.assertEqual((rule["health"], rule.get("lastError")), ("ok", None), rule["name"])

    def test_critical_alert_fires_only_if_messages_are_rejected(self):
        alert = "FloodwallCriticalClassRejected"
        # The wall has rejected no message in the storm, and logins at their cap.
        self.assertEqual(self.prometheus.query_range(f'ALERTS{{alertname="{alert}"}}', self.storm), [])
        self.assertIn("login", [metric["class"] for metric, _ in self.firing("FloodwallCapBinding")])
        update_rules(self.server, {"message": {"cap": 0}})
        for _ in range(3):
            self.assertEqual(self.server.request("POST", "/message", "hello")[0], 503)
        wait_until(lambda: self.firing(alert))
        fired = [(metric["class"], metric["reason"]) for metric, _ in self.firing(alert)]
        self.assertEqual(fired, [("message", "class_full")])

    def firing(self, alert):
        return self.prometheus.query(f'ALERTS{{alertname="{alert}", alertstate="firing"}}')


class PromtoolAccepts(unittest.TestCase):
    """The alert rules, as they are in the crate."""

    def promtool(self, *arguments):
        command = ["promtool", *arguments]
        result = subprocess.run(command, cwd=CRATE, env=debian("prometheus"), capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def test_alert_rules(self):
        self.assertIn("SUCCESS: 5 rules found", self.promtool("check", "rules", "alerts.yml"))

    def test_tests_of_the_alert_rules(self):
        self.assertIn("SUCCESS", self.promtool("test", "rules", "alerts_test.yml"))


def draw_dashboard(file):
    """Draws the main panels of the dashboard: normal load, a storm at ten times the capacity, and normal load again."""
    before, length, after = 20, 30, 15
    with Server() as server, Prometheus(server) as prometheus:
        prometheus.wait_for_scrape()
        seconds = before + length + after
        start = time.time()
        streams = [messages(server, seconds), *normal_logins(server, seconds)]
        time.sleep(before)
        began = time.time()
        streams += storm(server, length)
        for stream in streams[3:]:
            stream.report()
        ended = time.time()
        for stream in streams[:3]:
            stream.report()
        # Without the seconds in which the clients start and the first rates rise.
        period = int(start) + 6, int(time.time()) - 1
        drawn = []
        for panel in panels():
            series = []
            for target in panel["targets"]:
                for metric, values in prometheus.query_range(substitute(target["expr"], ALL), period):
                    legend = re.sub(r"{{(\w+)}}", lambda label: metric[label[1]], target["legendFormat"])
                    series.append({"legend": legend, "values": [(at - began, value) for at, value in values]})
            drawn.append({"title": panel["title"], "series": series})
    draw("draw_dashboard.py", file, {"storm": [0, ended - began], "panels": drawn})


def normal_logins(server, seconds):
    """The logins of `docs/in-a-server.md` under normal load."""
    return [Stream(f"{server.url}/login", 10, seconds), Stream(f"{server.url}/login/background", 5, seconds)]


def main():
    global SECONDS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=int, default=6, help="length of the storm")
    parser.add_argument("--draw", type=pathlib.Path, metavar="FILE", help="draw a picture instead of testing")
    arguments, rest = prepare(parser, "prometheus")
    SECONDS = arguments.seconds
    if arguments.draw:
        draw_dashboard(arguments.draw)
        return
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
