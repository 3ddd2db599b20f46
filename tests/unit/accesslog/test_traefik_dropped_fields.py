"""Traefik's JSON with fields dropped, and with the server's URL as Traefik 2 and 3 write it."""

from itertools import combinations

import orjson
import pytest

from enricher.accesslog import traefik
from enricher.accesslog.detection import detect_profile
from enricher.accesslog.dialect import make_record
from enricher.accesslog.json_layouts import learn_layout
from enricher.accesslog.record import MAX_REQUEST_TIME
from enricher.timestamps import MILLISECOND, parse_rfc3339

FORMAT = traefik.compile_format("json")[0]
URL_OBJECT = orjson.loads(
    '{"Scheme":"http","Opaque":"","User":null,"Host":"10.0.0.1:80","Path":"","RawPath":"","OmitHost":false,'
    '"ForceQuery":false,"RawQuery":"","Fragment":"","RawFragment":""}'
)
LINE = {
    "ClientAddr": "192.0.2.7:4711",
    "ClientHost": "192.0.2.7",
    "DownstreamStatus": 503,
    "Duration": 2_000_000,
    "OriginDuration": 1_500_000,
    "OriginStatus": 502,
    "RouterName": "cart@kubernetes",
    "ServiceAddr": "10.0.0.1:80",
    "ServiceName": "shop-cart-80@kubernetes",
    "ServiceURL": "http://10.0.0.1:80",
    "StartLocal": "2026-11-22T23:19:13.014Z",
    "StartUTC": "2026-11-22T23:19:13.014Z",
    "level": "info",
    "msg": "",
    "time": "2026-11-22T23:19:13Z",
}
END = parse_rfc3339(b"2026-11-22T23:19:13.016Z")
DROPPABLE = [key for key in LINE if key not in {"level", "msg", "time"}]


def parse(fields):
    """Return the record of a line, which its layout yields as well."""
    line = orjson.dumps(fields)
    record, layout = FORMAT.parse(line), learn_layout(FORMAT, line)
    columns = layout.parse(line + b"\n", 1, framed=False)
    assert make_record(layout.dialect.facts, columns.raw_record(0), record.fields) == record
    return record


@pytest.mark.parametrize("dropped", [set(keys) for size in (0, 1, 2, 3) for keys in combinations(DROPPABLE, size)])
def test_a_dropped_field_costs_no_other(dropped):
    fields = {key: value for key, value in LINE.items() if key not in dropped}
    record = parse(fields)
    has_address = not {"ServiceURL", "ServiceAddr"} <= dropped
    assert [attempt.addr for attempt in record.attempts] == ["10.0.0.1:80"] * has_address
    assert record.client == ("" if {"ClientHost", "ClientAddr"} <= dropped else "192.0.2.7")
    if {"StartUTC", "StartLocal"} <= dropped:
        assert record.end is None
    else:
        no_duration = (END - LINE["Duration"], MAX_REQUEST_TIME)
        assert (record.end, record.end_uncertainty) == (no_duration if "Duration" in dropped else (END, MILLISECOND))
    if record.attempts:
        statuses = (fields.get("OriginStatus"), fields.get("DownstreamStatus"))
        assert record.attempts[0].status == next(filter(None, statuses), None)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://10.0.0.1:80", "http://10.0.0.1:80"),
        (URL_OBJECT, "http://10.0.0.1:80"),
        (URL_OBJECT | {"Scheme": "h2c", "Path": "/a b"}, "h2c://10.0.0.1:80/a b"),
        ({"Host": "10.0.0.1:80"}, "10.0.0.1:80"),
        ({"Scheme": "http", "Host": "[fd00::1]:80"}, "http://[fd00::1]:80"),
    ],
)
def test_the_url_of_traefik_2_and_3(url, text):
    record = parse(LINE | {"ServiceURL": url})
    assert record.fields["upstream_url"] == text
    assert record.attempts[0].addr == ("[fd00::1]:80" if "fd00" in text else "10.0.0.1:80")


@pytest.mark.parametrize("url", [{}, {"Host": ""}, {"Host": 5}, {"Host": None}, [], 7, "", "-", "{", '{"Host":"x'])
def test_a_url_that_names_no_server(url):
    record = FORMAT.parse(orjson.dumps(LINE | {"ServiceURL": url}))
    assert all("10.0.0.1" not in attempt.addr for attempt in record.attempts)


def test_null_is_as_good_as_dropped():
    record = FORMAT.parse(orjson.dumps(LINE | {"ServiceURL": None, "ClientHost": None, "StartUTC": None}))
    assert (record.attempts[0].addr, record.client, record.end) == ("10.0.0.1:80", "192.0.2.7", END)


def test_what_is_not_from_the_access_log():
    own = {"level": "error", "routerName": "cart@kubernetes", "serviceName": "cart", "time": "2026-11-22T23:19:13Z"}
    other = {"RequestMethod": "GET", "RequestPath": "/", "StatusCode": 200, "Elapsed": 1.5}
    assert [FORMAT.parse(orjson.dumps(fields)) for fields in (own, other)] == [None, None]
    assert detect_profile(orjson.dumps(LINE)) == "traefik"
