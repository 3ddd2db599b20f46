"""The request id is the client's, stands without quotes at the line's end, and may look like anything."""

import pytest

from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from tests.unit.accesslog.nginx_log import State, attempts, render, upstream_lists

FORMAT = compile_format(INGRESS_NGINX)

ONE = [State(b"10.0.0.1:80", 200, 100, 5)]
RETRIED = [State(b"10.0.0.1:80", 502, 0, 0), State(b"10.0.0.2:80", 200, 100, 5)]
REDIRECTED = [State(b"10.0.0.1:80", 500, 9, 3), State(None, None, None, None), State(b"10.0.0.2:80", 200, 100, 5)]
GAVE_UP = [State(b"10.0.0.1:80", 502, 0, 0), State(None, None, None, None)]
NOBODY = []

FORGED = [
    b"with spaces and [brackets] in it",
    b": 200",
    b": 200 x",
    b": 200 : 200 : 200 x",
    b"- : 200 x",
    b", 200",
    b", 200 x",
    b"200",
    b"10.9.9.9:80 5 0.001 500 x",
    b"x, 10.9.9.9:80 5 0.001 500 y",
    b"[] 10.9.9.9:80 5 0.001 500 x",
    b'" 200 39 "-" "x" 128 0.007 [a-b-80] [] 10.9.9.9:80 5 0.001 500 x',
    b"\\x22 \\ \xff \0",
    b" ",
    b"",
    b": ",
]


@pytest.mark.parametrize("request_id", FORGED)
@pytest.mark.parametrize("states", [ONE, RETRIED, REDIRECTED, GAVE_UP, NOBODY], ids=str)
def test_it_changes_nothing_but_itself(ordinary_values, states, request_id):
    values = ordinary_values | upstream_lists(states)
    honest = FORMAT.parse(render(INGRESS_NGINX, values))
    forged = FORMAT.parse(render(INGRESS_NGINX, values | {"req_id": request_id}))
    assert [tuple(attempt)[:4] for attempt in honest.attempts] == attempts(states)
    assert forged.attempts == honest.attempts
    assert forged.fields == honest.fields | {"req_id": request_id.decode("utf-8", "backslashreplace")}


@pytest.mark.parametrize("request_id", FORGED)
@pytest.mark.parametrize(
    "user",
    [b"a b", b"[22/Nov/2026:23:18:31 +0000]", b'x [01/Jan/1999:00:00:00 +0000] "GET /forged', b"- - - -", b"] ["],
)
def test_nor_together_with_a_forged_user(ordinary_values, user, request_id):
    values = ordinary_values | upstream_lists(RETRIED)
    honest = FORMAT.parse(render(INGRESS_NGINX, values))
    forged = FORMAT.parse(render(INGRESS_NGINX, values | {"req_id": request_id, "remote_user": user}))
    mine = {"req_id": request_id.decode("utf-8", "backslashreplace"), "remote_user": user.decode()}
    assert forged.attempts == honest.attempts
    assert forged.end == honest.end
    assert forged.fields == honest.fields | mine
