"""The example server as a process, and clients that send requests to it at a fixed rate."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
# The profile of cargo with which the programs are built. CI takes that of its tests, and builds nothing twice.
PROFILE = os.environ.get("FLOODWALL_PROFILE", "release")
BUILT = ROOT / "target" / {"dev": "debug"}.get(PROFILE, PROFILE)
PROGRAM = BUILT / "examples/http_server"

# 64 threads that wait 0.4 s for the backend serve at most 160 requests per second.
BACKEND_MS = 400
CAPACITY = 64 * 1000 // BACKEND_MS
MESSAGE_RATE = CAPACITY // 2
STORM_RATE = CAPACITY * 10
# A client stops waiting after this.
TIMEOUT_MS = 2000
TOKEN = "open sesame"


class Server:
    """A server process on free ports."""

    def __init__(self, *arguments):
        command = [PROGRAM, "--listen=127.0.0.1:0", "--admin=127.0.0.1:0"]
        self.process = subprocess.Popen(
            [*command, f"--backend-ms={BACKEND_MS}", "--grace-seconds=0", *arguments],
            stdout=subprocess.PIPE,
            # Handlers that panic write to stderr.
            stderr=subprocess.DEVNULL if "--may-panic" in arguments else None,
            text=True,
            env={**os.environ, "FLOODWALL_ADMIN_TOKEN": TOKEN},
        )
        self.url = self.process.stdout.readline().split()[-1]
        self.port = port_of(self.url)
        self.admin_url = self.process.stdout.readline().split()[-1]
        self.admin_port = port_of(self.admin_url)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.process.stdout.close()

    def kill(self):
        """Ends the process without a chance to answer anything."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Sends SIGTERM and returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def resident_kib(self):
        """Returns the memory that the process has now, in KiB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])

    def admitted(self):
        """Returns how many requests a server that has ended says that it has admitted."""
        return int(self.process.stdout.read().splitlines()[-1].split()[1])

    def connect(self, timeout=10):
        """Returns a connection on which nothing is sent yet."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def request(self, method, path, body=None, headers=None):
        """Returns the status, the headers and the body of the response to a client."""
        return exchange(self.port, method, path, body, headers)

    def admin(self, method, path, body=None, headers=None):
        """Returns the status, the headers and the body of the response to an operator with the token."""
        return exchange(self.admin_port, method, path, body, {"Authorization": f"Bearer {TOKEN}", **(headers or {})})

    def status_line(self, request):
        """Sends these bytes as a client and returns the first line of the response."""
        with self.connect() as connection:
            connection.sendall(request)
            return connection.makefile().readline().strip()

    @property
    def metrics_address(self):
        """The address and the port of /metrics."""
        return f"127.0.0.1:{self.admin_port}"

    def metrics(self):
        """Returns each sample of /metrics by its name and labels."""
        samples = {}
        for line in self.admin("GET", "/metrics")[2].splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples

    def per_class(self, family):
        """Returns the sample of each class of a family of /metrics."""
        start = f'floodwall_{family}{{wall="http",class="'
        samples = self.metrics().items()
        return {name.removeprefix(start)[:-2]: value for name, value in samples if name.startswith(start)}

    def rejected(self, name):
        """Returns how many requests of a class were rejected."""
        start = f'floodwall_rejected_total{{wall="http",class="{name}"'
        return sum(value for sample, value in self.metrics().items() if sample.startswith(start))

    def rules(self):
        """Returns the rules in force and their version."""
        status, headers, body = self.admin("GET", "/admin/rules")
        assert status == 200, body
        return json.loads(body), headers["ETag"]

    def set_rules(self, text, version="*"):
        """Sets the rules if they have this version; returns what `admin` returns."""
        return self.admin("PUT", "/admin/rules", text, {"If-Match": version})


def port_of(url):
    return int(url.rpartition(":")[2])


def exchange(port, method, path, body, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()


class Stream:
    """Clients that send one kind of request at a fixed rate."""

    def __init__(self, url, rate, seconds):
        options = [url, *map(str, [rate, seconds, TIMEOUT_MS])]
        command = ["node", HERE / "stream.js", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def report(self):
        """Waits for the end and returns what the clients counted."""
        report = json.loads(self.process.communicate()[0])
        report["answered"] = report["outcomes"].get("200", 0)
        report["rejected"] = report["outcomes"].get("503", 0)
        report["success"] = report["answered"] / report["totalRequests"]
        return report


def messages(server, seconds, rate=MESSAGE_RATE):
    return Stream(server.url + "/message", rate, seconds)


def storm(server, seconds, rate=STORM_RATE):
    """Ten times the capacity in logins. A user waits for one in ten; the others are background logins."""
    return [
        Stream(server.url + "/login", rate // 10, seconds),
        Stream(server.url + "/login/background", rate * 9 // 10, seconds),
    ]


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.05)


def wait_for_storm(server):
    """Waits until the storm fills the pool: the wall has admitted background logins and rejected others."""
    def is_full():
        return server.per_class("admitted_total")["background login"] and server.rejected("background login")

    wait_until(is_full)


def build(*target):
    """Builds a program: the server, unless the arguments of cargo name another one."""
    # Without a package, so that the dependencies have the features with which `cargo test` builds them.
    command = ["cargo", "build", f"--profile={PROFILE}", *(target or ["--example=http_server"])]
    subprocess.run(command, cwd=ROOT, check=True)


def install():
    """Installs the load generator."""
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=HERE, check=True)


def debian(*packages):
    """Returns the environment in which programs of these packages run."""
    printed = subprocess.run([ROOT / ".ci/debian", *packages], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {**os.environ, **dict(line.split("=", 1) for line in printed.splitlines())}


def prepare(parser, package):
    """Parses the arguments of a test that needs a package of Debian, builds the server and installs the load generator."""
    help_of_missing = "test nothing, without failing, on a system without apt-get"
    parser.add_argument("--allow-missing", action="store_true", help=help_of_missing)
    arguments, rest = parser.parse_known_args()
    if arguments.allow_missing and not shutil.which("apt-get"):
        print(f"NOT RUN: {package} is a package of Debian, and this system has no apt-get", file=sys.stderr)
        sys.exit()
    # Fails before the builds.
    debian(package)
    build()
    install()
    return arguments, rest


def draw(script, file, data):
    """Draws a picture of this data with a script that needs matplotlib, which is installed under target/."""
    folder = ROOT / "target/matplotlib"
    python = folder / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "matplotlib==3.10.*"], check=True)
    subprocess.run([python, HERE / script, file], input=json.dumps(data), text=True, check=True)
