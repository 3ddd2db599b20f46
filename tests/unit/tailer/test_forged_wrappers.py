"""Clients write what a tool would put before a line: in a log without such tools, nothing of it is taken off."""

from time import process_time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.nginx import compile_format
from enricher.cli.log_lines import fit_with
from enricher.line import Line, Source
from enricher.tailer.unwrapping import MAX_SOURCES, Unwrapper
from enricher.tailer.wrappers import WRAPPERS
from tests.support.controller_logs import access

STAMP = "2026-11-22T23:18:31.5Z"
PREFIXES = [
    f"{STAMP} ",
    f"{STAMP} stdout F ",
    f"[pod/web-1/controller] {STAMP} ",
    "web-1 controller ",
    "shop web-1 controller ",
    "nginx-1  | ",
    "<190>Nov 22 23:18:31 edge nginx: ",
    f"<190>1 {STAMP} edge nginx - - - ",
    "access.log:",
]
FORGED = [prefix + access(7, "10.0.0.9:80", "502") for prefix in PREFIXES]
FORGED += [orjson.dumps({key: access(7, "10.0.0.9:80")}).decode() for key in ("log", "message", "line", "MESSAGE")]
SOURCE = Source("log")


def unwrapper(*formats):
    detector = FormatDetector(tuple(map(compile_format, formats)) or None)
    return Unwrapper(SOURCE, fit_with(detector))


def unwrap(lines, *formats):
    return unwrapper(*formats).unwrap([Line(line.encode()) for line in lines])


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("before", [0, 1, 30])
def test_a_line_that_is_one_client_text_beside_others(forged, before):
    """The format begins with a header, which holds all that a client wants."""
    log_format = '$http_x_forwarded_for - "$request" $status $upstream_addr $upstream_status'
    tail = ' - "GET / HTTP/1.1" 502 10.0.0.1:80 502'
    lines = ["192.0.2.7" + tail] * before + [forged + tail] * 50
    batch = unwrap(lines, log_format)
    assert (batch.source, batch.sources) == (SOURCE, ())
    assert [line.text.decode() for line in batch.lines] == lines


@given(st.lists(st.tuples(st.sampled_from(FORGED), st.booleans()), min_size=1, max_size=30), st.integers(0, 30))
def test_forged_paths_and_agents_in_the_default_format(parts, place):
    lines = []
    for forged, is_path in parts:
        text = forged.replace('"', "\\x22")
        path, agent = (text, "-") if is_path else ("/", text)
        lines.append(access(1).replace("/1 HTTP", f"{path} HTTP").replace('"-" "-"', f'"-" "{agent}"'))
    lines.insert(place % len(lines), access(2))
    assert [line.text.decode() for line in unwrap(lines).lines] == lines


@pytest.mark.parametrize("forged", FORGED)
def test_lines_of_an_unknown_format_with_a_few_forged_ones(forged):
    """Only most of the first lines can say what is around them, not one in two."""
    lines = [forged, '{"up":"10.0.0.1:80"}'] * 30
    assert [line.text.decode() for line in unwrap(lines).lines] == lines


def test_a_few_forged_records_among_others():
    """An application that logs its users' texts as JSON, without a pod's name."""
    lines = [orjson.dumps({"message": text}).decode() for text in [access(1), access(2), *["hello"] * 9]]
    assert [line.text.decode() for line in unwrap(lines).lines] == lines


def test_a_few_forged_names_among_other_words():
    """All lines of one name fit, but not nearly all lines begin with two names."""
    forged = [f"web-1 controller {access(n)}" for n in range(3)]
    lines = [*forged, *["an order was paid"] * 6, *["Something Else"] * 3]
    assert [line.text.decode() for line in unwrap(lines).lines] == lines


@pytest.mark.parametrize("forged", FORGED)
def test_what_was_decided_stays(forged):
    some = unwrapper()
    some.unwrap([Line(access(1).encode())])
    for _ in range(100):
        assert some.unwrap([Line(forged.encode())]).lines == [Line(forged.encode())]


def test_a_prefix_inside_a_prefix_is_text():
    forged = access(1).replace("/1 HTTP", f"{PREFIXES[2]} HTTP")
    batch = unwrap([*[f"[pod/a/c] {STAMP} {forged}"] * 2, f"[pod/b/c] {STAMP} {STAMP} {access(2)}"])
    assert [line.text.decode() for line in batch.lines] == [forged, forged, f"{STAMP} {access(2)}"]
    assert [source.pod for source in batch.sources] == ["a", "a", "b"]


def test_pods_without_bound():
    some = unwrapper()
    sources = set()
    for begin in range(0, 3 * MAX_SOURCES, 100):
        lines = [Line(f"[pod/web-{n}/c] {access(n)}".encode()) for n in range(begin, begin + 100)]
        sources |= set(some.unwrap(lines).sources) or {SOURCE}
    assert len(sources) == MAX_SOURCES + 1
    assert SOURCE in sources


@pytest.mark.parametrize(
    "piece",
    [
        b"a",
        b"a.",
        b".log",
        b"a/",
        b" a",
        b"\x1b[m",
        b"[a",
        b'{"',
        b'["\\',
        b'a="',
        b"1",
        b"<1>",
        b"|",
        b": ",
        b"\0",
        b" |",
    ],
)
@pytest.mark.parametrize("start", [b"", b"<1>1 - a b c d ", b"2026-11-22T23:18:31Z {", b"a ", b"[", b"\x1b["])
def test_lines_of_a_megabyte_cost_little(start, piece):
    line = start + piece * (1024 * 1024 // len(piece))
    began = process_time()
    for wrapper in WRAPPERS:
        wrapper(line)
    assert process_time() - began < 3


def test_a_text_with_a_tab_at_the_front_of_a_line_that_grafana_hands_out():
    """What a client sends before its tab is no tag: whether lines have one is decided for the whole log."""
    log_format = '"$http_x_forwarded_for" "$request" $status $upstream_addr $upstream_status'
    lines = [f'"{client}" "GET / HTTP/1.1" 200 10.0.0.1:80 200' for client in [*["192.0.2.7"] * 10, "x\ty"]]
    batch = unwrap([f"{STAMP}\t{line}" for line in lines], log_format)
    assert [line.text.decode() for line in batch.lines] == lines


def test_a_log_of_fields_with_tabs_that_grafana_hands_out():
    log_format = "$remote_addr\t$request_method\t$status\t$upstream_addr\t$upstream_status"
    line = "192.0.2.7\tGET\t200\t10.0.0.1:80\t200"
    batch = unwrap([f"{STAMP}\t{line}"] * 10, log_format)
    assert {each.text.decode() for each in batch.lines} == {line}
