"""What a new proxy breaks shows: routes, rewritten paths, body limits, redirects, services that are not there."""

from enricher.report.migration.texts import status_changes, verdict_sentence, verdict_text
from enricher.report.rollout import Verdict
from tests.unit.report.migration.records import migration, request, row_of

GOOD = [request("cart")] * 300


def test_nothing_is_broken():
    compared = migration(GOOD, GOOD)
    assert (compared.verdict, verdict_sentence(compared)) == (Verdict.NO_WORSE, "no worse: 1 service compared")


def test_a_route_that_is_missing():
    """The new proxy names no service for such a request, and pods that were asked do not fail."""
    old = GOOD + [request("cart", path=f"/cart/{number}/items?page=1") for number in range(50)]
    new = GOOD + [request("", 404, path=f"/cart/{number}/items?page=2") for number in range(50)]
    compared = migration(old, new)
    assert compared.verdict == Verdict.WORSE
    assert [(answer.judgement.subject, answer.old, answer.new, answer.is_worse) for answer in compared.answers] == [
        ("404", 0, 50, True)
    ]
    (path,) = compared.refused_paths
    assert (str(path.target), path.numbers) == ("shop.example/cart/*/items", (0, 50, 50, 50))
    assert row_of(compared).verdict == Verdict.NO_WORSE


def test_a_missing_route_is_found_among_the_probes_of_strangers():
    """Both proxies refuse much by themselves: the share of 404 shows little, the path shows it."""
    probes = [request("", 404, path=f"/probe-{number}.php") for number in range(500)]
    old = GOOD + probes + [request("cart", path="/pay")] * 20
    new = GOOD + probes + [request("", 404, path="/pay")] * 20
    compared = migration(old, new)
    assert [path.target.path for path in compared.refused_paths] == ["/pay"]
    assert not compared.answers
    assert compared.verdict == Verdict.WORSE


def test_a_path_that_is_refused_now_and_then_is_not_worse():
    log = GOOD + [request("cart", path="/orders/1")] * 30 + [request("cart", 404, path="/orders/2")] * 30
    assert migration(log, log).verdict == Verdict.NO_WORSE


def test_a_path_that_the_old_proxy_refused_too_is_not_listed():
    """It refused fewer of these requests, and answered none: the others failed."""
    old = GOOD + [request("", 404, path="/x.php")] * 40 + [request("cart", 503, path="/x.php")] * 60
    compared = migration(old, GOOD + [request("", 404, path="/x.php")] * 100)
    assert not compared.refused_paths


def test_a_path_that_is_not_rewritten():
    """The pod itself answers 404."""
    compared = migration(GOOD, [request("cart", 404)] * 280 + GOOD[:20])
    row = row_of(compared)
    assert [judgement.subject for judgement in row.worse] == ["4xx"]
    assert (row.verdict, [change.name for change in status_changes(row)]) == (Verdict.WORSE, ["404"])


def test_a_smaller_limit_of_bodies():
    compared = migration(GOOD * 4, GOOD * 4 + [request("", 413, path="/upload")] * 20)
    assert [(answer.judgement.subject, answer.is_worse) for answer in compared.answers] == [("413", True)]
    assert compared.verdict == Verdict.WORSE


def test_a_redirect_is_shown_and_not_judged():
    compared = migration(GOOD, GOOD + [request("", 308, path="/old")] * 100)
    assert [(answer.judgement.subject, answer.is_worse) for answer in compared.answers] == [("308", False)]
    assert compared.verdict == Verdict.NO_WORSE


def test_a_loop_of_redirects_by_the_pod_is_shown():
    row = row_of(migration(GOOD, [request("cart", 301)] * 300))
    assert [str(change) for change in status_changes(row)] == ["301 0 % → 100 %"]


def test_clients_that_leave_are_shown_and_not_judged():
    """They leave for reasons of their own too, and proxies log it differently: 499, 0, -1."""
    old, new = GOOD + [request("cart", 499)] * 100, GOOD + [request("cart", 0)] * 100
    compared = migration(old, new)
    assert (compared.verdict, status_changes(row_of(compared))) == (Verdict.NO_WORSE, [])
    row = row_of(migration(GOOD, new))
    assert (row.verdict, [change.name for change in status_changes(row)]) == (Verdict.NO_WORSE, ["none"])


def test_a_service_that_the_new_proxy_has_not_seen():
    old = GOOD + [request("pay", path="/pay")] * 200
    compared = migration(old, GOOD)
    assert (compared.verdict, verdict_text(row_of(compared, "pay"))) == (Verdict.TOO_FEW, "no requests at NEW")
    assert "shop/pay" in verdict_sentence(compared)
    assert migration(GOOD, old).verdict == Verdict.NO_WORSE


def test_a_rare_service_does_not_hold_up_the_verdict():
    compared = migration([*GOOD, request("rare")], [*GOOD, request("rare")])
    assert compared.verdict == Verdict.NO_WORSE
    assert verdict_sentence(compared) == "no worse: 1 service compared; 1 service with too few requests to tell"


def test_more_errors_and_slower():
    row = row_of(migration(GOOD, [request("cart", 503, 0.5)] * 30 + [request("cart", 200, 0.5)] * 270))
    assert [judgement.subject for judgement in row.worse] == ["errors", "p50"]


def test_services_are_joined_whatever_the_proxies_call_them():
    """Of the new one only the pod is known, whose service the attribution names."""
    old = [request("cart", proxy_upstream_name="shop-cart-80")] * 300
    new = [request("cart", 200, upstream_cluster="httproute/shop/web/rule/0", upstream_status=None)] * 300
    assert [row.key for row in migration(old, new).rows] == [("shop", "cart")]


def test_an_error_page_does_not_take_the_request_of_its_service():
    """After an internal redirect, the pod of the error page has answered."""
    (page,) = request("page")["attempts"]
    failed = request("cart", 503)
    failed["attempts"] = [*failed["attempts"], page | {"internal_redirect": True}]
    compared = migration(GOOD, [failed] * 300)
    assert (row_of(compared).new.requests.requests, row_of(compared).verdict) == (300, Verdict.WORSE)
    assert row_of(compared, "page").new.requests.requests == 0


def test_requests_of_no_known_service_are_not_judged():
    compared = migration([request("", 200)] * 300, [request("", 503, reason="not_tried")] * 300)
    (row,) = compared.rows
    assert row.verdict is None
    assert [answer.judgement.subject for answer in compared.answers if answer.is_worse] == ["503"]
