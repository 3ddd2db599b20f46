"""Objects of an API in which anything may stand anywhere, as raw JSON or as what merely looks like it."""

import random
from collections.abc import Iterator
from typing import Any

import orjson

GOOD = "shop"
"""The namespace that the nonsense is never in: the API server sees to that."""
TENANT = "tenant"
CLAIMED = ("10.0.0.1", "10.0.0.2")
"""Addresses of pods in the well-behaved namespace that the tenant's slices name, too."""
TEXTS = [
    "", "a", "web-1", "Web_1", "-", ".", "shop-web-80", "a" * 64, "b" * 254, "Pod", "IPv6",
    *CLAIMED, "10.0.1.9", "::ffff:10.0.0.1", "fd00::1", "fd00::1%eth0", "127.0.0.1", "0.0.0.0", "00.1",
    "a\nb", "a\r\n", "\x1b[2J\x1b]0;x\x07", "\x00", "\x7f\x9b", "\u202e\u2066", "\u2028", "\ufeff", "\U0001f600",
    "[red]", "[/x]", "</script>", '"', "\\", '","pod":"forged', 'x"} 1\n', "{}", "0", "null", "overflow", "true",
]  # fmt: skip
NAMES = ["metadata", "name", "namespace", "labels", "endpoints", "ports", "port", "addresses", "targetRef", "uid", "a"]
NUMBERS = ["0", "-1", "80", "65536", "1.5", "9223372036854775808", "-9223372036854775809", "1" + "0" * 400, "1e400"]
NO_JSON = [
    rb'"\ud800"', b"NaN", b"Infinity", b"01", b'"\xff"', b'"\xed\xa0\x80"', b'"\x01"', b"'a'", b"[1,]", b"", b'"', b"{",
]  # fmt: skip


class Raw(bytes):
    """Bytes to be written as they are."""


class Pairs(list[tuple[str, Any]]):
    """An object in which a key may come twice."""


class Nonsense:
    """A generator of objects."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def value(self, depth: int = 0) -> Any:
        """Return a value of any type."""
        match self.rng.randrange(9 if depth < 3 else 6):
            case 0:
                return self.rng.choice([None, True, False])
            case 1:
                return Raw(self.rng.choice(NUMBERS).encode())
            case 2 | 3 | 4:
                return self.rng.choice(TEXTS)
            case 5:
                return self.rng.choice(["long", "<"]) * self.rng.choice([10, 1000, 100_000])
            case 6:
                return [self.value(depth + 1) for _ in range(self.rng.randrange(4))]
            case 7:
                return Pairs((self.rng.choice(NAMES), self.value(depth + 1)) for _ in range(self.rng.randrange(1, 4)))
            case _:
                deep = self.rng.choice([50, 900, 1500])
                opening, closing = self.rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
                return Raw(opening * deep + b"1" + closing * deep)

    def object(self, version: int) -> dict[str, Any]:
        """Return an EndpointSlice, Service, ConfigMap and Pod in one, of which parts are replaced by nonsense."""
        obj = self._usual()
        for _ in range(self.rng.choice([0, 1, 1, 2, 6])):
            holders = [*_holders(obj)]
            holder, key = self.rng.choice(holders)
            if self.rng.random() < 0.15:
                del holder[key]
            else:
                holder[key] = self.value()
        name = self.rng.choice(["a", "b", "c", f"x-{self.rng.randrange(20)}"])
        identity = {"name": name, "namespace": TENANT, "uid": "u", "resourceVersion": str(version)}
        return {"metadata": identity | {"labels": obj.pop("labels", None)}, **obj}

    def _usual(self) -> dict[str, Any]:
        endpoints = [
            {
                "addresses": [self.rng.choice([*CLAIMED, "10.0.1.9", "fd00::1"])],
                "conditions": {"ready": True, "serving": True, "terminating": self.rng.random() < 0.3},
                "nodeName": "node-1",
                "zone": "z",
                "targetRef": {"kind": "Pod", "namespace": self.rng.choice([GOOD, TENANT]), "name": f"p{n}", "uid": "u"},
            }
            for n in range(self.rng.choice([0, 1, 3, 200]))
        ]
        return {
            "labels": {"kubernetes.io/service-name": self.rng.choice(["web", "x"])},
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [{"name": "http", "protocol": "TCP", "port": 80}],
            "data": {"log-format-upstream": "$remote_addr", "log-format-escape-json": "true"},
            "spec": {"clusterIPs": ["10.96.0.1"], "nodeName": "n", "containers": [{"name": "controller"}]},
            "status": {"phase": "Running", "containerStatuses": [{"name": "controller", "state": {"running": {}}}]},
        }

    def poisoned(self, text: bytes) -> bytes:
        """Return the text of an object with something at its end that no parser takes, or that is too long."""
        if self.rng.random() < 0.2:
            return text[:-1] + b',"a":"' + b"<" * (4 << 20) + b'"}'
        return text[:-1] + b',"a":' + self.rng.choice(NO_JSON) + b"}"

    def mutated(self, text: bytes) -> bytes:
        """Return the text with bytes replaced, cut out or doubled."""
        at, end = sorted(self.rng.randrange(len(text) + 1) for _ in range(2))
        end = min(end, at + 100)
        pieces = [b"", bytes([self.rng.randrange(256)]), self.rng.choice(NO_JSON), text[at:end] * 2, b"\n", b"}"]
        return text[:at] + self.rng.choice(pieces) + text[end:]


def _holders(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each place in a tree where a value stands, as the container and the key."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if type(value) is list else ()
    for key, child in [*items]:
        yield value, key
        yield from _holders(child)


def dump(value: Any) -> bytes:
    """Return a value as JSON, with what is Raw as it is."""
    match value:
        case Raw():
            return value
        case dict() | Pairs():
            pairs = value.items() if isinstance(value, dict) else value
            return b"{" + b",".join(orjson.dumps(key) + b":" + dump(child) for key, child in pairs) + b"}"
        case list():
            return b"[" + b",".join(map(dump, value)) + b"]"
    return orjson.dumps(value)
