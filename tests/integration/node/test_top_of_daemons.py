"""`enricher top --daemons` at a desk beside the cluster, with the Role of deploy/users: the daemon's own last hour."""

import base64
import json
import os
import re
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from enricher.report.daemon_status import COMMAND_HEADER
from tests.integration.node.installed import DEPLOY
from tests.integration.node.proxy import Proxy
from tests.support.kube import Kube, Pod, eventually, get_text

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]

ROLE = str(DEPLOY / "users" / "daemons.yaml")
ACCOUNT = "desk"


@pytest.fixture
def account(kube: Kube, tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of somebody who has no rights yet."""
    kube("create", "serviceaccount", ACCOUNT, "-n", "enricher")
    config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    for entry in config["users"]:
        entry["user"] = {"token": kube("create", "token", ACCOUNT, "-n", "enricher").strip()}
    (path := tmp_path / "config").write_text(yaml.safe_dump(config))
    yield path
    kube("delete", "-n", "enricher", "--ignore-not-found", "-f", ROLE)
    kube("delete", "-n", "enricher", "--ignore-not-found", f"serviceaccount/{ACCOUNT}", f"rolebinding/{ACCOUNT}")


def grant(kube: Kube) -> None:
    kube("apply", "-f", ROLE)
    subject = f"--serviceaccount=enricher:{ACCOUNT}"
    kube("create", "rolebinding", ACCOUNT, "-n", "enricher", "--role=enricher-daemons", subject)


def top(kubeconfig: Path) -> tuple[int, str, str]:
    """Return the exit code, and what is printed."""
    command = [sys.executable, "-m", "enricher", "top", "--kubeconfig", str(kubeconfig), "--daemons"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_daemons_hour_comes_through_the_api(
    kube: Kube, account: Path, proxy: Proxy, daemon: Pod, backends: list[Pod]
) -> None:
    code, out, err = top(account)
    assert (code, out) == (3, "")
    assert 'cannot list pods in namespace "enricher": grant the verb list' in err
    grant(kube)
    names = {backend.name for backend in backends}
    before = errors_of(daemon, names)
    for number in range(6):
        assert proxy.ask(f"hour-{number}", "/status/502").status == 502

    def counted() -> dict[str, int]:
        errors = errors_of(daemon, names)
        assert sum(errors.values()) >= sum(before.values()) + 12  # nginx asked each of both pods
        return errors

    errors = eventually(counted)

    def printed() -> str:
        code, out, err = top(account)
        assert (code, err) == (0, ""), (out, err)
        assert {name: int(number) for name, number in rows(out).items() if name in names} == errors
        return out

    out = eventually(printed)
    print(out)
    assert re.search(r"^1 daemon · \d+ logs? followed · last hour, to \d\d:\d\d UTC$", out, re.MULTILINE)


def errors_of(daemon: Pod, names: set[str]) -> dict[str, int]:
    """The errors of pods in the last hour, by the daemon's own page."""
    failing = json.loads(get_text(f"http://{daemon.ip}:9464/status.json"))["failing"]
    return {pod["pod"]: pod["errors_last_hour"] for pod in failing if pod["pod"] in names}


def rows(out: str) -> dict[str, str]:
    """The first number of each row, by the last name in it."""
    found = re.findall(r"^ *(\d+) +\S+ +\d\d:\d\d +\d+ .* (\S+)$", out, re.MULTILINE)
    return {name: number for number, name in found}


@pytest.mark.parametrize(("headers", "status"), [({}, 421), ({COMMAND_HEADER: "top"}, 200)])
def test_the_api_server_passes_on_the_name_that_it_is_known_by(
    daemon: Pod, tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    """A daemon would refuse most users' `top`, whose kubeconfig has a name and no address, but for the header."""
    config = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    path = f"/api/v1/namespaces/enricher/pods/{daemon.name}:9464/proxy/status.json"
    request = urllib.request.Request(config["clusters"][0]["cluster"]["server"] + path)
    request.add_header("Host", "api.example.com")
    for name, value in headers.items():
        request.add_header(name, value)
    assert status_of(request, tls(config, tmp_path)) == status


def status_of(request: urllib.request.Request, context: ssl.SSLContext) -> int:
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def tls(config: Any, folder: Path) -> ssl.SSLContext:
    """The administrator's certificates, whether the kubeconfig has them or names their files."""

    def file(entry: Any, name: str) -> str | None:
        if f"{name}-data" not in entry:
            return str(entry[name]) if name in entry else None
        (path := folder / name).write_bytes(base64.b64decode(entry[f"{name}-data"]))
        return str(path)

    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cafile=file(cluster, "certificate-authority"))
    if certificate := file(user, "client-certificate"):
        context.load_cert_chain(certificate, file(user, "client-key"))
    return context
