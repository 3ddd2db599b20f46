"""A controller's log with what stores treat differently, and the daemon's lines in the flat names of a store."""

import json
from typing import Any

from tests.integration.shippers.pods_logs import RAW, access, framed

START = "2026-11-22T23:%02d:%02d.%09dZ"
ORDINARY = 120
STEP = 370_000_010
"""Nanoseconds between lines: not whole milliseconds, and with `FIRST` none that ends in a zero, which stores drop."""
FIRST = 10 * 10**9 + 7
FLUSH = 10 * 10**9
"""Nanoseconds by which a line may come late: Envoy writes its log every 10 seconds."""
RETRIED = "10.0.0.1:80, 10.0.0.2:80 0, 5 0.001, 0.002 502, 200"
BANNER = "-------------------------------------------------------------------------------"
ERROR = (
    "2026/11/22 23:18:31 [error] 27#27: *1 connect() failed (111: Connection refused) while connecting to upstream, "
    'client: 192.0.2.7, server: _, request: "GET /shop HTTP/1.1", upstream: "http://10.0.0.1:80/shop", host: "shop"'
)
NO_REQUEST = access("/").replace("GET / HTTP/1.1", r"\x16\x03\x01\x02")
LONG = "line of more than a mebibyte " * 40_000


def controller_log() -> list[tuple[str, str]]:
    """Return (stream, text) of each line."""
    lines = [access(f"/shop/{number}?of=" + "\N{KANGAROO}" * (number % 3)) for number in range(ORDINARY)]
    lines[::10] = [access(f"/retried/{number}", upstream=RETRIED) for number in range(0, ORDINARY, 10)]
    lines[5::30] = [access("/failed", upstream="10.0.0.1:80 5 0.001 503", status="503")] * len(lines[5::30])
    return [("stdout", text) for text in [*lines, *RAW, NO_REQUEST, BANNER, BANNER, LONG]] + [("stderr", ERROR)]


def stamp(number: int) -> str:
    """Return when a line was written: the two banners at one moment, every ninth line before lines that precede it."""
    number -= number == ORDINARY + len(RAW) + 2
    seconds, nanoseconds = divmod(FIRST + number * STEP - (FLUSH if number % 9 == 8 else 0), 10**9)
    return START % (*divmod(seconds, 60), nanoseconds)


def as_written() -> tuple[bytes, int]:
    """Return the log as the runtime writes it, and how many lines it has."""
    lines = controller_log()
    return b"".join(framed(text.encode(), stream, stamp(n)) for n, (stream, text) in enumerate(lines)), len(lines)


def flat(value: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the fields as VictoriaLogs keeps them: dotted names, all values texts, none empty, lists as JSON."""
    fields: dict[str, str] = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            fields |= flat(inner, f"{prefix}{name}.")
        elif inner not in (None, ""):
            fields[prefix + name] = inner if isinstance(inner, str) else json.dumps(inner, sort_keys=True)
    return fields


def in_order(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return rows by their time; those of one moment by their text."""
    return sorted(rows, key=lambda row: (row["time"], json.dumps(row, sort_keys=True)))


def below_ingress(stored: dict[str, str]) -> dict[str, str]:
    """Return a line of the daemon that a shipper put below `ingress`, two fields of which VictoriaLogs has renamed."""
    row = {name.removeprefix("ingress."): value for name, value in stored.items() if name.startswith("ingress.")}
    row["request" if row["kind"] == "access" else "message"] = stored["_msg"]
    row["time"] = stored["_time"]
    return one_spelling(row)


def one_spelling(row: dict[str, str]) -> dict[str, str]:
    """Return the row with the keys within its lists sorted, as a shipper may write them in any order."""
    lists = {name: value for name, value in row.items() if name.rpartition(".")[2] in ("attempts", "candidates")}
    return row | {name: json.dumps(json.loads(value), sort_keys=True) for name, value in lists.items()}
