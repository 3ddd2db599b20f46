"""The attempts of nginx's lines that have the client's `$status`, but no `$upstream_status`. Pure.

What the client got is the result of the last attempt. The attempts before it failed, or nginx would not have gone on to
another upstream; their own results are not known. TCP and UDP sessions (ngx_stream) have no other status. A pod sends
no status in them: a 5xx is always nginx's own.

An internal redirect may have replaced the answer of the first group of upstreams by an error page. Then a 5xx is that
of the first group. All other statuses may come from either.
"""

from enricher.accesslog.dialect import Fact, Facts
from enricher.accesslog.record import Attempt, is_server_error, parse_status
from enricher.vocabulary import Origin

SESSION_VARIABLES = frozenset({"session_time", "protocol", "upstream_session_time", "upstream_first_byte_time"})
"""Variables that only ngx_stream has."""


def facts_by_client_status(facts: Facts, *, are_sessions: bool) -> Facts:
    """Return the facts of lines without `$upstream_status`, from those of lines with it."""
    derive_outcome = facts.outcome.derive
    attempts = facts.attempts or Fact((), list)

    def judge(attempt: Attempt) -> Attempt:
        return attempt._replace(made_by=Origin.PROXY) if are_sessions and attempt.failed else attempt

    def parse_outcome(status: bytes, *others: bytes) -> Attempt | None:
        attempt: Attempt | None = derive_outcome(status, *others)
        # Of a line's attempts in columns, only the last has the line's status.
        return attempt and judge(attempt._replace(given_up=not status))

    def parse_attempts(status: bytes, addr: bytes, _upstream_status: bytes, *others: bytes) -> list[Attempt]:
        return list(map(judge, _assign_status(parse_status(status), attempts.derive(addr, b"", *others))))

    return facts._replace(
        outcome=Fact(("status", *facts.outcome.variables[1:]), parse_outcome),
        attempts=Fact(("status", *attempts.variables), parse_attempts),
    )


def _assign_status(status: int | None, attempts: list[Attempt]) -> list[Attempt]:
    """Return the attempts, with the status that the client got on the one that it is the result of."""
    groups = [attempt.redirects for attempt in attempts]
    last = (groups.count(0) if is_server_error(status) else 0) or len(groups)
    return [
        attempt._replace(
            status=status if number == last else None, given_up=groups[number : number + 1] == [attempt.redirects]
        )
        for number, attempt in enumerate(attempts, 1)
    ]
