"""Names that only log lines give have series of their own, but never those of pods that are known."""

from enricher.accesslog.record import Attempt
from enricher.endpoints.attribution import Attribution
from enricher.endpoints.slices import Owner, Service
from enricher.metrics.bounded import MAX_LABEL
from enricher.metrics.counters import EXPIRY, OVERFLOW, Metrics
from enricher.timestamps import SECOND

NOBODYS = Service("", "")


def count(metrics, pod, service=NOBODYS, *, is_known=False, requests=1):
    grade, owner = "reported", Owner(service.namespace, pod, "", "")
    if is_known:
        grade, owner = "exact", Owner(service.namespace, pod, f"uid-{pod}", "node-1")
    for _ in range(requests):
        attribution = Attribution(grade, owner, service if service != NOBODYS else None)
        metrics.count_attempt(attribution, Attempt("10.0.0.1:80", 502, SECOND, 5), retried=False, origin="pod")


def pods(metrics, *service):
    return {key[2]: series.requests for key, series in metrics.pods.items() if key[:2] == service}


def test_known_pods_keep_their_series():
    metrics = Metrics(max_series=50)
    for n in range(60):
        count(metrics, f"fake-{n}")
    for n in range(50):
        count(metrics, f"web-{n}", is_known=True)
    names = pods(metrics, "", "")
    assert [name for name in names if name.startswith("web-")] == [f"web-{n}" for n in range(50)]
    assert (len(names) - 50 - 1, names[OVERFLOW]) == (1, 59)  # one name for each 100 series, and at least one
    assert metrics.overflow.counted == {"": 59}


def test_each_service_has_a_bound_of_its_own():
    metrics = Metrics(max_series=1000)
    liar, honest = Service("shop", "liar"), Service("shop", "honest")
    for n in range(500):
        count(metrics, f"fake-{n}", liar)
    for n in range(10):
        count(metrics, f"vm-{n}", honest, requests=2)
    assert (len(pods(metrics, *liar)), pods(metrics, *liar)[OVERFLOW]) == (11, 490)
    assert pods(metrics, *honest) == {f"vm-{n}": 2 for n in range(10)}


def test_many_services_do_not_take_the_names_of_another_namespace():
    metrics = Metrics(max_series=1000)
    for namespace in ("shop", "evil"):
        count(metrics, "known", Service(namespace, "web"), is_known=True)
    for n in range(1000):
        count(metrics, f"fake-{n}", Service("evil", f"s-{n}"))
    count(metrics, "vm-1", Service("shop", "web"))
    assert pods(metrics, "shop", "web") == {"known": 1, "vm-1": 1}
    named = [key for key in metrics.pods if key[2].startswith(("fake", "vm"))]
    assert len(named) == 250
    assert metrics.overflow.dropped == {"evil": 1}


def test_made_up_namespaces_share_one_share():
    metrics = Metrics(max_series=100)
    for n in range(20):
        count(metrics, f"web-{n}", Service("shop", "web"), is_known=True)
    for n in range(1000):
        metrics.count_requests(Service(f"made-up-{n}", "web"), "200")
    for n in range(20):
        metrics.count_requests(Service("shop", "web"), "200", route=f"r-{n}")
    assert sum(key[0] == "shop" for key in metrics.requests) == 20
    assert len(metrics.requests) <= 100 + 100 + 10 + 1


def test_a_name_that_is_known_too_is_counted_as_known():
    metrics = Metrics(max_series=100)
    web = Service("shop", "web")
    for n in range(5):
        metrics.count_attempt(
            Attribution("reported", Owner("shop", f"web-{n}", "uid", "node-1"), web),
            Attempt("10.96.0.1:80", 200, SECOND, 5),
            retried=False,
            origin="",
        )
    assert len(pods(metrics, "shop", "web")) == 5


def test_names_that_no_object_can_have_are_counted_together():
    metrics = Metrics(max_series=1000)
    for n in range(9):
        count(metrics, "x" * (MAX_LABEL + n), Service("shop", "web"))
        metrics.count_requests(Service("shop", "web"), "200", route="/" * (MAX_LABEL + n))
    assert [len(name) for name in pods(metrics, "shop", "web")] == [MAX_LABEL, len(OVERFLOW)]
    assert [len(key[2]) for key in metrics.requests] == [MAX_LABEL, len(OVERFLOW)]


def test_names_expire_and_make_room():
    now = 0
    metrics = Metrics(lambda: now, max_series=100)
    for _ in range(3):
        count(metrics, f"fake-{now}", Service("shop", "web"))
        count(metrics, f"more-{now}", Service("shop", "web"))
        assert set(pods(metrics, "shop", "web")) == {f"fake-{now}", OVERFLOW}
        now += EXPIRY + 1
        metrics.expire(set())
    assert not metrics.pods
