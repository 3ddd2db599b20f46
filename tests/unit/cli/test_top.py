"""`enricher top`, driven by keys: what is on the screen."""

import asyncio
import html
import re
import sys
from collections import defaultdict
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from demo.picture import SIZES, draw_top, wait_until_idle
from enricher.cli.live_view import LiveView
from enricher.cli.top import terminal_as_stdin
from enricher.cli.top_app import TopApp
from enricher.errors import ConfigurationError, UsageError
from enricher.report.pod_stats import WINDOW_SECONDS, PodStats
from enricher.timestamps import SECOND
from tests.unit.report.test_pod_stats import T, record


def screen(app):
    """The text on the screen, from the picture of it."""
    return text_of(app.export_screenshot())


def text_of(svg):
    lines = defaultdict(list)
    for x, y, text in re.findall(r'<text class="[^"]*-r\d+" x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>', svg):
        lines[float(y)].append((round(float(x) / 12.2), html.unescape(text).replace("\xa0", " ")))
    out = []
    for y in sorted(lines):
        line = ""
        for x, text in sorted(lines[y]):
            line = line.ljust(x) + text
        out.append(line.rstrip())
    return "\n".join(out)


class Feed:
    """Gives what the test gives it."""

    def __init__(self, *records, error=None):
        self.records, self.error = records, error

    async def run(self, take):
        take(b"".join(orjson.dumps(one) + b"\n" for one in self.records))
        if self.error:
            raise self.error
        await asyncio.Event().wait()

    def status(self):
        return "2 logs followed"


CRASHED = {"reason": "refused", "cause": "crashed", "cause_grade": "likely"}
RECORDS = [
    *[record(1, ("web-1", 502, 0.001, CRASHED), ("web-2", 200, 0.004)) for _ in range(2)],
    record(1, ("web-1", 502, 0.001, {"reason": "refused", "cause": "unknown"}), ("web-2", 200, 0.004)),
    record(2, ("pay-1", 503, 1.5, {"service": "pay"}), status=503, request="GET /pay\x1b[2J HTTP/1.1"),
    *[record(3, ("web-2", 200, 0.004)) for _ in range(30)],
]


@asynccontextmanager
async def top(*records, size=(120, 24), stats=None, live=False, **options):
    ranking = stats or PodStats(WINDOW_SECONDS)
    view = LiveView(ranking, Feed(*(records or RECORDS), **options), lambda: T + 10 * SECOND, live=live)
    app = TopApp(view, refresh_seconds=None)
    async with app.run_test(size=size) as pilot:
        await wait_until_idle(pilot)
        app.update_view()
        await wait_until_idle(pilot)
        yield app, pilot


def pods(app):
    """Of the table, from top to bottom."""
    return re.findall(r"^ *shop +\w+ +(\S+)", screen(app), re.MULTILINE)


def failures(app):
    """Whose are shown, and the requests."""
    return re.search(r"(?:last|no) failures of (\S*)", screen(app))[1], re.findall(r"client saw (\d+)", screen(app))


async def test_a_snapshot():
    async with top() as (app, _):
        assert (
            screen(app)
            == """\
 2 logs followed · last minute · 34 lines · sorted by errors
 namespace  service  pod    errors  cause    hidden  err %  req/s  p50 s  p99 s  sure %  grade
 shop       web      web-1       3  crashed       3  100.0    0.1  0.001  0.001     100  exact
 shop       pay      pay-1       1                0  100.0    0.0  1.500  1.500     100  exact
 shop       web      web-2       0                0    0.0    0.6  0.004  0.004     100  exact








 last failures of web-1 · 2 crashed (likely), 1 unknown
 08:00:01.000  502 refused                    client saw 200  GET /  192.0.2.7
 08:00:01.000  502 refused, crashed (likely)  client saw 200  GET /  192.0.2.7
 08:00:01.000  502 refused, crashed (likely)  client saw 200  GET /  192.0.2.7






 ↑ up  ↓ down  s sort  / filter  p pause  esc clear  ? help  q quit"""
        )


async def test_a_service_that_is_down_has_a_row_and_its_requests():
    cause = {"cause": "no_endpoints", "cause_grade": "certain"}
    down = record(1, status=503, reason="no_endpoints", namespace="shop", service="down", **cause)
    async with top(*RECORDS, *[down] * 7) as (app, _):
        row = re.search(r"^ shop +down .*$", screen(app), re.MULTILINE)[0].split()
        assert row == ["shop", "down", "—", "no_endpoints", "7", "no_endpoints", "0", "100.0", "0.1"]
        assert failures(app)[1] == ["503"] * 7
        assert "503 no_endpoints  client saw 503" in screen(app)
        assert "last failures of — no_endpoints · 7 no_endpoints (certain)" in screen(app)


SHUT_DOWN = {
    "reason": "refused",
    "cause": "shutting_down",
    "cause_grade": "likely",
    "state": "terminating",
    "state_seconds": 1.234,
    "late_seconds": 1.234,
}
LONG_NAMES = {"namespace": "default", "service": "backend-service"}


async def test_80_columns_show_which_pod_fails_how_often_and_why():
    pod = "backend-878dbc76b-k5z5k"
    failed = record(1, (pod, 502, 0.001, SHUT_DOWN | LONG_NAMES), ("web-2", 200, 0.004), request="GET /cart HTTP/1.1")
    async with top(*[failed] * 12, size=(80, 24)) as (app, _):
        assert re.search(rf"^ default +backend-service +{pod} +12 +shutting_down$", screen(app), re.MULTILINE)
        assert "last failures of backend-878dbc76b-k5z5k · 12 shutting_down (likely)" in screen(app)
        assert "08:00:01.000  502 refused, shutting_down (likely)  client saw 200  GET /cart" in screen(app)


LONGER_NAMES = {"namespace": "payments-production", "service": "checkout-api-canary"}


async def test_names_that_are_too_long_are_cut_so_that_errors_and_causes_are_seen():
    """The end of a pod's name tells it from the others of its workload."""
    failed = [record(1, (f"checkout-api-canary-7d9f8b6c5-x2x4{n}", 502, 0.001, SHUT_DOWN | LONGER_NAMES)) for n in "za"]
    async with top(*failed * 12, size=(80, 24)) as (app, pilot):
        for end in "za":
            assert re.search(
                rf"^ pay\S+…\S+on +che\S+…\S+ry +chec\S+…\S+-x2x4{end} +12 +shutting_down", screen(app), re.MULTILINE
            )
        assert app.query_one("PodTable").max_scroll_x == 0
        await pilot.resize_terminal(140, 24)
        await wait_until_idle(pilot)
        assert screen(app).splitlines()[1].split()[-2:] == ["%", "grade"]
        assert app.query_one("PodTable").max_scroll_x == 0


@pytest.mark.parametrize("width", [40, 60, 79, 80, 100, 131, 140, 250])
async def test_the_table_is_never_wider_than_the_terminal(width):
    async with top(*[record(1, (f"p-{n:03}", 503, 0.1, LONGER_NAMES)) for n in range(30)], size=(width, 24)) as (
        app,
        _,
    ):
        assert app.query_one("PodTable").max_scroll_x == 0
        assert re.search(r"errors +cause", screen(app))


async def test_without_colours_rows_that_fail_are_bold_and_those_with_hidden_errors_underlined(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    async with top() as (app, _):
        table = app.query_one("PodTable")
        styles = [str(table.get_cell_at((row, 2)).style) for row in range(3)]
        assert styles == ["underline", "bold", ""]
        assert "red" not in str(app.query_one("#failed").content.spans)


async def test_help_says_what_keys_and_columns_are():
    async with top(size=(80, 24)) as (app, pilot):
        await pilot.press("question_mark")
        await wait_until_idle(pilot)
        for text in ("sort by the next of errors, error share", "sure %  attempts that", "q       quit"):
            assert text in screen(app)
        app.update_view()  # as its timer does
        await pilot.press("q")
        await wait_until_idle(pilot)
        assert app.is_running
        assert "sort by the next of" not in screen(app)
        assert failures(app)[0] == "web-1"


async def test_the_first_line_says_which_time_is_shown():
    async with top() as (app, _):
        assert " · last minute · " in screen(app)
    async with top(stats=PodStats(None)) as (app, _):
        assert " · all times · " in screen(app)


def on_node(node, at, status=502):
    return record(at, ("web-1", status, 0.001)) | {"logged_by": {"node": node, "pod": "controller"}}


async def test_a_node_whose_clock_is_behind_has_rows_and_is_named():
    async with top(on_node("node-1", 9), on_node("slow", -3595), on_node("slow", -3593), live=True) as (app, _):
        assert re.search(r"^ shop +web +web-1 +3 ", screen(app), re.MULTILINE)
        assert "lines of slow come 3,603 s late: its clock is behind" in screen(app)


async def test_a_backlog_is_no_slow_clock():
    """Only the most punctual line of a node tells how its clock is set."""
    async with top(on_node("node-1", 9), on_node("node-1", -60), live=True) as (app, _):
        assert re.search(r"^ shop +web +web-1 +1 ", screen(app), re.MULTILINE)
        assert "its clock" not in screen(app)


async def test_a_failure_shows_what_its_pod_was_doing_and_the_route():
    failed = record(1, ("web-1", 502, 0.001, SHUT_DOWN), route="ingress/shop/cart\x1b[2J", status=502)
    async with top(failed, size=(140, 24)) as (app, _):
        assert r"GET /  192.0.2.7  terminating for 1.2 s  ingress/shop/cart\x1b[2J" in screen(app)


async def test_during_a_pause_the_causes_stand_still_too():
    async with top() as (app, pilot):
        await pilot.press("p")
        app.view.add_lines(orjson.dumps(RECORDS[0]))
        app.update_view()
        await wait_until_idle(pilot)
        assert "web-1 · 2 crashed (likely), 1 unknown" in screen(app)


async def test_sort():
    async with top() as (app, pilot):
        assert pods(app) == ["web-1", "pay-1", "web-2"]
        for by, first in [("error share", "web-1"), ("hidden", "web-1"), ("requests", "web-2"), ("p99", "pay-1")]:
            await pilot.press("s")
            await wait_until_idle(pilot)
            assert f"sorted by {by}" in screen(app)
            assert pods(app)[0] == first
        await pilot.press("s")
        await wait_until_idle(pilot)
        assert "sorted by errors" in screen(app)


async def test_up_and_down_select_a_pod_and_it_stays_selected():
    async with top() as (app, pilot):
        assert failures(app) == ("web-1", ["200", "200", "200"])
        await pilot.press("down")
        await wait_until_idle(pilot)
        assert failures(app) == ("pay-1", ["503"])
        assert r"GET /pay\x1b[2J" in screen(app)
        app.view.add_lines(
            b"".join(orjson.dumps(record(4, ("pay-1", 503, 1.5, {"service": "pay"}), status=503)) for _ in "x")
        )
        for _ in range(5):
            app.view.add_lines(orjson.dumps(record(4, ("web-2", 500, 0.1), status=500)))
        app.update_view()
        await wait_until_idle(pilot)
        assert pods(app) == ["web-2", "web-1", "pay-1"]
        assert failures(app) == ("pay-1", ["503", "503"])
        await pilot.press("up")
        await wait_until_idle(pilot)
        assert failures(app)[0] == "web-1"


async def test_without_a_choice_the_worst_is_selected():
    async with top() as (app, pilot):
        for _ in range(5):
            app.view.add_lines(orjson.dumps(record(4, ("web-2", 500, 0.1), status=500)))
        app.update_view()
        await wait_until_idle(pilot)
        assert failures(app) == ("web-2", ["500"] * 5)


async def test_filter():
    async with top() as (app, pilot):
        await pilot.press("slash", *"pay")
        await wait_until_idle(pilot)
        assert pods(app) == ["pay-1"]
        assert failures(app)[0] == "pay-1"
        await pilot.press("enter")
        await wait_until_idle(pilot)
        assert "filter: pay" in screen(app)
        await pilot.press("s")
        await wait_until_idle(pilot)
        assert "sorted by error share" in screen(app)
        assert pods(app) == ["pay-1"]
        await pilot.press("escape")
        await wait_until_idle(pilot)
        assert len(pods(app)) == 3
        assert "filter:" not in screen(app)


async def test_what_is_typed_into_the_filter_is_no_command():
    async with top() as (app, pilot):
        await pilot.press("slash", *"spq")
        await wait_until_idle(pilot)
        assert app.is_running
        assert "PAUSED" not in screen(app)
        assert "sorted by errors" in screen(app)
        assert pods(app) == []
        await pilot.press("escape")
        await wait_until_idle(pilot)
        assert len(pods(app)) == 3


async def test_pause():
    async with top() as (app, pilot):
        await pilot.press("p")
        await wait_until_idle(pilot)
        before = screen(app)
        assert "PAUSED" in before
        for _ in range(9):
            app.view.add_lines(orjson.dumps(record(4, ("new-1", 500, 0.1), status=500)))
        app.update_view()
        await wait_until_idle(pilot)
        assert screen(app) == before.replace("34 lines", "43 lines")
        await pilot.press("p")
        await wait_until_idle(pilot)
        assert pods(app)[0] == "new-1"
        assert "PAUSED" not in screen(app)


async def test_what_stands_still_can_be_sorted_and_filtered():
    async with top() as (app, pilot):
        await pilot.press("p", "s", "s", "s")
        await wait_until_idle(pilot)
        assert "sorted by requests" in screen(app)
        assert pods(app) == ["web-2", "web-1", "pay-1"]
        await pilot.press("slash", *"pay")
        await wait_until_idle(pilot)
        assert pods(app) == ["pay-1"]
        assert failures(app) == ("pay-1", ["503"])
        await pilot.press("escape")
        await wait_until_idle(pilot)
        assert pods(app) == ["web-2", "web-1", "pay-1"]


async def test_the_failures_of_what_stands_still_stay_with_it():
    async with top() as (app, pilot):
        await pilot.press("p")
        app.view.now = lambda: T + 1000 * SECOND
        app.view.add_lines(orjson.dumps(record(1000, ("pay-1", 500, 0.1, {"service": "pay"}), status=500)))
        app.update_view()
        await pilot.press("down")
        await wait_until_idle(pilot)
        assert failures(app) == ("pay-1", ["503"])
        await pilot.press("up")
        await wait_until_idle(pilot)
        assert failures(app) == ("web-1", ["200", "200", "200"])


@pytest.mark.parametrize(("keys", "pod"), [("pagedown", "p-29"), ("ctrl+end", "p-29"), ("down pageup", "p-00")])
async def test_however_the_cursor_moves_its_pod_is_selected(keys, pod):
    records = [record(1, (f"p-{n:02}", 503, 0.1)) for n in range(30)]
    async with top(*records, size=(120, 80)) as (app, pilot):
        await pilot.press(*keys.split())
        await wait_until_idle(pilot)
        assert failures(app)[0] == pod
        app.update_view()
        await wait_until_idle(pilot)
        assert failures(app)[0] == pod


async def test_a_selected_pod_that_is_shown_no_more_is_selected_no_more():
    async with top(*[record(1, (f"p-{n:03}", 503, 0.1)) for n in range(200)]) as (app, pilot):
        await pilot.press("ctrl+end")
        await wait_until_idle(pilot)
        assert failures(app)[0] == "p-199"
        app.view.add_lines(orjson.dumps(record(1, *[("worse", 503, 0.1)] * 2)))
        app.update_view()
        await wait_until_idle(pilot)
        assert (app.query_one("PodTable").cursor_row, failures(app)[0]) == (0, "worse")


async def test_quit():
    async with top() as (app, pilot):
        await pilot.press("q")
        await wait_until_idle(pilot)
        assert app.return_code == 0
        assert app.failure is None


@pytest.mark.parametrize("keys", [(), ("p",)], ids=["running", "paused"])
async def test_a_timer_that_fires_after_the_end_changes_nothing(keys):
    async with top() as (app, pilot):
        await pilot.press(*keys)
        await wait_until_idle(pilot)
    app.view.add_lines(orjson.dumps(record(4, ("new-1", 500, 0.1), status=500)))
    app.update_view()
    assert not app.is_running


async def test_a_feed_that_fails_ends_it_and_is_told_afterwards():
    error = ConfigurationError("no cluster")
    async with top(error=error) as (app, _):
        pass
    assert (app.failure, app.return_code) == (error, 1)


async def test_text_that_looks_like_markup_is_shown_as_it_is():
    names = {"service": "[red]x[/red]"}
    async with top(record(1, ("[bold]a", 503, 0.1, names), request="GET /[link=x]y HTTP/1.1")) as (app, _):
        assert "[red]x[/red]" in screen(app)
        assert "[bold]a" in screen(app)
        assert "GET /[link=x]y" in screen(app)


async def test_nothing_yet():
    async with top({"kind": "parse_error", "time": None, "message": "x"}) as (app, pilot):
        assert re.search(r"\b1 line\b", screen(app))
        await pilot.press("down", "up", "s")
        await wait_until_idle(pilot)
        assert app.is_running


async def test_lines_that_are_all_too_old_are_told():
    async with top(record(-300, ("web-1", 502, 0.1))) as (app, _):
        assert pods(app) == []
        assert "newest line 310 s old" in screen(app)


@pytest.mark.parametrize(("name", "size"), SIZES.items())
async def test_the_pictures_in_the_documents_are_of_this_version(name, size):
    """`python -m demo.picture docs` makes them again."""
    svg = await draw_top(size)
    text = text_of(svg)
    assert text_of((Path(__file__).parents[3] / "docs" / name).read_text()) == text
    assert "@font-face" not in svg
    assert "last failures of backend-878dbc76b-k5z5k" in text
    assert re.search(r"backend-service +backend-878dbc76b-k5z5k +11 +crashed\b", text)
    assert ("grade" in text) == (size[0] == 140)


def test_without_a_terminal(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    with pytest.raises(UsageError, match="top needs a terminal"), terminal_as_stdin(False):
        pass
