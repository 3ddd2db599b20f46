"""HAProxy's own formats by their names, and the flags of its `log-format`, one by one and for all variables."""

import itertools
import random

import pytest

from enricher.accesslog import haproxy
from enricher.accesslog.detection import FormatTimeline, detect_profile
from enricher.accesslog.format_compiler import LogFormatError
from enricher.accesslog.profiles import profile_formats
from enricher.timestamps import parse_rfc3339

HTTP = (
    "10.9.0.7:40112 [22/Nov/2026:23:19:13.014] web~ cart/s1 {addr}0/0/1/2/3 200 31 - - ---- 1/1/0/0/0 0/0 "
    '{hdr}"GET /c HTTP/1.1"'
)
TLS = " 0/0000000000000000/0/0/0 {sni}/TLSv1.3/TLS_AES_256_GCM_SHA384"
CLF = (
    '10.9.0.7 - - [22/Nov/2026:23:19:13 +0000] "GET /c HTTP/1.1" 200 31 "" "" 40112 014 "web" "cart" "s1" 0 0 1 2 3 '
    '"----" 1 1 0 0 0 0 0 "" "" '
)
TCP = "10.9.0.7:40112 [22/Nov/2026:23:19:13.014] db pg/s1 1/2/3 31 -- 1/1/0/0/0 0/0"
TCP_CLF = (
    '10.9.0.7 - - [22/Nov/2026:23:19:13 +0000] "TCP " 000 31 "" "" 40112 014 "db" "pg" "s1" 0 1 2 3 17 "--"-- '
    '1 1 0 0 0 0 0 "" "" '
)


def read(text, line):
    return FormatTimeline(haproxy.compile_format(text), exclusive=True).parse(line.encode(), None)


def addresses(text, line):
    reading = read(text, line)
    return [attempt.addr for attempt in reading[1].attempts] if reading else None


# --- formats by their names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["", "option "])
@pytest.mark.parametrize(
    ("name", "line", "server"),
    [
        ("httplog", HTTP.format(addr="", hdr=""), "cart/s1"),
        ("httpslog", HTTP.format(addr="", hdr="") + TLS.format(sni="shop.example"), "cart/s1"),
        ("httpslog", HTTP.format(addr="", hdr="{a|b} ") + TLS.format(sni="-"), "cart/s1"),
        ("httplog clf", CLF, "cart/s1"),
        ("httplog  clf", CLF + '"a b" ""', "cart/s1"),
        ("tcplog", TCP, "pg/s1"),
        ("tcplog clf", TCP_CLF, "pg/s1"),
    ],
)
def test_a_format_is_known_by_the_name_of_its_option(option, name, line, server):
    assert addresses(f"{option}{name}", line) == [server]


@pytest.mark.parametrize("headers", ["", "{a|b} ", "{a} {b} "])
@pytest.mark.parametrize("addr", ["", "10.244.1.20:8080 ", "fd00::1:8080 "])
@pytest.mark.parametrize("sni", ["shop.example", "-", "a b", "a/b c/TLSv1.2/x"])
def test_the_profile_knows_httpslog(headers, addr, sni):
    plain, tls = HTTP.format(addr=addr, hdr=headers), TLS.format(sni=sni)
    for line, names in ((plain, None), (plain + tls, sni)):
        reading = FormatTimeline(profile_formats("haproxy"), exclusive=True).parse(line.encode(), None)
        assert reading is not None
        assert reading[1].fields.get("ssl_fc_sni") == names
        expected_address = {"10": "10.244.1.20:8080", "fd": "[fd00::1]:8080"}.get(addr[:2], "cart/s1")
        assert [attempt.addr for attempt in reading[1].attempts] == [expected_address]
        assert detect_profile(line.encode()) == "haproxy"


def test_a_quote_in_a_server_name_is_not_escaped():
    """HAProxy writes it as the client sent it, so that it might be the end of the request."""
    assert addresses("httpslog", HTTP.format(addr="", hdr="") + TLS.format(sni='a" 0/0/0/0/0 b')) is None


def test_a_line_of_httpslog_may_be_cut_off_in_the_request():
    line = HTTP.format(addr="", hdr="")
    for cut in (line[: line.index("/c") + 1], line[: line.index(" HTTP/")]):
        assert addresses("httpslog", cut) == ["cart/s1"]
    assert addresses("httplog clf", CLF[: CLF.index(" HTTP/")]) is None, "it lacks the server"


def test_the_time_of_clf_is_when_the_request_ended():
    reading = read("httplog clf", CLF)
    assert reading is not None
    assert reading[1].end == parse_rfc3339(b"2026-11-22T23:19:13.003Z")
    assert detect_profile(CLF.encode()) == "haproxy"


def test_captured_headers_in_quotes():
    reading = read("httplog clf", CLF + '"a#22 b" "" "c"')
    assert reading is not None
    assert reading[1].fields["captured_header_list"] == '"a" b" "" "c"'


# --- flags ------------------------------------------------------------------------------------------------------------

VALUES = {
    "ci": ("10.9.0.7", True),
    "cp": ("40112", False),
    "b": ("cart", True),
    "s": ("s1", True),
    "ST": ("200", False),
    "Ta": ("3", False),
    "tsc": ("SD--", True),
    "CC": ("c=1", True),
    "r": ("GET /a#22b HTTP/1.1", True),
    "tr": ("22/Nov/2026:23:19:13.014", False),
    "HM": ("GET", True),
}
"""For some variables a value, and whether the flag Q puts it in quotes."""


def test_flags_of_each_and_of_all():
    """Formats of variables with flags of their own, and flags for all after them, and what HAProxy writes for them."""
    for seed in range(500):
        rng = random.Random(seed)
        names = rng.sample(list(VALUES), rng.randint(3, 8))
        pieces, written, is_quoting = [], [], False
        for name in names:
            if rng.random() < 0.3:
                is_quoting = rng.random() < 0.5
                pieces.append(f"%{{{'+' if is_quoting else '-'}Q{rng.choice(('', ',+M'))}}}o")
            own = rng.choice((None, None, True, False)) if name != "r" else True
            value, has_quotes = VALUES[name]
            pieces.append(f"%{name}" if own is None else f"%{{{'+' if own else '-'}Q}}{name}")
            is_quoted = has_quotes and (is_quoting if own is None else own)
            written.append(f'"{value}"' if is_quoted else value)
        reading = read(rng.choice((" ", "  ")).join(pieces), " ".join(written))
        assert reading is not None, (pieces, written)
        fields = {name: reading[1].fields[key] for name, key in zip(names, reading[0].names, strict=True)}
        expected = {name: VALUES[name][0].replace("#22", '"') for name in names}
        assert {name: str(value) for name, value in fields.items() if name != "Ta"} == {
            name: value for name, value in expected.items() if name != "Ta"
        }


@pytest.mark.parametrize(
    ("text", "raw"), [('a"b', '"a\\"b"'), ("a\\", '"a\\\\"'), ("a]b", '"a\\]b"'), ('a" 1', '"a#22 1"')]
)
@pytest.mark.parametrize("format_", ["%{+Q,+E}o %[ua] %ST", "%{+E}o %{+Q}[ua] %{-Q}ST", "%{+Q}o %{+E}[ua] %ST"])
def test_what_the_flag_e_escapes(text, raw, format_):
    reading = read(format_, f"{raw} 200")
    assert reading is not None
    assert (reading[1].fields["ua"], reading[1].status) == (text, 200)


@pytest.mark.parametrize("is_asked", [True, False])
def test_the_address_in_quotes(is_asked):
    line = '"10.0.0.1":8080 "web"/"s1" 200' if is_asked else '"-":"-" "web"/"<NOSRV>" 503'
    assert addresses("%{+Q}o %si:%sp %b/%s %ST", line) == (["10.0.0.1:8080"] if is_asked else [])
    unquoted = line.replace('"10.0.0.1"', "10.0.0.1").replace('"-":"-"', "-:-")
    assert addresses("%{+Q}o %{-Q}si:%{-Q}sp %b/%s %ST", unquoted) == (["10.0.0.1:8080"] if is_asked else [])


@pytest.mark.parametrize(("name", "place"), list(itertools.product(("json", "cbor", "bin"), ("o", "ST"))))
def test_encodings_are_refused(name, place):
    with pytest.raises(LogFormatError, match=rf"character 1: the encoding {name} is not supported: leave \+{name} out"):
        haproxy.compile_format(f"%{{+{name}}}{place} %ST")


def test_what_is_escaped_in_the_configuration():
    assert addresses(r"%ci\ \"%b\"\ %s\ %ST", '10.9.0.7 "web" s1 200') == ["web/s1"]
