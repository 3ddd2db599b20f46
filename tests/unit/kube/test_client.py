"""Where credentials come from, what is said when there are none, and that they are read again."""

import asyncio
import json
import os
import ssl
import subprocess
import sys

import pytest
import yaml

from demo.fake_api import FakeApi, slice_of
from enricher.errors import ConfigurationError
from enricher.kube import client
from enricher.kube.client import connect

PATH = "/apis/discovery.k8s.io/v1/endpointslices"


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch, tmp_path):
    """No cluster around, no kubeconfig in the environment or at home."""
    for variable in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


async def get(api):
    async with api.get(PATH, {}, idle_timeout=5) as response:
        return response.status, await response.read()


def kubeconfig(path, server="http://127.0.0.1:9", user=None, **cluster):
    config = {
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": user if user is not None else {"token": "t"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


# What is wrong with it, in one line


async def refused(kubeconfig=None, context=None):
    with pytest.raises(ConfigurationError) as caught:
        async with connect(kubeconfig, context):
            pass
    text = str(caught.value)
    assert "\n" not in text
    return text


async def test_nothing_anywhere():
    hint = "and this process does not run in a pod: give one with --kubeconfig, or use --endpoints"
    assert await refused() == f"no kubeconfig at ~/.kube/config, {hint}"


async def test_no_such_file(tmp_path):
    path = str(tmp_path / "absent")
    assert await refused(path) == f"no kubeconfig at {path}"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not a kubeconfig"),
        (b"\x00\x01", ""),
        (b"a: [", ""),
        (b"just text", ""),
        (b"[1, 2]", ""),
        (b"clusters: 3\ncontexts: {}\n", ""),
        (b"apiVersion: v1\nkind: Config\n", "current-context"),
        (b"current-context: a\ncontexts: [{name: a}]\n", "context"),
    ],
)
async def test_a_file_that_is_no_kubeconfig(tmp_path, content, why):
    path = tmp_path / "config"
    path.write_bytes(content)
    text = await refused(str(path))
    assert text.startswith(f"kubeconfig {path}: ")
    assert why in text


async def test_an_unknown_context(tmp_path):
    assert "there" in await refused(kubeconfig(tmp_path / "config"), "there")


async def test_a_directory(tmp_path):
    assert "Is a directory" in await refused(str(tmp_path))


async def test_a_certificate_that_is_none(tmp_path):
    (tmp_path / "ca.crt").write_text("not PEM")
    path = kubeconfig(tmp_path / "config", "https://127.0.0.1:9", **{"certificate-authority": "ca.crt"})
    assert await refused(path) != ""


async def test_a_pod_without_its_token(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(client, "SERVICE_ACCOUNT_DIR", tmp_path)
    prefix = f"the pod's service account in {tmp_path}: "
    assert await refused() == f"{prefix}[Errno 2] No such file or directory: '{tmp_path}/token'"
    (tmp_path / "token").write_text("\n")
    (tmp_path / "ca.crt").write_text("")
    assert await refused() == f"{prefix}the token is empty"


# Where it is found


async def test_kubeconfig_from_the_environment(monkeypatch, tmp_path):
    async with FakeApi(tokens={"stand-in"}) as server:
        server.write_kubeconfig(tmp_path / "config")
        monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/absent:{tmp_path}/config")
        async with connect() as api:
            assert (await get(api))[0] == 200


async def test_kubeconfig_at_home(tmp_path):
    async with FakeApi(tokens={"stand-in"}) as server:
        (tmp_path / "home/.kube").mkdir(parents=True)
        server.write_kubeconfig(tmp_path / "home/.kube/config")
        async with connect() as api:
            assert (await get(api))[0] == 200


async def test_a_token_file_is_read_again(tmp_path):
    async with FakeApi(tokens={"one"}) as server:
        (tmp_path / "token").write_text("one\n")
        path = kubeconfig(tmp_path / "config", server.url, {"tokenFile": "token"})
        async with connect(path) as api:
            assert (await get(api))[0] == 200
            server.tokens = {"two"}
            assert (await get(api))[0] == 401
            (tmp_path / "token").write_text("two\n")
            assert (await get(api))[0] == 200


async def test_an_exec_plugin_is_asked_again(tmp_path):
    plugin = tmp_path / "plugin"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "%s"}}
    plugin.write_text(f"#!/bin/sh\nprintf '{json.dumps(credential)}' \"$(cat {tmp_path}/token)\"\n")
    plugin.chmod(0o755)
    user = {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
    }
    async with FakeApi(tokens={"one"}) as server:
        (tmp_path / "token").write_text("one")
        async with connect(kubeconfig(tmp_path / "config", server.url, user)) as api:
            assert (await get(api))[0] == 200
            (tmp_path / "token").write_text("two")
            server.tokens = {"two"}
            assert (await get(api))[0] == 200


async def test_credentials_that_vanish_are_a_problem_of_the_watch_not_its_end(open_bench):
    async with open_bench() as bench:
        await bench.started()
        bench.kubeconfig.rename(bench.kubeconfig.with_name("away"))
        bench.at_pause = lambda pauses: pauses == 3 and bench.kubeconfig.with_name("away").rename(bench.kubeconfig)
        bench.server.drop()
        await bench.until(lambda: bench.status.restarts.get("credentials") == 2)
        assert "no kubeconfig" in bench.status.problem
        bench.server.apply("ADDED", slice_of("a", {}))
        await bench.next()
        assert bench.status.synced


# TLS: a pod's own credentials, and certificates that rotate


def certificate(folder, name):
    """A self-signed certificate for 127.0.0.1: its own authority."""
    folder.mkdir(exist_ok=True)
    key, crt = folder / f"{name}.key", folder / f"{name}.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", crt],
        check=True, capture_output=True,
    )  # fmt: skip
    return crt, key


def served_with(crt, key):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(crt, key)
    return tls


@pytest.fixture
def service_account(monkeypatch, tmp_path):
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    monkeypatch.setattr(client, "SERVICE_ACCOUNT_DIR", folder)
    return folder


def in_pod(monkeypatch, server):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.url.rpartition(":")[2])


async def test_in_a_pod_the_token_and_the_authority_are_read_again(monkeypatch, tmp_path, service_account):
    old, new = certificate(tmp_path / "certs", "old"), certificate(tmp_path / "certs", "new")
    (service_account / "ca.crt").write_bytes(old[0].read_bytes())
    (service_account / "token").write_text("one")
    async with FakeApi(tokens={"one"}, tls=served_with(*old)) as server:
        in_pod(monkeypatch, server)
        async with connect() as api:
            assert (await get(api))[0] == 200
            server.tokens = {"two"}
            (service_account / "token").write_text("two")
            assert (await get(api))[0] == 200
            await server.stop()
            server.tls = served_with(*new)
            await server.start()
            with pytest.raises(OSError, match="certificate verify failed"):
                await get(api)
            (service_account / "ca.crt").write_bytes(new[0].read_bytes())
            assert (await get(api))[0] == 200


async def test_a_client_certificate_is_loaded_again_when_its_files_change_and_only_then(tmp_path):
    certificate(tmp_path, "client")
    files = {"client-certificate": "client.crt", "client-key": "client.key"}
    path = kubeconfig(tmp_path / "config", "https://127.0.0.1:9", files)
    async with connect(path) as api:
        credentials = await client._load_credentials(path, None)
        before = api.tls_context(credentials)
        assert api.tls_context(await client._load_credentials(path, None)) is before
        certificate(tmp_path, "client")
        assert api.tls_context(credentials) is not before


async def test_a_server_of_another_authority_is_refused_unless_told_otherwise(tmp_path):
    ours, theirs = certificate(tmp_path / "certs", "ours"), certificate(tmp_path / "certs", "theirs")
    async with FakeApi(tls=served_with(*theirs)) as server:
        path = kubeconfig(tmp_path / "config", server.url, **{"certificate-authority": str(ours[0])})
        async with connect(path) as api:
            with pytest.raises(OSError, match="certificate verify failed"):
                await get(api)
            kubeconfig(tmp_path / "config", server.url, **{"insecure-skip-tls-verify": True})
            assert (await get(api))[0] == 200


# What it costs


def test_the_library_is_imported_only_where_a_connection_is_made():
    code = "import enricher.kube.watcher, sys; sys.exit('kubernetes_asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, env=os.environ).returncode == 0


async def test_no_connection_is_kept_for_the_next_request(tmp_path):
    """A kept connection may be half open: the other end is gone and nobody said so."""
    async with FakeApi() as server:
        server.write_kubeconfig(tmp_path / "config")
        async with connect(str(tmp_path / "config")) as api:
            ports = set()

            async def note(request):
                ports.add(request.transport.get_extra_info("peername")[1])
                return await server._list(request, "endpointslices", None)

            for _ in range(3):
                server.fail(note)
                await get(api)
            await asyncio.sleep(0)
            assert len(ports) == 3
