"""`enricher top --daemons` adds up what two real daemons say, under whatever name the API server is known."""

import asyncio
import json

import pytest

from enricher.cli.main import main
from tests.support.controller_logs import access, recent
from tests.support.daemons import Node, until
from tests.support.fake_daemons_api import FakeDaemonsApi

RETRIED = [access(n, "10.0.0.1:80, 10.0.0.2:80", "502, 200", "0.001, 0.002", "0, 5") for n in range(4)]
FAILED = [access(n, "10.0.0.2:80", "503", "0.300") for n in range(3)]


@pytest.fixture
def nodes(tmp_path, endpoints):
    made = []
    for name in ("node-a", "node-b"):
        (tmp_path / name).mkdir()
        made.append(Node(tmp_path / name, endpoints))
    yield made
    for node in made:
        for daemon in node.daemons:
            daemon.kill()


@pytest.mark.parametrize("host", ["10.250.0.1:6443", "abc.gr7.eu-west-1.eks.example.com"])
async def test_the_hour_of_both(nodes, tmp_path, capsys, host):
    async with FakeDaemonsApi(host) as api:
        api.write_kubeconfig(tmp_path / "config")
        for node, lines in zip(nodes, [RETRIED + FAILED, FAILED], strict=True):
            node.write(*map(recent, lines))
            name = node.path.name
            daemon = await asyncio.to_thread(node.start, "--node", name)
            await asyncio.to_thread(until, lambda running=daemon, wanted=lines: len(running.out) == len(wanted))
            api.daemon(name, daemon.port)
        assert await asyncio.to_thread(main, ["top", "--kubeconfig", str(tmp_path / "config"), "--daemons"]) == 0
        [alone] = [json.loads(nodes[1].daemons[0].get("/status.json")[1])["failing"]]
    out, err = capsys.readouterr()
    assert err == ""
    rows = {line.split()[-1]: line.split() for line in out.splitlines() if line.endswith(("web-1", "web-2"))}
    assert rows["web-1"][:2] == ["4", "4"]
    assert rows["web-2"][:2] == ["6", "0"], out
    assert [pod["errors_last_hour"] for pod in alone] == [3]
    assert "503:6" in out
    assert out.splitlines()[-1].startswith("2 daemons · 2 logs followed · last hour, to ")
