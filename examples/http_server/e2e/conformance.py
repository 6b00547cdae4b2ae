#!/usr/bin/env python3
"""Sends the requests of other projects' HTTP tests to the example server, and compares how many it serves.

    examples/http_server/e2e/conformance.py [--allow-missing] [--list]

--allow-missing    does nothing if the collections cannot be downloaded
--list             prints each case, with the statuses of the responses

Needs cargo, and pip to download two source packages: gunicorn has requests with the expected outcome, and aiohttp contains
those of llhttp. Each case is one connection, which the client half-closes after its bytes. `Host` is added to requests
without it, because older cases lack it. Where RFC 9110 or 9112 demands something else than a collection, or less, the RFC
counts: see `RFC`.
"""

import argparse
import ast
import concurrent.futures
import fnmatch
import hashlib
import json
import re
import socket
import subprocess
import sys
import tarfile
import tempfile

from server import ROOT, Server, build

CACHE = ROOT / "target/conformance"
PACKAGES = {
    "gunicorn-27.0.1": "b1514965361c8b7e8107a80aa2a92636878df1ccfac6dd204a676426e04d9e3e",
    "aiohttp-3.14.5": "5558a7f5a05af9ecf744af91e5baefc436f93c9333e656c27ec253f9a6bbe178",
}

# Statuses of a rejected request. A served one gets 404 or 405.
REJECTIONS = {400, 408, 413, 414, 431, 501, 503}

# Cases in which the RFC differs from the collection: the least and the most requests that are served, and the reason.
RFC = {
    "gunicorn/invalid/003c": (0, 1, "9110 9.1: '-bl' is a method"),
    "gunicorn/invalid/006": (0, 1, "a limit of gunicorn"),
    "gunicorn/invalid/041": (0, 1, "9110 5.3: only a sender must not repeat Content-Type"),
    "gunicorn/invalid/rfc9110_trailer_forbidden_*": (0, 1, "9110 6.5.1: a recipient may discard such trailers"),
    "gunicorn/invalid/rfc9112_bare_lf_01": (0, 1, "9112 2.2: LF alone may end a line"),
    "gunicorn/invalid/rfc9112_leading_crlf_02": (0, 1, "9112 2.2: more than one empty line may precede a request"),
    "gunicorn/invalid/rfc9112_smuggle_cl_te_chunked_01": (0, 1, "9112 6.1: Transfer-Encoding may override Content-Length"),
    "gunicorn/valid/014": (0, 1, "RFC 3986: a URI contains no quotation mark"),
    "gunicorn/valid/025*": (0, 0, "9112 6.1: a coding that the server does not implement"),
    "gunicorn/valid/029": (0, 0, "9112 6.1: a coding that the server does not implement"),
    "gunicorn/valid/030": (0, 0, "9112 6.1: a coding that the server does not implement"),
    "gunicorn/valid/099": (0, 0, "9112 8: the request is incomplete"),
    "gunicorn/valid/rfc9112_smuggle_*_chunked_01": (0, 0, "9112 6.1: a coding that the server does not implement"),
    "llhttp/invalid:68 *": (0, 1, "9110 9.1: ANNOUNCE is a method"),
    "llhttp/invalid:358 *": (0, 1, "9110 9.1: MKCOLA is a method"),
    "llhttp/invalid:456 *": (0, 2, "9112 2.2: LF alone may end a line"),
    "llhttp/method:* ICE*": (0, 0, "9112 2.3: ICE is no version of HTTP"),
    "llhttp/method:* RTSP*": (0, 0, "9112 2.3: RTSP is no version of HTTP"),
    "llhttp/method:* M-SEARCH*": (0, 0, "9112 3.2.4: an asterisk is a target of OPTIONS only"),
    "llhttp/sample:316 *": (0, 0, "9112 2.3: the version is missing"),
    "llhttp/transfer-encoding:753 *": (0, 0, "9112 6.1: a coding that the server does not implement"),
    "llhttp/transfer-encoding:795 *": (0, 0, "9112 6.1: a coding that the server does not implement"),
    "llhttp/uri:6 *": (0, 1, "RFC 3986: a URI contains no quotation mark"),
}

# Cases in which the server serves what it should reject. Only hyper could: it discards this part of a request.
KNOWN = {
    "gunicorn/invalid/chunked_09": "9112 7.1: blanks after the size of a chunk",
    "llhttp/transfer-encoding:330 *": "9112 7.1.1: a semicolon without the name of an extension",
    "llhttp/transfer-encoding:1186 *": "9112 7.1: blanks after the size of a chunk",
}


class Case:
    """Bytes that a client sends, and the least and the most requests that the server serves."""

    def __init__(self, name, stream, served):
        self.name, self.stream, self.served = name, stream, served
        for pattern, (least, most, _) in RFC.items():
            if fnmatch.fnmatchcase(name, pattern):
                self.served = (least, most)
        self.is_known = any(fnmatch.fnmatchcase(name, pattern) for pattern in KNOWN)

    def run(self, server):
        """Returns the statuses of the responses, and whether the number of served requests is as expected."""
        connection, received = server.connect(), b""
        with connection:
            try:
                connection.sendall(with_hosts(self.stream, self.served[1]))
                connection.shutdown(socket.SHUT_WR)
                while data := connection.recv(65536):
                    received += data
            except ConnectionError:
                pass
        # The server's bodies contain no status line.
        statuses = [int(status) for status in re.findall(rb"^HTTP/1\.[01] (\d{3}) ", received, re.M)]
        served = [status for status in statuses if status >= 200 and status not in REJECTIONS]
        return statuses, self.served[0] <= len(served) <= self.served[1]


def with_hosts(stream, requests):
    """Adds `Host` to the first request of HTTP/1.1, or to each if there are several."""
    def add(match):
        head = stream[match.start() :].split(b"\r\n\r\n")[0]
        has_host = re.search(rb"^host[ \t]*:", head, re.I | re.M)
        return match[0] if has_host else match[0] + b"Host: a\r\n"

    return re.sub(rb"^[^\r\n]+ HTTP/1\.1\r?\n", add, stream, count=0 if requests > 1 else 1, flags=re.M)


def gunicorn(files):
    """Cases of gunicorn: the requests of a file in `valid` are listed in the Python file beside it."""
    for path, content in files.items():
        match = re.search(r"/tests/requests/((valid|invalid)/.*)\.http$", path)
        if not match:
            continue
        expectation = files[path.removesuffix("http") + "py"]
        # Options of gunicorn.
        if b"cfg.set" in expectation:
            continue
        stream = content.replace(b"\n", b"").replace(b"\\r\\n", b"\r\n")
        stream = re.sub(rb"\\(0|n|t|x[0-9a-fA-F]{2})", lambda escape: unescape(escape[1]), stream)
        count = number_of_requests(expectation) if match[2] == "valid" else 0
        yield Case(f"gunicorn/{match[1]}", stream, (count, count))


def unescape(name):
    return bytes([int(name[1:], 16)]) if name[:1] == b"x" else {b"0": b"\0", b"n": b"\n", b"t": b"\t"}[name]


def number_of_requests(source):
    """Returns the length of the list `request` of a Python file, or 1 if it is a single one."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "request":
            return len(node.value.elts) if isinstance(node.value, ast.List) else 1
    raise ValueError("no request")


def llhttp(files):
    """Cases of llhttp: each is a block of Markdown with options, one with the stream, and one with the parser's log."""
    block = re.compile(r"<!-- *meta=(\{.*?\}) *-->\s*```http\n(.*?)```.*?```log\n(.*?)```", re.S)
    for path, content in files.items():
        match = re.search(r"/llhttp/test/request/(.*)\.md$", path)
        if not match:
            continue
        text = content.decode()
        for case in block.finditer(text):
            options, stream, log = json.loads(case[1]), case[2], case[3]
            # Other types switch off checks of the parser, and the other options stop it.
            if options.pop("type") not in ("request", "request-finish") or options.keys() - {"noScan"}:
                continue
            title = re.findall(r"^#+ (.*)", text[: case.start()], re.M)[-1]
            name = f"llhttp/{match[1]}:{text.count(chr(10), 0, case.start()) + 1} {title}"
            yield Case(name, *llhttp_case(stream, log))


def llhttp_case(stream, log):
    stream = re.sub(r"\\?\r?\n", lambda end: "" if end[0][0] == "\\" else "\r\n", stream.removesuffix("\n"))
    stream = re.sub(r"\\([rntf])", lambda escape: {"r": "\r", "n": "\n", "t": "\t", "f": "\f"}[escape[1]], stream)
    stream = re.sub(r"\\x([0-9a-fA-F]+)", lambda escape: chr(int(escape[1], 16)), stream)
    stream = re.sub(r"\\([0-7]{1,3})", lambda escape: chr(int(escape[1], 8)), stream)
    stream = re.sub(r"\$\{'(.*?)'\.repeat\((\d+)\)\}", lambda part: part[1] * int(part[2]), stream).encode()
    complete = log.count("message complete")
    error = re.search(r"error code=(\d+)", log)
    # 5: bytes after the last request, 22: CONNECT or an upgrade, which ends the parser's work.
    if error and error[1] not in ("5", "22"):
        # The parser stops at once, and the server may wait for the end of the head.
        return stream + (b"" if b"\r\n\r\n" in stream else b"\r\n\r\n"), (0, complete)
    return stream, (complete, complete)


def download():
    """Returns the text files of the packages by path. pip compares the hashes before it runs anything of a package."""
    CACHE.mkdir(parents=True, exist_ok=True)
    files = {}
    for package, sha256 in PACKAGES.items():
        archive = CACHE / f"{package}.tar.gz"
        if not archive.exists():
            with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
                requirements.write(f"{package.replace('-', '==')} --hash=sha256:{sha256}\n")
                requirements.flush()
                options = ["--quiet", "--no-deps", "--no-binary=:all:", "--require-hashes", f"--dest={CACHE}"]
                command = [sys.executable, "-m", "pip", "download", *options, "-r", requirements.name]
                subprocess.run(command, check=True)
        content = archive.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            sys.exit(f"{archive}: the hash differs; remove the file")
        with tarfile.open(archive) as members:
            for member in members:
                if re.search(r"\.(http|md|py)$", member.name) and member.isfile():
                    files[member.name] = members.extractfile(member).read()
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--allow-missing", action="store_true")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    try:
        files = download()
    except subprocess.CalledProcessError:
        print("NOT RUN: pip cannot download", *PACKAGES)
        sys.exit(not arguments.allow_missing)
    cases = [*gunicorn(files), *llhttp(files)]
    names = [case.name for case in cases]
    unused = [pattern for pattern in [*RFC, *KNOWN] if not fnmatch.filter(names, pattern)]
    assert not unused, unused

    build()
    with Server("--backend-ms=0") as server, concurrent.futures.ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda case: case.run(server), cases))
    failed = 0
    for case, (statuses, agrees) in zip(cases, results):
        is_failed = agrees == case.is_known
        failed += is_failed
        if is_failed or arguments.list:
            reason = "no longer disagrees: " if is_failed and agrees else ""
            least, most = case.served
            result = "FAILED" if is_failed else "passed"
            print(f"{result}: {reason}{case.name}: expected {least} to {most} served, statuses {statuses}")
    print(f"{len(RFC)} verdicts by the RFC instead of the collection, {len(KNOWN)} known disagreements")
    print(f"{len(cases) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
