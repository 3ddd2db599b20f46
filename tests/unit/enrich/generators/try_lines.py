"""The lines of a request in a log of Envoy with lines of tries: most have one try with lines of its own."""

import re

import orjson

from tests.unit.enrich.generators.requests import Request

TEXT_FORMATS = tuple(
    f"type=%ACCESS_LOG_TYPE% id=%REQ(X-REQUEST-ID)% {others}"
    for others in (
        "%START_TIME% %RESPONSE_CODE% %RESPONSE_FLAGS% %DURATION% %UPSTREAM_HOST% %UPSTREAM_CLUSTER% "
        "%DOWNSTREAM_REMOTE_ADDRESS% %BYTES_RECEIVED% %BYTES_SENT%",
        "%START_TIME% %RESPONSE_CODE% %DURATION% %UPSTREAM_HOST% %UPSTREAM_REQUEST_ATTEMPT_COUNT% "
        "%RESPONSE_CODE_DETAILS% %ROUTE_NAME% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %BYTES_SENT%",
        "%RESPONSE_CODE% %RESPONSE_FLAGS% %DURATION% %UPSTREAM_HOST% %BYTES_RECEIVED% %GRPC_STATUS_NUMBER%",
        '%START_TIME% %DURATION% "%REQ(:PATH)%" %RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_HOST% '
        "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% %BYTES_RECEIVED% %BYTES_SENT% %RESP(X-POD)%",
    )
)
JSON_FORMAT = orjson.dumps(
    {operator.strip("%").lower(): operator for operator in TEXT_FORMATS[0].replace("=", " ").split() if "%" in operator}
).decode()
_TYPE = re.compile(rb'(type(?:=|"\s*:\s*"))[\w-]+')
_ID = re.compile(rb'((?:\bid=|request-id\)"\s*:\s*"))[^\s"]+')


def lines_of_tries(request: Request, text: bytes, other: bytes) -> list[bytes]:
    """Return the lines of a request from one in a format with the type and the id, and another to differ from it."""
    rng = request.rng
    request_id = rng.choice((b"id-%d" % rng.randrange(12), b'"\xe4', b"-")) if rng.random() < 0.1 else b""
    request_id = request_id.replace(b'"', b"") or b"%x" % rng.getrandbits(60)
    shares = {b"UpstreamPoolReady": 0.8, b"UpstreamEnd": 0.95, b"DownstreamEnd": 0.96}
    types = [type_ for type_, share in shares.items() if rng.random() < share]
    if rng.random() < 0.05:
        rng.shuffle(types)
    lines = []
    for type_ in types:
        line = other if rng.random() < 0.15 else text
        line = _TYPE.sub(lambda match, type_=type_: match[1] + type_, line)
        lines.append(_ID.sub(lambda match: match[1] + request_id, line))
    return lines
