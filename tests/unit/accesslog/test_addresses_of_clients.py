"""No address that a client writes is taken for the upstream's, wherever in the format its text stands."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enricher.accesslog import envoy, haproxy, nginx
from enricher.accesslog.format_compiler import LogFormatError
from enricher.endpoints.slices import split_address

EVIL = "10.9.9.9"
EVIL_TEXTS = st.lists(
    st.sampled_from(
        [
            f"{EVIL}:80",
            f"{EVIL}:80,",
            f"{EVIL}:80",
            ", ",
            " : ",
            " ",
            ":",
            "-",
            "502",
            "[",
            "]",
            "{",
            "}",
            "|",
            "/",
            '"',
            "\\",
        ]
    ),
    min_size=1,
    max_size=6,
).map("".join)
SEPARATORS = [" ", " ", " ", ", ", ",", " : ", "|", ";", " [", "] ", '" "', ":", "=", "/", " - ", '"', "{", "}"]
ESCAPES = {
    nginx: lambda text: text.replace("\\", "\\x5C").replace('"', "\\x22"),
    haproxy: lambda text: re.sub(r'["#{|}]', lambda match: f"#{ord(match[0]):02X}", text),
    envoy: str,
}
OWN = {
    nginx: {
        "$upstream_status": "200",
        "$upstream_response_time": "0.001",
        "$status": "200",
        "$remote_addr": "192.0.2.7",
    },
    haproxy: {"%b/%s": "web/s1", "%ST": "200", "%tsc": "----", "%ci": "192.0.2.7", "%Ta": "5"},
    envoy: {"%RESPONSE_CODE%": "200", "%DURATION%": "5", "%RESPONSE_FLAGS%": "-", "%UPSTREAM_CLUSTER%": "shop"},
}
CHOSEN = {
    nginx: ["$host", "$http_host", "$http_user_agent", "$request", "$remote_user"],
    haproxy: ["%hr", "%hs", "%[capture.req.hdr(0)]", "%{+Q}r", "%HU", "%r"],
    envoy: ["%REQ(:AUTHORITY)%", "%REQ(USER-AGENT)%", "%REQ(:PATH)%", "%REQUESTED_SERVER_NAME%"],
}
ADDRESS = {nginx: "$upstream_addr", haproxy: "%si:%sp", envoy: "%UPSTREAM_HOST%"}


@pytest.mark.parametrize("proxy", OWN, ids=["nginx", "haproxy", "envoy"])
@settings(max_examples=250)
@given(data=st.data())
def test_addresses(proxy, data):
    own = data.draw(st.lists(st.sampled_from(list(OWN[proxy])), max_size=3, unique=True))
    chosen = data.draw(st.lists(st.sampled_from(CHOSEN[proxy]), min_size=1, max_size=2, unique=True))
    names = data.draw(st.permutations([ADDRESS[proxy], *own, *chosen]))
    separators = [data.draw(st.sampled_from(SEPARATORS)) for _ in names]
    try:
        compiled = proxy.compile_format("".join(map("".join, zip(names, separators, strict=True))))
    except LogFormatError:
        return
    values = OWN[proxy] | {ADDRESS[proxy]: data.draw(st.sampled_from(["10.0.0.1:80", "-"]))}
    if proxy is nginx and values["$upstream_addr"] != "-" and data.draw(st.booleans()):
        values |= {"$upstream_addr": "10.0.0.1:80, 10.0.0.2:80", "$upstream_status": "502, 200"}
        values |= {"$upstream_response_time": "0.001, 0.002"}
    for name in chosen:
        text = ESCAPES[proxy](data.draw(EVIL_TEXTS))
        text = text.replace(" ", "%20") if name in {"%HU", "%REQ(:PATH)%"} else text
        values[name] = f"{{{text}}}" if name in {"%hr", "%hs"} else f'"{text}"' if "+Q" in name else text
    line = "".join(values[name] + separator for name, separator in zip(names, separators, strict=True)).encode()
    for log_format in compiled if isinstance(compiled, tuple) else (compiled,):
        if record := log_format.parse(line):
            assert EVIL not in {split_address(attempt.addr)[0] for attempt in record.attempts}
            break


@pytest.mark.parametrize(
    ("proxy", "text"),
    [
        (nginx, "$status $upstream_addr:$http_host"),
        (nginx, "$status $upstream_addr/$request"),
        (nginx, "$status $upstream_addr, $http_user_agent"),
        (nginx, "$status $upstream_addr,$remote_user"),
        (envoy, "%RESPONSE_CODE% %UPSTREAM_HOST%:%REQ(:AUTHORITY)%"),
        (haproxy, "%ST %si:%sp/%r"),
        (haproxy, "%ST %si:%sp:%[capture.req.hdr(0)]"),
    ],
)
def test_formats_in_which_nothing_ends_the_address_are_refused(proxy, text):
    with pytest.raises(LogFormatError, match="put a space or quotes between"):
        proxy.compile_format(text)


@pytest.mark.parametrize(
    ("proxy", "text"),
    [
        (nginx, "$upstream_addr $http_host"),
        (nginx, "$upstream_addr|$http_host"),
        (nginx, '$upstream_addr, "$http_host"'),
        (nginx, "$upstream_addr, $http_host, $upstream_status"),
        (nginx, "$upstream_addr:$upstream_status $http_host"),
        (nginx, '"$upstream_addr" "$http_host"'),
        (envoy, "%RESPONSE_CODE% %UPSTREAM_HOST%|%REQ(:AUTHORITY)%"),
        (haproxy, "%si:%sp|%[capture.req.hdr(0)]"),
    ],
)
def test_other_formats_are_not(proxy, text):
    assert proxy.compile_format(text)
