"""Within a stable period every attempt has the same attribution."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from enricher.endpoints.attribution import Histories, Window, attribute
from enricher.endpoints.history import History
from enricher.endpoints.periods import stable_period
from enricher.timestamps import SECOND

NOW = 1_800_000_000 * SECOND
IP = "10.0.0.1"


def slice_of(pod: str, service: str = "web", ports: tuple[int, ...] = (80,)) -> dict:
    return {
        "metadata": {
            "name": f"{service}-{pod}",
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": service},
        },
        "endpoints": [{"addresses": [IP], "targetRef": {"kind": "Pod", "name": pod, "uid": pod}}],
        "ports": [{"port": port} for port in ports],
    }


def make_histories(rng: random.Random) -> Histories:
    """An address with pods that come and go, overlap and share it, in a watch that may have lost its connection."""
    synced = rng.random() < 0.6
    pods = History(is_synced=lambda: synced, all_namespaces=rng.random() < 0.8)
    at = NOW - rng.choice((3000, 100, 40)) * SECOND
    pods.replace([], at)
    for _ in range(rng.randint(1, 6)):
        at += rng.choice((1, SECOND // 2, 4 * SECOND, 6 * SECOND, 40 * SECOND))
        pod = slice_of(f"p{rng.randrange(3)}", rng.choice(("web", "api")), rng.choice(((80,), (81,), (80, 81))))
        pods.apply(rng.choice(("ADDED", "ADDED", "DELETED")), pod, at, at - rng.choice((0, SECOND)))
    return Histories(pods, History())


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_all_attempts_in_a_period_have_one_attribution(seed: int) -> None:
    rng = random.Random(seed)
    histories = make_histories(rng)
    turning = sorted({t for tenure in histories.pods.tenures_of_ip(IP) for t in (tenure.since, tenure.until_latest)})
    around = rng.choice([*turning, NOW]) + rng.choice((-31, -6, -1, 0, 1, 6, 31)) * SECOND + rng.randint(-2, 2)
    begin = min(around, NOW + 100 * SECOND)
    end = begin + rng.choice((0, 1, SECOND, 3 * SECOND))
    period = stable_period(histories, IP, begin, end)
    if period is None:
        return
    name = "shop-web-80"
    low, high = max(period[0] + 1, begin - 100 * SECOND), min(period[1] - 1, end + 100 * SECOND)
    assert low <= begin <= end <= high
    for answered in (True, False):
        first = attribute(histories, f"{IP}:80", Window(begin, begin, end), answered=answered, upstream_name=name)
        for _ in range(10):
            times = sorted(rng.choice((low, high, rng.randint(low, high))) for _ in range(3))
            other = attribute(histories, f"{IP}:80", Window(*times), answered=answered, upstream_name=name)
            assert other == first


def test_an_attempt_across_a_change_has_no_period() -> None:
    pods = History()
    pods.replace([], NOW - 1000 * SECOND)
    pods.apply("ADDED", slice_of("old"), NOW - 500 * SECOND)
    histories = Histories(pods, History())
    assert stable_period(histories, IP, NOW - 501 * SECOND, NOW) is None
    assert stable_period(histories, IP, NOW - 500 * SECOND, NOW) is None
    period = stable_period(histories, IP, NOW - 100 * SECOND, NOW)
    assert period is not None
    assert period[0] == NOW - 470 * SECOND
    assert period[1] > NOW + 10**6 * SECOND
