"""`enricher diagnose` of a cluster: a failure has the cause that is known once what followed it has been reported."""

import asyncio
import logging
import sys
import time

import orjson
import pytest
from aiohttp import web

from demo.fake_api import slice_of, status
from enricher.cli.hindsight import Hindsight
from enricher.cluster.pods import PodLog
from enricher.endpoints.circumstances import AFTERMATH
from enricher.endpoints.slices import Owner
from enricher.line import Line, Source
from enricher.timestamps import SECOND, format_rfc3339
from tests.support.fake_log_api import FakeLogApi

NOW = 1_764_000_000 * SECOND
LOG, OTHER = (PodLog(Source(path), "node-1") for path in ("a", "b"))
POD = Owner("shop", "web-1", "u1", "node-1")


class Rig:
    """Enrichers that take a line `fail` for a failure, and a clock."""

    def __init__(self, lookups=None, **options):
        self.seconds, self.said, self.passes = 0.0, [], []
        self.hindsight = Hindsight(
            lookups, self.build, self.said.append, now=self.now, clock=lambda: self.seconds, sleep=self.sleep, **options
        )

    def now(self):
        return NOW + round(self.seconds * SECOND)

    async def sleep(self, seconds):
        self.seconds += seconds

    def build(self, on_failure, *, count_only=False):
        seen = []
        self.passes.append((count_only, seen))

        class Enricher:
            async def deliver(self, log, lines):
                self.enrich_at_once(log, lines)

            def enrich_at_once(self, log, lines):
                seen.extend((log, line) for line in lines)

            def update_counts(self):
                if seen[-1][1].text == b"fail":
                    on_failure(POD)

            def forget(self, log):
                seen.append((log, None))

        return Enricher()


class Lookups:
    def __init__(self, waiting=()):
        self.counts, self.reported = list(waiting), []

    @property
    def waiting(self):
        return self.counts.pop(0) if len(self.counts) > 1 else sum(self.counts)

    def report_failure(self, owner):
        self.reported.append(owner)


def line(text, seconds_ago=0.0, **options):
    return Line(text, format_rfc3339(NOW - round(seconds_ago * SECOND)).encode(), **options)


async def test_all_lines_are_enriched_twice_and_the_same():
    rig = Rig()
    lines = [line(b"a b  c ", 9), line(b"", 8), line(b"\xff\x00\r \x85", 7, cut=17), line(b"fail", 6)]
    await rig.hindsight.deliver(LOG, lines[:3])
    await rig.hindsight.deliver(OTHER, lines[1:])
    await rig.hindsight.deliver(LOG, lines[3:])
    rig.hindsight.forget(LOG)
    rig.hindsight.enrich()
    (first_counts, _), (second_counts, second) = rig.passes
    assert (first_counts, second_counts) == (True, False)
    assert [seen for log, seen in second if log == LOG] == [*lines, None]
    assert [seen for log, seen in second if log == OTHER] == [*lines[1:], None]


@pytest.mark.parametrize(("seconds_ago", "wait"), [(0, 5), (3, 2), (4.9, 0.1), (5, 0), (600, 0), (-100, 5)])
async def test_it_waits_for_what_follows_the_newest_failure(seconds_ago, wait):
    rig = Rig(Lookups())
    await rig.hindsight.deliver(LOG, [line(b"good", 700), line(b"fail", seconds_ago)])
    await rig.hindsight.deliver(LOG, [line(b"good")])
    await rig.hindsight.wait()
    assert rig.seconds == pytest.approx(wait)
    assert AFTERMATH == 5 * SECOND


async def test_without_failures_it_waits_for_nothing():
    rig = Rig(lookups := Lookups())
    await rig.hindsight.deliver(LOG, [line(b"good")])
    await rig.hindsight.wait()
    assert (rig.seconds, lookups.reported) == (0, [])


async def test_it_waits_for_the_pods_that_failed():
    rig = Rig(lookups := Lookups([3, 2, 1, 0]))
    await rig.hindsight.deliver(LOG, [line(b"fail", 600)])
    await rig.hindsight.wait()
    assert lookups.reported == [POD]
    assert rig.seconds == pytest.approx(0.6)
    assert "1 line read · 2 failed pods still to be looked up" in rig.said


async def test_it_does_not_wait_for_ever(caplog):
    rig = Rig(Lookups([7]))
    await rig.hindsight.deliver(LOG, [line(b"fail", 600)])
    with caplog.at_level(logging.WARNING):
        await rig.hindsight.wait()
    assert 60 <= rig.seconds < 61
    assert "7 of the pods that failed were not looked up within 60 s" in caplog.text


async def test_lines_without_a_place_are_counted_and_said_once(caplog):
    rig = Rig(max_kept=100)
    for number in range(100):
        await rig.hindsight.deliver(LOG, [line(b"%d" % number)])
    with caplog.at_level(logging.WARNING):
        rig.hindsight.enrich()
    kept = len(rig.passes[1][1]) - 1
    assert 0 < kept < 4
    [message] = caplog.messages
    assert message.startswith(f"passed over {100 - kept} lines")


# --- as a command ----------------------------------------------------------------------------------------------------

LINE = (
    '10.1.2.3 - - [22/Nov/2026:23:18:00 +0000] "GET / HTTP/1.1" 502 1 "-" "-" 1 0.002 '
    "[shop-web-80] [] 10.0.0.1:8080 0 0.001 502 id-1"
)
AT = "2026-11-22T23:18:00.5Z"


def failed_pod(**state):
    container = {"name": "app", "restartCount": 1, "state": {}, **state}
    return {
        "metadata": {"namespace": "default", "name": "pod-1", "uid": "uid-pod-1"},
        "status": {"containerStatuses": [container]},
    }


OOM = {
    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-22T23:18:00Z"}},
    "state": {"running": {"startedAt": "2026-11-22T23:18:02Z"}},
}


async def diagnose(server, tmp_path, *options):
    """Return the findings and stderr."""
    server.apply("ADDED", slice_of("web", {"10.0.0.1": "pod-1"}, port=8080))
    server.pod("ingress-nginx-controller-1")
    for _ in range(10):
        server.write("ingress-nginx-controller-1", f"{AT} {LINE}".encode())
    server.write_kubeconfig(tmp_path / "config")
    command = ["-m", "enricher", "diagnose", "--kubeconfig", str(tmp_path / "config"), "-o", "json", *options]
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(sys.executable, *command, **pipes)
    out, err = await process.communicate()
    assert process.returncode == 0, err
    return orjson.loads(out)["findings"], err.decode()


def lookups(server):
    return [request.path for request in server.requests if request.path.endswith("/default/pods/pod-1")]


async def test_pods_that_failed_are_looked_up_before_causes_are_given(tmp_path):
    async with FakeLogApi() as server:
        server.apply("ADDED", failed_pod(**OOM), plural="pods")
        [finding], err = await diagnose(server, tmp_path)
        assert (finding["cause"], finding["grade"], finding["failures"]) == ("oom_killed", "likely", 10), (
            "whose address it was"
        )
        assert err == ""
        assert len(lookups(server)) == 1


async def test_what_is_not_known_of_the_past_is_said(tmp_path):
    async with FakeLogApi() as server:
        server.apply("ADDED", failed_pod(), plural="pods")
        [finding], err = await diagnose(server, tmp_path, "--no-pods")
        assert (finding["cause"], finding["failures"], lookups(server)) == ("unknown", 10, [])
        assert err.startswith("enricher: no cause is known for 10 failures, and what happened to pods before ")
        assert err.count("\n") == 1


async def test_a_right_that_is_missing_costs_one_warning(tmp_path):
    class Refusing(FakeLogApi):
        async def _answer(self, request):
            of_pods = "/default/pods/" in request.path or request.path.endswith("/events")
            return await (status(403)(request) if of_pods else super()._answer(request))

    async with Refusing() as server:
        [finding], err = await diagnose(server, tmp_path)
        assert (finding["cause"], finding["failures"]) == ("unknown", 10)
        assert err.count("cannot look up pods that failed") == 1
        assert err.count("\n") == 2


async def test_what_happens_after_it_has_read_is_in_the_causes(tmp_path):
    """The pod leaves the slices when it is looked up, which is after its line was read."""
    slice_ = slice_of("web", {"10.0.0.1": "pod-1"}, port=8080)

    class Leaving(FakeLogApi):
        async def _answer(self, request):
            if request.path.endswith("/default/pods/pod-1"):
                self.apply("MODIFIED", {**slice_, "endpoints": []})
            return await super()._answer(request)

    async with Leaving() as server:

        async def serve(request):
            at = time.time_ns() + SECOND // 5  # after the list of slices, however little time the server needs
            local = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at // SECOND))
            text = LINE.replace("22/Nov/2026:23:18:00 +0000", local)
            return web.Response(text=f"{format_rfc3339(at)} {text}\n")

        server.log_faults.append(serve)
        [finding], _ = await diagnose(server, tmp_path)
        assert (finding["cause"], finding["failures"]) == ("shutting_down", 1)
