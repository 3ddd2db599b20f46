"""`enricher explain` with what a daemon saved, whatever options the daemon ran with: the daemon's own answers."""

import json

import pytest

from demo.fake_api import FakeApi, slice_of
from enricher.cli.main import main
from enricher.cluster.endpoint_files import EndpointFiles
from enricher.cluster.endpoint_source import EndpointWatch
from enricher.config.settings import ClusterSettings
from enricher.daemon.checkpoint import Checkpointer
from enricher.endpoints.attribution import attribute
from enricher.kube.client import connect
from tests.support.controller_logs import access, cri
from tests.unit.cli.test_explain import WATCH
from tests.unit.cluster.test_endpoint_source import running_watch, service_of

SLICES = json.dumps({"kind": "EndpointSliceList", "items": [slice_of("web-1", {"10.0.0.1": "web-1"})]})
FILES = {
    "a fixed address": "10.0.0.1: web-1",
    "a snapshot": SLICES,
    "a recorded watch": b"".join(WATCH).decode(),
}


def words(text):
    """Return all words, since the members of a service have no order."""
    return sorted(text.replace(";", "").split())


class NoLogs:
    def positions(self):
        return {}


@pytest.fixture
def explained(capsys):
    def explained(path, addr, *arguments):
        code = main(["explain", "--endpoints", str(path), *arguments, cri(access(1, addr)).strip()])
        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        return out

    return explained


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
@pytest.mark.parametrize("extra", [(), ("10.9.0.5: vm-1",)])
def test_a_daemon_with_files(tmp_path, explained, content, extra):
    (path := tmp_path / "endpoints").write_text(content)
    (beside := tmp_path / "extra.yaml").write_text("".join(extra))
    files = [str(beside)] if extra else []
    Checkpointer(str(tmp_path)).save(NoLogs(), EndpointFiles([str(path)], files))
    options = ("--extra-endpoints", str(beside)) if extra else ()
    for addr in ("10.0.0.1:80", "10.0.0.9:80", "10.96.0.1:80", "10.9.0.5:80"):
        saved, direct = explained(tmp_path / "history.json", addr), explained(path, addr, *options)
        assert words(saved) == words(direct)


async def test_a_daemon_that_watches_with_all_there_is(tmp_path, explained, monkeypatch):
    (extra := tmp_path / "extra.yaml").write_text("10.9.0.5: vm-1")
    options = {"namespace": "default", "services": True, "extra_endpoints": [str(extra)]}
    async with FakeApi() as server:
        server.apply("ADDED", slice_of("web-1", {"10.0.0.1": "web-1"}, service="web"))
        server.apply("ADDED", service_of("web", "10.96.0.1"), plural="services")
        async with running_watch(server, tmp_path, **options) as endpoints:
            await endpoints.wait_until_ready()
            Checkpointer(str(tmp_path)).save(NoLogs(), endpoints)
    # The daemon's options are variables of its container.
    for name, value in {"NAMESPACE": "default", "SERVICES": "true", "PROFILE": "ingress-nginx"}.items():
        monkeypatch.setenv(f"ENRICHER_{name}", value)
    monkeypatch.setenv("ENRICHER_EXTRA_ENDPOINTS", str(extra))
    path = tmp_path / "history.json"
    assert "= assumed: default/web-1" in explained(path, "10.0.0.1:80")
    assert "= service: " in explained(path, "10.96.0.1:80")
    assert "= exact: vm-1" in explained(path, "10.9.0.5:80")
    monkeypatch.delenv("ENRICHER_EXTRA_ENDPOINTS")
    assert "= exact: vm-1" in explained(path, "10.9.0.5:80")


async def test_a_watch_does_not_go_on_from_what_files_said(tmp_path):
    (path := tmp_path / "endpoints").write_text("10.0.0.1: vm-1")
    Checkpointer(str(tmp_path)).save(NoLogs(), EndpointFiles([str(path)]))
    async with FakeApi() as server:
        server.write_kubeconfig(tmp_path / "config")
        async with connect(str(tmp_path / "config")) as api:
            endpoints = EndpointWatch(api, ClusterSettings())
            Checkpointer(str(tmp_path)).load(endpoints)
    assert attribute(endpoints.histories, "10.0.0.1:80", None, answered=True).grade == "unknown"
    assert not list(tmp_path.glob("*.bad-*"))
