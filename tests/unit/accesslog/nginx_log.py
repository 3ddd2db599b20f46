"""A line as nginx would write it: ngx_http_log_module.c and ngx_http_upstream.c, written down as plainly as can be."""

import re
from typing import NamedTuple

INGRESS_JSON = (
    '{"time": "$time_iso8601", "remote_addr": "$remote_addr", "user": "$remote_user", "request": "$request", '
    '"status": $status, "bytes": $body_bytes_sent, "ua": "$http_user_agent", "took": $request_time, '
    '"upstream": "$upstream_addr", "upstream_status": "$upstream_status", "upstream_time": "$upstream_response_time", '
    '"upstream_length": "$upstream_response_length", "proxy": "$proxy_upstream_name", "id": "$req_id"}'
)

MISSING = {"default": b"-", "json": b"", "none": b""}


class State(NamedTuple):
    """One entry of nginx's array of upstream states; None is what it does not know."""

    peer: bytes | None
    status: int | None
    time: int | None
    """ms"""
    length: int | None


def upstream_lists(states):
    """The four upstream variables; none of them is set where no upstream was asked."""
    if not states:
        return {}

    def write(element):
        out, i = "", 0
        while True:
            out += element(states[i])
            i += 1
            if i == len(states):
                return out.encode()
            if states[i].peer is not None:
                out += ", "
            else:
                out += " : "
                i += 1
                if i == len(states):
                    return out.encode()

    return {
        "upstream_addr": write(lambda s: (s.peer or b"").decode()),
        "upstream_status": write(lambda s: str(s.status) if s.status else "-"),
        "upstream_response_time": write(lambda s: "-" if s.time is None else f"{s.time // 1000}.{s.time % 1000:03}"),
        "upstream_response_length": write(lambda s: "-" if s.length is None else str(s.length)),
    }


def attempts(states):
    """The (address, status, ns, length) of the states that had a peer, but for separators, which have no place."""
    out, i = [], 0
    while i < len(states):
        if states[i].peer:
            s = states[i]
            out.append((s.peer.decode(), s.status, None if s.time is None else s.time * 1_000_000, s.length))
        i += 1
        if i < len(states) and states[i].peer is None:
            i += 1
    return out


def escaped(value, escape):
    if escape == "none":
        return value
    out = b""
    for byte in value:
        char = bytes([byte])
        if escape == "default":
            out += b"\\x%02X" % byte if char in b'"\\' or byte < 32 or byte > 126 else char
        elif char in b'"\\':
            out += b"\\" + char
        elif byte < 32:
            short = {b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t", b"\b": b"\\b", b"\f": b"\\f"}
            out += short.get(char, b"\\u%04X" % byte)
        else:
            out += char
    return out


def render(format_, values, escape="default"):
    """The line for values (bytes) by name; a variable that is not among them is missing."""

    def write(match):
        value = values.get((match[1] or match[2]).decode())
        return MISSING[escape] if value is None else escaped(value, escape)

    return re.sub(rb"\$(?:\{(\w+)\}|(\w+))", write, format_.encode())
