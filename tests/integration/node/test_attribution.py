"""Every request through the proxy leaves as one line that names the pod which answered it."""

from collections import Counter
from pathlib import Path

import pytest

from tests.integration.node.output import Output, text_of
from tests.integration.node.proxy import Proxy
from tests.support.kube import Kube, Pod, eventually

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]

REQUESTS = 600
PATHS = [
    ("/", "GET"),
    ("/test", "POST"),
    ("/status/200", "GET"),
    ("/status/503", "GET"),
    ("/status/404", "POST"),
    ("/delay/0.05", "GET"),
]


def test_every_answered_request_is_attributed_to_the_pod_that_answered(
    proxy: Proxy, backends: list[Pod], output: Output
) -> None:
    requests = [(f"steady-{number:06d}", *PATHS[number % len(PATHS)]) for number in range(REQUESTS)]
    answers = proxy.ask_all(requests)
    lines = output.of(answers)
    right = [a for a in answers if (lines[a.request_id]["pod"], lines[a.request_id]["status"]) == (a.pod, a.status)]
    grades = Counter(line["attribution"] for line in lines.values())
    print(f"{REQUESTS} requests sent, {len(lines)} lines out, {len(right)} attributed right, grades {dict(grades)}")
    assert len(right) == len(answers) == REQUESTS
    assert {answer.pod for answer in answers} == {pod.name for pod in backends}
    assert grades == {"exact": REQUESTS}


def test_a_line_says_all_there_is_to_say(kube: Kube, proxy: Proxy, backends: list[Pod], output: Output) -> None:
    answer = proxy.ask("whole-line", "/test?a=1", agent='e2e "quoted" \\ agent')
    line = output.of([answer])["whole-line"]
    [backend] = [pod for pod in backends if pod.name == answer.pod]
    [node] = kube.get("nodes")["items"]
    assert line["request"] == "GET /test?a=1 HTTP/1.1"
    assert (line["status"], line["proxy_upstream_name"]) == (200, "default-backend-service-10000")
    assert (line["namespace"], line["service"], line["node"]) == (
        "default",
        "backend-service",
        node["metadata"]["name"],
    )
    [attempt] = line["attempts"]
    assert (attempt["addr"], attempt["status"], attempt["pod"]) == (f"{backend.ip}:10000", 200, backend.name)
    assert attempt["uid"] == kube.get("pod", backend.name)["metadata"]["uid"]
    assert line["logged_by"] == {
        "namespace": "ingress-nginx",
        "pod": proxy.pod.name,
        "node": node["metadata"]["name"],
        "container": "controller",
        "stream": "stdout",
    }


def test_kubectl_logs_shows_the_lines(kube: Kube, proxy: Proxy) -> None:
    answer = proxy.ask("kubectl-logs")

    def shown() -> str:
        [line] = [
            n for n in kube("logs", "-n", "enricher", "ds/enricher", "--tail=500").splitlines() if "kubectl-logs" in n
        ]
        return line

    assert f'"pod":"{answer.pod}"' in eventually(shown).replace('": "', '":"')


def test_each_attempt_across_an_internal_redirect_names_its_pod(
    proxy: Proxy, backends: list[Pod], output: Output
) -> None:
    """An error page that comes from a backend: nginx logs `first : second`, one group for each."""
    answers = proxy.ask_all([(f"groups-{number:02d}", "/twice/status/503", "GET") for number in range(20)])
    lines = output.of(answers)
    names = {f"{pod.ip}:10000": pod.name for pod in backends}
    for answer in answers:
        first, second = lines[answer.request_id]["attempts"]
        assert (first["status"], first["pod"]) == (503, names[first["addr"]])
        assert (second["status"], second["pod"]) == (200, answer.pod)


@pytest.mark.parametrize(("path", "status"), [("/nowhere/", 404), ("/stranger/", 502)])
def test_what_no_pod_answered_names_no_pod(proxy: Proxy, output: Output, path: str, status: int) -> None:
    answer = proxy.ask(f"nobody-{status}", path)
    line = output.of([answer])[answer.request_id]
    assert (answer.pod, line["status"]) == (None, status)
    assert line.get("pod") is None


def test_lines_that_are_no_access_lines_go_out_too(proxy: Proxy, output: Output) -> None:
    """Each line of the controller's log, whatever it is, is one line of the daemon's."""
    proxy.ask("the-last-one")

    def all_there() -> tuple[int, int]:
        logged = [n for file in controllers_logs(proxy) for n in text_of(file).splitlines()]
        records = [r for r in output.read() if r["logged_by"]["pod"] == proxy.pod.name]
        assert len(records) == len(logged)
        return len(logged), sum("message" in record for record in records)

    lines, messages = eventually(all_there)
    print(f"{lines} lines in the controller's log and out of the daemon, {messages} of them no access lines")
    assert messages > 0


def controllers_logs(proxy: Proxy) -> list[Path]:
    return sorted(Path("/var/log/pods").glob(f"ingress-nginx_{proxy.pod.name}_*/controller/*.log*"))
