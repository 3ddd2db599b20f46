"""`-l`/`--selector` as in kubectl: requests to the pods with these labels, also those that come later."""

import asyncio

import pytest

from demo.fake_api import slice_of, status
from enricher.cli.feed import open_feed
from enricher.cli.main import main
from enricher.cli.upstreams import Upstreams
from enricher.config.options import TOP
from enricher.config.resolve import resolve_settings
from tests.support.controller_logs import access, recent
from tests.support.fake_log_api import FakeLogApi
from tests.unit.cli.test_live_commands import POD, tail
from tests.unit.cli.test_reader_that_pauses import until


def line(number, address):
    """Return the line of a request to an address that ends now."""
    return f"{recent(access(number, f'10.0.0.{address}:8080')).replace(' stdout F', '').rstrip()}".encode()


def add_pod(server, number, app, *, namespace="shop"):
    """Add a pod with its address."""
    name = f"{app}-{number}"
    metadata = {"name": name, "namespace": namespace, "labels": {"app": app, "tier": "web"}}
    server.apply("ADDED", {"metadata": metadata}, plural="pods")
    server.apply("ADDED", slice_of(name, {f"10.0.0.{number}": name}, port=8080, namespace=namespace, service=app))


@pytest.fixture
async def server():
    async with FakeLogApi() as server:
        server.pod(POD)
        add_pod(server, 1, "cart")
        add_pod(server, 2, "pay")
        add_pod(server, 3, "cart", namespace="bank")
        server.write(POD, *(line(n, n) for n in (1, 2, 3)))
        yield server


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        (["-l", "app=cart"], "13"),
        (["--selector", "app=cart,tier=web", "-n", "shop"], "1"),
        (["-l", "tier=web", "svc/pay"], "2"),
        (["-l", "app=cart", "pod/bank/*"], "3"),
    ],
)
async def test_which_requests_are_printed(tmp_path, server, arguments, numbers):
    async with tail(server, tmp_path, *arguments, "--no-follow") as process:
        out, err = await process.communicate()
    assert [text.split()[3] for text in out.decode().splitlines()] == [f"/{number}" for number in numbers]
    assert err == b""
    watched = {"/api/v1/namespaces/shop/pods"} if "-n" in arguments else {"/api/v1/pods"}
    assert {request.path for request in server.requests if "labelSelector" in request.query} == watched


async def test_pods_that_come_later_and_those_that_are_gone(tmp_path, server):
    async with tail(server, tmp_path, "-l", "app=cart", "-n", "shop") as process:
        assert b"GET /1" in await process.stdout.readline()
        server.apply("DELETED", server.objects["pods", "shop", "cart-1"], plural="pods")
        add_pod(server, 4, "cart")
        printed = asyncio.create_task(process.stdout.readline())
        number = 4
        while not printed.done():  # the watch of pods may be behind the log
            server.write(POD, line(number, 4))
            await asyncio.wait([printed], timeout=0.1)
            number += 1
        assert b"  cart-4 " in printed.result()
        server.write(POD, line(999, 1))
        while b"GET /999" not in (last := await process.stdout.readline()):
            assert b"  cart-4 " in last
        assert b"  cart-1 " in last


async def test_no_pod_has_the_labels(tmp_path, server):
    async with tail(server, tmp_path, "-l", "app=crat", "--no-follow") as process:
        out, err = await process.communicate()
    assert out == b""
    assert err.decode().splitlines() == [
        "enricher: --selector 'app=crat': no pod has these labels yet",
        "enricher: no line of 3 matches --selector app=crat",
    ]


async def test_top_says_so_until_a_pod_has_them(tmp_path, server):
    server.write_kubeconfig(tmp_path / "config")
    settings = resolve_settings(TOP, {"--kubeconfig": str(tmp_path / "config")}, {})
    feed = open_feed(settings, [], 60, upstreams=Upstreams(selector="app=crat"))
    running = asyncio.create_task(feed.run(lambda _: None))
    await until(lambda: feed.status() == "1 log followed · --selector 'app=crat': no pod has these labels yet")
    add_pod(server, 4, "crat")
    await until(lambda: feed.status() == "1 log followed")
    running.cancel()
    await asyncio.wait([running])


async def test_what_is_no_selector(tmp_path, server):
    async with tail(server, tmp_path, "-l", "app in (cart") as process:
        out, err = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert err == b"enricher: --selector 'app in (cart': unable to parse requirement: found '', expected: identifier\n"


async def test_who_may_not_list_pods(tmp_path):
    class Refusing(FakeLogApi):
        async def _list(self, request, plural, namespace):
            refused = plural == "pods" and "labelSelector" in request.query
            return await (status(403)(request) if refused else super()._list(request, plural, namespace))

    async with Refusing() as refusing, tail(refusing, tmp_path, "-l", "app=cart", "-n", "shop") as process:
        _, err = await process.communicate()
    assert process.returncode == 3
    assert err == b"enricher: --selector 'app=cart': cannot list pods in namespace \"shop\": grant the verb list\n"


@pytest.mark.parametrize("command", ["tail", "top", "diagnose"])
def test_files_have_no_labels(capsys, command):
    assert main([command, "-l", "app=cart", "log"]) == 2
    assert "--selector cannot be combined with files, which lack the labels of pods" in capsys.readouterr().err
    assert main([command, "-l", ""]) == 2
    assert "expected text that is not empty" in capsys.readouterr().err


def test_an_attempt_whose_pod_is_not_certain():
    upstreams = Upstreams(selector="app=cart", selected_pods={("shop", "cart-1")})
    others = {"namespace": "shop", "pod": "pay-1"}, {"namespace": "bank", "pod": "cart-1"}
    assert not any(map(upstreams.include, others))
    assert not upstreams.include({"candidates": [*others]})
    assert upstreams.include({"candidates": [*others, {"namespace": "shop", "pod": "cart-1"}]})
    assert not upstreams.include({"reason": "no_endpoints", "namespace": "shop", "service": "cart"})
