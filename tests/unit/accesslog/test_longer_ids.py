"""A field more at the end of a line, after the id that a client may choose: no longer id, unless a client chose it."""

import pytest

from enricher.accesslog.detection import DETECTION_LINES, FormatDetector
from enricher.accesslog.misfits import explain_misfit
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.accesslog.profiles import DEFAULT_PROFILE, profile_formats

MADE, UUID = "0123456789abcdef0123456789abcdef", "0f0e0d0c-1a2b-4c3d-8e9f-001122334455"
HEAD = (
    '10.0.0.9 - - [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8" 80 0.004 [shop-web-80] [] '
    "10.244.0.60:10000 12 0.004 200 "
)
DETECTORS = {
    "detected": FormatDetector,
    "by profile": lambda: FormatDetector(profile=DEFAULT_PROFILE),
    "given": lambda: FormatDetector((compile_format(INGRESS_NGINX),)),
}


@pytest.fixture(params=DETECTORS)
def detector(request):
    return DETECTORS[request.param]()


def read(detector, *ids, source="log"):
    """The ids that are read of lines with these ids, and None for each line that does not fit."""
    lines = [f"{HEAD}{text}".encode() for text in ids]
    timeline = detector.timeline_for(source, "", iter(lines))
    readings = [timeline.parse(line, None) for line in lines]
    return [reading and reading[1].fields["req_id"] for reading in readings]


@pytest.mark.parametrize("first", [MADE, UUID, "-"])
@pytest.mark.parametrize("more", ["extra", "a b c", "0.004", "[shop]", "web.shop 10.0.0.1:80, 10.0.0.2:80"])
def test_all_lines_have_something_after_the_id(detector, first, more):
    assert read(detector, *[f"{first} {more}"] * 3) == [None] * 3
    assert read(detector, f"{first} {more}", f"chosen {more}") == [None] * 2


def test_one_line_without_it_is_enough(detector):
    ids = [f"{MADE} chosen"] * (DETECTION_LINES - 1)
    assert read(detector, *ids, MADE) == [*ids, MADE]
    assert read(detector, *ids) == ids, "it is remembered"


def test_it_may_come_later(detector):
    assert read(detector, f"{MADE} chosen") == [None]
    assert read(detector) == []
    assert read(detector, f"{MADE} chosen") == [None]
    assert read(detector, f"{MADE} chosen", "request-1") == [f"{MADE} chosen", "request-1"]


@pytest.mark.parametrize("text", ["a b", "x 10.0.0.1:80 5 0.1 200 y", f"x {MADE}", f"{MADE}x y", f"{MADE.upper()} y"])
def test_spaces_in_an_id_that_nobody_but_a_client_makes(detector, text):
    assert read(detector, text, text) == [text, text]


def test_each_log_is_judged_by_itself(detector):
    assert read(detector, MADE, source="a") == [MADE]
    assert read(detector, f"{MADE} x", source="b") == [None]
    assert read(detector, f"{MADE} x", source="a") == [f"{MADE} x"]
    detector.forget("b")
    assert read(detector, "a b", source="b") == ["a b"]


def test_a_format_that_ends_with_something_else():
    detector = FormatDetector((compile_format('$status "$req_id"'),))
    line = f'200 "{MADE} chosen"'.encode()
    assert detector.timeline_for("log", "", [line]).parse(line, None)


def test_what_is_said_of_it():
    line = f"{HEAD}{MADE} extra"
    fault, remedy = explain_misfit(line.encode(), profile_formats(DEFAULT_PROFILE))
    assert fault == (
        "has a field more than the closest, the log format of the profile ingress-nginx, "
        f'at column {line.index("extra") + 1}: "extra"'
    )
    assert remedy.endswith("--log-format or --log-format-file")
