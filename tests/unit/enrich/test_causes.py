"""Why attempts failed: the rules as docs/causes.md shows them, and the causes of lines."""

from collections import Counter
from pathlib import Path

import orjson
import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.nginx import INGRESS_NGINX, compile_format
from enricher.endpoints.attribution import Attribution, Histories, Window
from enricher.endpoints.circumstances import Circumstance
from enricher.endpoints.history import History
from enricher.endpoints.slices import Owner, Service
from enricher.enrich.cached_attribution import CachedAttribution
from enricher.enrich.cause_counter import MAX_PENDING, CauseCounter
from enricher.enrich.causes import RULES, UNKNOWN, Symptom, cause_of
from enricher.enrich.engine import Enricher, Output
from enricher.metrics.counters import Metrics
from enricher.timestamps import MILLISECOND, SECOND
from enricher.vocabulary import Cause, CauseGrade, Grade
from tests.unit.enrich.controller_lines import NOW, SOURCE, access, framed, slice_of

DOCS = Path(__file__).parents[3] / "docs" / "causes.md"
POD = "web-878dbc76b-k5z5k"
END = NOW + SECOND // 2
READY = {"ready": True, "serving": True, "terminating": False}
CONDITIONS = {
    "ready": READY,
    "not_ready": {"ready": False, "serving": False, "terminating": False},
    "terminating": {"ready": False, "serving": True, "terminating": True},
}
ERROR_LINE = (
    b"2026-11-22T23:18:31.5Z stderr F 2026/11/22 23:18:31 [error] 7#7: *1 %b while %b upstream, client: 192.0.2.7, "
    b'server: _, request: "GET / HTTP/1.1", upstream: "http://10.0.0.1:80/", host: "h"\n'
)
REFUSED = ERROR_LINE % (b"connect() failed (111: Connection refused)", b"connecting to")
RESET = ERROR_LINE % (b"recv() failed (104: Connection reset by peer)", b"reading response header from")
LONG_READY = (600_000, "ready")
CLOSED = ERROR_LINE % (b"upstream prematurely closed connection", b"reading response header from")
ANSWER_CUT = ERROR_LINE % (b"upstream prematurely closed connection", b"reading upstream")
SLOW = ERROR_LINE % (b"upstream timed out (110: Connection timed out)", b"reading response header from")


def rows() -> list[str]:
    """Return the rows of the table in the documents."""

    def names(values: set[Symptom] | set[Circumstance]) -> str:
        kind = type(next(iter(values)))
        return "any" if values == set(Circumstance) else ", ".join(value for value in kind if value in values)

    return [
        f"| {names(symptoms)} | {names(circumstances)} | `{cause}` | {grade} |"
        for symptoms, circumstances, cause, grade in RULES
    ]


def test_the_table_in_the_docs_is_that_of_the_program() -> None:
    print("\n".join(rows()))
    assert "\n".join(rows()) in DOCS.read_text()


def test_the_docs_explain_all_words_of_the_table() -> None:
    text = DOCS.read_text()
    assert [word for word in (*Symptom, *Circumstance) if f"\n- *{word}*: " not in text] == []
    assert [cause for cause in Cause if cause and f"| `{cause}` |" not in text] == []


@pytest.mark.parametrize("is_sure", [True, False])
def test_nothing_about_a_pod_is_certain_if_it_is_a_guess_which_pod(*, is_sure: bool) -> None:
    grades = {
        circumstance: cause_of(Symptom.REFUSED, circumstance, is_sure=is_sure).grade for circumstance in Circumstance
    }
    certain = {circumstance for circumstance, grade in grades.items() if grade is CauseGrade.CERTAIN}
    ends = {Circumstance.CONTAINER_ENDED, Circumstance.OUT_OF_MEMORY, Circumstance.STOPPED}  # of the only container
    assert certain == (ends if is_sure else set())
    assert cause_of(Symptom.TIMED_OUT, Circumstance.STEADY, is_sure=is_sure).grade is CauseGrade.CERTAIN


class Run:
    """An engine, and a history in which a pod's state changed at some times before END (ms)."""

    def __init__(self, *changes: tuple[int, str]) -> None:
        self.histories = Histories(History(), History())
        self.histories.pods.replace([], NOW - 3000 * SECOND)
        for before, state in changes:
            self.change(before, state)
        self.metrics = Metrics(lambda: NOW)
        self.enricher = Enricher(FormatDetector((compile_format(INGRESS_NGINX),)), self.metrics)

    def change(self, before: int, state: str) -> None:
        obj = slice_of({"10.0.0.1": POD})
        obj["endpoints"][0]["conditions"] = CONDITIONS.get(state, {})
        self.histories.pods.apply("DELETED" if state == "gone" else "MODIFIED", obj, END - before * MILLISECOND)

    def attempts(self, *errors: bytes, now: int | None = None, **line: bytes) -> list[dict]:
        """Return the attempts of a line that ended at END, as they are known at a time."""
        client_status = line.pop("client_status", b"502")
        text = access(**({"status": b"502", "length": b"0"} | line))
        text = text.replace(b'HTTP/1.1" 200', b'HTTP/1.1" ' + client_status).replace(b" 0.007 ", b" 0.3 ")
        block = framed(b"2026-11-22T23:18:31.5Z stdout F " + text + b"\n" + b"".join(errors))
        outputs = self.enricher.enrich(SOURCE, block, self.histories, lambda: now)
        records = map(orjson.loads, b"".join(item.data for item in outputs if isinstance(item, Output)).splitlines())
        return next(record for record in records if record["kind"] == "access")["attempts"]

    def counted(self, now: int | None = None) -> dict[str, int]:
        """Return the causes counted at a time, with their services."""
        self.enricher.update_counts(now)
        return {" ".join(key).strip(): series.failures for key, series in self.metrics.causes.items()}


@pytest.mark.parametrize(
    ("changes", "errors", "line", "cause"),
    [
        ([LONG_READY], [], {"status": b"503"}, "application certain"),
        ([LONG_READY], [], {"status": b"502", "length": b"10"}, "application certain"),
        ([LONG_READY, (2000, "terminating")], [], {"status": b"500"}, "application certain"),
        ([LONG_READY, (2000, "terminating")], [REFUSED], {}, "shutting_down likely"),
        ([LONG_READY, (2000, "terminating")], [RESET], {}, "shutting_down likely"),
        ([LONG_READY, (2000, "gone")], [], {}, "shutting_down likely"),
        ([LONG_READY, (2000, "gone")], [SLOW], {"status": b"504"}, "shutting_down likely"),
        ([LONG_READY, (-900, "terminating")], [CLOSED], {}, "shutting_down likely"),
        ([LONG_READY, (-900, "terminating")], [SLOW], {"status": b"504"}, "timeout likely"),
        ([LONG_READY, (-900, "not_ready"), (-950, "terminating")], [CLOSED], {}, "crashed likely"),
        ([LONG_READY, (-6000, "terminating")], [REFUSED], {}, "unknown"),
        ([(600_000, "not_ready")], [SLOW], {"status": b"504"}, "starting likely"),
        ([(9000, "not_ready"), (2000, "ready")], [REFUSED], {}, "starting likely"),
        ([(2000, "ready")], [REFUSED], {}, "starting likely"),
        ([(2000, "ready")], [CLOSED], {}, "keepalive_race likely"),
        ([(2000, "ready")], [CLOSED], {"took": b"0.101"}, "unknown"),
        ([(2000, "ready")], [], {}, "unknown"),
        ([LONG_READY, (-1000, "not_ready")], [REFUSED], {}, "crashed likely"),
        ([LONG_READY, (2000, "not_ready")], [RESET], {}, "crashed likely"),
        ([LONG_READY, (5000, "not_ready"), (1000, "ready")], [REFUSED], {}, "crashed likely"),
        ([LONG_READY, (-1000, "not_ready")], [SLOW], {"status": b"504"}, "timeout certain"),
        ([LONG_READY], [SLOW], {"status": b"504"}, "timeout certain"),
        ([LONG_READY], [], {"status": b"504"}, "timeout likely"),
        ([LONG_READY], [RESET], {}, "keepalive_race likely"),
        ([LONG_READY], [CLOSED], {}, "keepalive_race likely"),
        ([LONG_READY], [RESET], {"took": b"0.101"}, "unknown"),
        ([LONG_READY], [ANSWER_CUT], {"status": b"200", "length": b"5"}, "unknown"),
        ([LONG_READY], [], {}, "unknown"),
        ([LONG_READY], [REFUSED], {}, "unknown"),
    ],
)
def test_cause_of_a_line(
    changes: list[tuple[int, str]], errors: list[bytes], line: dict[str, bytes], cause: str
) -> None:
    run = Run(*changes)
    [attempt] = run.attempts(*errors, **line)
    assert f"{attempt['cause']} {attempt.get('cause_grade', '')}".strip() == cause
    assert run.counted() == {f"shop web {cause}": 1}


def two_tries(last: bytes, took: bytes, *errors: bytes) -> str:
    lists = {"addr": b"10.0.0.1:80, 10.0.0.1:80", "status": b"502, " + last, "length": b"0, 5"}
    first, _ = Run(LONG_READY).attempts(*errors, took=took + b", 0.003", client_status=last, **lists)
    return first["cause"]


@pytest.mark.parametrize("error", [RESET, CLOSED])
def test_a_connection_that_was_closed_as_it_was_used_again(error: bytes) -> None:
    """The next try opens a new one; if that is cut too, the pod does so on purpose."""
    assert two_tries(b"200", b"0.001", error) == "keepalive_race"
    assert two_tries(b"502", b"0.001", error, error) == "unknown"
    assert two_tries(b"200", b"0.100", error) == "keepalive_race"
    assert two_tries(b"200", b"0.101", error) == "unknown", "the pod worked on it"
    assert two_tries(b"200", b"0.001", REFUSED) == "unknown", "no connection was there"


def test_error_lines_of_one_moment_that_differ() -> None:
    """Which of the two lines is about which of the two requests is not known, but both are about a cut."""
    text = access(status=b"502", length=b"0").replace(b'HTTP/1.1" 200', b'HTTP/1.1" 502')
    line = b"2026-11-22T23:18:31.5Z stdout F " + text + b"\n"

    def causes(run: Run, *errors: bytes) -> set[str]:
        lines = [error.replace(b"*1 ", b"*%d " % number) for number, error in enumerate(errors, 1)]
        outputs = run.enricher.enrich(SOURCE, framed(line * 2 + b"".join(lines)), run.histories)
        records = map(orjson.loads, b"".join(item.data for item in outputs if isinstance(item, Output)).splitlines())
        attempts = [record["attempts"][0] for record in records if record["kind"] == "access"]
        assert not any("reason" in attempt for attempt in attempts)
        return {attempt["cause"] for attempt in attempts}

    assert causes(Run(LONG_READY), RESET, CLOSED) == {"keepalive_race"}
    assert causes(Run(LONG_READY), RESET, REFUSED) == {"unknown"}
    assert causes(Run(LONG_READY, (-1000, "not_ready")), RESET, REFUSED) == {"crashed"}


def test_what_is_not_known_yet_is_counted_with_hindsight() -> None:
    """A kubelet reports that a container ended a second after the first attempt failed."""
    run = Run(LONG_READY)
    [attempt] = run.attempts(REFUSED, now=END + SECOND // 2)
    assert attempt["cause"] == "unknown"
    assert run.counted(END + SECOND) == {}
    run.change(-1000, "not_ready")
    assert run.counted(END + 9 * SECOND) == {}
    assert run.counted(END + 11 * SECOND) == {"shop web crashed likely": 1}
    assert run.counted(END + 30 * SECOND) == {"shop web crashed likely": 1}


def test_what_is_certain_is_counted_at_once() -> None:
    run = Run(LONG_READY)
    run.attempts(now=END, status=b"503")
    assert run.counted(END) == {"shop web application certain": 1}


@pytest.mark.parametrize("late", [60, -60])
def test_lines_of_another_time_do_not_wait(late: int) -> None:
    """A backlog is counted with what is known, and so is a line with a stamp far in the future."""
    run = Run(LONG_READY)
    run.attempts(REFUSED, now=END + late * SECOND)
    assert run.counted(END + late * SECOND) == {"shop web unknown": 1}


class Counting:
    """A counter of causes, and pods of namespaces at which attempts fail."""

    def __init__(self) -> None:
        self.metrics, self.histories = Metrics(lambda: NOW), Histories(History(), History())
        self.causes = CauseCounter()
        self.causes.now = END

    def fail(self, namespace: str, times: int, kinds: int) -> None:
        pod = Owner(namespace, "web-1", f"uid-{namespace}", "node-1")
        attribution = Attribution(Grade.EXACT, pod)
        owner = CachedAttribution(attribution, "10.0.0.1:80", Service(namespace, "web"), None)
        for number in range(kinds):
            for _ in range(times):
                self.causes.add(owner, Symptom.REFUSED, Window(END - number * SECOND, END, END), UNKNOWN)

    def counted(self, now: int) -> dict[str, int]:
        self.causes.count(self.metrics, self.histories, now)
        counted = Counter[str]()
        for key, series in self.metrics.causes.items():
            counted[key[0]] += series.failures
        return dict(counted)


def test_few_kinds_of_failures_wait() -> None:
    counting = Counting()
    counting.fail("shop", times=2, kinds=MAX_PENDING + 5)
    assert counting.counted(END) == {"shop": 10}, "those that had no place are counted at once"
    assert counting.counted(END + 60 * SECOND) == {"shop": 2 * MAX_PENDING + 10}


def test_the_failures_of_one_namespace_do_not_keep_those_of_others_from_waiting() -> None:
    counting = Counting()
    counting.fail("evil", times=2, kinds=MAX_PENDING + 5)
    counting.fail("shop", times=2, kinds=100)
    assert counting.counted(END) == {"evil": 2 * 105}
    assert counting.counted(END + 60 * SECOND) == {"evil": 2 * MAX_PENDING + 10, "shop": 200}


def test_failures_at_addresses_of_nobody_do_not_wait() -> None:
    """A client of a proxy with dynamic upstreams may name any address, and nothing more becomes known of it."""
    run = Run()
    run.attempts(REFUSED, now=END + 9 * SECOND, addr=b"10.9.9.9:80")
    assert sum(run.counted(END + 9 * SECOND).values()) == 1


def node_run(*pods: tuple[str, str, str]) -> Run:
    """Return a run with pods: their addresses, names and nodes."""
    run = Run()
    obj = slice_of({ip: pod for ip, pod, _ in pods})
    for endpoint, (_, _, node) in zip(obj["endpoints"], pods, strict=True):
        endpoint |= {"nodeName": node, "conditions": READY}
    run.histories.pods.apply("MODIFIED", obj, END - 600 * SECOND)
    return run


@pytest.mark.parametrize(
    ("failing", "cause"),
    [
        (["10.0.0.1", "10.0.0.2"], "unreachable_node likely"),
        (["10.0.0.1"], "timeout certain"),
        (["10.0.0.1", "10.0.0.3"], "timeout certain"),
        (["10.0.0.1", "10.0.0.2", "10.0.0.3"], "timeout certain"),
    ],
    ids=["all of the node", "one of the node", "on two nodes", "everywhere"],
)
def test_a_node_that_cannot_be_reached(failing: list[str], cause: str) -> None:
    run = node_run(("10.0.0.1", "a", "node-1"), ("10.0.0.2", "b", "node-1"), ("10.0.0.3", "c", "node-2"))
    for ip in failing:
        run.attempts(SLOW.replace(b"10.0.0.1", ip.encode()), now=END, addr=ip.encode() + b":80", status=b"504")
    assert run.counted(END + 60 * SECOND) == {f"shop web {cause}": len(failing)}


def test_the_only_node_is_not_blamed() -> None:
    run = node_run(("10.0.0.1", "a", "node-1"), ("10.0.0.2", "b", "node-1"))
    for ip in (b"10.0.0.1", b"10.0.0.2"):
        run.attempts(SLOW.replace(b"10.0.0.1", ip), now=END, addr=ip + b":80", status=b"504")
    assert run.counted(END + 60 * SECOND) == {"shop web timeout certain": 2}
