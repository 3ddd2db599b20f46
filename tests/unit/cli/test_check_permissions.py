"""`enricher check` asks the API server what it may do, and tells what is missing and where the role for it is."""

from asyncio import to_thread

import pytest

from demo.fake_api import FakeApi, status, stream
from enricher.cli.main import main

FORMAT = "$status $upstream_addr"
OPTIONS = ("--services", "--controller-configmap", "ingress-nginx/ingress-nginx-controller", "--namespace", "shop")


@pytest.fixture
def check(tmp_path, capsys):
    async def check(server, *options):
        """The exit code, the verdicts by subject, and all that was said."""
        server.write_kubeconfig(tmp_path / "config")
        command = ["check", "--kubeconfig", tmp_path / "config", "--log-dir", tmp_path, "--listen", "127.0.0.1:0"]
        code = await to_thread(main, [str(one) for one in (*command, *options)])
        out, err = capsys.readouterr()
        assert err == ""
        return code, {line[9:].split("  ")[0]: line[:7].strip() for line in out.splitlines()}, out

    return check


async def test_what_is_asked(check):
    async with FakeApi(tokens={"stand-in"}) as server:
        code, verdicts, _ = await check(server, *OPTIONS)
        assert code == 0
        assert {verdicts[name] for name in ("API server", "endpointslices", "services", "configmaps")} == {"ok"}
        slices = {"group": "discovery.k8s.io", "version": "v1", "resource": "endpointslices", "namespace": "shop"}
        services = {"group": "", "version": "v1", "resource": "services", "namespace": "shop"}
        one = {"group": "", "version": "v1", "resource": "configmaps", "namespace": "ingress-nginx"}
        one |= {"name": "ingress-nginx-controller"}
        wanted = [{"verb": verb, **what} for what in (slices, services, one) for verb in ("list", "watch")]
        assert server.reviews == wanted


async def test_all_namespaces_and_no_more_than_is_needed(check):
    async with FakeApi() as server:
        server.denied = {("list", "services"), ("list", "configmaps")}
        code, verdicts, out = await check(server)
        assert (code, verdicts["endpointslices"]) == (0, "ok")
        assert "may be listed and watched (everywhere)" in out
        assert [review["resource"] for review in server.reviews] == ["endpointslices"] * 2
        assert not any("namespace" in review for review in server.reviews)


@pytest.mark.parametrize(
    ("refused", "subject", "message"),
    [
        (
            ("list", "endpointslices"),
            "endpointslices",
            "missing permission: list (in namespace shop): see the role in deploy/daemonset.yaml",
        ),
        (
            ("watch", "services"),
            "services",
            "missing permission: watch (in namespace shop): see the role in deploy/services/role.yaml",
        ),
        (
            ("watch", "configmaps"),
            "configmaps",
            "missing permission: watch (ingress-nginx-controller in namespace ingress-nginx): "
            "see the role in deploy/controller-configmap/role.yaml",
        ),
    ],
)
async def test_a_right_that_is_missing(check, refused, subject, message):
    async with FakeApi() as server:
        server.denied = {refused}
        code, verdicts, out = await check(server, *OPTIONS)
    assert (code, verdicts[subject]) == (3, "failed")
    assert message in out
    assert list(verdicts.values()).count("failed") == 1


async def test_a_server_that_says_nothing_of_rights(check):
    async with FakeApi() as server:
        server.fail(status(403, "forbidden: selfsubjectaccessreviews"))
        code, verdicts, out = await check(server)
    assert (code, verdicts["endpointslices"]) == (0, "warning")
    assert "permissions are unknown" in out


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (status(401, "Unauthorized"), "401"),
        (status(500, "broken"), "500"),
        (stream(b"no JSON", then="close"), "200"),
    ],
)
async def test_a_server_that_does_not_answer(check, fault, message):
    async with FakeApi() as server:
        server.fail(fault)
        code, verdicts, out = await check(server)
    assert (code, verdicts["API server"]) == (3, "failed")
    assert message in out


async def test_no_server(check):
    async with FakeApi() as server:
        await server.stop()
        code, verdicts, out = await check(server)
    assert (code, verdicts["API server"]) == (3, "failed")
    assert "no connection to the API server" in out


async def test_the_controllers_format_is_the_one_that_lines_are_held_against(tmp_path, check):
    log = tmp_path / "a_ingress-nginx-controller-7_u/controller/0.log"
    log.parent.mkdir(parents=True)
    log.write_text("2026-11-22T23:18:31.5Z stdout F 200 10.0.0.1:80\n")
    async with FakeApi() as server:
        where = {"namespace": "ingress-nginx", "name": "ingress-nginx-controller"}
        found = {"metadata": where, "data": {"log-format-upstream": FORMAT}}
        code, verdicts, out = await check(server, *OPTIONS)
        assert (code, verdicts["controller's format"]) == (3, "warning")
        assert "there is no ConfigMap ingress-nginx-controller in namespace ingress-nginx" in out
        server.apply("ADDED", found, plural="configmaps")
        code, verdicts, out = await check(server, *OPTIONS)
        assert code == 0
        assert f"ok       controller's format       {FORMAT}\n" in out
        assert out.count("the log format has no $upstream_status") == 1
        assert "1 of the last 1 access lines fit the controller's format" in out
        found["data"]["log-format-upstream"] = "$"
        server.apply("MODIFIED", found, plural="configmaps")
        code, verdicts, out = await check(server, *OPTIONS)
        assert (code, verdicts["controller's format"]) == (3, "failed")


async def test_a_configmap_that_sends_the_access_log_elsewhere(check):
    async with FakeApi() as server:
        where = {"namespace": "ingress-nginx", "name": "ingress-nginx-controller"}
        data = {"access-log-path": "/var/log/access", "disable-stream-access-log": "true"}
        server.apply("ADDED", {"metadata": where, "data": data}, plural="configmaps")
        code, verdicts, out = await check(server, *OPTIONS)
    assert (code, verdicts["controller's log"]) == (0, "warning")
    assert "the ConfigMap sets access-log-path to /var/log/access, which keeps access lines out" in out
    assert "the ConfigMap sets disable-stream-access-log, which keeps lines of TCP and UDP sessions out" in out


async def test_no_other_command_asks(tmp_path):
    """The daemon only reads."""
    async with FakeApi() as server:
        server.write_kubeconfig(tmp_path / "config")
        (tmp_path / "log").touch()
        command = ["enrich", "--kubeconfig", tmp_path / "config", "--services", tmp_path / "log"]
        assert await to_thread(main, [str(one) for one in command]) == 0
        assert server.requests
        assert server.reviews == []


async def test_looking_up_pods_takes_other_rights(check):
    async with FakeApi() as server:
        server.denied = {("list", "events")}
        code, verdicts, out = await check(server, "--pods", "--namespace", "shop")
        assert (code, verdicts["pods"], verdicts["events"]) == (3, "ok", "failed")
        assert "may be read (in namespace shop)" in out
        assert "missing permission: list (in namespace shop): see the role in deploy/pods/role.yaml" in out
        asked = [(review["verb"], review["resource"]) for review in server.reviews]
        assert asked[2:] == [("get", "pods"), ("list", "events")]
