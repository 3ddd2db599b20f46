"""Traefik's `genericCLF`: nginx's `combined` by another program, which names no upstream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.accesslog.detection import FormatDetector, detect_profile
from enricher.accesslog.format_compiler import LogFormatError
from enricher.accesslog.limits import limits_of
from enricher.accesslog.profiles import profile_formats
from enricher.accesslog.traefik import compile_format

(GENERIC,) = compile_format("genericCLF")
JSON, COMMON = profile_formats("traefik")[:2]
LINE = '10.9.0.7 - - [22/Nov/2026:23:19:13 +0000] "GET /cart HTTP/1.1" 200 12 {} {}'

quoted = st.text("ab 1\\/", max_size=12).map(lambda text: f'"{text}"')
texts = st.one_of(st.just("-"), st.just('"-"'), quoted)


@given(referer=texts, agent=texts)
def test_each_line_is_read_by_this_format_alone(referer: str, agent: str) -> None:
    line = LINE.format(referer, agent).encode()
    record = GENERIC.parse(line)
    assert record is not None
    assert (record.status, record.attempts, record.client) == (200, [], "10.9.0.7")
    assert record.fields["http_user_agent"] == agent.strip('"')
    assert JSON.parse(line) is None
    assert COMMON.parse(line) is None
    assert GENERIC.parse(line + b' 12 "web@k" "http://10.0.0.1:80" 3ms') is None


def test_the_profile_reads_it() -> None:
    line = LINE.format('"-"', '"curl/8"').encode()
    reading = FormatDetector(profile="traefik").timeline_for("a", "", [line]).parse(line, None)
    assert reading is not None
    assert reading[0].text == GENERIC.text


def test_without_a_profile_such_lines_are_taken_for_nginxs() -> None:
    assert detect_profile(LINE.format('"-"', '"curl/8"').encode()) == "nginx"


def test_what_it_lacks_and_what_to_do() -> None:
    assert limits_of(GENERIC) == (
        "the log format does not name the upstream (ServiceURL): no line can be attributed: choose the format json",
    )


def test_other_names_are_refused() -> None:
    with pytest.raises(LogFormatError, match="choose common, genericCLF or json"):
        compile_format("combined")
