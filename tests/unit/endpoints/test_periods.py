"""Within a stable period every attempt has the same attribution."""

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from enricher.endpoints.attribution import Histories, Window, attribute
from enricher.endpoints.crowds import MAX_HOLDERS
from enricher.endpoints.history import History
from enricher.endpoints.periods import stable_period
from enricher.endpoints.slices import service_as_slice
from enricher.timestamps import SECOND

NOW = 1_800_000_000 * SECOND
IP = "10.0.0.1"


VIP = "10.96.0.1"


def slice_of(
    pod: str,
    service: str = "web",
    ports: tuple[int, ...] = (80,),
    *,
    namespace: str = "shop",
    terminating: bool = False,
    ready: bool = True,
) -> dict:
    endpoint = {
        "addresses": [IP],
        "conditions": {"ready": ready, "terminating": terminating},
        "targetRef": {"kind": "Pod", "name": pod, "uid": pod},
    }
    return {
        "metadata": {
            "name": f"{service}-{pod}",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service},
        },
        "endpoints": [endpoint],
        "ports": [{"port": port} for port in ports],
    }


def crowd(pods: int) -> dict:
    slice_ = slice_of("p0", "x", namespace="evil")
    [endpoint] = slice_["endpoints"]
    names = [endpoint["targetRef"] | {"name": f"e{n}", "uid": f"e{n}"} for n in range(pods)]
    return slice_ | {"endpoints": [endpoint | {"targetRef": name} for name in names]}


def cluster_ip(service: str) -> dict:
    return service_as_slice({"metadata": {"name": service, "namespace": "shop"}, "spec": {"clusterIP": VIP}})


def make_histories(rng: random.Random) -> Histories:
    """An address with pods that come and go, overlap and share it, in a watch that may have lost its connection."""
    synced = rng.random() < 0.6
    retention = rng.choice((None, None, 20 * SECOND))
    pods = History(retention=retention, is_synced=lambda: synced, all_namespaces=rng.random() < 0.8)
    services = History()
    at = NOW - rng.choice((3000, 100, 40)) * SECOND
    pods.replace([], at)
    is_crowded = rng.random() < 0.3
    for _ in range(rng.randint(1, 9)):
        at += rng.choice((1, SECOND // 2, 4 * SECOND, 6 * SECOND, 40 * SECOND))
        pod = slice_of(
            f"p{rng.randrange(3)}",
            rng.choice(("web", "api")),
            rng.choice(((80,), (80,), (81,), (80, 81))),
            namespace=rng.choice(("shop", "shop", "bank")),
            terminating=rng.random() < 0.2,
            ready=rng.random() < 0.8,
        )
        pods.apply(rng.choice(("ADDED", "ADDED", "DELETED")), pod, at, at - rng.choice((0, SECOND)))
        if is_crowded and rng.random() < 0.3:
            pods.apply(rng.choice(("ADDED", "DELETED")), crowd(rng.randint(10, 30)), at, at)
        if rng.random() < 0.5:
            services.apply(rng.choice(("ADDED", "DELETED")), cluster_ip(rng.choice(("web", "api"))), at + SECOND)
        if rng.random() < 0.3:
            pods.expire(at)
    return Histories(pods, services)


exercised: Counter[str] = Counter()


def test_all_attempts_in_a_period_have_one_attribution() -> None:
    exercised.clear()
    attempts_in_periods()
    assert exercised[IP] > 100
    assert exercised[VIP] > 50
    assert exercised["crowd"] > 20
    assert exercised["near a crowd"] > exercised["crowd"] + 5


@settings(max_examples=1000)
@given(seed=st.integers(0, 2**32))
def attempts_in_periods(seed: int) -> None:
    rng = random.Random(seed)
    histories = make_histories(rng)
    ip = rng.choice((IP, IP, VIP))
    changes = (
        t
        for history in (histories.pods, histories.services)
        for tenure in history.tenures()
        for t in (tenure.since, tenure.until_latest, *(stay.until for _, stay in tenure.stays()))
    )
    turning = sorted(set(changes))
    around = rng.choice([*turning, NOW]) + rng.choice((-31, -6, -1, 0, 1, 6, 31)) * SECOND + rng.randint(-2, 2)
    begin = min(around, NOW + 100 * SECOND)
    end = begin + rng.choice((0, 1, SECOND, 3 * SECOND))
    name = rng.choice(("shop-web-80", "bank-web-80", "shop-api-80", ""))
    period = stable_period(histories, ip, 80, begin, end, upstream_name=name)
    if period is None:
        return
    exercised[ip] += 1
    exercised["crowd"] += any(crowd.overlaps(begin, end) for crowd in histories.pods.crowds_of_address(ip, 80))
    exercised["near a crowd"] += len(histories.pods.tenures_of_address(ip, 80)) > MAX_HOLDERS
    low, high = max(period[0] + 1, begin - 100 * SECOND), min(period[1] - 1, end + 100 * SECOND)
    assert low <= begin <= end <= high
    for answered in (True, False):
        first = attribute(histories, f"{ip}:80", Window(begin, begin, end), answered=answered, upstream_name=name)
        for _ in range(10):
            times = sorted(rng.choice((low, high, rng.randint(low, high))) for _ in range(3))
            other = attribute(histories, f"{ip}:80", Window(*times), answered=answered, upstream_name=name)
            assert other == first


def test_an_attempt_across_a_change_has_no_period() -> None:
    pods = History()
    pods.replace([], NOW - 1000 * SECOND)
    pods.apply("ADDED", slice_of("old"), NOW - 500 * SECOND)
    histories = Histories(pods, History())
    assert stable_period(histories, IP, 80, NOW - 501 * SECOND, NOW) is None
    assert stable_period(histories, IP, 80, NOW - 500 * SECOND, NOW) is None
    period = stable_period(histories, IP, 80, NOW - 100 * SECOND, NOW)
    assert period is not None
    assert period[0] == NOW - 470 * SECOND
    assert period[1] > NOW + 10**6 * SECOND
