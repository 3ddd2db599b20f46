"""Variables with nothing between them: one text if neither matters, and brackets around an address."""

import random

import pytest

from enricher.accesslog import envoy, haproxy
from enricher.accesslog.format_compiler import LogFormatError
from enricher.accesslog.nginx import compile_format

TEXTS = ("upstream_host", "upstream_uri", "http_x", "cookie_y", "scheme", "pipe", "ssl_cipher", "geoip_city")
FIELDS = {
    "remote_addr": "10.9.0.7",
    "time_local": "22/Nov/2026:23:19:13 +0000",
    "status": "502",
    "request_time": "0.004",
    "upstream_addr": "10.42.1.21:8080, 10.42.2.22:8080",
    "upstream_status": "502, 200",
    "upstream_response_time": "0.001, 0.003",
}
VALUES = ("", "-", "a", "/b?c", "shop.example/cart", "10.0.0.9:80, 10.0.0.8:80", "] [x", "502, 200")


def test_what_is_glued_costs_nothing_else():
    """In formats of fields in any order, in quotes or brackets, two or three texts are glued together anywhere."""
    for seed in range(300):
        rng = random.Random(seed)
        names, values = rng.sample(TEXTS, rng.choice((2, 2, 3))), rng.choices(VALUES, k=3)
        pieces = [("".join(f"${name}" for name in names), "".join(values))]
        pieces += [(f"${name}", value) for name, value in FIELDS.items()]
        rng.shuffle(pieces)
        quotes = [rng.choice(('"{}"', "[{}]")) if value in FIELDS.values() else '"{}"' for _, value in pieces]
        text = " ".join(quote.format(name) for quote, (name, _) in zip(quotes, pieces, strict=True))
        line = " ".join(quote.format(value) for quote, (_, value) in zip(quotes, pieces, strict=True))
        record = compile_format(text).parse(line.encode())
        assert record is not None, (text, line)
        assert record.fields["_".join(names)] == "".join(values)
        assert [(attempt.addr, attempt.status) for attempt in record.attempts] == [
            ("10.42.1.21:8080", 502),
            ("10.42.2.22:8080", 200),
        ]


@pytest.mark.parametrize("name", [*FIELDS, "upstream_bytes_sent", "namespace", "msec", "request_length"])
@pytest.mark.parametrize("is_first", [True, False])
def test_what_matters_is_not_glued(name, is_first):
    glued = f"${name}$http_x" if is_first else f"$http_x${name}"
    with pytest.raises(LogFormatError, match=r"nothing separates \$"):
        compile_format(f'"{glued}" $status')


@pytest.mark.parametrize("text", ["$proxy$host", "$upstream$addr", "$http_a$b $http_a_b"])
def test_the_joined_name_must_not_be_that_of_another_variable(text):
    with pytest.raises(LogFormatError, match="nothing separates"):
        compile_format(text)


def test_other_languages():
    record = envoy.compile_format('"%REQ(A)%%REQ(B)%" %RESPONSE_CODE%').parse(b'"a-b" 200')
    assert record is not None
    assert record.fields == {"http_a_http_b": "a-b", "status": 200}
    record = haproxy.compile_format('%ST "%HP%ID"')[0].parse(b'200 "/a?b"')
    assert record is not None
    assert record.fields == {"status": 200, "request_path_unique_id": "/a?b"}
    for compile_any, text in ((envoy.compile_format, "%REQ(A)%%RESPONSE_CODE%"), (haproxy.compile_format, "%ST%HP")):
        with pytest.raises(LogFormatError, match="nothing separates"):
            compile_any(text)


# --- brackets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("addr", ["10.0.0.1:80", "[fd00::1]:80", "10.0.0.1:80, [fe80::1%eth0]:80", "unix:/run/a", "-"])
@pytest.mark.parametrize("text", ["", "-", "x", "x][1", "][", ", 10.0.0.9:80", ", 10.0.0.9:80][y", "[fd00::9]:80"])
def test_a_bracket_ends_an_address(addr, text):
    record = compile_format("[$upstream_addr][rsp:$status][$http_x]").parse(f"[{addr}][rsp:200][{text}]".encode())
    assert record is not None
    assert (record.fields["upstream_addr"], record.fields["http_x"], record.status) == (addr, text, 200)
    record = compile_format("[$upstream_addr][$http_x]").parse(f"[{addr}][{text}]".encode())
    assert record is None or (record.fields["upstream_addr"], record.fields["http_x"]) == (addr, text)
    assert record is not None or "," in addr or text.startswith(("][", "[", ","))
