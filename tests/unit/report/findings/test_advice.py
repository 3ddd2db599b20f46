"""What to change follows from the cause, and says no more than the evidence carries."""

import shlex

import pytest
import yaml

from enricher.vocabulary import Cause
from tests.unit.report.findings.records import attempt, diagnose, only_finding, record


def finding_of(*attempts, **fields):
    return only_finding(*(record(made, at=n, **fields) for n, made in enumerate(attempts)))


def fragment(finding):
    return [*yaml.safe_load_all("\n".join(finding.advice.fragment))]


def container(finding):
    return fragment(finding)[0]["spec"]["template"]["spec"]["containers"][0]


def test_a_sleep_that_spares_what_came_late():
    late = [{"state": "terminating", "late_seconds": seconds / 10, "reason": "refused"} for seconds in range(35)]
    finding = finding_of(*(attempt("web-a-1", "shutting_down", **fields) for fields in late))
    assert container(finding)["lifecycle"] == {"preStop": {"sleep": {"seconds": 4}}}
    assert finding.advice.spared == 35
    assert "They began 0.0 s to 3.4 s after the pod had begun to shut down." in finding.evidence


def test_the_time_in_the_state_will_do_while_a_pod_terminates():
    terminating = attempt("web-a-1", "shutting_down", state="terminating", state_seconds=2.0, reason="refused")
    finding = finding_of(terminating)
    assert (finding.advice.spared, container(finding)["lifecycle"]["preStop"]["sleep"]["seconds"]) == (1, 3)


@pytest.mark.parametrize(
    ("fields", "spared"),
    [
        ({"state": "gone", "state_seconds": 1.0, "late_seconds": 3.0}, 1),
        ({"state": "gone", "state_seconds": 1.0, "late_seconds": 1.0}, None),
        ({"state": "gone", "state_seconds": 1.0}, None),
        ({"state": "not_ready", "state_seconds": 1.0, "late_seconds": 3.0}, None),
        ({}, None),
    ],
)
def test_only_pods_that_were_seen_terminating_are_known_to_be_late(fields, spared):
    finding = finding_of(attempt("web-a-1", "shutting_down", reason="refused", **fields))
    assert finding.advice.spared == spared
    assert bool(finding.advice.fragment) == (spared is not None)
    assert ("cannot be said" in finding.advice.text) == (spared is None)


def test_a_sleep_that_needs_a_longer_grace_period_brings_it():
    finding = finding_of(attempt("web-a-1", "shutting_down", state="terminating", late_seconds=40.0, reason="refused"))
    spec = fragment(finding)[0]["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] > spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]


def test_what_came_too_late_for_any_sleep_gets_none():
    finding = finding_of(attempt("web-a-1", "shutting_down", state="terminating", late_seconds=3000.0))
    assert (finding.advice.spared, finding.advice.fragment) == (None, ())


def test_a_probe_for_pods_that_get_requests_too_early():
    finding = finding_of(*(attempt("web-a-1", "starting", age_seconds=age) for age in (0.2, 2.4)))
    assert "readinessProbe" in container(finding)
    assert "2.4 s after the pod was ready" in finding.advice.text
    assert finding.advice.spared == 2
    assert finding_of(attempt("web-a-1", "starting")).advice.spared is None


def test_a_timeout_is_raised_only_if_no_single_pod_hangs():
    slow = [attempt(f"web-a-{n % 4}", "timeout", response_time=60.0, status=504) for n in range(20)]
    annotations = fragment(finding_of(*slow, proxy_upstream_name="shop-web-80"))[0]["metadata"]["annotations"]
    assert annotations == {"nginx.ingress.kubernetes.io/proxy-read-timeout": "120"}
    hung = [attempt(f"web-a-{n % 4}", "timeout" if n % 4 == 0 else "", response_time=60.0) for n in range(80)]
    assert "livenessProbe" in container(finding_of(*hung))


def test_logs_of_the_container_before_for_a_crash():
    finding = finding_of(attempt("web-a-1", "crashed"))
    assert finding.advice.commands == ("kubectl -n shop logs web-a-1 --previous",)
    assert finding.advice.spared is None


def test_requests_that_no_pod_was_tried_for():
    fields = {"namespace": "shop", "service": "web", "reason": "no_endpoints", "cause": "no_endpoints"}
    finding = only_finding(*(record(at=n, **fields, cause_grade="certain") for n in range(3)))
    assert (finding.failures, finding.seen_by_clients, finding.grade) == (3, 3, "certain")
    assert finding.services == ["shop/web"]
    assert [document.get("kind") for document in fragment(finding)] == [None, "PodDisruptionBudget"]


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause])
@pytest.mark.parametrize("name", ["web-a-1", "$(reboot)", "a b; rm -rf /", "-o", "x\x1b[2J\n"])
def test_commands_have_names_of_kubernetes_only(cause, name):
    made = attempt(name, cause, revision="a", attribution="reported", namespace=name, node=name, workload=name)
    finding = only_finding(record(made))
    for command in finding.advice.commands:
        assert name == "web-a-1"
        assert command == shlex.join(shlex.split(command))
    if name == "web-a-1" and cause not in {"shutting_down", "starting", "keepalive_race", "unknown"}:
        assert finding.advice.commands
    fragment(finding)


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause])
def test_no_advice_spares_more_than_failed(cause):
    times = [{"state": "terminating", "late_seconds": n, "age_seconds": n} for n in range(70)]
    finding = finding_of(*(attempt(f"web-a-{n % 3}", cause, **fields) for n, fields in enumerate(times)))
    assert finding.advice.text
    assert finding.advice.spared is None or 0 < finding.advice.spared <= 70


def test_a_cause_of_a_later_version_is_still_reported():
    finding = finding_of(attempt("web-a-1", "cosmic_rays"))
    assert (finding.cause, finding.headline) == ("cosmic_rays", "shop/web: failures with the cause cosmic_rays")


def test_what_would_show_more_of_an_unknown_cause():
    def text(**fields):
        return finding_of(attempt("web-a-1", "unknown", **fields)).advice.text

    assert "enricher check" in text(state="ready")
    of_nginx = finding_of(attempt("web-a-1", "unknown", state="ready"), upstream_status="502")
    assert "nginx's error log" in of_nginx.advice.text
    assert "endpoints that have times" in text(reason="refused")
    assert text(reason="refused", state="ready") == "Look at what happened to the pods at that time."


UNTRIED = {"cause": "unknown", "reason": "not_tried"}
ROUTE = "httproute/shop/cart/rule/0"


def test_untried_requests_of_a_service():
    finding = only_finding(record(**UNTRIED, namespace="shop", service="web"))
    assert finding.headline == "shop/web: no pod was tried"
    assert finding.advice.commands == ("kubectl -n shop get endpointslices -l kubernetes.io/service-name=web",)


def test_untried_requests_of_a_route_whose_other_requests_name_its_service():
    findings = diagnose(record(attempt("web-a-1"), route=ROUTE), record(**UNTRIED, route=ROUTE)).findings()
    assert [finding.headline for finding in findings] == [f"{ROUTE}: no pod was tried"]
    assert findings[0].evidence[-1] == "Other requests by the same route went to shop/web."
    assert findings[0].advice.commands == (
        "kubectl -n shop describe httproute cart",
        "kubectl -n shop get endpointslices -l kubernetes.io/service-name=web",
    )


@pytest.mark.parametrize(
    "route",
    ["", "default", "cart@docker", "httproute", "httproute/shop", "$(id)/shop/cart", "httproute/-n/cart"],
)
def test_a_route_of_another_form_gets_no_command(route):
    finding = only_finding(record(**UNTRIED, route=route))
    assert finding.advice.commands == ()
    assert "The proxy's own log may say more." in finding.advice.text


def test_a_proxy_that_never_says_why_is_not_asked_for_it():
    finding = finding_of(attempt("web-a-1", "unknown"), router_name="web@docker", upstream_status=502)
    assert finding.advice.text.startswith("Traefik does not log how an attempt failed.")
    assert "enricher check" not in finding.advice.text
    assert finding.advice.commands == ("kubectl -n shop logs web-a-1 --since-time=2026-11-27T10:00:00Z",)


FIELDS = {
    "ingress-nginx": {"proxy_upstream_name": "shop-web-80", "upstream_status": "502"},
    "nginx": {"upstream_status": "502"},
    "envoy": {"response_flags": "UC", "upstream_service_time": None},
    "traefik": {"router_name": "web@docker", "upstream_status": 502},
    "haproxy": {"termination_state": "SH--", "request": "GET / HTTP/1.1"},
    "": {},
}
SETTINGS = {
    "ingress-nginx": ("upstream-keepalive-timeout", "proxy-read-timeout"),
    "nginx": ("keepalive_timeout", "proxy_read_timeout"),
    "envoy": ("connectionIdleTimeout", "timeouts"),
    "traefik": ("idleConnTimeout", "responseHeaderTimeout"),
    "haproxy": ("http-reuse", "timeout server"),
}


@pytest.mark.parametrize("proxy", FIELDS)
@pytest.mark.parametrize("cause", [cause for cause in Cause if cause])
def test_settings_are_those_of_the_proxy_that_wrote_the_lines(proxy, cause):
    made = [attempt(f"web-a-{n % 4}", cause, response_time=60.0, status=504) for n in range(20)]
    finding = finding_of(*made, **FIELDS[proxy])
    text = "\n".join((finding.advice.text, *finding.advice.fragment))
    others = [name for names in SETTINGS.values() for name in names if name not in SETTINGS.get(proxy, ())]
    assert not [name for name in others if name in text]
    if proxy and cause in {"keepalive_race", "timeout"}:
        idle, timeout = SETTINGS[proxy]
        assert (idle if cause == "keepalive_race" else timeout) in text
        assert "120" in text or cause == "keepalive_race"
    fragment(finding)


def test_two_proxies_during_a_migration():
    made = [attempt(f"web-a-{n % 4}", "keepalive_race") for n in range(20)]
    finding = only_finding(*(record(one, at=n, **FIELDS[("envoy", "nginx")[n % 2]]) for n, one in enumerate(made)))
    assert "an hour in Envoy by default, 60 s in nginx by default" in finding.advice.text
    assert len(fragment(finding)) == 2
