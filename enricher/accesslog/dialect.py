"""What the parsers of all proxies' logs have in common: how values are written, and what is derived from them. Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from enricher.accesslog.escaping import decode_text
from enricher.accesslog.gateways import GatewayListener
from enricher.accesslog.record import MAX_REQUEST_TIME, Attempt, Record, parse_integer
from enricher.accesslog.trace_ids import NO_TRACE, Trace
from enricher.vocabulary import Reason


class Token(NamedTuple):
    """A piece of a format: the name of a variable, or literal text."""

    variable: str
    literal: str
    position: int
    """The place of its first character in the format, counted from 1."""


class Fact(NamedTuple):
    """What a line says of its request, derived from the raw texts of some variables; b"" if the format lacks one."""

    variables: tuple[str, ...]
    derive: Callable[..., Any]
    recurs: bool = True
    """Whether most lines have one of a few combinations of values, so that results are worth remembering."""
    derive_all: Callable[..., Sequence[Any]] | None = None
    """Derives a fact that does not recur for many lines at once, from columns (see columns.py) of the variables."""
    dump_all: Callable[[Sequence[Any], Sequence[bytes]], Sequence[bytes]] | None = None
    """Converts the results of `derive_all`, and the first of these columns, to JSON; None if most results recur."""


NO_FACT = Fact((), lambda: None)
NO_TEXT = Fact((), str)


class Facts(NamedTuple):
    """What attributions and counts are derived from, in lines with at most one attempt.

    A record has all of them; `addr`, `outcome`, `response_time` and `response_length` are those of its only attempt.
    """

    addr: Fact
    """Returns the address of the upstream; empty if there is none, or not exactly one."""
    verbatim_addr: str
    """The variable whose text is that address as it is; empty if the address is put together from others."""
    outcome: Fact
    """Returns an Attempt with what is known of its outcome, but not its address, time and length; None for several."""
    response_time: Fact = NO_FACT
    """Returns ns, or None."""
    response_length: str = ""
    """The variable of the response's length."""
    duration: Fact = NO_FACT
    """Returns how long the request took, in ns, or None."""
    upstream_name: Fact = NO_TEXT
    """Returns the name of the group of upstreams that was asked."""
    client: str = ""
    """The variable of the client's address."""
    parse_client: Callable[[str], str] = str
    """Converts the text of that variable to the client's IP address."""
    end: Fact = Fact((), lambda: (None, 0))
    """Returns when the request ended by the proxy's clock, or None, and how much later it may have been, in ns."""
    clocks: tuple[tuple[str, Callable[[bytes], int | None]], ...] = ()
    """The variables that may hold the request's time by the proxy's clock, and their parsers to ns."""
    status: Fact = NO_FACT
    """Returns the HTTP status that the client got, or None."""
    route: Fact = NO_TEXT
    """Returns the route that the proxy chose, see routes.py, or an empty text."""
    listener: Fact = Fact((), GatewayListener)
    """Returns the GatewayListener by which the request came."""
    subrequest: tuple[str, bytes] = ("", b"")
    """A variable, and its text in the lines of subrequests that had an upstream; empty if the lines do not show them.
    """
    reported_pod: Fact = NO_TEXT
    """Returns the pod that the proxy itself names as the upstream, or an empty text."""
    clock_is_start: bool = False
    """Whether that is the time of the request's beginning, not of its end."""

    entry_type: str = ""
    """The variable that tells the lines of requests from those of their parts, see enrich/tries.py."""

    attempts: Fact | None = None
    """Returns the attempts, of which there may be several; None if a line has no more than one."""

    @property
    def variables(self) -> frozenset[str]:
        """Return all variables that facts are derived from."""
        names = {name for fact in self if isinstance(fact, Fact) for name in fact.variables}
        names |= {
            self.response_length,
            self.client,
            self.subrequest[0],
            self.entry_type,
            *(name for name, _ in self.clocks),
        }
        return frozenset(names) - {""}


class Column(NamedTuple):
    """How the values of a variable are found and written out."""

    pattern: str
    """A regular expression with one group: the raw text that facts are derived from."""
    is_text: bool = True
    """Whether the value is the inside of a JSON string; otherwise it is a whole JSON value."""
    convert: Callable[[Sequence[bytes]], Sequence[bytes]] | None = None
    """Converts raw texts to what is written out; None if they are written as they are, but for escapes."""
    recurs: bool = False
    """Whether most lines have one of a few values, so that it costs less to check these than to match each line's."""


class Dialect(NamedTuple):
    """How one proxy writes the values of its variables, and what they mean."""

    shape: Callable[[str], str | None]
    """Returns the shape of a variable (see nginx_variables.py), or None for text."""
    converter: Callable[[str, str], Callable[[bytes], Any]]
    """Returns, for a variable and the format's way to escape, what converts its raw text to the value to write out."""
    column: Callable[[str, str], Column | None]
    """Returns how the values of a variable are read and written in columns (see columns.py), or None for text."""
    facts: Facts
    """What is derived from columns."""
    essential: Collection[str]
    """The variables that attributions and counts are derived from."""
    lists: Collection[str] = ()
    """The variables that hold upstream lists."""
    prefix: str = ""
    """A regular expression for what may stand before a line."""


def end_after(start: int | None, duration: int | None, uncertainty: int) -> tuple[int | None, int]:
    """Return when a request ended that began at `start` (ns), and how much later it may have been, in ns.

    Without a duration it may have ended at any time in which a request can.
    """
    if start is None or duration is None:
        return start, MAX_REQUEST_TIME
    return start + duration, uncertainty


def ends_after(
    starts: Sequence[int | None], durations: Sequence[int | None], uncertainty: int
) -> Sequence[tuple[int | None, int]]:
    """Return the same for many requests."""
    if None in starts or None in durations:
        return [end_after(*both, uncertainty) for both in zip(starts, durations, strict=True)]
    return [(start + duration, uncertainty) for start, duration in zip(starts, durations, strict=True)]  # type: ignore[operator]


def make_record(facts: Facts, raw: Mapping[str, bytes], fields: dict[str, Any], trace: Trace = NO_TRACE) -> Record:
    """Return the record of a line's raw texts and its values, both by variable."""

    def derive(fact: Fact) -> Any:
        return fact.derive(*[raw.get(name, b"") for name in fact.variables])

    end, end_uncertainty = derive(facts.end)
    attempts = derive(facts.attempts) if facts.attempts else _sole_attempt(facts, raw, derive)
    status = derive(facts.status)
    if attempts and not any(name in raw for name in facts.status.variables):
        status = attempts[-1].status
    return Record(
        fields,
        attempts,
        end=end,
        end_uncertainty=end_uncertainty,
        duration=derive(facts.duration),
        upstream_name=derive(facts.upstream_name),
        client=facts.parse_client(decode_text(raw.get(facts.client, b""))),
        status=status,
        route=derive(facts.route),
        listener=derive(facts.listener),
        nobody_is_live=not (attempts or facts.attempts) and _nobody_is_live(derive(facts.outcome)),
        is_subrequest=bool(attempts) and raw.get(facts.subrequest[0]) == facts.subrequest[1],
        reported_pod=derive(facts.reported_pod),
        trace=trace,
    )


def _nobody_is_live(outcome: Attempt | None) -> bool:
    return outcome is not None and outcome.reason is Reason.NO_LIVE_UPSTREAMS


def _sole_attempt(facts: Facts, raw: Mapping[str, bytes], derive: Callable[[Fact], Any]) -> list[Attempt]:
    addr = derive(facts.addr)
    if not addr:
        return []
    length = parse_integer(raw.get(facts.response_length, b""))
    return [
        derive(facts.outcome)._replace(addr=addr, response_time=derive(facts.response_time), response_length=length)
    ]
