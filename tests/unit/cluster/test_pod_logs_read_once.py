"""Logs that are not followed are read to their present ends, once; one that cannot be read does not hold that up."""

import asyncio

from demo.fake_api import status
from tests.unit.cluster.test_pod_logs import POD, line, streaming


async def test_each_log_is_read_once_though_its_pod_changes(tmp_path):
    async with streaming(tmp_path, follow=False) as (bench, server):
        server.pod(POD)
        server.write(POD, line(1), line(2))
        await bench.until(lambda: bench.gone == [POD])
        server.pod(POD)
        server.pod(f"{POD}-2")
        server.write(f"{POD}-2", line(3))
        await bench.until(lambda: bench.gone == [POD, f"{POD}-2"])
        assert bench.lines == {POD: [line(1), line(2)], f"{POD}-2": [line(3)]}
        assert ["follow" in request.query for request in server.log_requests] == [False, False]


async def test_a_failed_request_is_made_again(tmp_path):
    async with streaming(tmp_path, follow=False) as (bench, server):
        server.log_faults.append(status(500, "not now"))
        server.pod(POD)
        server.write(POD, line(1))
        await bench.until(lambda: bench.gone == [POD])
        assert bench.lines == {POD: [line(1)]}


async def test_what_cannot_be_read_is_given_up(tmp_path, caplog):
    async with streaming(tmp_path, follow=False) as (bench, server):
        server.log_faults += [status(403, "no")] * 3
        server.pod(POD)
        await bench.until(lambda: bench.gone == [POD])
        await asyncio.wait_for(bench.streaming.wait_until_read(), 10)
        assert len(server.log_requests) == 3
        assert POD in caplog.text


async def test_nothing_is_waited_for_if_there_is_no_log(tmp_path):
    async with streaming(tmp_path, follow=False) as (bench, _):
        await asyncio.wait_for(bench.streaming.wait_until_read(), 10)
