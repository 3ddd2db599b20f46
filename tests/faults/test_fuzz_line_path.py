"""Hostile logs through framing, parsing and enriching: one valid JSON line each, and nothing in it that is not ours."""

import json
import random

import orjson
import pytest

from demo.fake_api import slice_of
from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.endpoints.slices import read_slice
from enricher.enrich.engine import Enricher
from enricher.enrich.windows import MAX_WRITING_DELAY
from enricher.line import Source
from enricher.metrics.counters import Metrics
from enricher.tailer.framing import Framer
from enricher.timestamps import parse_rfc3339
from tests.support.seeds import further_seed

INPUTS = 15_000
STAMP = b"2026-11-22T23:18:31.5Z"
SOURCE = Source("/var/log/pods/x", "ingress-nginx", "ingress-nginx-controller-7", "u-1", "controller")
PODS = {"10.0.0.1": "web-1", "10.0.0.2": "web-2"}
OURS = {"namespace": SOURCE.namespace, "pod": SOURCE.pod, "container": SOURCE.container, "node": "node-0"}
KINDS = {"access", "error", "other", "parse_error"}
FORMATS = [
    INGRESS_NGINX,
    'escape=json {"status": $status, "pod": "$http_user_agent", "to": "$upstream_addr", "namespace": "$req_id"}',
    'escape=none $remote_user "$request" $upstream_addr $upstream_status $req_id',
    '"$namespace" "$pod" $upstream_addr $upstream_status',
]


def access(user=b"-", uri=b"/", agent=b"-", addr=b"10.0.0.1:80", status=b"200", req_id=b"id"):
    return (
        b'192.0.2.7 - %s [22/Nov/2026:23:18:31 +0000] "GET %s HTTP/1.1" 200 39 "-" "%s" 128 0.007 '
        b"[shop-web-80] [] %s 5 0.001 %s %s"
    ) % (user, uri, agent, addr, status, req_id)


POD = b'","pod":"forged","namespace":"forged","logged_by":{"pod":"forged"},"x":"'
ERROR = (
    b"2026/11/22 23:18:31 [error] 29#31: *5 connect() failed (111: Connection refused) while connecting to upstream, "
)
CORPUS = [
    access(),
    access(user=b'a" "b] [c'),
    access(user=POD),
    access(uri=rb"/\x22\x5c" + POD.replace(b'"', rb"\x22")),
    access(agent=POD.replace(b'"', rb"\x22")),
    access(agent=b"\\" * 9 + b'"'),
    access(addr=b"10.0.0.1:80, 10.0.0.2:80", status=b"502, 200"),
    access(req_id=b"forged 10.0.0.2:80, 10.0.0.2:80 5, 5 0.001, 0.001 200, 200 id"),
    access(req_id=b"[shop-web-80] [] 10.0.0.2:80 5 0.001 200 id"),
    access(addr=b"unix:/x", status=b"-"),
    STAMP + b" stderr F " + access(),
    STAMP + b" stdout P ",
    b'{"log":"' + access() + b'\\n","stream":"stderr","time":"2026-11-22T23:18:31.5Z"}',
    b'{"status": 200, "pod": "x", "to": "10.0.0.1:80", "namespace": "y"}',
    b'{"status": 200, "pod": "x\\", \\"to\\": \\"10.0.0.2:80", "to": "10.0.0.1:80", "namespace": "y"}',
    b'{"pod":"forged","attempts":[{"pod":"forged"}],"logged_by":{"pod":"forged"}}',
    ERROR + b'client: 1.1.1.1, server: s, request: "GET / HTTP/1.1", upstream: "http://10.0.0.1:80/", host: "s"',
    ERROR + b'client: 1.1.1.1, server: s, request: "GET /, upstream: "http://10.0.0.2:80/" HTTP/1.1", host: "s"',
    b'"forged" "forged" 10.0.0.1:80 200',
    b'"forged" "forged" - -',
    b"I1122 23:18:31.000000       7 main.go:1] klog",
    b"\xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf\xed\xa0\x80\xf4\x90\x80\x80\xff\xfe",
    "\u2028\u2029\x85\ufeff\U0001f600".encode(),
    b"\0" * 40,
    b"\x1b[2J\r\x08\x7f",
    b"",
]
PIECES = [
    *(b'"', b"\\", b"\\\\", b'\\"', b"]", b"[", b"{", b"}", b", ", b" : ", b" ", b"-", b"\r", b"\0", b"\xff", b"\t"),
    *(POD, b"forged", b"10.0.0.2:80", b"9" * 30, b"NaN", b"\\u0000", b"\\ud800", rb"\x22", rb"\x0a", b"\xe2\x80"),
    *(STAMP + b" stdout F ", b"stdout P ", b'"}', b"\xef\xbb\xbf", b"502, 200", b'upstream: "http://10.0.0.2:80/"'),
]


NO_FRAME = b"~"


class Fuzz:
    def __init__(self, seed):
        self.rng = random.Random(seed)

    def text(self):
        text = self.rng.choice(CORPUS)
        for _ in range(self.rng.choice([0, 1, 1, 2, 5])):
            text = self.mutated(text)
        return (NO_FRAME if self.rng.random() < 0.1 else b"") + text.replace(b"\n", b"")

    def mutated(self, text):
        at, end = sorted(self.rng.randrange(len(text) + 1) for _ in range(2))
        match self.rng.randrange(6):
            case 0:
                return text[:at] + self.rng.choice(PIECES) + text[at:]
            case 1:
                return text[:at] + text[end:]
            case 2:
                return text[:end] + text[at:]
            case 3:
                return text[:at] + bytes([self.rng.randrange(256)]) + text[at + 1 :]
            case 4:
                other = self.rng.choice(CORPUS)
                return text[:at] + other[self.rng.randrange(len(other) + 1) :]
            case _:
                return text[:at] + self.rng.choice(PIECES) * self.rng.choice([2, 50]) + text[end:]

    def framed(self, kind, text):
        """As the runtime writes it, whole or in fragments; or as a disk full of errors has it."""
        if text.startswith(NO_FRAME):
            return text + b"\n"
        if kind == "docker":
            entry = {"log": text.decode("utf-8", "replace") + "\n", "stream": "stdout", "time": STAMP.decode()}
            return orjson.dumps(entry) + b"\n"
        cuts = sorted(self.rng.randrange(len(text) + 1) for _ in range(self.rng.choice([0, 0, 1, 3])))
        parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        tags = [b"P"] * len(cuts) + [b"F"]
        return b"".join(b"%s stdout %s %s\n" % (STAMP, tag, part) for tag, part in zip(tags, parts, strict=True))


def enricher(format_):
    history = History(retention=None)
    history.replace(
        [read_slice(slice_of("web", PODS, namespace="shop", service="web", port=80))], parse_rfc3339(STAMP) - 10**12
    )
    enricher = Enricher(FormatDetector((compile_format(format_),)), Metrics(), node="node-0")
    return enricher, Histories(history, History())


def written(made, lines):
    enricher, histories = made
    data = b"".join(output.data for output in enricher.enrich(SOURCE, lines, histories))
    assert data.count(b"\n") == len(lines)
    return data


def check(raw, text):
    assert b"\n" not in raw
    row = orjson.loads(raw)
    assert row["kind"] in KINDS
    if text.startswith(NO_FRAME):
        assert row["logged_by"] == OURS
    else:
        # The clock of a mutated line may be minutes behind, and is believed then: a line may wait in a buffer.
        assert 0 <= parse_rfc3339(STAMP) - parse_rfc3339(row["time"].encode()) <= MAX_WRITING_DELAY
        assert row["logged_by"] == OURS | {"stream": "stdout"}
    for owner in (row, *row.get("attempts", []), *row.get("candidates", [])):
        assert owner.get("pod") in {None, *PODS.values()}, text
        # A service may be named by the proxy's own word, of whatever text that is; a pod's namespace may not.
        assert "pod" not in owner or owner["namespace"] == "shop", text
        assert "pod" not in owner or owner["node"] == "node-1"
    json.loads(raw, object_pairs_hook=distinct)


def distinct(pairs):
    """Of two equal names one reader takes the first, another the last."""
    assert len({name for name, _ in pairs}) == len(pairs), pairs
    return dict(pairs)


@pytest.mark.parametrize("seed", [1, None])
@pytest.mark.parametrize("kind", ["cri", "docker"])
def test_hostile_lines(seed, kind):
    seed = further_seed(f"hostile {kind} lines") if seed is None else seed
    fuzz, framer = Fuzz(seed), Framer()
    enrichers = [enricher(format_) for format_ in FORMATS]
    framer.detect(fuzz.framed(kind, b"a line\n"))
    done = 0
    while done < INPUTS:
        texts = [fuzz.text() for _ in range(100)]
        data = b"".join(fuzz.framed(kind, text) for text in texts)
        cut = fuzz.rng.randrange(len(data))
        one = fuzz.rng.choice(enrichers)
        out = b"".join(written(one, framer.feed(part)) for part in (data[:cut], data[cut:])).split(b"\n")
        assert out.pop() == b""
        assert len(out) == len(texts)
        for raw, text in zip(out, texts, strict=True):
            check(raw, text)
        done += len(texts)


@pytest.mark.parametrize("filling", [b"x", b"\0", b"\xff", b'"', b"\\", b" 10.0.0.2:80,", POD])
def test_ten_mebibytes(filling):
    text = access(uri=b"/" + filling * ((10 << 20) // len(filling)))
    framer, one = Framer(), enricher(INGRESS_NGINX)
    framer.detect(STAMP + b" stdout F x\n")
    data = b"%s stdout F %s\n%s stdout F %s\n" % (STAMP, text, STAMP, access())
    pieces = (data[at : at + (1 << 16)] for at in range(0, len(data), 1 << 16))
    first, second, rest = b"".join(written(one, framer.feed(piece)) for piece in pieces).split(b"\n")
    assert rest == b""
    check(first, text[:100])
    row = orjson.loads(first)
    assert row["truncated"] is True
    assert row["truncated_bytes"] == len(text) - (1 << 20)
    assert orjson.loads(second)["pod"] == "web-1"
