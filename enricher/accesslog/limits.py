"""The limits of log formats: the facts that their lines lack, in words for the user. Pure."""

from collections.abc import Collection, Iterator
from itertools import chain
from typing import NamedTuple

from enricher.accesslog import envoy, envoy_response_times, haproxy, nginx, traefik
from enricher.accesslog.dialect import Fact
from enricher.accesslog.profiles import Format, Formats


class _Spellings(NamedTuple):
    """The variables that facts are derived from, as a proxy's formats spell them."""

    addr: str
    status: str
    clock: str
    duration: str
    response_time: tuple[tuple[str, ...], ...]
    """The variables that together have the upstream's time: any of these sets suffices."""
    best_time: str
    """The spelling of the best of these; empty if there is none."""
    attempts: tuple[str, str] = ("", "")
    """The variable that holds the number of attempts, and how to get it; empty if lines list all attempts."""


_NGINX = _Spellings(
    addr="$upstream_addr",
    status="$status",
    clock="$msec, $time_iso8601 or $time_local",
    duration="$request_time",
    response_time=(("upstream_response_time",),),
    best_time="$upstream_response_time",
)
_TRAEFIK = _Spellings(
    addr="ServiceURL",
    status="DownstreamStatus",
    clock="StartUTC",
    duration="Duration",
    response_time=(("upstream_response_time",), ("request_time",)),
    best_time="OriginDuration",
    attempts=("retries", "choose the format json"),
)
_ENVOY = _Spellings(
    addr="%UPSTREAM_HOST%",
    status="%RESPONSE_CODE%",
    clock="%START_TIME%",
    duration="%DURATION%",
    response_time=envoy_response_times.KNOWN_BY,
    best_time="%COMMON_DURATION(US_TX_BEG:US_RX_BEG:ms)%",
    attempts=("upstream_attempts", "add %UPSTREAM_REQUEST_ATTEMPT_COUNT%"),
)
_HAPROXY = _Spellings(
    addr="%si:%sp",
    status="%ST",
    clock="%trg, %T or %Ts",
    duration="%Ta",
    response_time=(("request_time",), ("time_response",)),
    best_time="%Tr",
    attempts=("retries", "add %rc"),
)
_SPELLINGS = {
    nginx.NGINX: _NGINX,
    nginx.NGINX_CLIENT_STATUS: _NGINX,
    nginx.NGINX_SESSIONS: _NGINX._replace(duration="$session_time", response_time=(), best_time=""),
    **dict.fromkeys(envoy.DIALECTS, _ENVOY),
    **dict.fromkeys(haproxy.DIALECTS, _HAPROXY),
    traefik.TRAEFIK_COMMON: _TRAEFIK,
    traefik.TRAEFIK_JSON: _TRAEFIK,
}
_GUESSED_STATUSES = (
    "$status is taken for the result of the last attempt, "
    "and the attempts before it count as failures with an unknown status"
)


def limits_of(log_format: Format, names: Collection[str] | None = None) -> tuple[str, ...]:
    """Return the facts that a format's lines lack, each with the consequence and, if there is one, the remedy.

    `names` are the variables that have values in the lines, if these are fewer than those of the format.
    """
    return tuple(_limits(log_format, log_format.names if names is None else names))


def common_limits(formats: Formats) -> tuple[str, ...]:
    """Return the limits that all of these formats have."""
    all_limits = list(map(limits_of, formats))
    return tuple(limit for limit in dict.fromkeys(chain(*all_limits)) if all(limit in limits for limits in all_limits))


def _limits(log_format: Format, names: Collection[str]) -> Iterator[str]:
    dialect = log_format.dialect
    facts, spellings = dialect.facts, _SPELLINGS[dialect]

    def lacks(fact: Fact) -> bool:
        return not any(name in names for name in fact.variables)

    if lacks(facts.addr):
        advice = ": choose the format json" if spellings is _TRAEFIK else ""
        yield f"the log format does not name the upstream ({spellings.addr}): no line can be attributed{advice}"
        return
    if spellings is _HAPROXY and "upstream_addr" not in names:
        yield (
            "the log format has the names of servers, but not their addresses: only a server that is named after its "
            f"pod or its address is attributed: add {spellings.addr}"
        )
    yield from _limits_of_statuses(log_format, names, spellings)
    variable, advice = spellings.attempts
    if variable and variable not in names:
        yield f"the log format has no number of attempts: failures that a retry hid are not known: {advice}"
    if not any(name in names for name, _ in facts.clocks):
        yield (
            f"the log format has no time ({spellings.clock}): "
            "a line without the container runtime's stamp is attributed to the present holder of its address"
        )
    if lacks(facts.duration):
        yield (
            "the log format does not say how long a request took: "
            f"fewer attributions are certain while pods come and go: add {spellings.duration}"
        )
    if spellings.best_time and not any(all(name in names for name in times) for times in spellings.response_time):
        yield f"the log format does not say how long upstreams took: {_advice_on_times(log_format, spellings)}"


def _advice_on_times(log_format: Format, spellings: _Spellings) -> str:
    if spellings is not _ENVOY:
        return f"add {spellings.best_time}"
    header = "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"
    if "upstream_service_time" in log_format.names:
        header = f"let Envoy add the header of {header} (Envoy Gateway: enableEnvoyHeaders in a ClientTrafficPolicy)"
    return f"the duration of the request stands for it: add {spellings.best_time}, or {header}"


def _limits_of_statuses(log_format: Format, names: Collection[str], spellings: _Spellings) -> Iterator[str]:
    if log_format.dialect is nginx.NGINX_SESSIONS:
        yield f"the log format is that of TCP sessions, which have one status: {_GUESSED_STATUSES}"
    elif log_format.dialect is nginx.NGINX_CLIENT_STATUS:
        yield f"the log format has no $upstream_status: {_GUESSED_STATUSES}: add $upstream_status"
    elif "status" not in names:
        if log_format.dialect is not nginx.NGINX or "upstream_status" not in names:
            yield f"the log format has no status ({spellings.status}): no failure can be counted: add it"
        else:
            yield (
                f"the log format lacks the client's status ({spellings.status}): "
                "that of the last attempt is taken for it: add it"
            )
