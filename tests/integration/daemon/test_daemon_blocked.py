"""stdout is blocked: reading pauses, memory stays bounded, the probes answer, and nothing is lost."""

from tests.support.controller_logs import access, cri
from tests.support.daemons import until

LINES, SIZE = 4000, 8000


def fill(node):
    node.write(*(cri(access(n, size=SIZE)) for n in range(LINES)))


def lag(daemon):
    return float(
        next(s for s in daemon.get("/metrics")[1].splitlines() if s.startswith("enricher_lag_bytes ")).split()[1]
    )


def test_reading_pauses_and_goes_on(node):
    fill(node)
    daemon = node.start(reading=False)
    until(lambda: "enricher_read_bytes_total 0.0" not in daemon.get("/metrics")[1])
    before, waiting = daemon.resident(), lag(daemon)
    assert waiting > LINES * SIZE / 2
    node.write(*(cri(access(LINES + n, size=SIZE)) for n in range(LINES)))
    until(lambda: lag(daemon) > waiting + LINES * SIZE)
    for _ in range(20):
        assert daemon.get("/livez") == (200, "ok\n")
    assert daemon.resident() < before + 20
    assert daemon.resident() < 150
    daemon.read()
    until(lambda: len(daemon.out) == 2 * LINES, 30)
    assert daemon.ids() == [f"request-{n}" for n in range(2 * LINES)]
    assert until(lambda: lag(daemon) == 0)
    assert daemon.resident() < before + 40


def test_a_stop_while_blocked(node):
    """It ends in time, though a write never does; and what nobody took comes again."""
    fill(node)
    first = node.start(reading=False)
    until(lambda: "enricher_read_bytes_total 0.0" not in first.get("/metrics")[1])
    code, took = first.stop()
    assert code == 0
    assert took < 5
    first.read()
    second = node.start()
    until(lambda: second.ids()[-1:] == [f"request-{LINES - 1}"], 30)
    assert set(first.ids()) | set(second.ids()) == {f"request-{n}" for n in range(LINES)}
    assert second.ids()[0] == "request-0"


def test_one_blocked_write_and_many_sources(node):
    for n in range(5):
        node.write(
            *(cri(access(m, size=SIZE)) for m in range(200)), container=f"a_ingress-nginx-controller-{n}_u/controller"
        )
    daemon = node.start(reading=False)
    until(lambda: "enricher_sources 5.0" in daemon.get("/metrics")[1])
    assert daemon.get("/livez") == (200, "ok\n")
    daemon.read()
    until(lambda: len(daemon.out) == 1000, 30)
    by_pod = {}
    for row in daemon.rows():
        by_pod.setdefault(row["logged_by"]["pod"], []).append(row["req_id"])
    assert list(by_pod.values()) == [[f"request-{m}" for m in range(200)]] * 5
