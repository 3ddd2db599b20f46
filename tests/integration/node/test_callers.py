"""A pod that asks another one through the controller: both are named, and the call between services is counted."""

import pytest

from tests.integration.node.load import Answer
from tests.integration.node.output import Output, scrape, total
from tests.integration.node.proxy import Proxy
from tests.support.kube import Kube, Pod, eventually

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]

ASK = """
import sys, urllib.error, urllib.request
ip, path, request_id = sys.argv[1:]
headers = {"Host": "wilsonchai.com", "X-Request-ID": request_id}
try:
    print(urllib.request.urlopen(urllib.request.Request(f"http://{ip}{path}", headers=headers), timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""
EDGE = {
    "client_namespace": "default",
    "client_service": "backend-service",
    "namespace": "default",
    "service": "backend-service",
}


def test_caller_and_callee_are_named(
    kube: Kube, proxy: Proxy, backends: list[Pod], daemon: Pod, output: Output
) -> None:
    before = scrape(daemon)
    answers = []
    for n, caller in enumerate(backends * 3):
        path, request_id = ("/status/503", "/test")[n % 3 > 0], f"caller-{n}"
        said = kube("exec", caller.name, "--", "python", "-c", ASK, proxy.pod.ip, path, request_id)
        answers.append((caller, Answer(request_id, int(said), None)))
    lines = output.of(answer for _, answer in answers)
    named = [lines[answer.request_id].get("client_pod") for _, answer in answers]
    print(f"{len(answers)} requests of pods, {sum(map(bool, named))} callers named: {named}")
    for caller, answer in answers:
        line = lines[answer.request_id]
        assert line["remote_addr"] == caller.ip
        assert (line["client_pod"], line["client_service"]) == (caller.name, "backend-service")
        assert line["client_attribution"] == "exact"
    failed = sum(answer.status == 503 for _, answer in answers)
    assert failed == 2

    def rose() -> None:
        after = scrape(daemon)
        for name, number in (("ingress_edge_requests_total", len(answers)), ("ingress_edge_errors_total", failed)):
            assert total(after, name, **EDGE) - total(before, name, **EDGE) == number

    eventually(rose)
    assert not [line for line in output.of([proxy.ask("outsider")]).values() if "client_pod" in line]
