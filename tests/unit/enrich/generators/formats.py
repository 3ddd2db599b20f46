"""The formats of all proxies, those with names and any that a user might have, and lines of them."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import orjson

from enricher.accesslog import envoy, haproxy, nginx, traefik
from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.format_compiler import LogFormatError
from enricher.accesslog.json_format import JsonFormat
from enricher.accesslog.profiles import (
    COMBINED,
    FORWARDED,
    PROFILES,
    UPSTREAMS,
    UPSTREAMS_GRPC,
    Format,
    Formats,
    profile_formats,
)
from enricher.timestamps import SECOND, format_rfc3339
from tests.unit.enrich.generators.json_lines import dump_odd, envoy_object, traefik_object
from tests.unit.enrich.generators.nginx_values import nginx_value
from tests.unit.enrich.generators.proxy_values import envoy_value, haproxy_value, traefik_value
from tests.unit.enrich.generators.requests import NOW, Request
from tests.unit.enrich.generators.traced import B3, NAMES, PAIRS, PARENTS, add_keys, trace_value
from tests.unit.enrich.generators.try_lines import JSON_FORMAT, TEXT_FORMATS, lines_of_tries

NGINX_JSON = (
    'escape=json {"time": "$time_iso8601", "client": "$remote_addr", "user": "$remote_user", "request": "$request", '
    '"status": $status, "bytes": $bytes_sent, "took": $request_time, "upstream": "$upstream_addr", '
    '"upstream_status": "$upstream_status", "upstream_time": "$upstream_response_time", "id": "$req_id"}'
)
NGINX_SHORT = '$remote_addr "$request" $status $upstream_addr $upstream_status $msec'
NGINX_HEADER_TIME = (
    '$remote_addr [$time_local] "$request" $status $upstream_addr $upstream_status $upstream_response_time '
    '$upstream_header_time $upstream_response_length $request_time "$upstream_http_x_pod"'
)
NGINX_KEYED = (
    'ts=$msec client=$remote_addr request="$request" status=$status upstream="$upstream_addr" us="$upstream_status" '
    'ut="$upstream_response_time" name=$proxy_upstream_name host="$host" rt=$request_time pod="$upstream_http_x_pod"'
)
NGINX_CLIENT_STATUS = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_user_agent" $request_time '
    "$upstream_response_time $upstream_response_length $upstream_addr [$ingress_name]"
)
NGINX_SESSIONS = (
    "[$remote_addr] [$time_local] $protocol $status $bytes_sent $bytes_received $session_time $upstream_addr "
    "$upstream_bytes_received $upstream_connect_time"
)
TWO_LINES_IN_ONE = nginx.INGRESS_NGINX.replace("$req_id", "$host")
"""The same lines fit it as fit ingress-nginx's default, and its last word is another variable."""

Writer = Callable[[Request], bytes]


@dataclass
class Setup:
    """The formats of a run, and what writes their lines."""

    description: str
    detector: Callable[[], FormatDetector]
    write: Writer
    profile: str = ""
    """The profile of the source itself."""
    changes: list[tuple[int, Callable[[FormatDetector], None]]] = field(default_factory=list)
    """What happens to the formats, and when (ns)."""
    has_tries: bool = False
    """Whether the lines of tries are written beside those of requests."""

    def write_all(self, request: Request) -> list[bytes]:
        """Return the lines of a request."""
        text = self.write(request)
        return lines_of_tries(request, text, self.write(request)) if self.has_tries else [text]


def writer(log_format: Format) -> Writer:
    """Return what writes the lines of a format."""
    if isinstance(log_format, JsonFormat):
        make = traefik_object if log_format.dialect is traefik.TRAEFIK_JSON else envoy_object
        return lambda request: dump_odd(make(log_format, request), request)
    values = {
        **dict.fromkeys(map(id, (nginx.NGINX, nginx.NGINX_CLIENT_STATUS, nginx.NGINX_SESSIONS)), nginx_value),
        **dict.fromkeys(map(id, envoy.DIALECTS), envoy_value),
        **dict.fromkeys(map(id, haproxy.DIALECTS), haproxy_value),
        id(traefik.TRAEFIK_COMMON): traefik_value,
    }[id(log_format.dialect)]
    escape = {id(traefik.TRAEFIK_COMMON): "quotes"}.get(id(log_format.dialect), log_format.escape)
    pieces = [(token.variable, token.literal.encode()) for token in log_format.tokens]

    def write(request: Request) -> bytes:
        known: dict[str, bytes] = {}
        for name, _ in pieces:
            if name not in known:
                known[name] = values(name, request, escape) if name else b""
                if name in NAMES:
                    known[name] = trace_value(name, request.rng)
        return b"".join(known[name] if name else literal for name, literal in pieces)

    return write


def _configured(text: str, formats: Formats) -> Setup:
    writers = [writer(log_format) for log_format in formats]

    def write(request: Request) -> bytes:
        return (
            writers[0](request)
            if len(writers) == 1 or request.rng.random() < 0.6
            else request.rng.choice(writers)(request)
        )

    return Setup(text, lambda: FormatDetector(formats), write)


# --- formats that a user might have -----------------------------------------------------------------------------------

NGINX_NAMES = (
    *("remote_addr", "remote_user", "time_local", "time_iso8601", "msec", "request", "status", "bytes_sent"),
    *("request_time", "proxy_upstream_name", "proxy_alternative_upstream_name", "upstream_response_time", "scheme"),
    *("upstream_response_length", "upstream_header_time", "req_id", "http_user_agent", "connection", "host", "pod"),
    *("upstream_trailer_grpc_status", "upstream_http_x_pod", "namespace", "upstream_connect_time", "request_length"),
    *("request_method", "request_uri", "server_protocol", "upstream_bytes_sent", "ingress_name", "session_time"),
    *("uri", "args", "http_host", "server_name", "ssl_protocol", "ssl_cipher", "request_id", "pipe", "hostname", "pid"),
)
ENVOY_OPERATORS = (
    *("START_TIME", "RESPONSE_CODE", "RESPONSE_FLAGS", "DURATION", "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)", "PROTOCOL"),
    *("UPSTREAM_CLUSTER_RAW", "GRPC_STATUS_NUMBER", "DOWNSTREAM_REMOTE_ADDRESS", "UPSTREAM_REQUEST_ATTEMPT_COUNT"),
    *("REQ(USER-AGENT)", "REQ(:AUTHORITY)", "REQ(:METHOD)", "REQ(:PATH)", "BYTES_SENT", "RESP(X-POD)", "ROUTE_NAME"),
    *("UPSTREAM_TRANSPORT_FAILURE_REASON", "BYTES_RECEIVED", "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "REQ(X-A)"),
    *("COMMON_DURATION(US_TX_BEG:US_RX_BEG:us)", "COMMON_DURATION(US_TX_END:US_RX_END:ms)", "RESPONSE_DURATION"),
    *("COMMON_DURATION(DS_RX_END:US_RX_BEG:ns)", "REQUEST_TX_DURATION", "REQUEST_DURATION", "RESPONSE_TX_DURATION"),
    *("FILTER_CHAIN_NAME", "DOWNSTREAM_TLS_VERSION", "DOWNSTREAM_LOCAL_ADDRESS"),
)
ENVOY_ADDRESSES = (
    *(("UPSTREAM_HOST",),) * 4,
    *(("UPSTREAM_REMOTE_ADDRESS",), ("UPSTREAM_HOST_NAME",), ("UPSTREAM_HOST", "UPSTREAM_REMOTE_ADDRESS")),
    *(("UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "UPSTREAM_REMOTE_PORT"), ("UPSTREAM_HOST_NAME_WITHOUT_PORT",)),
)
HAPROXY_VARIABLES = (
    *("ci", "cp", "tr", "t", "T", "Ts", "ft", "b", "s", "TR", "Tw", "Tc", "Tr", "Ta", "Tt", "ST", "B", "CC", "tsc"),
    *("ac", "rc", "sq", "hr", "hs", "HM", "HU", "HV", "ID", "H"),
)
BETWEEN = (" ",) * 6 + (" - ", "|", ";", " [", "] ", " x=", ", ", " : ", "=", "\t")


def _is_text(name: str) -> bool:
    return name in {"request", "remote_user", "req_id", "http_user_agent", "host"} or name.startswith(("http_", "REQ("))


def _join(rng: random.Random, names: list[str], spell: Callable[[str], str]) -> str:
    """Return a format of these variables; most texts stand between quotes."""
    text = ""
    for name in names:
        quoted = rng.random() < (0.85 if _is_text(name) else 0.15)
        text += (rng.choice(BETWEEN) if text else "") + (f'"{spell(name)}"' if quoted else spell(name))
    return text


def any_nginx(rng: random.Random) -> Setup:
    """Return some format of nginx's with an upstream, mostly."""
    lists = rng.choices((["upstream_addr", "upstream_status"], ["upstream_addr", "status"], []), (8, 2, 1))[0]
    names = [*rng.sample(NGINX_NAMES, rng.randint(1, 8)), *lists]
    rng.shuffle(names)
    if rng.random() < 0.05:
        names.append(rng.choice(names))
    escape = rng.choices(("", "escape=json ", "escape=none "), (6, 3, 1))[0]
    if escape == "escape=json " and rng.random() < 0.7:
        members = ", ".join(f'"{name}": "${name}"' for name in names)
        text = f"{{{members}}}"
    else:
        text = _join(rng, names, lambda name: f"${name}")
    return _configured(escape + text, (nginx.compile_format(escape + text),))


def any_envoy(rng: random.Random) -> Setup:
    """Return some format string, or JSON object of format strings, of Envoy's."""
    names = list({*rng.sample(ENVOY_OPERATORS, rng.randint(2, 9)), *rng.choice(ENVOY_ADDRESSES), "RESPONSE_CODE"})
    names.sort()
    rng.shuffle(names)
    if rng.random() < 0.4:
        strings = {f"k{n}" if rng.random() < 0.5 else name: f"%{name}%" for n, name in enumerate(names)}
        strings["both"] = "%PROTOCOL% %RESPONSE_CODE%"
        text = orjson.dumps(strings).decode()
    else:
        text = _join(rng, names, lambda name: f"%{name}%")
    return _configured(text, (envoy.compile_format(text),))


def any_haproxy(rng: random.Random) -> Setup:
    """Return some `log-format` of HAProxy's."""
    addresses = rng.choice((("si:%sp",), ("si:%sp",), ("si",), ("si", "sp"), ()))
    names = [*rng.sample(HAPROXY_VARIABLES, rng.randint(2, 9)), *addresses, "ST", "r"]
    names = list(dict.fromkeys(names))
    rng.shuffle(names)
    text = " ".join("%{+Q}r" if name == "r" else f"%{name}" for name in names)
    return _configured(text, haproxy.compile_format(text))


def _any(make: Callable[[random.Random], Setup]) -> Callable[[random.Random], Setup]:
    def make_valid(rng: random.Random) -> Setup:
        while True:
            try:
                return make(rng)
            except LogFormatError:
                continue

    return make_valid


def _nginx(*texts: str) -> Callable[[random.Random], Setup]:
    def make(rng: random.Random) -> Setup:
        text = rng.choice(texts)
        return _configured(text, (nginx.compile_format(text),))

    return make


def _envoy(*texts: str) -> Callable[[random.Random], Setup]:
    def make(rng: random.Random) -> Setup:
        text = rng.choice(texts)
        return _configured(text, (envoy.compile_format(text),))

    return make


def _tries(*texts: str) -> Callable[[random.Random], Setup]:
    return lambda rng: replace(_envoy(*texts)(rng), has_tries=True)


def _haproxy(rng: random.Random) -> Setup:
    text = rng.choice((haproxy.HTTPLOG_ADDRESSED, haproxy.HTTPLOG))
    return _configured(text, haproxy.compile_format(text))


def _traefik(text: str) -> Callable[[random.Random], Setup]:
    return lambda _: _configured(text, traefik.compile_format(text))


# --- several formats at a time ----------------------------------------------------------------------------------------


def profile(rng: random.Random) -> Setup:
    """Return the formats of a profile: that of all sources, or of the one source."""
    name = rng.choice(sorted(PROFILES))
    setup = _configured(f"profile {name}", profile_formats(name))
    if rng.random() < 0.5:
        return Setup(setup.description, lambda: FormatDetector(profile=name), setup.write)
    return Setup(f"{setup.description} of the source", FormatDetector, setup.write, profile=name)


def detected(rng: random.Random) -> Setup:
    """Return the formats of a profile that is to be detected."""
    name = rng.choice(sorted(PROFILES))
    setup = _configured(f"detected {name}", profile_formats(name))
    return Setup(setup.description, FormatDetector, setup.write)


def changing(rng: random.Random) -> Setup:
    """Return formats that follow one another, with a change close to the lines or far from them."""
    texts = rng.sample(
        (
            *(nginx.INGRESS_NGINX, TWO_LINES_IN_ONE, NGINX_JSON, NGINX_SHORT, f"escape=json {nginx.INGRESS_NGINX}"),
            *(f"{nginx.INGRESS_NGINX} $host", UPSTREAMS, f"escape=none {nginx.INGRESS_NGINX}"),
        ),
        3,
    )
    formats = [nginx.compile_format(text) for text in texts]
    writers = [writer(log_format) for log_format in formats]
    started = NOW + rng.choice((-3600, -700, -30, -5, 3, 60)) * SECOND
    changed = NOW + rng.choice((-620, -601, -599, -11, -9, 0, 2, 5, 15, 600)) * SECOND
    known = rng.choice((0, 1, 4)) * SECOND

    def write(request: Request) -> bytes:
        newest = (request.end >= started) + (request.end >= changed)
        return writers[newest if request.rng.random() < 0.9 else request.rng.randrange(3)](request)

    starts_with = rng.random() < 0.5

    def detector() -> FormatDetector:
        if starts_with:
            made = FormatDetector(profile="ingress-nginx")
            made.default.start_with((formats[0],), started)
        else:
            made = FormatDetector((formats[0],))
            made.default.add_change((formats[1],), started, started)
        return made

    change = (changed + known, lambda made: made.default.add_change((formats[2],), changed, changed + known))
    description = (
        f"{texts[0]!r}, then {texts[1]!r} at {format_rfc3339(started)}, {texts[2]!r} at {format_rfc3339(changed)}"
    )
    return Setup(description, detector, write, changes=[change])


def two_escapes(rng: random.Random) -> Setup:
    """Return one text with two ways to escape, or two formats that the same lines fit."""
    pairs = [
        (nginx.INGRESS_NGINX, f"escape=json {nginx.INGRESS_NGINX}"),
        (f"escape=json {nginx.INGRESS_NGINX}", nginx.INGRESS_NGINX),
        (nginx.INGRESS_NGINX, TWO_LINES_IN_ONE),
        (UPSTREAMS_GRPC, UPSTREAMS, FORWARDED, COMBINED),
        (NGINX_HEADER_TIME, f"escape=none {NGINX_HEADER_TIME}"),
    ]
    texts = rng.choice(pairs)
    return _configured(" or ".join(texts), tuple(map(nginx.compile_format, texts)))


def traced(rng: random.Random) -> Setup:
    """Return a format with ids of traces, of any proxy."""
    names = [*rng.choice(PAIRS), rng.choice(PARENTS), rng.choice(B3)]
    rng.shuffle(names)
    names = names[: rng.randint(1, 4)]
    quoted, keyed = " ".join(f'"${name}"' for name in names), [f'"{name}": "${name}"' for name in names]
    operators = ["TRACE_ID", "SPAN_ID", "REQ(TRACEPARENT)", "REQ(B3)", "REQ(X-B3-TRACEID)", "REQ(X-B3-SPANID)"]
    operators = [f"%{name}%" for name in rng.sample(operators, rng.randint(1, 3))]
    members = orjson.loads(JSON_FORMAT) | {f"k{n}": operator for n, operator in enumerate(operators)}
    setups = (
        _nginx(f"{nginx.INGRESS_NGINX.removesuffix('$req_id')}{quoted}"),
        _nginx(f"escape=json {nginx.INGRESS_NGINX.removesuffix('$req_id')}{quoted}"),
        _nginx(f"{NGINX_JSON[:-1]}, {', '.join(keyed)}}}"),
        _envoy(f"{envoy.DETAILED} {' '.join(operators)}", orjson.dumps(members).decode()),
        _tries(f"{envoy.DEFAULT} %ACCESS_LOG_TYPE% {operators[0]}"),
        lambda _: _configured(
            "haproxy", haproxy.compile_format(f'{haproxy.HTTPLOG_ADDRESSED} "%[req.hdr(traceparent)]"')
        ),
        _keyed(_traefik("json")),
        _keyed(_envoy(envoy.GATEWAY)),
    )
    return rng.choice(setups)(rng)


def _keyed(make: Callable[[random.Random], Setup]) -> Callable[[random.Random], Setup]:
    """Return what makes a format of JSON objects that have keys with ids besides."""

    def make_keyed(rng: random.Random) -> Setup:
        setup = make(rng)
        return replace(setup, write=lambda request: add_keys(setup.write(request), request))

    return make_keyed


FAMILIES: dict[str, Callable[[random.Random], Setup]] = {
    "ingress-nginx": _nginx(nginx.INGRESS_NGINX),
    "nginx custom": _nginx(NGINX_SHORT, NGINX_HEADER_TIME, NGINX_KEYED, UPSTREAMS, UPSTREAMS_GRPC, FORWARDED),
    "nginx json": _nginx(NGINX_JSON, f"escape=json {nginx.INGRESS_NGINX}", f"escape=json {NGINX_HEADER_TIME}"),
    "nginx none": _nginx(
        f"escape=none {nginx.INGRESS_NGINX}",
        f"escape=none {NGINX_SHORT}",
        "escape=none $uri|$upstream_addr $upstream_status",
    ),
    "nginx client status": _nginx(NGINX_CLIENT_STATUS, f"escape=json {NGINX_CLIENT_STATUS}", NGINX_SESSIONS),
    "any nginx": _any(any_nginx),
    "envoy text": _envoy(envoy.DETAILED_WITH_TIMES, envoy.DETAILED, envoy.ISTIO, envoy.DEFAULT),
    "envoy json": _envoy(envoy.GATEWAY),
    "envoy tries": _envoy(f"{envoy.DEFAULT} %ACCESS_LOG_TYPE%", f"{envoy.DETAILED} %ACCESS_LOG_TYPE%"),
    "envoy pairs": _tries(*TEXT_FORMATS),
    "envoy json pairs": _tries(JSON_FORMAT),
    "any envoy": _any(any_envoy),
    "haproxy": _haproxy,
    "any haproxy": _any(any_haproxy),
    "traefik common": _traefik("common"),
    "traefik json": _traefik("json"),
    "traced": traced,
    "profile": profile,
    "detected": detected,
    "changing": changing,
    "two escapes": two_escapes,
}
"""What makes the formats of a run, by the kind of format."""
