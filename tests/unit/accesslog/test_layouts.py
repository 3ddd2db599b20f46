"""Which lines are read in columns, and that what is read there is what the format itself reads."""

import re

import pytest

from enricher.accesslog import columns, haproxy, traefik
from enricher.accesslog.columns import Memo
from enricher.accesslog.json_layouts import learn_layout
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.accesslog.profiles import PROFILES, profile_formats

GATEWAY = profile_formats("envoy")[-1]
JSON_LINE = (
    b'{"response_code":200,"upstream_host":"10.0.0.1:80","user-agent":"curl","team":"shop","n":-1.25,'
    b'"response_flags":null}'
)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_known_text_format_has_a_layout(profile: str) -> None:
    formats = [log_format for log_format in profile_formats(profile) if hasattr(log_format, "layout")]
    assert [log_format.text for log_format in formats if log_format.layout is None] == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("$request $upstream_addr $http_x", "two texts that may have spaces"),
        ("$http_a$request_uri $upstream_addr", "nothing between two values"),
        ("$namespace-$service_name $upstream_addr", "a name may have a dash"),
    ],
)
def test_a_format_whose_lines_can_be_read_in_two_ways_has_none(text: str, why: str) -> None:
    assert compile_format(text).layout is None, why


def test_no_value_goes_on_in_the_next_line() -> None:
    """HAProxy's `{` of one line and `}` of the next were taken for one value with headers."""
    formats = [*haproxy.compile_format("%si:%sp %HU %hr %ST %{+Q}r"), *traefik.compile_format("common")]
    formats += [log_format for profile in PROFILES for log_format in profile_formats(profile)]
    layouts = [layout for log_format in formats if (layout := getattr(log_format, "layout", None))]
    for layout in layouts:
        class_negations = re.findall(r"\[\^((?:\\.|[^\]])*)\]", layout.strict_pattern)
        assert class_negations
        assert [text for text in class_negations if r"\n" not in text and r"\s" not in text] == [], layout.names
    body = b'10.0.0.1:80 / {a\n|b} 200 "GET / HTTP/1.1"\n'
    assert layouts[0].parse(body, 2, framed=False) is None


def test_a_line_that_does_not_fit_is_left_out_and_the_others_keep_their_numbers() -> None:
    layout = compile_format(INGRESS_NGINX).layout
    line = (
        b'192.0.2.7 - %b [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" 200 39 "-" "-" 128 0.007 [shop-web-80] [] '
        b"10.0.0.1:80 5 0.001 200 id"
    )
    body = b"".join(
        text + b"\n" for text in (line % b"-", b"noise", line % b"jane doe", b"", line % b'a"b', line % b"x")
    )
    found = layout.parse(body, 6, framed=False)
    assert list(found.numbers) == [0, 2, 5]
    assert found.raw_column("remote_user") == (b"-", b"jane doe", b"x")
    assert layout.parse(b"noise\n", 1, framed=False) is None


@pytest.mark.parametrize(
    ("line", "fits"),
    [
        (JSON_LINE, True),
        (JSON_LINE.replace(b"curl", rb"a\u00e9 \"x\""), True),
        (JSON_LINE.replace(b"-1.25", b"3"), True),
        (JSON_LINE.replace(b"-1.25", b"1e5"), False),
        (JSON_LINE.replace(b"-1.25", b"[1]"), False),
        (JSON_LINE.replace(b"200", b"0200"), False),
        (JSON_LINE.replace(b"10.0.0.1", rb"10.0.0\u002e1"), False),
        (JSON_LINE.replace(b"curl", b"\xff"), False),
        (JSON_LINE.replace(b"curl", "caf\u00e9 \x7f".encode()), True),
        (JSON_LINE.replace(b"curl", b"cu\trl"), False),
        (JSON_LINE.replace(b"curl", b"cu\x1frl"), False),
        (JSON_LINE.replace(b"-1.25", b"-1.250"), False),
        (JSON_LINE.replace(b"200", b"200.5"), False),
    ],
)
def test_json_lines_of_a_layout_have_the_values_of_the_format(line: bytes, *, fits: bool) -> None:
    layout = learn_layout(GATEWAY, JSON_LINE)
    found = layout.parse(line + b"\n", 1, framed=False)
    assert (found is not None) == fits
    if found:
        record = GATEWAY.parse(line)
        assert [field.name for field in layout.fields] == list(record.fields)
        assert found.value("n", 0) == record.fields["n"]


@pytest.mark.parametrize(
    ("duration", "fits"),
    [(b"5", True), (b"0", True), (b"-5", True), (b"null", True)]
    + [(text, False) for text in (b"", b"-", b"+5", b"007", b"-07", b"-0", b"5.0")],
)
def test_numbers_of_json_lines_are_those_that_json_has(duration: bytes, *, fits: bool) -> None:
    line = JSON_LINE.replace(b'"n":-1.25', b'"duration":%b')
    found = learn_layout(GATEWAY, line % b"1").parse(line % duration + b"\n", 1, framed=False)
    assert (found is not None) == fits
    if found:
        assert found.value("request_time", 0) == GATEWAY.parse(line % duration).fields["request_time"]


def test_fields_have_the_order_that_the_format_gives_them() -> None:
    """Several keys may hold one variable: its place is that of the key that the line has."""
    line = b'{"path":"/x","upstream_host":"10.0.0.1:80","response_code":200,"method":"GET"}'
    layout = learn_layout(GATEWAY, line)
    assert [field.name for field in layout.fields] == list(GATEWAY.parse(line).fields)


@pytest.mark.parametrize("line", [b'{"a":1,"a":2}', b'{"a":{}}', b"{}", b"[1]", b"{"])
def test_lines_that_show_no_layout(line: bytes) -> None:
    assert learn_layout(GATEWAY, line) is None


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MAX_MEMORISED", 2)
    memo = Memo(len)
    assert [memo[b"x" * size] for size in (1, 2, 3, 501)] == [1, 2, 3, 501]
    assert list(memo) == [b"xxx"]
    assert Memo(abs)[-5] == 5
