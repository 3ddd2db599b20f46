"""The work for a line does not grow with the pods of its service, of which anybody may name as many as they like."""

import pytest

from enricher.endpoints.attribution import Attribution, attribute, prefer_reported_pod
from enricher.endpoints.cluster_ip import MAX_MEMBERS
from enricher.endpoints.periods import stable_period
from enricher.endpoints.readiness import MAX_MEMBERS as MAX_MEMBERS_OF_GAPS
from enricher.endpoints.readiness import ready_gaps
from enricher.endpoints.slices import Service
from enricher.vocabulary import Grade
from tests.support.calls import calls
from tests.unit.endpoints.timeline import Timeline, ns, pod, slice_, summary

VIP = "10.96.0.1"
WEB = Service("shop", "web")


def with_pods(number: int) -> Timeline:
    t = Timeline()
    t.service(0, "web", VIP)
    for first in range(0, number, 1000):
        last = min(number, first + 1000)
        t.put(0, slice_(f"s{first}", *(pod(f"10.1.{n // 250}.{n % 250}", f"web-{n}") for n in range(first, last))))
    return t


def at_cluster_ip(t: Timeline) -> None:
    t.answered(10, f"{VIP}:80")
    stable_period(t.histories, VIP, 80, ns(10), ns(11))


def reported(t: Timeline) -> None:
    attribution = Attribution(Grade.SERVICE, service=WEB)
    for number in range(100):
        prefer_reported_pod(t.histories, attribution, f"web-{number}")


@pytest.mark.parametrize("work", [at_cluster_ip, reported])
def test_the_work_for_a_line(work):
    some, many = with_pods(MAX_MEMBERS + 1), with_pods(10 * MAX_MEMBERS)
    for t in (some, many):
        reported(t)  # the names of the pods are looked up once
        work(t)
    assert calls(lambda: work(many)) == calls(lambda: work(some))


def test_the_candidates_at_a_cluster_ip_are_few():
    assert len(with_pods(MAX_MEMBERS).answered(10, f"{VIP}:80").candidates) <= 16
    assert with_pods(MAX_MEMBERS + 1).answered(10, f"{VIP}:80").candidates == ()


def test_a_pod_that_the_line_names_is_found_in_a_large_service():
    t = with_pods(2000)
    attribution = prefer_reported_pod(t.histories, Attribution(Grade.SERVICE, service=WEB), "web-1999")
    assert attribution.owner is not None
    assert (attribution.owner.pod, attribution.owner.uid) == ("web-1999", "uid-web-1999")
    t.put(20, slice_("new", pod("10.2.0.1", "web-new")))
    attribution = prefer_reported_pod(t.histories, Attribution(Grade.SERVICE, service=WEB), "web-new")
    assert attribution.owner is not None
    assert attribution.owner.uid == "uid-web-new"


def test_a_large_service_is_not_searched_for_times_without_ready_pods(monkeypatch):
    t = with_pods(1)
    t.put(5, slice_("s0"))
    assert ready_gaps(t.history, WEB)
    monkeypatch.setattr("enricher.endpoints.readiness.MAX_MEMBERS", 0)
    assert MAX_MEMBERS_OF_GAPS >= 5000
    assert ready_gaps(t.history, WEB) == []


def test_the_pod_of_a_small_service_is_known():
    assert summary(with_pods(1).answered(10, f"{VIP}:80")) == ("service", "web-0")


def test_without_a_time():
    attribution = attribute(with_pods(2).histories, f"{VIP}:80", None, answered=True)
    assert summary(attribution) == ("service", "web-0", "web-1")
