"""A null, a number or a boolean where a JSON log has a text: written as it is, in columns as line by line."""

import random
from collections import Counter

import orjson
import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.json_format import JsonFormat
from enricher.accesslog.profiles import PROFILES, profile_formats
from enricher.endpoints.attribution import Histories
from enricher.endpoints.files import load_into
from enricher.endpoints.history import History
from enricher.enrich import single_lines
from enricher.enrich.engine import Enricher, Output
from enricher.line import Source
from enricher.metrics.counters import Metrics
from enricher.tailer.framing import Framer

ENVOY = {
    "start_time": "2026-11-22T23:18:31.000Z",
    "method": "GET",
    "x-envoy-origin-path": "/",
    "protocol": "HTTP/1.1",
    "response_code": 200,
    "response_flags": "-",
    "response_code_details": "via_upstream",
    "connection_termination_details": None,
    "upstream_transport_failure_reason": None,
    "duration": 7,
    "x-forwarded-for": None,
    "user-agent": "curl/8.0",
    "x-request-id": "8df3b3d2",
    ":authority": "shop.example",
    "upstream_host": "10.0.0.1:80",
    "upstream_cluster": "httproute/shop/cart/rule/0",
    "upstream_local_address": None,
    "requested_server_name": None,
    "route_name": "httproute/shop/cart/rule/0/match/0",
    "mine": "x",
}
TRAEFIK = {
    "ClientHost": "192.0.2.7",
    "DownstreamStatus": 200,
    "Duration": 5_000_000,
    "OriginStatus": 200,
    "RequestMethod": "GET",
    "RequestPath": "/",
    "RequestProtocol": "HTTP/1.1",
    "RouterName": "shop@kubernetes",
    "ServiceAddr": "10.0.0.1:80",
    "ServiceName": "shop-cart-80@kubernetes",
    "ServiceURL": "http://10.0.0.1:80",
    "StartUTC": "2026-11-22T23:18:31.000000000Z",
    "entryPointName": "web",
    "request_User-Agent": "curl/8.0",
    "time": "2026-11-22T23:18:31Z",
}
VALUES = (None, True, False, 0, 7, -3, 10**17, 1.5, 0.25, "", "text", "null", "0", 'a"b\\', "ä\n", "\u2028", "{", "}")
SELECTED = {"envoy": ENVOY, "traefik": TRAEFIK}


def json_format(profile: str) -> JsonFormat:
    return next(one for one in profile_formats(profile) if isinstance(one, JsonFormat))


def texts_of(profile: str) -> list[str]:
    """Return the keys of a log's lines that hold texts which nothing is derived from."""
    log_format = json_format(profile)
    return [key for key in SELECTED[profile] if log_format.keys.get(key) in log_format.verbatim]


def enriched(profile: str, lines: list[bytes]) -> list[dict]:
    histories = Histories(History(retention=None), History(retention=None))
    load_into(histories, b"10.0.0.1:80: web-1")
    enricher = Enricher(FormatDetector(PROFILES[profile].compile(json_format(profile).text), profile), Metrics())
    framed = Framer().feed(b"".join(b"2026-11-22T23:18:31.5Z stdout F %b\n" % line for line in lines))
    steps = [step for step in enricher.enrich(Source("x"), framed, histories) if isinstance(step, Output)]
    return [orjson.loads(row) for step in steps for row in step.data.splitlines()]


@pytest.mark.parametrize("profile", SELECTED)
@pytest.mark.parametrize("odd", [0.05, 0.5])
def test_each_value_is_written_as_it_is(profile, odd, monkeypatch):
    log_format, keys = json_format(profile), texts_of(profile)
    assert len(keys) >= 4
    one_by_one = Counter()
    enrich = single_lines.SingleLines.enrich
    monkeypatch.setattr(
        single_lines.SingleLines, "enrich", lambda *arguments: one_by_one.update("x") or enrich(*arguments)
    )
    for seed in range(6):
        dice = random.Random(seed)
        objects = [
            SELECTED[profile] | {key: dice.choice(VALUES) for key in keys if dice.random() < odd} for _ in range(200)
        ]
        rows = enriched(profile, list(map(orjson.dumps, objects)))
        for values, row in zip(objects, rows, strict=True):
            parsed = log_format.parse(orjson.dumps(values)).fields
            assert {key: row[log_format.keys[key]] for key in keys} == {key: values[key] for key in keys}
            assert {key: parsed[log_format.keys[key]] for key in keys} == {key: values[key] for key in keys}
            assert row["attempts"][0]["pod"] == "web-1"
    assert one_by_one["x"] < 6 * 200 * (0.1 if odd < 0.1 else 0.9)  # most lines are in columns


@pytest.mark.parametrize("profile", SELECTED)
def test_what_attempts_are_made_of_stays_text(profile):
    """It is empty instead of null, so that it has one type."""
    log_format = json_format(profile)
    variables = log_format.dialect.facts.variables
    for key, value in SELECTED[profile].items():
        name = log_format.keys.get(key)
        if name not in variables or not isinstance(value, str) or key in {"start_time", "StartUTC", "time"}:
            continue
        for lines in ([None], [value, None], [None, value]):
            objects = [SELECTED[profile] | {key: text} for text in lines]
            rows = enriched(profile, list(map(orjson.dumps, objects)))
            written = [row.get(name) for row in rows]
            parsed = [log_format.parse(orjson.dumps(one)).fields.get(name) for one in objects]
            assert written == parsed
            assert None not in written or name == "upstream_url", (key, written)
