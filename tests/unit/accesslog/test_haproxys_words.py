"""Who made an answer, and why, by HAProxy's termination states: never a pod for what HAProxy made."""

from itertools import product
from pathlib import Path

import pytest

from enricher.accesslog import haproxy
from enricher.accesslog.haproxy_outcomes import REASONS
from enricher.accesslog.record import Attempt, Record
from enricher.enrich.causes import Symptom, symptom_of
from enricher.enrich.error_correlation import error_origin
from enricher.vocabulary import Origin

DOCS = Path(__file__).parents[3] / "docs" / "proxies" / "haproxy.md"
(FORMAT,) = haproxy.compile_format("%b/%s %si:%sp %ST %tsc")
(STATELESS,) = haproxy.compile_format("%b/%s %si:%sp %ST")
WHO, WHEN = "CcSsPLRIDUK", "RTQCHDL"
STATES = ["".join(letters) for letters in product(WHO, WHEN)]
BEFORE_THE_HEADER = [state for state in STATES if state[1] not in "DL"]
AFTER_IT = [state for state in STATES if state[1] in "DL"]


def record_of(status: int, state: str, server: str = "s1") -> Record:
    record = FORMAT.parse(
        f"shop/{server} {'-:-' if server == '<NOSRV>' else '10.0.0.1:80'} {status} {state}--".encode()
    )
    assert isinstance(record, Record)
    return record


def attempt_of(status: int, state: str) -> Attempt:
    (attempt,) = record_of(status, state).attempts
    return attempt


def symptom(attempt: Attempt) -> Symptom:
    reasons = (attempt.reason,) if attempt.reason else ()
    return symptom_of(attempt, error_origin(attempt), reasons, is_repeated=False)


@pytest.mark.parametrize(("state", "status"), list(product(BEFORE_THE_HEADER, (500, 502, 503, 504))))
def test_a_failure_before_the_servers_header_is_not_the_pods(state: str, status: int) -> None:
    attempt = attempt_of(status, state)
    assert (error_origin(attempt), attempt.answered) == (Origin.PROXY, False)
    assert attempt.reason == REASONS.get(state, "other")
    assert symptom(attempt) is not Symptom.OWN_ANSWER


@pytest.mark.parametrize(("state", "status"), list(product(["--", *AFTER_IT], (500, 502, 503, 504))))
def test_a_failure_with_the_servers_header_is_the_pods(state: str, status: int) -> None:
    attempt = attempt_of(status, state)
    assert (error_origin(attempt), symptom(attempt)) == (Origin.POD, Symptom.OWN_ANSWER)


@pytest.mark.parametrize("state", STATES)
def test_a_client_that_left_is_not_a_failure(state: str) -> None:
    if state[0] in "Cc":
        attempt = attempt_of(200, state)
        assert (attempt.made_by, attempt.reason) == ("", "")


@pytest.mark.parametrize("state", ["--", *STATES])
@pytest.mark.parametrize("server", ["s1", "<NOSRV>"])
def test_only_a_connection_that_had_no_server_means_that_nobody_is_live(state: str, server: str) -> None:
    record = record_of(503, state, server)
    assert record.nobody_is_live == ((state, server) == ("SC", "<NOSRV>"))
    assert len(record.attempts) == (server == "s1")


@pytest.mark.parametrize(("status", "made_by"), [(200, "pod"), (404, "pod"), (500, "unknown"), (503, "unknown")])
def test_without_the_state_it_is_open_who_failed(status: int, made_by: str) -> None:
    record = STATELESS.parse(f"shop/s1 10.0.0.1:80 {status}".encode())
    assert isinstance(record, Record)
    assert record.attempts[0].made_by == made_by


def test_the_docs_have_all_reasons() -> None:
    by_reason = dict[str, list[str]]()
    for state, reason in REASONS.items():
        by_reason.setdefault(reason, []).append(f"`{state}`")
    rows = [f"| {', '.join(states)} | `{reason}` |" for reason, states in by_reason.items()]
    assert [row for row in rows if row not in DOCS.read_text()] == []
