"""Logs through the API: however streams break, no line is lost and none comes twice."""

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager

import pytest

from demo.fake_api import status, stream
from enricher.cluster.pod_logs import PodLogStreamer, ResumePoint
from enricher.cluster.pods import namespaces_to_watch, parse_pod
from enricher.config.lookalikes import MAX_LOOKALIKES
from enricher.kube.client import connect
from enricher.tailer.selector import Selector
from enricher.timestamps import SECOND
from tests.support.fake_log_api import FakeLogApi

NGINX = "*/*ingress-nginx-controller*/controller"
POD = "ingress-nginx-controller-1"


def line(n, second=31):
    return b"2026-11-22T23:18:%02d.%09dZ line %d" % (second, n, n)


class Bench:
    """A consumer that collects lines; pauses between connections take no time and are recorded."""

    def __init__(self, server):
        self.server = server
        self.lines = defaultdict(list)
        self.gone = []
        self.nodes = {}
        self.pauses = []

    async def deliver(self, log, lines):
        self.nodes[log.source.pod] = log.node
        self.lines[log.source.pod] += [b" ".join((line.stamp, line.text)) for line in lines]

    def forget(self, log):
        self.gone.append(log.source.pod)

    async def pause(self, seconds):
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    async def until(self, condition):
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110  # what it waits for is outside
                await asyncio.sleep(0.001)


@asynccontextmanager
async def streaming(tmp_path, *selectors, **options):
    async with FakeLogApi() as server:
        server.write_kubeconfig(tmp_path / "config")
        bench = Bench(server)
        async with connect(str(tmp_path / "config")) as api:
            parsed_selectors = [Selector.parse(text) for text in selectors or (NGINX,)]
            bench.streaming = PodLogStreamer(api, parsed_selectors, bench, sleep=bench.pause, **options)
            task = asyncio.create_task(bench.streaming.run())
            await bench.streaming.wait_until_listed()
            try:
                yield bench, server
                assert not task.done(), task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def test_lines_with_their_stamps_of_the_containers_that_are_selected(tmp_path):
    async with streaming(tmp_path) as (bench, server):
        server.pod("web-1", namespace="default")
        server.pod(POD, node="node-7")
        server.write(POD, line(1), line(2))
        await bench.until(lambda: len(bench.lines[POD]) == 2)
        assert bench.lines == {POD: [line(1), line(2)]}
        assert bench.nodes == {POD: "node-7"}
        [request] = server.log_requests
        assert request.query == {
            "container": "controller",
            "follow": "true",
            "timestamps": "true",
            "sinceSeconds": request.query["sinceSeconds"],
        }


async def test_as_many_logs_as_there_are(tmp_path):
    """Each holds a connection for as long as it lasts: there are no hundred for all of them."""
    async with streaming(tmp_path) as (bench, server):
        for n in range(130):
            server.pod(f"{POD}-{n}")
            server.write(f"{POD}-{n}", line(n))
        await bench.until(lambda: len(bench.lines) == 130)
        server.drop()
        server.pod(f"{POD}-last")
        server.write(f"{POD}-last", line(1))
        await bench.until(lambda: bench.lines[f"{POD}-last"])


@pytest.mark.parametrize("how", ["end", "abort"])
async def test_broken_streams_lose_and_double_nothing(tmp_path, how):
    """Many breaks, several lines of the same second on both sides of each, and two lines that are the same."""
    async with streaming(tmp_path) as (bench, server):
        server.pod(POD)
        written = []
        for n in range(60):
            written += [line(n, 10 + n // 7)] * (1 + (n % 10 == 3))
            server.write(POD, *written[len(server.logs[POD]) :])
            if n % 4 == 3:
                total = len(written)
                await bench.until(lambda total=total: len(bench.lines[POD]) == total)
                request_count = len(server.log_requests)
                server.cut(POD, how)
                await bench.until(lambda before=request_count: len(server.log_requests) > before)
        await bench.until(lambda: len(bench.lines[POD]) == len(written))
        assert bench.lines[POD] == written
        assert len(server.log_requests) > 15
        assert all("sinceTime" in request.query for request in server.log_requests[1:])


async def test_a_clock_that_is_set_back_loses_nothing(tmp_path):
    async with streaming(tmp_path) as (bench, server):
        server.pod(POD)
        server.write(POD, line(1, 50))
        await bench.until(lambda: bench.lines[POD])
        server.write(POD, line(2, 20))
        await bench.until(lambda: len(bench.lines[POD]) == 2)

        async def meanwhile(request):
            server.write(POD, line(3, 21))
            return await status(500)(request)

        server.log_faults += [meanwhile]
        server.cut(POD, "abort")
        await bench.until(lambda: line(3, 21) in bench.lines[POD])
        assert server.log_requests[-1].query["sinceTime"] == "2026-11-22T23:18:19Z"


async def test_what_was_written_while_nobody_listened_comes_with_the_next_connection(tmp_path):
    async with streaming(tmp_path) as (bench, server):
        server.pod(POD)
        server.write(POD, line(1))
        await bench.until(lambda: bench.lines[POD])

        async def meanwhile(request):
            server.logs[POD] += [line(2), line(3)]
            return await status(500)(request)

        server.log_faults += [meanwhile, status(503), stream(b"2026-11-22T23:18:31.00000000", then="abort")]
        server.cut(POD, "abort")
        await bench.until(lambda: len(bench.lines[POD]) == 3)
        assert bench.lines[POD] == [line(1), line(2), line(3)]
        assert len([pause for pause in bench.pauses if pause >= 0.5]) >= 3


async def test_a_pod_that_comes_later_is_read_from_its_beginning_and_one_that_goes_to_its_end(tmp_path):
    async with streaming(tmp_path, since=60.0) as (bench, server):
        later = f"{POD}-later"
        server.pod(later, waiting={"reason": "ContainerCreating"})
        server.pod(POD)
        await bench.until(lambda: server.readers)
        assert [source.pod for source in bench.streaming.sources] == [POD]
        server.write(later, line(1))
        server.pod(later)
        await bench.until(lambda: bench.lines[later] == [line(1)])
        server.delete_pod(later)
        server.write(later, line(2))
        server.cut(later, "end")
        await bench.until(lambda: bench.gone == [later])
        assert bench.lines[later] == [line(1), line(2)]
        assert [source.pod for source in bench.streaming.sources] == [POD]
        assert all(int(request.query["sinceSeconds"]) >= 61 for request in server.log_requests)


async def test_a_container_that_starts_again_is_read_on(tmp_path):
    async with streaming(tmp_path) as (bench, server):
        server.pod(POD)
        server.write(POD, line(1))
        await bench.until(lambda: bench.lines[POD])
        server.pod(POD, terminated={"exitCode": 1})
        server.cut(POD, "end")
        server.logs[POD] = [line(2, 40)]
        server.pod(POD)
        await bench.until(lambda: len(bench.lines[POD]) == 2)
        assert bench.lines[POD] == [line(1), line(2, 40)]
        assert not bench.gone


async def test_silence_is_no_problem_and_costs_a_connection(tmp_path):
    async with streaming(tmp_path, idle_timeout=0.05) as (bench, server):
        server.pod(POD)
        server.write(POD, line(1))
        await bench.until(lambda: len(server.log_requests) > 3)
        assert bench.lines[POD] == [line(1)]
        assert bench.streaming.problem() is None


async def test_what_is_not_allowed_and_what_the_kubelet_stumbles_over_is_told(tmp_path, caplog):
    async with streaming(tmp_path) as (bench, server):
        server.log_faults += [status(403), stream(b"failed to watch \x1b[2Jfile: too many open files\n", then="hang")]
        server.pod(POD)
        await bench.until(lambda: len(server.log_requests) == 2)
        await bench.until(lambda: "too many" in (bench.streaming.problem() or ""))
        assert f'cannot get pods/log of "{POD}" in namespace ' in caplog.text
        assert "grant the verb get" in caplog.text
        assert bench.streaming.problem() == (
            f"ingress-nginx/{POD}/controller: failed to watch \\x1b[2Jfile: too many open files"
        )
        assert not bench.lines[POD]


async def test_a_piece_of_a_line_without_its_stamp_is_told_in_short(tmp_path):
    async with streaming(tmp_path) as (bench, server):
        server.log_faults += [stream(b"x" * 100_000 + b"\n", then="hang")]
        server.pod(POD)
        await bench.until(bench.streaming.problem)
        assert len(bench.streaming.problem()) < 400


async def test_as_far_back_as_a_server_can_reckon(tmp_path):
    async with streaming(tmp_path, since=999_999 * 86_400) as (bench, server):
        server.pod(POD)
        await bench.until(lambda: server.log_requests)
        assert int(server.log_requests[0].query["sinceSeconds"]) * SECOND < 2**63


async def test_no_pod_is_told(tmp_path, caplog):
    async with streaming(tmp_path):
        assert f"no container matches {NGINX} yet" in caplog.text


async def test_a_pod_that_may_have_been_meant_is_named(tmp_path):
    async with streaming(tmp_path) as (bench, server):
        server.pod("envoy-default-eg-7d9", container="envoy", namespace="edge")
        await bench.until(lambda: "edge/envoy-default-eg-7d9/envoy" in bench.streaming.problem())
        expected = f"no container matches {NGINX} yet; 1 container looks like envoy (edge/envoy-default-eg-7d9/envoy)"
        assert bench.streaming.problem().startswith(expected)
        server.pod(POD)
        await bench.until(lambda: bench.streaming.problem() is None)


async def test_a_pod_that_is_gone_was_not_meant(tmp_path):
    async with streaming(tmp_path) as (bench, server):
        server.pod("envoy-default-eg-7d9", container="envoy", namespace="edge")
        await bench.until(lambda: "looks like envoy" in bench.streaming.problem())
        server.delete_pod("envoy-default-eg-7d9", "edge")
        await bench.until(lambda: "looks like envoy" not in bench.streaming.problem())


async def test_very_many_pods_that_may_have_been_meant(tmp_path):
    async with streaming(tmp_path) as (bench, server):
        for number in range(2 * MAX_LOOKALIKES):
            server.pod(f"web-nginx-{number}", container="nginx")
        await bench.until(lambda: f"{MAX_LOOKALIKES} or more containers" in bench.streaming.problem())
        assert len(bench.streaming.problem()) < 400


async def test_one_namespace_is_asked_for_where_the_selectors_name_it(tmp_path):
    async with streaming(tmp_path, "ingress-nginx/*/controller", "edge/*/controller") as (_, server):
        lists = {request.path for request in server.requests if not request.is_watch}
        assert lists == {"/api/v1/namespaces/ingress-nginx/pods", "/api/v1/namespaces/edge/pods"}


def test_where_pods_are_looked_for():
    assert namespaces_to_watch([Selector.parse("a/*/c"), Selector.parse("b/*/c"), Selector.parse("a/x/c")]) == [
        "a",
        "b",
    ]
    assert namespaces_to_watch([Selector.parse("a/*/c"), Selector.parse("b*/*/c")]) == [None]


@pytest.mark.parametrize("pod", [{}, {"metadata": None}, {"spec": {"containers": None}, "status": None}])
def test_malformed_pods_have_no_logs(pod):
    assert parse_pod([Selector.parse("*/*/*")], pod).logs == []


def test_what_is_remembered_of_a_log_is_two_seconds():
    resume_point = ResumePoint()
    assert resume_point.resume() is None
    for n in range(100):
        assert resume_point.accept(b"%d" % n, n * SECOND // 10)
    assert resume_point.resume() == 8 * SECOND
    assert [resume_point.accept(b"%d" % n, n * SECOND // 10) for n in range(80, 101)] == [False] * 20 + [True]
    assert resume_point.line_count == 101


def test_what_is_remembered_is_two_seconds_also_after_a_clock_was_set_back():
    resume_point = ResumePoint()
    assert resume_point.accept(b"ahead", 5000 * SECOND)
    for n in range(100):
        assert resume_point.accept(b"%d" % n, n * SECOND // 10)
    assert len(resume_point._recent) <= 20
    assert resume_point.resume() == 8 * SECOND


def test_stamps_that_step_back_by_more_than_usual_double_nothing():
    """A line is stamped when its first piece is written, and may be long in coming."""
    stamps = [100 * SECOND // 10, 105 * SECOND // 10, 92 * SECOND // 10, 106 * SECOND // 10]
    resume_point = ResumePoint()
    assert all(resume_point.accept(b"%d" % at, at) for at in stamps)
    since = resume_point.resume()
    assert not any(resume_point.accept(b"%d" % at, at) for at in stamps if at >= since)
