"""Whatever nginx writes, in whatever format, is read back as it was: no value can become another variable's."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from tests.unit.accesslog.nginx_log import INGRESS_JSON, State, attempts, render, upstream_lists

COMBINED = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
UPSTREAM = "$upstream_addr $upstream_status $upstream_response_time $upstream_response_length"
FORMATS = {
    "ingress-nginx": INGRESS_NGINX,
    "json": INGRESS_JSON,
    "combined": f'{COMBINED}"$http_user_agent" {UPSTREAM}',
    "text at both ends": f'$remote_user "$request" {UPSTREAM} $req_id',
    "text before a list": f'$http_referer {UPSTREAM} "$request"',
    "text after a list": f"$status {UPSTREAM} ${{http_user_agent}}",
    "names": 'addr=$upstream_addr st=$upstream_status rt=$upstream_response_time ua="$http_user_agent" id=$req_id',
    "names after text": "ua=$http_user_agent up=$upstream_addr st=$upstream_status $status",
    "tabs": "$http_user_agent\t$upstream_addr\t$upstream_status\t$status\t$req_id",
    "url": '[$time_iso8601] "$scheme://$host$request_uri" $status $upstream_addr $upstream_status',
    "query": '$status "$uri$is_args$args" $upstream_addr $request_time',
}

hostile = st.sampled_from(
    [
        *(
            b" ",
            b"  ",
            b'"',
            b"\\",
            b"\\x22",
            b"\\\\",
            b"[",
            b"] ",
            b"] [] ",
            b"-",
            b"- - - -",
            b", ",
            b" : ",
            b": ",
            b",",
        ),
        *(
            b" :",
            b" : 200",
            b": 502 x",
            b", 502",
            b"200",
            b"0.001",
            b"10.9.9.9:80",
            b"10.9.9.9:80 : ",
            b"10.9.9.9:80, ",
        ),
        *(b' [22/Nov/2026:23:18:31 +0000] "', b'" 200 1 "', b" 200 ", b'","status": 200,"x":"', b"\xff", b"\xc3\xa9"),
        *(
            b"10.9.9.9:80 500 0.001 5 x",
            b" 10.9.9.9:80 5 0.001 500 x",
            b" up=10.9.9.9:80 st=500 200",
            b"\n",
            b"\t",
            b"\0",
        ),
    ]
)
text = st.lists(hostile | st.binary(max_size=4), max_size=6).map(b"".join)
peer = st.sampled_from([b"10.0.0.1:80", b"10.0.0.2:8080", b"[fd00::1]:8080", b"unix:/run/app.sock", b"backend"])
state = st.builds(
    State,
    peer,
    st.none() | st.sampled_from([200, 404, 499, 502, 504]),
    st.none() | st.integers(0, 90_000),
    st.none() | st.integers(0, 1 << 40),
)
no_peer = st.builds(State, st.none(), st.none() | st.just(502), st.none() | st.just(0), st.none() | st.just(0))
states = st.lists(st.one_of(state, state, state, no_peer), max_size=6)

NUMBERS = {"status", "body_bytes_sent", "request_length"}
MADE_BY_NGINX = {
    "remote_addr": st.sampled_from([b"192.0.2.7", b"2001:db8::7"]),
    "time_local": st.just(b"22/Nov/2026:23:18:31 +0000"),
    "time_iso8601": st.just(b"2026-11-22T23:18:31+00:00"),
    **dict.fromkeys(NUMBERS, st.integers(0, 10**12).map(lambda n: str(n).encode())),
    "request_time": st.integers(0, 10**6).map(lambda ms: f"{ms // 1000}.{ms % 1000:03}".encode()),
    "proxy_upstream_name": st.sampled_from([b"", b"default-backend-service-10000", b"upstream-default-backend"]),
    "proxy_alternative_upstream_name": st.sampled_from([b"", b"default-canary-80"]),
    "scheme": st.sampled_from([b"http", b"https"]),
    "is_args": st.just(b"?"),
}
FROM_A_CLIENT = {
    **dict.fromkeys(("remote_user", "http_referer", "http_user_agent", "req_id", "args"), st.none() | text),
    "request": text,
    "host": text.map(lambda host: re.sub(rb"[\0- /\x7f]|:.*", b"", host, flags=re.DOTALL)),  # nginx refuses others
    "request_uri": text.map(lambda uri: b"/" + uri),
    "uri": text.map(lambda uri: b"/" + uri.replace(b"?", b"")),
}
values = st.fixed_dictionaries(MADE_BY_NGINX | FROM_A_CLIENT)


def expected_value(name, value, escape):
    if value is None:
        return "-" if escape == "default" else ""
    if name in NUMBERS:
        return int(value)
    if name == "request_time":
        return float(value)
    return value.decode("utf-8", "backslashreplace")


def check(format_, values, states, escape):
    values = values | upstream_lists(states)
    compiled = compile_format(f"escape={escape} {format_}")
    line = render(format_, values, escape)
    record = compiled.parse(line)
    assert record, line
    assert record.fields == {name: expected_value(name, values.get(name), escape) for name in compiled.names}, line
    expected = attempts(states)
    if "$upstream_response_time" in format_ and "$upstream_response_length" in format_:
        assert [tuple(attempt)[:4] for attempt in record.attempts] == expected, line
    elif "$upstream_status" in format_:
        assert [(a.addr, a.status) for a in record.attempts] == [(addr, status) for addr, status, *_ in expected]
    else:
        assert [a.addr for a in record.attempts] == [addr for addr, *_ in expected]


@pytest.mark.parametrize("escape", ["default", "json"])
@pytest.mark.parametrize("name", FORMATS)
@given(values=values, states=states)
def test_values_come_back_as_they_were(name, escape, values, states):
    check(FORMATS[name], values, states, escape)


tame = st.text("abcXYZ019._~%/-", max_size=12).map(str.encode)


@given(values=values, more=st.fixed_dictionaries(dict.fromkeys(FROM_A_CLIENT, tame)), states=states)
@pytest.mark.parametrize("name", ["ingress-nginx", "json", "combined"])
def test_without_escaping_tame_values_come_back(name, values, more, states):
    check(FORMATS[name], values | more, states, "none")


BETWEEN = [n for n in range(len(INGRESS_NGINX)) if not re.search(r"\$\w*\Z", INGRESS_NGINX[:n])]
"""Where the format may be cut: nginx reads each piece by itself."""


@given(values=values, states=states, cuts=st.lists(st.sampled_from(BETWEEN), max_size=4))
def test_a_directive_reads_like_the_format_in_it(values, states, cuts):
    bounds = [0, *sorted(cuts), len(INGRESS_NGINX)]
    pieces = [INGRESS_NGINX[a:b] for a, b in pairwise(bounds)]
    quoted = [f"'{piece}'" if n % 2 else '"' + piece.replace('"', '\\"') + '"' for n, piece in enumerate(pieces)]
    directive = "log_format upstreaminfo " + "\n    ".join(quoted) + ";\n"
    assert compile_format(directive).text == INGRESS_NGINX
    line = render(INGRESS_NGINX, values | upstream_lists(states))
    assert compile_format(directive).parse(line) == compile_format(INGRESS_NGINX).parse(line)
