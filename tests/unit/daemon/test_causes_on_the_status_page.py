"""Why attempts failed, by service, on the status page and in status.json."""

from dataclasses import replace
from functools import partial
from itertools import count

import orjson

from enricher.daemon.status.failures import MAX_SERVICES, service_causes
from enricher.daemon.status.markup import MAX_TEXT
from enricher.daemon.status.meanings import CAUSE_MEANINGS
from enricher.daemon.status.model import CauseCount, ServiceCauses
from enricher.endpoints.slices import Service
from enricher.metrics.counters import EXPIRY, Metrics
from enricher.timestamps import SECOND
from enricher.vocabulary import Cause
from tests.support.statuses import CAUSES, FAILING, QUIET
from tests.unit.daemon.test_status_page import Page


def test_a_service_has_its_causes_and_what_they_mean():
    page = Page(FAILING)
    assert page.row("shut") == [
        *("shutshop", "5", "2026-11-22 23:19:12 UTC"),
        "shutting_down × 4 (likely) the pod was being shut down, or had leftunknown × 1 nothing shows why",
    ]
    assert page.row("no service is named")[1] == "2"
    assert "No cause was counted in the last hour." in Page(QUIET).text


def test_each_cause_has_a_meaning():
    assert [cause for cause in Cause if cause and cause not in CAUSE_MEANINGS] == []


def test_causes_are_added_up_by_service_the_worst_first():
    metrics = Metrics(partial(next, count(-SECOND, SECOND)))
    for service, cause, grade, number in [
        ("a", "unknown", "", 90),
        ("b", "crashed", "likely", 2),
        ("b", "crashed", "certain", 3),
        ("b", "unknown", "", 1),
        ("b", "crashed", "likely", 2),
    ]:
        metrics.count_cause(Service("shop", service), cause, grade, number)
    crashed = (CauseCount("crashed", "likely", 4), CauseCount("crashed", "certain", 3), CauseCount("unknown", "", 1))
    assert service_causes(metrics.causes) == (
        ServiceCauses("shop", "b", 8, "1970-01-01T00:00:04Z", crashed),
        ServiceCauses("shop", "a", 90, "1970-01-01T00:00:00Z", (CauseCount("unknown", "", 90),)),
    )


def test_a_cause_is_removed_an_hour_after_its_last_failure():
    now = 0
    metrics = Metrics(lambda: now)
    metrics.count_cause(Service("shop", "a"), "crashed", "likely")
    now = EXPIRY // 2
    metrics.count_cause(Service("shop", "a"), "timeout", "certain")
    now = EXPIRY + SECOND
    metrics.expire(set())
    [service] = service_causes(metrics.causes)
    assert service.by_cause == (CauseCount("timeout", "certain", 1),)


def test_the_services_of_one_namespace_leave_room_for_others():
    metrics = Metrics(lambda: 0)
    metrics.count_cause(Service("shop", "web"), "unknown", "")
    for n in range(2 * MAX_SERVICES):
        metrics.count_cause(Service("evil", f"s-{n}"), "crashed", "likely", 9)
    listed = service_causes(metrics.causes)
    assert len(listed) == MAX_SERVICES
    assert listed[-1].service == "web"


def test_the_page_is_bounded():
    long = ServiceCauses("n" * 10_000, "s" * 10_000, 9, CAUSES[0].last, CAUSES[0].by_cause * 500)
    page = Page(replace(QUIET, causes=(long,) * MAX_SERVICES))
    assert len(page.source) < 300_000
    assert f"These are {MAX_SERVICES} of them" in page.text
    assert "s" * MAX_TEXT + "…" in page.text


def test_json():
    [first, _] = orjson.loads(orjson.dumps(FAILING))["causes"]
    assert first == {
        "namespace": "shop",
        "service": "shut",
        "failures": 5,
        "last": "2026-11-22T23:19:12Z",
        "by_cause": [
            {"cause": "shutting_down", "cause_grade": "likely", "failures": 4},
            {"cause": "unknown", "cause_grade": "", "failures": 1},
        ],
    }
