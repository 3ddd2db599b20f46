"""What is said of a log whose lines do not fit its format, or that has no access lines."""

import pytest

from enricher.accesslog.profiles import DEFAULT_PROFILE, profile_formats
from enricher.enrich import format_check
from enricher.enrich.engine import Output
from enricher.enrich.format_check import ERROR_LINES, ERROR_MINUTES, FITS_TEXT, LATEST_LINES, NAMED_TEXT, FormatCheck
from enricher.line import Line

ADVICE = "see --profile and --log-format"
REQUEST = Line(b"2026/11/22 23:18:31 [error] 1#1: *7 open() failed, client: 10.0.0.9, server: _")
NOTICE = Line(b"2026/11/22 23:18:31 [notice] 1#1: start worker process 31")


@pytest.fixture
def check():
    return FormatCheck(1)


def add(check, *, fit=0, misfit=0, error=0, other=0):
    """Add a batch and return the news of it."""
    add_kinds(check, {"access": fit, "parse_error": misfit, "error": error, "other": other})
    return check.news()


def add_kinds(check, kinds, lines=(), *, output=b"", now=0.0):
    """Add a batch with so many lines of each kind."""
    check.add([Output(output, sum(kinds.values()), kinds)], lines, now)


def test_lines_of_which_none_ever_fitted(check):
    assert add(check, misfit=3, other=9) == f"no line of 3 fits the log format: {ADVICE}"
    assert add(check, misfit=2) is None
    assert check.problem == f"no line of 5 fits the log format: {ADVICE}"


def test_it_is_said_once_and_again_when_it_changes(check):
    assert add(check, misfit=5)
    assert [add(check, fit=1) for _ in range(100)].count(FITS_TEXT) == 1
    assert check.problem is None
    assert [bool(add(check, misfit=1)) for _ in range(100)].count(True) == 1


@pytest.mark.parametrize("batch", [1, 3, 7, 1000])
def test_a_format_that_changes_after_many_lines_that_fitted(check, batch):
    assert add(check, fit=100_000) is None
    news = [add(check, misfit=batch) for _ in range(10)]
    assert any(news)
    assert f"lines do not fit the log format, as earlier lines did: {ADVICE}" in next(filter(None, news))


def test_the_order_within_a_batch(check):
    fitting, misfit = b'{"kind":"access","request":"\\"kind\\":\\"parse_error\\""}\n', b'{"kind":"parse_error"}\n'
    add_kinds(check, {"access": 100, "parse_error": 10}, output=misfit * 10 + fitting * 100)
    assert check.news() is None
    add_kinds(check, {"access": 100, "parse_error": 10}, output=fitting * 100 + misfit * 10)
    assert check.news() == f"10 of the latest 10 lines do not fit the log format, as earlier lines did: {ADVICE}"


def test_a_few_broken_lines_are_not_a_change(check):
    assert add(check, fit=1) is None
    for _ in range(1000):
        assert add(check, misfit=1) is None
        assert add(check, fit=LATEST_LINES) is None


def test_a_format_that_fits_only_some_lines_is_said_with_its_share(check):
    news = [add(check, fit=10, misfit=3) for _ in range(1000)]
    assert list(filter(None, news)) == [f"21 of 91 lines do not fit the log format: {ADVICE}"]
    assert check.problem == f"231 of 1001 lines do not fit the log format: {ADVICE}"
    assert check.share() == f"3000 of 13000 lines do not fit the log format: {ADVICE}"
    news = [add(check, fit=10) for _ in range(1000)]
    assert list(filter(None, news)) == [FITS_TEXT]


def test_the_share_of_a_whole_log(check):
    assert check.share() is None
    add(check, misfit=1)
    assert check.share() is None, "none fits, which is said otherwise"
    add(check, fit=999_999)
    assert check.share() == f"1 of 1000000 lines do not fit the log format: {ADVICE}"


@pytest.mark.parametrize(
    ("kinds", "nothing_fits"),
    [
        ({}, False),
        ({"misfit": 1}, True),
        ({"misfit": 1, "other": 50}, True),
        ({"misfit": 1, "error": 50}, False),
        ({"misfit": 6, "error": 50}, True),
        ({"misfit": 100, "fit": 1}, False),
        ({"other": 10}, False),
    ],
)
def test_nothing_fits(check, kinds, nothing_fits):
    add(check, **kinds)
    assert check.nothing_fits == nothing_fits


# --- why lines do not fit ---------------------------------------------------------------------------------------------

FORMATS = profile_formats(DEFAULT_PROFILE)
EXTRA = b'10.0.0.9 - - [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8" "x" 80 0.004 [a] [] - - - - 1'


def add_texts(check, *texts, data=b'{"kind":"parse_error"}\n'):
    output = Output(data * len(texts), len(texts), {"parse_error": len(texts)})
    check.add([output], [Line(text) for text in texts], formats=FORMATS)


@pytest.mark.parametrize("data", [b'{"kind":"parse_error"}\n', b""])
def test_a_misfit_is_explained(check, data):
    add_texts(check, EXTRA, data=data)
    assert check.problem == (
        "no line of 1 fits the log format: one of them has a field more than the closest, the log format of the "
        "profile ingress-nginx, at column 80: '\"x\"': give the log format of the proxy's configuration with "
        "--log-format or --log-format-file"
    )


@pytest.mark.parametrize("texts", [(EXTRA, b"a banner"), (b"a banner", b"", EXTRA)])
def test_the_one_that_is_like_a_known_format_is_explained(check, texts):
    add_texts(check, *texts)
    assert "one of them has a field more than the closest" in check.problem


def test_the_misfit_is_found_among_other_lines(check):
    fitting, misfit = b'{"kind":"access"}\n', b'{"kind":"parse_error"}\n'
    lines = [Line(b"fits")] * 20
    lines[7] = Line(EXTRA)
    outputs = [
        Output(fitting * 5, 5, {"access": 5}),
        Output(fitting * 2 + misfit + fitting * 12, 20, {"access": 14, "parse_error": 1}),
    ]
    check.add(outputs, lines, formats=FORMATS)
    assert check.problem is None
    assert check.share().startswith("1 of 20 lines do not fit the log format: one of them has a field more")


def test_a_problem_is_explained_once(check, monkeypatch):
    explained = []
    monkeypatch.setattr(format_check, "explain_misfits", lambda lines, _: explained.append(lines) or "is odd")
    for _ in range(100):
        add_texts(check, EXTRA)
    assert explained == [(EXTRA,)]


def test_a_log_of_two_formats_does_not_change_sides_with_every_batch(check):
    news = [add(check, **{kind: LATEST_LINES // 3}) for _ in range(500) for kind in ("fit", "misfit")]
    assert len(list(filter(None, news))) == 1


def test_a_daemon_waits_for_more_lines():
    check = FormatCheck()
    assert add(check, misfit=19) is None
    assert add(check, misfit=1)


def test_the_first_line_may_be_an_unusual_one(check):
    add_kinds(check, {"parse_error": 1})
    assert check.news(at_once=False) is None
    add_kinds(check, {"access": 20})
    assert check.news(at_once=False) is None
    check = FormatCheck(1)
    add_kinds(check, {"parse_error": 1})
    assert check.news(at_once=False) is None
    assert check.news(at_once=False)


# --- no access lines --------------------------------------------------------------------------------------------------


@pytest.fixture
def demanding():
    return FormatCheck(1, expects_access_lines=True)


def test_only_error_lines_of_requests(demanding):
    add_kinds(demanding, {"error": ERROR_LINES - 1}, [REQUEST] * (ERROR_LINES - 1))
    assert demanding.news() is None
    add_kinds(demanding, {"error": 1}, [REQUEST])
    assert demanding.news() == (
        f"no access line among {ERROR_LINES} error lines about requests: the proxy does not write its access log here"
    )
    add_kinds(demanding, {"access": 1})
    assert (demanding.news(), demanding.problem) == (FITS_TEXT, None)


def test_a_few_of_them_in_some_minutes(demanding):
    for minute in range(ERROR_MINUTES):
        add_kinds(demanding, {"error": 2}, [REQUEST] * 2, now=60.0 * minute)
        assert demanding.news() is None
    add_kinds(demanding, {"error": 1}, [REQUEST], now=60.0 * ERROR_MINUTES)
    assert demanding.news()


def test_access_lines_stop_coming(demanding):
    add_kinds(demanding, {"access": 10_000})
    add_kinds(demanding, {"error": ERROR_LINES}, [REQUEST] * ERROR_LINES)
    assert "no access line" in demanding.news()


def test_what_nginx_says_of_itself_does_not_count(demanding):
    add_kinds(demanding, {"error": 10 * ERROR_LINES}, [NOTICE] * 10 * ERROR_LINES)
    add_kinds(demanding, {"error": 10 * ERROR_LINES}, [NOTICE] * 10 * ERROR_LINES, now=3600.0)
    assert demanding.news() is None


def test_a_file_of_error_lines_is_as_it_should_be(check):
    add_kinds(check, {"error": 10 * ERROR_LINES}, [REQUEST] * 10 * ERROR_LINES)
    assert check.news() is None


# --- formats without an upstream --------------------------------------------------------------------------------------

NGINX = profile_formats("nginx")
COMBINED = Line(b'10.0.0.9 - - [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8"')
UPSTREAM = Line(COMBINED.text + b' 80 0.004 "10.0.0.1:80" 5 0.003 200')
WITHOUT = "the log format does not name the upstream ($upstream_addr): no line can be attributed"


def add_lines(check, *lines):
    check.add([Output(b"", len(lines), {"access": len(lines)})], lines, formats=NGINX)
    return check.news()


def test_lines_that_name_no_upstream():
    check = FormatCheck(1, expects_upstreams=True)
    assert add_lines(check, NOTICE, COMBINED) == WITHOUT
    assert add_lines(check, COMBINED) is None
    assert check.problem == WITHOUT
    assert add_lines(check, COMBINED, UPSTREAM) == NAMED_TEXT
    assert check.problem is None
    assert add_lines(check, COMBINED) is None


def test_lines_that_say_nothing_of_it():
    check = FormatCheck(1, expects_upstreams=True)
    assert add_lines(check, NOTICE) is None
    assert add_lines(check, COMBINED) == WITHOUT


def test_where_it_is_not_expected(check):
    assert add_lines(check, COMBINED) is None


def test_lines_that_fit_no_format_come_first():
    check = FormatCheck(1, expects_upstreams=True)
    assert add_lines(check, COMBINED) == WITHOUT
    assert "do not fit" in add(check, misfit=100)


def test_lines_with_an_upstream_are_not_looked_at_again(monkeypatch):
    check = FormatCheck(1, expects_upstreams=True)
    add_lines(check, UPSTREAM)
    monkeypatch.setattr(format_check, "formats_of", None)
    add_lines(check, COMBINED)
