#!/usr/bin/env python3
"""Sets the rules of all instances of a fleet to those of a file.

    FLOODWALL_ADMIN_TOKEN=... push_rules.py RULES.json http://ADDRESS:ADMIN_PORT ...

If one instance would not accept the file, none is changed. If another operator changes the rules of an instance at the
same moment, the instance keeps those (`If-Match`). Prints a line for each instance, with the rules that were replaced,
and exits with 1 if one of them does not have the rules of the file.

With --watch it looks again every second until it is ended. An instance that was down, or that has started again with the
rules that it was built with, then gets those of the file. Every other change of an instance's rules is reverted too.
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request

TIMEOUT_S = 5
WATCH_INTERVAL_S = 1
# Without proxies of the environment: instances are in the same network.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Refused(Exception):
    """An instance has answered with an error, or is none."""


class NotReached(Exception):
    """An instance has not answered."""


def call(instance, method, path, body=None, headers=None):
    """Returns the version and the text of the rules that an instance answers with."""
    token = os.environ.get("FLOODWALL_ADMIN_TOKEN", "").strip()
    headers = {"Authorization": f"Bearer {token}", **(headers or {})}
    request = urllib.request.Request(instance + path, body, headers, method=method)
    try:
        with OPENER.open(request, timeout=TIMEOUT_S) as response:
            version, text = response.headers["ETag"], response.read().decode()
            json.loads(text)["classes"]
    except urllib.error.HTTPError as error:
        if error.code == 412:
            raise Refused("another operator has just changed its rules: look at them, and push again") from None
        raise Refused(error.read().decode(errors="replace").strip() or error.reason) from None
    except (http.client.HTTPException, ValueError, LookupError, TypeError) as error:
        raise Refused(f"no instance answers here: {error!r}") from None
    except OSError as error:
        raise NotReached(f"not reached: {error}") from None
    if version is None:
        raise Refused("no instance answers here: the rules have no ETag")
    return version, text.strip()


def push(instance, rules):
    """Sets the rules of an instance. Returns what was done, and whether the instance has the rules."""
    try:
        wanted, _ = call(instance, "POST", "/admin/rules/check", rules)
        version, replaced = call(instance, "GET", "/admin/rules")
        if version == wanted:
            return f"has version {wanted}", True
        call(instance, "PUT", "/admin/rules", rules, {"If-Match": version})
        return f"version {wanted} has replaced {version}: {replaced}", True
    except (Refused, NotReached) as error:
        return str(error), False


def reason_to_refuse(instance, rules):
    """Returns why an instance would not accept the rules, or None if it would, or cannot be reached."""
    try:
        call(instance, "POST", "/admin/rules/check", rules)
    except Refused as error:
        return str(error)
    except NotReached:
        pass
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rules", type=argparse.FileType("rb"), metavar="RULES.json")
    parser.add_argument("instances", nargs="+", metavar="URL")
    parser.add_argument("--watch", action="store_true", help="look again every second")
    arguments = parser.parse_args()
    rules, instances = arguments.rules.read(), arguments.instances

    # At the same time, so that an instance that does not answer delays no other.
    with concurrent.futures.ThreadPoolExecutor(len(instances)) as pool:
        def each(do):
            return list(pool.map(lambda instance: do(instance, rules), instances))

        reasons = [f"{instance}: {reason}" for instance, reason in zip(instances, each(reason_to_refuse)) if reason]
        if reasons:
            sys.exit("\n".join([*reasons, "no instance was changed"]))
        said = {}
        while True:
            results = each(push)
            for instance, (text, _) in zip(instances, results):
                if said.get(instance) != text:
                    print(f"{instance}: {text}", flush=True)
                said[instance] = text
            if not arguments.watch:
                sys.exit(not all(has_rules for _, has_rules in results))
            time.sleep(WATCH_INTERVAL_S)


if __name__ == "__main__":
    main()
