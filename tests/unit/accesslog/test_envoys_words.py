"""Who made an answer, and why, by Envoy's response flags and details: never a pod for what Envoy made."""

from itertools import product
from pathlib import Path

import pytest

from enricher.accesslog import envoy
from enricher.accesslog.envoy_outcomes import FLAGS, RESETS
from enricher.accesslog.record import Attempt
from enricher.enrich.causes import Symptom, symptom_of
from enricher.enrich.error_correlation import error_origin
from enricher.vocabulary import Origin

DOCS = Path(__file__).parents[3] / "docs" / "proxies" / "envoy.md"
(FORMAT,) = (
    envoy.compile_format("%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %GRPC_STATUS% %UPSTREAM_HOST%"),
)
(LONG,) = (envoy.compile_format("%RESPONSE_CODE% %RESPONSE_FLAGS_LONG% - %GRPC_STATUS% %UPSTREAM_HOST%"),)
HOST = "10.0.0.1:80"
FLAGS_OF_ANY_ANSWER = {"URX", "DI"}
CLIENT_LEFT = {"DC", "DR"}
UNCERTAIN = {"UO", "NEWFLAG"}
SHORT = [*(short for short, _ in FLAGS), "NEWFLAG"]
EXPLAINING = [flag for flag in SHORT if flag not in FLAGS_OF_ANY_ANSWER | CLIENT_LEFT]


def attempt_of(status: int, flags: str, details: str = "-", grpc: str = "-") -> Attempt:
    (attempt,) = FORMAT.parse(f"{status} {flags} {details} {grpc} {HOST}".encode()).attempts
    return attempt


def symptom(attempt: Attempt) -> Symptom:
    reasons = (attempt.reason,) if attempt.reason else ()
    return symptom_of(attempt, error_origin(attempt), reasons, is_repeated=False)


@pytest.mark.parametrize(
    ("flag", "status", "grpc"),
    list(product(EXPLAINING, ("500", "502", "503", "504", "200"), ("-", "Unavailable"))),
)
def test_no_flagged_failure_is_the_pods_own(flag: str, status: str, grpc: str) -> None:
    attempt = attempt_of(int(status), flag, grpc=grpc)
    if attempt.failed:
        assert error_origin(attempt) in {Origin.PROXY, Origin.UNKNOWN}
        assert symptom(attempt) is not Symptom.OWN_ANSWER
        assert not attempt.answered


@pytest.mark.parametrize(("flag", "other"), list(product(EXPLAINING, sorted(FLAGS_OF_ANY_ANSWER | CLIENT_LEFT))))
def test_what_a_flag_says_does_not_depend_on_flags_of_any_answer(flag: str, other: str) -> None:
    alone = attempt_of(503, flag)
    assert attempt_of(503, f"{other},{flag}") == attempt_of(503, f"{flag},{other}") == alone


@pytest.mark.parametrize("flags", ["-", *sorted(FLAGS_OF_ANY_ANSWER), "URX,DI"])
@pytest.mark.parametrize(("status", "grpc"), [(500, "-"), (503, "-"), (504, "-"), (200, "Unavailable")])
def test_without_a_flag_that_explains_it_a_failure_is_the_pods(flags: str, status: int, grpc: str) -> None:
    attempt = attempt_of(status, flags, grpc=grpc)
    assert error_origin(attempt) is Origin.POD
    assert symptom(attempt) is Symptom.OWN_ANSWER


@pytest.mark.parametrize("flags", [flag for flag in SHORT if flag not in CLIENT_LEFT])
def test_the_details_say_that_the_pod_answered(flags: str) -> None:
    attempt = attempt_of(503, flags, "via_upstream")
    assert (error_origin(attempt), attempt.reason, symptom(attempt)) == ("pod", "", Symptom.OWN_ANSWER)


@pytest.mark.parametrize(
    ("status", "flags", "details", "expected"),
    [
        (503, "UF", "upstream_reset_before_response_started{connection_timeout}", ("proxy", "timed_out")),
        (
            503,
            "UF",
            "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_111}",
            ("proxy", "refused"),
        ),
        (
            503,
            "UF",
            "upstream_reset_before_response_started{remote_connection_failure,delayed_connect_error:_113}",
            ("proxy", "unreachable"),
        ),
        (
            503,
            "UF",
            "upstream_reset_before_response_started{remote_connection_failure|TLS_error:|268435703:SSL_routines}",
            ("proxy", "tls"),
        ),
        (503, "UO", "upstream_reset_before_response_started{overflow}", ("proxy", "other")),
        (503, "UC", "upstream_reset_before_response_started{connection_termination}", ("proxy", "premature_close")),
        (500, "UC", "upstream_reset_after_response_started{connection_termination}", ("pod", "premature_close")),
        (504, "UT", "response_timeout", ("proxy", "timed_out")),
        (504, "-", "upstream_per_try_idle_timeout", ("proxy", "timed_out")),
        (503, "-", "no_healthy_upstream", ("proxy", "no_live_upstreams")),
        (503, "-", "ext_authz_denied", ("proxy", "other")),
        (500, "-", "lua_response", ("proxy", "other")),
        (503, "-", "direct_response", ("proxy", "other")),
        (503, "-", "rbac_access_denied_matched_policy[none]", ("proxy", "other")),
        (503, "UF,DC", "downstream_remote_disconnect", ("proxy", "unreachable")),
        (503, "DC", "downstream_remote_disconnect", ("pod", "")),
    ],
)
def test_details_are_more_precise_than_flags(status: int, flags: str, details: str, expected: tuple[str, str]) -> None:
    attempt = attempt_of(status, flags, details)
    assert (error_origin(attempt), attempt.reason) == expected


@pytest.mark.parametrize("reset", [*RESETS, "overflow", "local_reset", "something_new"])
def test_a_reset_before_an_answer_is_not_the_pods(reset: str) -> None:
    attempt = attempt_of(503, "-", f"upstream_reset_before_response_started{{{reset}}}")
    assert attempt.reason
    assert error_origin(attempt) is not Origin.POD


@pytest.mark.parametrize(("failure", "reason"), [("delayed connect error: 111", "refused"), ("-", "unreachable")])
def test_the_failure_of_the_transport_counts_only_if_no_connection_was_made(failure: str, reason: str) -> None:
    of_transport = envoy.compile_format(
        '%RESPONSE_CODE% %RESPONSE_FLAGS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %UPSTREAM_HOST%'
    )
    (failed,) = of_transport.parse(f'503 UF "{failure}" {HOST}'.encode()).attempts
    (answered,) = of_transport.parse(f'503 URX "{failure}" {HOST}'.encode()).attempts
    assert (failed.reason, error_origin(failed)) == (reason, "proxy")
    assert (answered.reason, error_origin(answered)) == ("", "pod")


@pytest.mark.parametrize("flag", sorted(CLIENT_LEFT))
def test_a_grpc_status_that_nobody_sent_is_not_the_pods(flag: str) -> None:
    attempt = attempt_of(200, flag, grpc="Unknown")
    assert (error_origin(attempt), symptom(attempt)) == ("unknown", Symptom.OTHER)
    assert not attempt_of(200, flag).made_by


@pytest.mark.parametrize(("short", "long"), list(FLAGS))
def test_long_forms_mean_the_same(short: str, long: str) -> None:
    for status, grpc in product((200, 408, 500, 502, 503, 504), ("-", "Unavailable")):
        (attempt,) = LONG.parse(f"{status} {long} - {grpc} {HOST}".encode()).attempts
        assert attempt == attempt_of(status, short, grpc=grpc)


@pytest.mark.parametrize("flag", sorted(UNCERTAIN))
def test_a_success_with_a_flag_of_unclear_meaning_is_the_pods(flag: str) -> None:
    attempt = attempt_of(200, flag)
    assert (attempt.made_by, attempt.reason) == ("pod", "")


@pytest.mark.parametrize("flag", SHORT)
def test_only_what_says_so_means_that_nobody_is_live(flag: str) -> None:
    record = FORMAT.parse(f"503 {flag} - - -".encode())
    assert (record.attempts, record.nobody_is_live) == ([], flag == "UH")
    assert FORMAT.parse(b"503 - no_healthy_upstream - -").nobody_is_live


def test_the_table_in_the_docs_is_that_of_the_program() -> None:
    by_meaning = dict[tuple[str, str], list[str]]()
    for (short, _), meaning in FLAGS.items():
        by_meaning.setdefault((meaning.made_by, meaning.reason), []).append(f"`{short}`")
    rows = [
        f"| {', '.join(flags)} | {f'`{maker}`' if maker else '–'} | {f'`{reason}`' if reason else '–'} |"
        for (maker, reason), flags in by_meaning.items()
    ]
    print("\n".join(rows))
    assert "\n".join(rows) in DOCS.read_text()
