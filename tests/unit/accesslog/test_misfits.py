"""What is said of a line that fits no format: generated from each known format by the mistakes that logs have."""

import json
import random
import re
import time
from collections.abc import Iterator

import pytest

from enricher.accesslog import nginx
from enricher.accesslog.detection import detect_profile
from enricher.accesslog.format_compiler import LogFormat
from enricher.accesslog.misfits import COMPARE_FORMAT, GIVE_FORMAT, MAX_TEXT, MIN_FIELDS, explain_misfit
from enricher.accesslog.profiles import DEFAULT_PROFILE, PROFILES, profile_formats, shape_of_lines
from enricher.text import printable

DEFAULT = profile_formats(DEFAULT_PROFILE)
LINE = (
    b'10.0.0.9 - - [22/Nov/2026:23:18:31 +0000] "GET /a b HTTP/1.1" 200 12 "-" "curl/8" 80 0.004 [shop-web-80] [] '
    b"10.244.0.60:10000 12 0.004 200 0123456789abcdef0123456789abcdef"
)
KNOWN = [
    (profile, log_format)
    for profile in PROFILES
    for log_format in profile_formats(profile)
    if isinstance(log_format, LogFormat)
]
VALUES = {
    "remote_addr": "10.0.0.9",
    "request": "GET /cart HTTP/1.1",
    "request_method": "GET",
    "request_uri": "/cart",
    "server_protocol": "HTTP/1.1",
    "start_time": "2026-11-22T23:18:31.000Z",
    "time_iso8601": "2026-11-22T23:18:31+00:00",
    "http_user_agent": "curl/8.0",
}
CANDIDATES = (
    *("10.244.0.60:10000", "0.004", "17", "shop-web", "22/Nov/2026:23:18:31 +0000", "22/Nov/2026:23:18:31.123"),
    *("{a|b}", '"shop"', "-"),
)


def fields_of(log_format: LogFormat) -> list[str]:
    """A line as its literals and values, by token."""
    return [token.literal or _value(log_format, token.variable) for token in log_format.tokens]


def _value(log_format, name):
    shape = log_format.dialect.shape(name)
    values = [VALUES[name]] if name in VALUES else []
    values += [value for value in CANDIDATES if shape and ("time" not in name or value != CANDIDATES[0])]
    if shape is None:
        return values[0] if values else "cart.shop"
    numeric = [value for value in ("17", "0.004") if re.fullmatch(shape, value)]
    suitable = [value for value in values if re.fullmatch(shape, value)]
    return numeric[0] if numeric and suitable[0] != VALUES.get(name) and "addr" not in name else suitable[0]


def fault_of(line, formats=DEFAULT):
    fault, remedy = explain_misfit(line, formats)
    assert remedy.isprintable()
    assert fault.isprintable()
    return fault


def is_known(line: bytes) -> bool:
    return any(log_format.parse(line) for _, log_format in KNOWN)


def assert_names(fault: str, log_format: LogFormat, line: bytes) -> None:
    names = [profile for profile, other in KNOWN if shape_of_lines(other) == shape_of_lines(log_format)]
    assert any(f"the log format of the profile {name}" in fault for name in names), (line, fault)


@pytest.mark.parametrize(("profile", "log_format"), KNOWN)
def test_the_generated_lines_are_read(profile, log_format):
    line = "".join(fields_of(log_format)).encode()
    assert log_format.parse(line), line
    if profile != "ingress-nginx":
        assert "fits the log format of the profile" in fault_of(line)


def insertions(log_format: LogFormat, text: str) -> Iterator[tuple[int, bytes]]:
    """Lines with one more field, each with the column of that."""
    fields = fields_of(log_format)
    for number in range(1, len(fields)):
        if fields[number].startswith((" ", '" ', "] ")) and not log_format.tokens[number].variable:
            closing, _, after = fields[number].partition(" ")
            head = "".join([*fields[:number], closing, " "])
            yield len(head) + 1, "".join([head, text, " ", after, *fields[number + 1 :]]).encode()


def check_claim(fault: str, line: bytes, log_format: LogFormat) -> None:
    """Check that a line without the field that is too many is one that can be read."""
    match = re.search(r'has a field more than .*, at column (\d+): ["\'](.*)["\']$', fault)
    if match:
        begin, text = int(match[1]) - 1, match[2].encode()
        assert line.startswith((text, b" " + text), begin), (line, fault)
        begin += not line.startswith(text, begin)
        end = begin + len(text)
        assert is_known(line[:begin] + line[end:].removeprefix(b" ")) or is_known(line[:begin].rstrip() + line[end:])


@pytest.mark.parametrize(("profile", "log_format"), KNOWN)
def test_a_field_more(profile, log_format):
    for column, line in insertions(log_format, "new-field!"):
        if is_known(line) or "[17] new-field! - " in line.decode():
            continue  # it is in a text that may have spaces, or where another version has the user's name
        fault = fault_of(line)
        match = re.search(r"column (\d+)", fault)
        if not match:
            assert "before a line that fits" in fault, (line, fault)
            continue
        assert_names(fault, log_format, line)
        # Where the field is one that the format might have there, it is the next that does not fit.
        assert "a field more" in fault or int(match[1]) <= column + len("new-field! 17 17 17"), (line, fault)
        if (
            "istio.mixer" not in log_format.text
        ):  # else it may be closest to Istio's newer formats, which an empty word fits
            check_claim(fault, line, log_format)


def with_a_field_at_the_end(log_format: LogFormat) -> bytes:
    line = "".join(fields_of(log_format)).encode()
    return line + (b" extra" if line.endswith(b'"') else b' "extra"')


@pytest.mark.parametrize("log_format", [each for _, each in KNOWN if not is_known(with_a_field_at_the_end(each))])
def test_a_field_more_at_the_end(log_format):
    line = with_a_field_at_the_end(log_format)
    fault = fault_of(line)
    assert_names(fault, log_format, line)
    assert "extra" in fault or "lacks" in fault, (line, fault)
    check_claim(fault, line, log_format)


@pytest.mark.parametrize(("profile", "log_format"), KNOWN)
def test_a_field_less(profile, log_format):
    fields = fields_of(log_format)
    for number, token in enumerate(log_format.tokens[1:-1], 1):
        before, after = fields[number - 1], fields[number + 1]
        if not token.variable or not before.endswith((" ", ' "')) or not after.startswith((" ", '" ')):
            continue
        separator = before if before.startswith('"') else before[: -len(after.partition(" ")[0] or " ")]
        line = "".join([*fields[: number - 1], separator, after.partition(" ")[2], *fields[number + 2 :]]).encode()
        if is_known(line):
            continue
        fault = fault_of(line)
        assert re.search(r"column \d+", fault) or number < 2 * MIN_FIELDS, (line, fault)


@pytest.mark.parametrize(("profile", "log_format"), KNOWN)
def test_a_line_that_is_cut(profile, log_format):
    line = "".join(fields_of(log_format)).encode()
    for length in range(60, len(line)):
        fault = explain_misfit(line[:length], DEFAULT).fault
        if not is_known(line[:length]):
            assert re.search(r"the end of the line|lacks|more than|expected .*, found", fault), (line[:length], fault)


@pytest.mark.parametrize(("profile", "log_format"), KNOWN)
def test_the_fields_in_another_order(profile, log_format):
    rng = random.Random(17)
    for _ in range(50):
        words = "".join(fields_of(log_format)).split(" ")
        begin = rng.randrange(len(words) - 2)
        words[begin], words[begin + 2] = words[begin + 2], words[begin]
        line = " ".join(words).encode()
        if not is_known(line):
            assert fault_of(line)


@pytest.mark.parametrize(("profile", "log_format"), KNOWN)
def test_other_quotes(profile, log_format):
    line = "".join(fields_of(log_format)).encode()
    other = line.replace(b'"', b"'")
    fault = fault_of(other)
    column = re.search(r"column (\d+)", fault)
    if column and line[: int(column[1])].count(b'"') == 1:
        assert line[int(column[1]) - 1 :].startswith(b'"'), fault


PREFIXES = {
    "[pod/shop/controller] ": "--prefix",
    "2026-11-22T23:18:31.123456789Z ": "--timestamps",
    "controller-1  | ": "--no-log-prefix",
    "<190>Nov 22 23:18:31 node nginx: ": "syslog",
    "Nov 22 23:18:31 node nginx: ": "syslog",
    "anything at all ": "remove it",
}


def with_prefixes() -> Iterator[tuple[LogFormat, str]]:
    for _, log_format in KNOWN:
        for prefix in PREFIXES:
            if not is_known(f"{prefix}{''.join(fields_of(log_format))}".encode()):  # as HAProxy's with syslog's frame
                yield log_format, prefix


@pytest.mark.parametrize(("log_format", "prefix"), list(with_prefixes()))
def test_something_before_the_line(log_format, prefix):
    line = "".join(fields_of(log_format)).encode()
    fault, advice = explain_misfit(prefix.encode() + line, DEFAULT)
    assert fault.startswith(f'has "{prefix}" before a line that fits the log format of the profile ')
    assert PREFIXES[prefix] in advice


# --- what is around a line --------------------------------------------------------------------------------------------

TAR_HEADER = b"controller.log".ljust(257, b"\0") + b"ustar  \0".ljust(255, b"\0")


@pytest.mark.parametrize(
    ("line", "fault", "remedy"),
    [
        (LINE + b' "x"\r', "has a field more", GIVE_FORMAT),
        (b"\xef\xbb\xbf" + LINE, "begins with a byte order mark", "remove it"),
        (b"\x1b[32m" + LINE + b"\x1b[0m", "contains a terminal's colours", "without colours"),
        (LINE.decode().encode("utf-16-le"), "is not UTF-8 but probably UTF-16", "iconv -f UTF-16"),
        (b"\0" * 4096 + LINE, "begins with null bytes", "tr -d"),
        (b"\0" * 100_000, "begins with null bytes", "tr -d"),
        (TAR_HEADER + LINE, "is the header of a tar archive", "tar xf"),
        (b"GET / 200", 'is like no known log format, "GET / 200"', GIVE_FORMAT),
        (b"", 'is like no known log format, ""', GIVE_FORMAT),
        (
            b'{"up":"10.0.0.1:80","status":1}',
            "is a JSON object with the keys up, status, which no known log format has",
            GIVE_FORMAT,
        ),
        (
            b'{"apiVersion":"v1","kind":"List","items":[]}',
            "is a list of endpoints",
            "give such a file with --endpoints",
        ),
        (b'{"kind":"EndpointSliceList","apiVersion":"discovery.k8s.io/v1","items":[]}', "is a list of", "--endpoints"),
        (b"apiVersion: v1", "belongs to a Kubernetes object in YAML", "--endpoints"),
        (b'{"at":"x","type":"ADDED","object":{}}', "is an event of a recorded watch", "--endpoints"),
        (b'{"kind":"Event","apiVersion":"audit.k8s.io/v1"}', "with the keys kind, apiVersion", GIVE_FORMAT),
        (b"\x1b]0;title\x07" * 50, r"\x1b]0;title", GIVE_FORMAT),
    ],
)
def test_what_is_around_a_line(line, fault, remedy):
    misfit = explain_misfit(line, DEFAULT)
    assert fault in misfit.fault
    assert remedy in misfit.remedy
    assert str(misfit).isprintable()


def test_a_carriage_return():
    formats = (nginx.compile_format("$remote_addr $status"),)
    assert explain_misfit(b"10.0.0.9 200\r", formats).fault == "ends with a carriage return"


@pytest.mark.parametrize("path", [("log",), ("_source", "message"), ("a", "b", "msg")])
def test_a_line_in_a_json_object(path):
    text = LINE.decode()
    for key in reversed(path):
        text = {"kind": "x", key: text}
    misfit = explain_misfit(json.dumps(text).encode(), DEFAULT)
    assert f'holds a line under ".{".".join(path)}"' in misfit.fault
    assert misfit.remedy.endswith(f"`jq -r .{'.'.join(path)}`")


# --- formats that were given ------------------------------------------------------------------------------------------

GIVEN = '$remote_addr "$request" "$http_user_agent" $status $upstream_addr $upstream_status'
WRITTEN = rb'10.0.0.9 "GET / HTTP/1.1" "a \" b" 200 10.0.0.1:80 200'


def given(text=GIVEN):
    return (nginx.compile_format(text),)


def test_the_way_to_escape_is_missing():
    fault, remedy = explain_misfit(WRITTEN, given())
    assert fault == "fits the given log format with escape=json, not with escape=default"
    assert remedy == "write escape=json before the format in --log-format or --log-format-file"
    assert not given()[0].parse(WRITTEN)
    assert given(f"escape=json {GIVEN}")[0].parse(WRITTEN)


def test_quotes_that_are_not_escaped():
    fault, _ = explain_misfit(WRITTEN.replace(b"\\", b"") + b'"', given(f'{GIVEN}"'))
    assert fault == "fits the given log format with escape=none, not with escape=default"


def test_a_given_format_is_compared_however_little_fits():
    fault, remedy = explain_misfit(b"nothing of the kind", given())
    assert fault.startswith("departs from the given log format, at column 1: expected $remote_addr, found ")
    assert remedy == "compare it with the log format of the proxy's configuration"


@pytest.mark.parametrize(("profile", "log_format"), KNOWN)
def test_another_proxy_than_the_given_format_says(profile, log_format):
    line = "".join(fields_of(log_format)).encode()
    other = explain_misfit(line, given()).remedy
    assert other.startswith("read such lines with --profile ")
    assert other.endswith(", without --log-format or --controller-configmap")
    named = other.partition(",")[0].rpartition(" ")[2]
    assert any(other_format.parse(line) for other_format in profile_formats(named))
    assert detect_profile(line) in {None, named}


GIVEN_FORMATS = {
    "nginx": '$remote_addr - $remote_user [$time_local] "$request" $status $upstream_addr',
    "nginx ": '{"time":"$time_iso8601","addr":"$upstream_addr","status":"$status"}',
    "envoy": '{"t":"%START_TIME%","u":"%UPSTREAM_HOST%","c":"%RESPONSE_CODE%"}',
    "envoy ": "[%START_TIME%] %RESPONSE_CODE% %UPSTREAM_HOST%\n",
    "haproxy": "%ci:%cp [%tr] %ft %b/%s %si:%sp %ST",
}


@pytest.mark.parametrize("profile", GIVEN_FORMATS)
@pytest.mark.parametrize(
    "line",
    [
        *("hello world", "", "{", "[", '"', '{"a":1}', '{"x":null,"y":[]}', "x" * 20_000),
        *("[" * 20_000, '{"t":"' * 4_000),
        *('{"time":"2026-11-22T23:18:31+00:00","adr":"10.0.0.1:80"}', "[2026-11-22T23:18:31.000Z] - 200 x y z"),
        LINE[:80].decode(),
    ],
    ids=lambda line: line[:12],
)
def test_a_given_format_is_not_answered_with_the_advice_to_give_one(profile, line):
    formats = PROFILES[profile.strip()].compile(GIVEN_FORMATS[profile])
    found = explain_misfit(line.encode(), formats)
    assert "the given log format" in found.fault
    assert found.remedy == COMPARE_FORMAT


def test_the_keys_that_a_given_format_has_are_named():
    formats = PROFILES["envoy"].compile('{"t":"%START_TIME%","u":"%UPSTREAM_HOST%","c":"%RESPONSE_CODE%"}')
    found = explain_misfit(b'{"time":"2026-11-22T23:18:31Z","c":null}', formats)
    assert found.fault == "is a JSON object with the keys time, c, without t, u, c of the given log format"


def test_two_ways_to_read_a_line():
    formats = given("$http_a $status $upstream_addr $http_b")
    line = b"a 200 10.0.0.1:80 b 200 10.0.0.2:80 c"
    assert formats[0].parse(line) is None
    assert explain_misfit(line, formats).fault == "can be read in more than one way by the given log format"


# --- hostile lines ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"10.0.0.9 - " + b" [22/Nov/2026:23:18:31 +0000] " * 2000,
        b"10.0.0.9 - " + b" [22/Nov/2026:23:18:31 +0000] " * 2000 + b'"',
        b"10.0.0.9 - " + b" [" * 50_000,
        b'[] "GET a' + b" a" * 50_000,
        b"1, " * 50_000,
        b'{"a":' * 50_000,
        b'"' * 100_000,
        LINE + b" : 10.0.0.1:80" * 10_000 + b' "',
        b"word " * 400_000,
        b"word " * 3_000,
        LINE + b" : 10.0.0.1:80" * 1_000 + b' "',
    ],
)
def test_no_line_takes_long(line):
    began = time.process_time()
    fault, remedy = explain_misfit(line, DEFAULT)
    assert time.process_time() - began < 1
    assert len(fault) + len(remedy) < 400


def test_quotes_are_cut_and_escaped():
    fault = explain_misfit(LINE[:42] + b"\x1b[2J\xff" + b"x" * 1000, DEFAULT).fault
    quoted = fault.partition("found ")[2]
    assert quoted.startswith(r'"\x1b[2J\xff')
    assert len(quoted) <= MAX_TEXT + 3
    assert quoted == printable(quoted)
