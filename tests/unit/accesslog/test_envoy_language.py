"""Envoy's formats in unusual spellings: text like JSON, objects in objects, times in their own formats."""

import json
import random

import pytest

from enricher.accesslog import envoy
from enricher.accesslog.format_compiler import LogFormatError
from enricher.accesslog.limits import limits_of
from enricher.timestamps import parse_rfc3339

VALUES = {
    "REQ(:METHOD)": ["GET"],
    "REQ(:AUTHORITY)": ["shop.example"],
    "PROTOCOL": ["HTTP/2"],
    "RESPONSE_FLAGS": ["-", "UF,URX"],
    "START_TIME": ["2026-11-26T10:00:00.001Z"],
    "REQ(USER-AGENT)": ["-", "curl/8", 'a ###{"version":"7.0"}', "{x}", 'b"', "c\\"],
    "UPSTREAM_CLUSTER": ["outbound|8080||cart.shop.svc.cluster.local"],
}
NUMBERS = {"DURATION": ["3", "-"], "BYTES_SENT": ["0", "91"], "RESPONSE_DURATION": ["-", "2"]}


def read(text, line):
    return envoy.compile_format(text).parse(line.encode())


def outcome(record):
    return record and [(attempt.addr, attempt.status) for attempt in record.attempts]


# --- text that begins with a brace ------------------------------------------------------------------------------------


def test_a_text_format_in_the_shape_of_json():
    """Members in any order, strings in quotes that are not escaped, and numbers that may be a bare dash."""
    for seed in range(300):
        rng = random.Random(seed)
        needed = {"RESPONSE_CODE": "503", "UPSTREAM_HOST": "10.42.1.21:8080"}
        strings = {name: rng.choice(VALUES[name]) for name in rng.sample(list(VALUES), rng.randint(1, 5))}
        numbers = {name: rng.choice(NUMBERS[name]) for name in rng.sample(list(NUMBERS), rng.randint(1, 3))}
        members = list({**needed, **strings, **numbers}.items())
        rng.shuffle(members)
        begin, colon, comma, end = rng.choice((("{", ":", ",", "}"), ("{ ", ": ", ", ", " }"), ("{", ": ", ", ", "}")))
        quotes = ["{}" if name in numbers else '"{}"' for name, _ in members]

        def write(values, quotes=quotes, begin=begin, colon=colon, comma=comma, end=end):
            texts = [quote.format(value) for quote, value in zip(quotes, values, strict=True)]
            return begin + comma.join(f'"k{n}"{colon}{value}' for n, value in enumerate(texts)) + end

        line = write(value for _, value in members)
        record = read(write(f"%{name}%" for name, _ in members), line)
        assert outcome(record) == [("10.42.1.21:8080", 503)], line
        agent = strings.get("REQ(USER-AGENT)")
        assert agent is None or record.fields["http_user_agent"] == agent


QUOTED = '{"a": "%REQ(X-A)%", "code": "%RESPONSE_CODE%", "up": "%UPSTREAM_HOST%", "b": "%REQ(USER-AGENT)%"}'


@pytest.mark.parametrize(
    ("a", "b", "is_read"),
    [
        ("-", "curl/8", True),
        ("-", 'say "hi"', True),
        ("-", '", "up": "10.0.0.9:80', False),
        ("-", '", "code": "200", "up": "10.0.0.9:80", "b": "x', False),
        ('x", "z": {"a": "', 'y"}, "code": "200", "up": "10.0.0.9:80', False),
    ],
)
def test_no_client_forges_members_of_a_text(a, b, is_read):
    """All values are strings, so that the format may also be that of JSON. What is not certain is not read."""
    record = read(QUOTED, f'{{"a": "{a}", "code": "503", "up": "10.42.1.21:8080", "b": "{b}"}}')
    assert outcome(record) in (None, [("10.42.1.21:8080", 503)])
    assert not is_read or outcome(record) is not None


def test_the_same_format_as_json():
    record = read(QUOTED, '{"b":"say \\"hi\\"","a":null,"up":"10.42.1.21:8080","code":503}')
    assert outcome(record) == [("10.42.1.21:8080", 503)]
    assert record.fields["http_user_agent"] == 'say "hi"'


@pytest.mark.parametrize("text", ["{", "{}", '{"a": 1', '{"a": ["%RESPONSE_CODE%"]}', '{"a": "x"}'])
def test_what_has_no_operator_is_refused(text):
    with pytest.raises(LogFormatError, match=r"is not valid|has no operator"):
        envoy.compile_format(text)


# --- objects ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", range(4))
def test_objects_in_objects(depth):
    def nest(values):
        for level in range(depth):
            values = {f"l{level}": values, f"o{level}": f"x{level}"}
        return {**values, "flags": "-", "other": {"a": [1, {"b": 2}]}}

    text = json.dumps(nest({"code": "%RESPONSE_CODE%", "up": "%UPSTREAM_HOST%", "t": "%START_TIME%"}))
    line = json.dumps(nest({"code": 503, "up": "10.42.1.21:8080", "t": "2026-11-26T10:00:00.001Z", "new": 1}))
    record = read(text, line)
    assert outcome(record) == [("10.42.1.21:8080", 503)]
    assert record.fields["status"] == 503
    path = "".join(f"l{level}." for level in reversed(range(depth)))
    assert record.fields[f"{path}new"] == 1
    assert record.fields["other"] == {"a": [1, {"b": 2}]}


def test_a_format_without_a_status_says_so():
    for text in ('{"up": "%UPSTREAM_HOST%", "t": "%START_TIME%"}', "%START_TIME% %UPSTREAM_HOST%"):
        assert "the log format has no status (%RESPONSE_CODE%): no failure can be counted: add it" in limits_of(
            envoy.compile_format(text)
        )
    assert outcome(read('{"up": "%UPSTREAM_HOST%"}', '{"up":"10.0.0.1:80"}')) == [("10.0.0.1:80", None)]
    assert outcome(read("%START_TIME% %UPSTREAM_HOST%", "2026-11-26T10:00:00Z 10.0.0.1:80")) == [("10.0.0.1:80", None)]


# --- times ------------------------------------------------------------------------------------------------------------

TIMES = [
    ("%s", "1795687200", 0),
    ("%s.%3f", "1795687200.123", 123),
    ("%s%3f", "1795687200123", 123),
    ("%s.%9f", "1795687200.123000000", 123),
    ("%Y-%m-%dT%H:%M:%S%z", "2026-11-26T10:00:00+0000", 0),
    ("%Y-%m-%dT%H:%M:%S.%3fZ", "2026-11-26T10:00:00.123Z", 123),
    ("%Y-%m-%d %H:%M:%S", "2026-11-26 10:00:00", 0),
    ("%Y-%m-%d %H:%M:%S.%3f %z", "2026-11-26 10:00:00.123 +0000", 123),
    ("%Y/%m/%d %H:%M:%S", "2026/11/26 10:00:00", 0),
    ("%Y/%m/%dT%H:%M:%S%z %s", "2026/11/26T10:00:00+0000 1795687200", None),
    ("%d/%b/%Y:%H:%M:%S %z", "26/Nov/2026:10:00:00 +0000", 0),
    ("%d/%b/%Y:%H:%M:%S.%3f", "26/Nov/2026:10:00:00.123", 123),
]


@pytest.mark.parametrize(
    "template", ["[{}] {} {} {}", "{} {} {} {}", '"{}" {} {} {}', '{{"t":"{}","c":{},"d":{},"u":"{}"}}']
)
@pytest.mark.parametrize(("time_format", "text", "milliseconds"), TIMES)
def test_the_time_in_a_format_of_its_own(template, time_format, text, milliseconds):
    format_ = template.format(f"%START_TIME({time_format})%", "%RESPONSE_CODE%", "%DURATION%", "%UPSTREAM_HOST%")
    record = read(format_, template.format(text, 503, 7, "10.42.1.21:8080"))
    if milliseconds is None:
        assert record is None or record.end is None
        return
    assert outcome(record) == [("10.42.1.21:8080", 503)]
    assert record.end == parse_rfc3339(b"2026-11-26T10:00:00Z") + (milliseconds + 7) * 1_000_000
    is_whole = not milliseconds
    assert record.end_uncertainty == (1_001_000_000 if is_whole else 2_000_000)
