"""Numbers are numbers, missing is missing, escapes are undone, and lines that are none of ours are none."""

import pytest

from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.timestamps import SECOND
from tests.unit.accesslog.nginx_log import INGRESS_JSON, State, render, upstream_lists

FORMAT = compile_format(INGRESS_NGINX)
JSON = compile_format(f"escape=json {INGRESS_JSON}")


def parsed(ordinary_values, states=(), **values):
    raw = {name: value for name, value in values.items() if value is not None}
    return FORMAT.parse(render(INGRESS_NGINX, {**ordinary_values, **upstream_lists(states), **raw}))


def test_numbers(ordinary_values):
    record = parsed(ordinary_values, [State(b"10.0.0.1:80", 200, 1234, 1 << 40)])
    assert record.fields["status"] == 200
    assert record.fields["body_bytes_sent"] == 39
    assert record.fields["request_time"] == 0.007
    assert record.duration == 7_000_000
    assert tuple(record.attempts[0])[:4] == ("10.0.0.1:80", 200, 1_234_000_000, 1 << 40)


def test_a_number_too_long_for_json_stays_text(ordinary_values):
    assert parsed(ordinary_values, body_bytes_sent=b"9" * 30).fields["body_bytes_sent"] == "9" * 30


def test_missing_numbers_are_none(ordinary_values):
    fields = parsed(ordinary_values, status=b"-", request_time=b"-").fields
    assert fields["status"] is None
    assert fields["request_time"] is None


def test_no_upstream(ordinary_values):
    record = parsed(ordinary_values, proxy_upstream_name=b"-")
    assert record.attempts == []
    assert record.fields["upstream_addr"] == "-"


def test_brackets_without_names(ordinary_values):
    values = ordinary_values | {"proxy_upstream_name": b"", "proxy_alternative_upstream_name": b"", "request": b""}
    record = FORMAT.parse(render(INGRESS_NGINX, values | {"status": b"400"}))
    assert record.fields["status"] == 400
    assert record.upstream_name == ""


def test_a_client_that_went_away(ordinary_values):
    """499: no time and no length may be there, and the status is the client's doing."""
    record = parsed(ordinary_values, [State(b"10.0.0.1:80", None, None, None)], status=b"499")
    assert tuple(record.attempts[0])[:4] == ("10.0.0.1:80", None, None, None)
    assert not record.attempts[0].answered


def test_the_canary_owns_the_pod(ordinary_values):
    assert parsed(ordinary_values, proxy_alternative_upstream_name=b"shop-canary-80").upstream_name == "shop-canary-80"
    assert (
        parsed(ordinary_values, proxy_alternative_upstream_name=b"-").upstream_name == "default-backend-service-10000"
    )


@pytest.mark.parametrize("peer", [b"[fd00::1]:8080", b"unix:/run/app.sock", b"backend", b"10.0.0.1:80"])
def test_kinds_of_address(ordinary_values, peer):
    assert [a.addr for a in parsed(ordinary_values, [State(peer, 200, 1, 1)] * 2).attempts] == [peer.decode()] * 2


def test_a_list_of_hundreds(ordinary_values):
    states = [State(b"10.0.0.%d:80" % (n % 250), 502, n, n) for n in range(400)]
    record = parsed(ordinary_values, states)
    assert [a.response_length for a in record.attempts] == list(range(400))


@pytest.mark.parametrize(
    ("escape", "raw", "value"),
    [
        ("default", b"\\x22\\x5C\\x0A\\xC3\\xA9", '"\\\né'),
        ("default", b"\\xFF", "\\xff"),
        ("default", b"\\xZZ\\", "\\xZZ\\"),
        ("json", b'\\"\\\\\\n\\t\\u0001\xc3\xa9', '"\\\n\t\x01é'),
        ("json", b"\xff\xc3", "\\xff\\xc3"),
        ("none", b"\\x22\\n", "\\x22\\n"),
    ],
)
def test_escapes(escape, raw, value):
    compiled = compile_format(f'escape={escape} $status "$request"')
    assert compiled.parse(b'200 "' + raw + b'"').fields["request"] == value


def test_json_missing_values(ordinary_values):
    """Missing is empty there, in quotes or not, but for what nginx itself writes as `-`: a 499's upstream status."""
    line = render(INGRESS_JSON, ordinary_values | upstream_lists([State(b"10.0.0.1:80", None, 5, 0)]), "json")
    assert b'"upstream_status": "-"' in line
    assert [tuple(a)[:4] for a in JSON.parse(line).attempts] == [("10.0.0.1:80", None, 5_000_000, 0)]
    del ordinary_values["status"], ordinary_values["http_user_agent"], ordinary_values["req_id"]
    record = JSON.parse(render(INGRESS_JSON, ordinary_values, "json"))
    assert record.fields["status"] is None
    assert record.fields["http_user_agent"] == record.fields["req_id"] == record.fields["upstream_addr"] == ""
    assert record.attempts == []


@pytest.mark.parametrize(
    ("format_", "line", "ended", "within"),
    [
        ("[$time_local] $status", b"[22/Nov/2026:23:18:31 +0100] 200", 1795385911, SECOND),
        ("$time_iso8601 $status", b"2026-11-22T23:18:31+01:00 200", 1795385911, SECOND),
        ("$time_iso8601 $msec", b"2026-11-22T23:18:31+01:00 1795385911.000", 1795385911, SECOND // 1000),
        ("[$time_local] $status", b"[99/Nov/2026:23:18:31 +0100] 200", None, None),
    ],
)
def test_when_the_request_ended(format_, line, ended, within):
    record = compile_format(format_).parse(line)
    assert record.end == (None if ended is None else ended * SECOND)
    assert within is None or record.end_uncertainty == within


def test_what_is_no_line_of_the_format(ordinary_values):
    line = render(INGRESS_NGINX, ordinary_values | upstream_lists([State(b"10.0.0.1:80", 200, 1, 1)]))
    assert FORMAT.parse(line)
    last_space = line.rindex(b" ")
    for end in range(last_space):
        assert FORMAT.parse(line[:end]) is None, line[:end]
    for other in (b"", b"\0", b"\0" * 1000, b"\n", b" " + line, line + b'"', line.replace(b" [", b" ", 1)):
        assert FORMAT.parse(other) is None, other


def test_nul_bytes_are_text(ordinary_values):
    line = render(INGRESS_NGINX, ordinary_values, "none").replace(b"/test", b"/\0t\0")
    assert FORMAT.parse(line).fields["request"] == "GET /\0t\0 HTTP/1.1"
