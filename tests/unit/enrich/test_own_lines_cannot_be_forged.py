"""Hazard: a client that sends what a proxy's own lines look like must not have its requests taken for such lines."""

import random

import pytest

from enricher.accesslog.profiles import PROFILES, profile_formats
from enricher.enrich.parsed_line import parse_line
from enricher.line import Line
from enricher.timestamps import SECOND
from enricher.vocabulary import LineKind
from tests.unit.accesslog.own_lines import OWN_LINES
from tests.unit.enrich.generators import formats, requests

TRAFFIC = requests.Traffic(["10.0.0.1:80"], ["10.0.0.2:80", "[2001:db8::1]:80"], ["192.0.2.7", "2001:db8::7"], 0.7, 0.4)
TEXTS = tuple(line for lines in OWN_LINES.values() for line in lines)
AT = 1_800_000_000 * SECOND


def is_possible(log_format, line):
    """Return whether the first variable has no client's text where its program writes only its own."""
    first = log_format.tokens[0]
    return not first.variable or not log_format.dialect.shape(first.variable) or not line.startswith(TEXTS[1:])


def kinds_of(rng, timeline, write):
    """Return the kinds of some lines, whole ones and some that are cut or have something after them."""
    for _ in range(20):
        line = write(requests.make_request(rng, AT, TRAFFIC)).replace(b"\n", b"")
        for text in (line, line + b" " + rng.choice(TEXTS), line[: rng.randrange(len(line) // 2, len(line) + 1)]):
            kind = parse_line(timeline, Line(text, b"", "stdout")).kind
            yield kind, text


@pytest.fixture(autouse=True)
def clients_that_send_own_lines(monkeypatch):
    monkeypatch.setattr(requests, "TEXTS", TEXTS)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize(
    "make", [formats.any_nginx, formats.any_envoy, formats.any_haproxy], ids=lambda make: make.__name__
)
def test_with_any_format(make, seed):
    rng = random.Random(seed)
    setup = make(rng)
    timeline = setup.detector().default
    hidden = [text for kind, text in kinds_of(rng, timeline, setup.write) if kind is LineKind.OTHER and text]
    first, *_ = timeline.formats_at(None)
    assert [text for text in hidden if is_possible(first, text)] == [], setup.description


@pytest.mark.parametrize("profile", PROFILES)
def test_with_the_formats_of_a_profile(profile):
    rng = random.Random(profile)
    for log_format in profile_formats(profile):
        timeline = formats.FormatDetector(profile=profile).default
        for kind, text in kinds_of(rng, timeline, formats.writer(log_format)):
            assert kind is not LineKind.OTHER, text
