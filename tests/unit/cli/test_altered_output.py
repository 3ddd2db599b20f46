"""Lines of a daemon's output, any value of which a store has replaced: each is used or passed over, none is fatal."""

import orjson
import pytest

from enricher.cli.main import main
from enricher.cli.output_lines import parse_output
from tests.unit.test_hostile_state import paths, variants, with_value, without

ATTEMPT = {
    "addr": "10.0.0.1:80",
    "status": 502,
    "response_time": 0.1,
    "response_length": 3,
    "pod": "web-1",
    "namespace": "shop",
    "node": "n",
    "uid": "u-1",
    "service": "web",
    "attribution": "ambiguous",
    "candidates": [{"pod": "web-2", "namespace": "shop", "node": "n", "uid": "u-2"}],
    "outcome": "seen",
    "origin": "proxy",
    "reason": "refused",
    "cause": "crashed",
    "cause_grade": "likely",
    "state": "ready",
    "state_seconds": 1.5,
    "late_seconds": 1.0,
    "age_seconds": 2.0,
    "zone": "a",
    "zone_crossed": False,
    "workload": "web",
    "workload_kind": "Deployment",
    "revision": "5d4",
    "response_time_of": "request",
}
RECORD = {
    "time": "2026-11-22T23:18:31Z",
    "kind": "access",
    "status": 502,
    "request_time": 0.2,
    "host": "shop.example",
    "request_uri": "/cart/1",
    "attempts": [ATTEMPT, ATTEMPT | {"internal_redirect": True, "grpc_status": "INTERNAL"}],
    "pod": "web-1",
    "namespace": "shop",
    "service": "web",
    "route": "ingress/shop/cart",
    "gateway": "infra/main",
    "listener": "https",
    "client_pod": "client-1",
    "client_service": "client",
    "client_attribution": "exact",
    "logged_by": {"namespace": "edge", "pod": "proxy-1", "container": "envoy", "node": "n", "stream": "stdout"},
}
UNTRIED = {name: value for name, value in RECORD.items() if name != "attempts"} | {
    "attempts": [],
    "origin": "proxy",
    "reason": "no_endpoints",
    "cause": "no_endpoints",
    "cause_grade": "certain",
    "no_endpoints_since": "2026-11-22T23:00:00Z",
}
TRY = RECORD | {"kind": "try", "attempts": [ATTEMPT], "request_missing": "late"}
COMMANDS = [
    ("compare", "FILE", "FILE"),
    ("compare", "FILE", "FILE", "--by", "node", "--output", "json"),
    ("compare", "FILE", "FILE", "--output", "markdown"),
    ("diagnose", "FILE"),
    ("diagnose", "FILE", "--output", "json"),
    ("tail", "FILE"),
    ("tail", "FILE", "--errors", "--status", "5xx", "--slower-than", "1ms", "--route", "shop/*", "svc/web", "pod/w*"),
    ("tail", "FILE", "--request", "web", "-o", "json"),
    ("rollout", "web", "FILE"),
]


def altered_lines(record):
    """Yield the lines of a record with each value replaced by each other one, and with each left out."""
    for variant in variants(record):
        if isinstance(variant, dict):
            # A daemon's line begins with these.
            begin = {name: variant.get(name) for name in ("time", "kind")}
            yield orjson.dumps(begin | variant)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("record", [RECORD, UNTRIED, TRY], ids=["access", "untried", "try"])
def test_no_command_fails(tmp_path, endpoints, capfd, caplog, command, record):
    path = tmp_path / "output.jsonl"
    good = orjson.dumps(record) + b"\n"
    path.write_bytes(good * 5 + b"".join(line + b"\n" for line in altered_lines(record)))
    arguments = [str(path) if argument == "FILE" else argument for argument in command]
    codes = {0, 4, 5} | ({2, 3} if command[0] == "rollout" else set())  # there may be one revision, or none
    assert main([*arguments, "--endpoints", str(endpoints)]) in codes
    captured = capfd.readouterr()
    assert "lines were passed over" in captured.err + caplog.text
    assert all(character.isprintable() or character == "\n" for character in captured.out + captured.err)


def test_what_the_daemon_writes_is_taken():
    for record in (RECORD, UNTRIED, TRY):
        assert parse_output(orjson.dumps(record)) == record
        for path in paths(record):
            if path and path[-1] not in {"time", "kind", "logged_by", "addr", "status", "response_time", "attribution"}:
                assert parse_output(orjson.dumps(without(record, path)))


@pytest.mark.parametrize("name", ["response_time", "attribution", "late_seconds", "pod", "candidates"])
def test_other_types_are_not(name):
    """Stores like to make texts of numbers, and numbers of texts."""
    for value in (1, "1", [1], {"a": 1}):
        if type(value) is not type(ATTEMPT[name]) and not (name.endswith(("time", "seconds")) and value == 1):
            assert parse_output(orjson.dumps(with_value(RECORD, ("attempts", 0, name), value))) is None
