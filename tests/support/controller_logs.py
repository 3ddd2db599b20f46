"""Lines of an ingress controller's log, as the runtimes write them."""

import json
import time

from enricher.timestamps import format_rfc3339

ENDPOINTS = """\
10.0.0.1:80: {pod: web-1, namespace: shop, service: web, node: node-1}
10.0.0.2:80: {pod: web-2, namespace: shop, service: web, node: node-2}
"""


def access(n, addr="10.0.0.1:80", status="200", took="0.001", length="5", size=0):
    """Return the access line of the n-th request, with the status of its last attempt; `size` pads its path."""
    last = status.rpartition(", ")[2]
    client = last if last.isdigit() else "200"
    return (
        f'192.0.2.7 - - [22/Nov/2026:23:18:31 +0000] "GET /{n}{"x" * size} HTTP/1.1" {client} 39 "-" "-" 128 0.007 '
        f"[shop-web-80] [] {addr} {length} {took} {status} request-{n}"
    )


def cri(text, stream="stdout", tag="F"):
    return f"2026-11-22T23:18:31.5Z {stream} {tag} {text}\n"


def recent(text):
    """Return a line of a request that ends now: the status page shows the last hour."""
    date = time.strftime("%d/%b/%Y:%H:%M:%S", time.gmtime())
    return f"{format_rfc3339(time.time_ns())} stdout F {text.replace('22/Nov/2026:23:18:31', date)}\n"


def docker(text, stream="stdout"):
    return json.dumps({"log": text + "\n", "stream": stream, "time": "2026-11-22T23:18:31.5Z"}) + "\n"
