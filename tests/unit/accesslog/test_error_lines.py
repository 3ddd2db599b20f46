"""nginx's error lines: whom they are about, and nobody whom a client has written into them."""

import pytest

from enricher.accesslog.error_log import parse_error_line
from enricher.accesslog.own_lines import is_other_line

HEAD = b"2026/11/22 23:18:31 [error] 29#31: *5 "
REFUSED = b"connect() failed (111: Connection refused) while connecting to upstream"
CLIENT = b", client: 192.0.2.7, server: shop.example"
REQUEST = b', request: "GET / HTTP/1.1"'
UPSTREAM = b', upstream: "http://10.0.0.1:80/"'
HOST = b', host: "shop.example"'
FIELDS = {"client": "192.0.2.7", "server": "shop.example", "request": "GET / HTTP/1.1", "host": "shop.example"}


def test_all_that_it_says():
    error = parse_error_line(HEAD + REFUSED + CLIENT + REQUEST + UPSTREAM + HOST + b', referrer: "http://a/"')
    assert error.level == "error"
    assert error.connection == 5
    assert error.message == REFUSED
    assert error.upstream == "10.0.0.1:80"
    assert error.fields == FIELDS
    assert error.reason == "refused"


@pytest.mark.parametrize("referrer", [b"http://a/b c", b" ", b"a b c, d: e", b'x "quoted" y', b"a b HTTP", b"a  b/1.1"])
def test_spaces_in_a_referer(referrer):
    line = HEAD + REFUSED + CLIENT + REQUEST + UPSTREAM + HOST + b', referrer: "' + referrer + b'"'
    error = parse_error_line(line)
    assert (error.message, error.upstream, error.fields) == (REFUSED, "10.0.0.1:80", FIELDS)


@pytest.mark.parametrize(
    ("url", "addr"),
    [
        (b"http://10.0.0.1:80/a?b", "10.0.0.1:80"),
        (b"http://10.0.0.1:80", "10.0.0.1:80"),
        (b"https://[fd00::1]:8443/", "[fd00::1]:8443"),
        (b"grpc://10.0.0.1:50051", "10.0.0.1:50051"),
        (b"http://unix:/run/app.sock:/a", "unix:/run/app.sock"),
        (b"fastcgi://unix:/run/app.sock:", "unix:/run/app.sock"),
        (b"http://backend/", "backend"),
        (b"10.0.0.1:9000", "10.0.0.1:9000"),
        (b"", ""),
    ],
)
def test_kinds_of_upstream(url, addr):
    assert parse_error_line(HEAD + REFUSED + CLIENT + REQUEST + b', upstream: "' + url + b'"' + HOST).upstream == addr


@pytest.mark.parametrize(
    "line",
    [
        # of a path on the disk, which nginx has decoded and may hold anything
        HEAD + b'open() "/html/x, client: 1.1.1.1' + UPSTREAM + b'" failed (2: No such file)' + CLIENT + REQUEST + HOST,
        HEAD + b'open() "/html/x' + CLIENT + REQUEST + UPSTREAM + HOST + b'" failed (2: ...)' + CLIENT + REQUEST + HOST,
        # of a header, where nginx knows of no upstream
        HEAD + b"too large body" + CLIENT + REQUEST + HOST + b', referrer: "x' + UPSTREAM + b'"',
        HEAD + b"too large body" + CLIENT + REQUEST + HOST + b', referrer: "x"' + UPSTREAM,
        HEAD + b"too large body" + CLIENT + REQUEST + HOST + b', referrer: "x"' + UPSTREAM + HOST,
        # of a request line with more spaces than its two
        HEAD + b"invalid request" + CLIENT + b', request: "GET / HTTP/1.1"' + UPSTREAM[:-1] + b' HTTP/1.1"',
        HEAD + b"invalid request" + CLIENT + b', request: "GET /"' + UPSTREAM + b', host: " HTTP/1.1"',
        HEAD + b"invalid request" + CLIENT + b', request: "GET /"' + UPSTREAM + b', referrer: " HTTP/1.1"',
        HEAD + REFUSED + CLIENT + b', request: "GET /"' + UPSTREAM + b', referrer: "a b"',
        HEAD + REFUSED + CLIENT + b', request: "GET /"' + UPSTREAM + HOST + b', referrer: "a b HTTP/1.1"',
        HEAD + REFUSED + CLIENT + REQUEST + UPSTREAM + HOST + b', referrer: "a b HTTP/1.1"',
        # where nginx names one too
        HEAD + REFUSED + CLIENT + b', request: "GET /"' + UPSTREAM + b' HTTP/1.1"' + UPSTREAM + HOST,
        HEAD + REFUSED + CLIENT + REQUEST + UPSTREAM + HOST + b', referrer: "x"' + UPSTREAM,
        # in an order that is not nginx's
        HEAD + REFUSED + UPSTREAM + CLIENT + REQUEST + HOST,
        HEAD + REFUSED + CLIENT + REQUEST + HOST + UPSTREAM,
    ],
)
def test_a_forged_upstream_is_not_believed(line):
    error = parse_error_line(line)
    assert error.upstream == ""
    assert error.reason == ""
    assert error.fields == {}
    assert error.message == line[len(HEAD) :]


def test_quotes_in_a_request_are_no_forgery():
    error = parse_error_line(HEAD + REFUSED + CLIENT + b', request: "GET /?q="a", b HTTP/1.1"' + UPSTREAM + HOST)
    assert error.upstream == "10.0.0.1:80"
    assert error.fields["request"] == 'GET /?q="a", b HTTP/1.1'


def test_a_line_that_nginx_cut_off():
    line = HEAD + REFUSED + CLIENT + b', request: "GET /' + b"a" * 800 + b' HTTP/1.1", upstream: "http://10.0.0.1:80/'
    error = parse_error_line((line + b"a" * 2048)[:2048])
    assert error.upstream == "10.0.0.1:80"
    assert error.fields["client"] == "192.0.2.7"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"connect() failed (113: No route to host) while connecting to upstream", "unreachable"),
        (b"connect() failed (101: Network is unreachable) while connecting to upstream", "unreachable"),
        (b"upstream timed out (110: Connection timed out) while connecting to upstream", "timed_out"),
        (b"upstream prematurely closed connection while reading response header from upstream", "premature_close"),
        (b"recv() failed (104: Connection reset by peer) while reading response header from upstream", "reset"),
        (b"no live upstreams while connecting to upstream", "no_live_upstreams"),
        (b'upstream sent invalid header: "Bad\\x20..." while reading response header from upstream', "other"),
        (b"SSL_do_handshake() failed (SSL: error:0A00010B) while SSL handshaking to upstream", "tls"),
    ],
)
def test_reasons(message, reason):
    assert parse_error_line(HEAD + message + CLIENT + REQUEST + UPSTREAM + HOST).reason == reason


def test_lines_without_an_upstream():
    line = HEAD.replace(b"error", b"warn") + b"a client request body is buffered to a temporary file /tmp/5"
    assert parse_error_line(line + CLIENT + REQUEST + HOST).fields == FIELDS
    assert parse_error_line(line).message.endswith(b"/tmp/5")
    assert parse_error_line(b"2026/11/22 23:18:31 [notice] 1#1: signal 17 received").connection is None
    handshake = HEAD + b"SSL_do_handshake() failed, client: 192.0.2.7, server: 0.0.0.0:443"
    assert parse_error_line(handshake).fields == {"client": "192.0.2.7", "server": "0.0.0.0:443"}


def test_a_tcp_session():
    line = HEAD + REFUSED + b', client: 192.0.2.7, server: 0.0.0.0:9000, upstream: "10.0.0.1:9000"'
    assert (
        parse_error_line(line + b", bytes from/to client:0/0, bytes from/to upstream:0/0").upstream == "10.0.0.1:9000"
    )


def test_odd_heads():
    huge = b"2026/11/22 23:18:31 [error] 29#31: *" + b"9" * 5000 + b" x"
    assert parse_error_line(huge).connection is None
    for line in (b"", b"\0", b"2026/11/22", b"192.0.2.7 - - [", HEAD[1:] + REFUSED, b" " + HEAD):
        assert parse_error_line(line) is None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"-------------------------------------------------------------------------------",
        b"NGINX Ingress controller",
        b"  Release:       v1.15.0",
        b"I1122 23:18:31.123456       7 controller.go:195] Backend successfully reloaded",
        b"[192.0.2.7] [22/Nov/2026:23:18:31 +0000] TCP 200 0 0 0.001",
        b"2026/11/22 23:18:31 [error] whatever",
    ],
)
def test_companions_of_access_lines(line):
    assert is_other_line(line)


@pytest.mark.parametrize("line", [b"hello", b"\0", b"I1122 hello", b"[x] hello", b"192.0.2.7 - - [", b"- -"])
def test_what_is_no_companion(line):
    assert not is_other_line(line)
