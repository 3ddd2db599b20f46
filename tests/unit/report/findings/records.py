"""Output records with failed attempts, made by hand."""

from enricher.report.findings.diagnosis import Diagnosis
from enricher.report.findings.failures import PodFacts
from enricher.timestamps import SECOND, format_rfc3339

START = 1_795_773_600 * SECOND
"""2026-11-27T10:00:00Z."""


def attempt(pod, cause="", **fields):
    """An attempt at a pod named `web-REVISION-N`; a good one without a cause."""
    status = 502 if cause else 200
    made = {"addr": "10.0.0.1:80", "status": status, "response_time": 0.1, "pod": pod, "namespace": "shop"}
    made |= {"service": "web", "node": "node-1", "attribution": "exact"}
    if cause:
        made |= {"origin": "proxy", "outcome": "seen", "cause": cause, "workload": "web", "workload_kind": "Deployment"}
        made |= {"revision": pod.partition("-")[2].partition("-")[0], "cause_grade": "likely"}
    return made | fields


def record(*attempts, at=0.0, **fields):
    """An access line, `at` seconds after START."""
    made = {"time": format_rfc3339(START + int(at * SECOND)), "kind": "access", "attempts": list(attempts)}
    made |= {"request": "GET /cart HTTP/1.1", "remote_addr": "192.0.2.7", "req_id": f"id-{at}", "logged_by": {}}
    return made | {"status": attempts[-1]["status"] if attempts else 503} | fields


def facts_of(fields):
    """What is known of pods with such names; zones are those of `zone`, also on good attempts."""
    name, _, rest = (fields.get("pod") or "").partition("-")
    return PodFacts(name, "Deployment", rest.partition("-")[0], fields.get("zone", ""))


def diagnose(*records):
    """The diagnosis of some records."""
    diagnosis = Diagnosis(facts_of, lambda *_: ())
    for made in records:
        diagnosis.add(made)
    return diagnosis


def only_finding(*records):
    """The only finding about some records."""
    (finding,) = diagnose(*records).findings()
    return finding
