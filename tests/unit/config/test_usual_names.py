"""Without a profile and a selection, ingress proxies are followed by their names; what only looks like one is named."""

import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.profiles import PROFILES, profile_formats
from enricher.config.lookalikes import LOOKALIKE_SELECTORS, MAX_LOOKALIKES, describe_lookalikes
from enricher.config.settings import USUAL_SELECTORS
from enricher.line import Source
from enricher.tailer.discovery import discover
from tests.support.controller_logs import access

FOLLOWED = {
    "ingress-nginx-controller-7d9-x/controller": "ingress-nginx",
    "rke2-ingress-nginx-controller-7d9/rke2-ingress-nginx-controller": "ingress-nginx",
    "kong-gateway-7d9-x/proxy": "nginx",
    "apisix-7d9-x/apisix": "nginx",
    "nginx-ingress-controller-7d9-x/nginx-ingress": "nginx-ingress",
    "envoy-default-eg-e41e7b31-7d9-x/envoy": "envoy",
    "envoy-x7d9z/envoy": "envoy",
    "istio-ingressgateway-7d9-x/istio-proxy": "envoy",
    "edge-istio-7d9-x/istio-proxy": "envoy",
    "http-7d9-x/kgateway-proxy": "envoy",
    "gateway-proxy-7d9-x/gateway-proxy": "envoy",
    "traefik-7d9-x/traefik": "traefik",
    "edge-traefik-7d9-x/edge-traefik": "traefik",
    "haproxy-kubernetes-ingress-7d9-x/haproxy-ingress-controller": "haproxy",
    "edge-kubernetes-ingress-7d9-x/kubernetes-ingress-controller": "haproxy",
    "haproxy-ingress-7d9-x/haproxy-ingress": "haproxy",
}
ONLY_NAMED = {
    "web-nginx-7d9-x/nginx": "nginx",
    "shop-waypoint-7d9-x/istio-proxy": "envoy",
    "cilium-envoy-x7d9z/cilium-envoy": "envoy",
    "istio-egressgateway-7d9-x/istio-proxy": "envoy",
    "traefik-forward-auth-7d9-x/traefik-forward-auth": "traefik",
    "db-pxc-haproxy-0/haproxy": "haproxy",
}
NEITHER = (
    "cart-7d9-x/istio-proxy",
    "cart-7d9-x/envoy",
    "envoy-gateway-7d9-x/envoy-gateway",
    "envoy-default-eg-e41e7b31-7d9-x/shutdown-manager",
    "svclb-traefik-x7d9z/lb-tcp-80",
    "contour-7d9-x/contour",
    "web-7d9-x/nginx",
)
FORWARDED = b'192.0.2.7 - - [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" 200 39 "-" "-" "-"'


@pytest.fixture
def log_dir(tmp_path):
    for name in (*FOLLOWED, *ONLY_NAMED, *NEITHER):
        pod, container = name.split("/")
        (tmp_path / f"ns_{pod}_uid" / container).mkdir(parents=True)
    return str(tmp_path)


def guesses(log_dir, selectors):
    return {f"{source.pod}/{source.container}": source.guess for source in discover(log_dir, selectors)}


def test_what_is_followed_and_what_is_named(log_dir):
    assert guesses(log_dir, USUAL_SELECTORS) == FOLLOWED
    assert guesses(log_dir, LOOKALIKE_SELECTORS) == FOLLOWED | ONLY_NAMED


@pytest.mark.parametrize("guess", PROFILES)
def test_the_lines_have_the_last_word(guess):
    detector, source = FormatDetector(), Source("a", guess=guess)
    for lines in ((), (b"nonsense",)):
        assert detector.timeline_for(source, "", lines, guess).formats_at(None) == profile_formats(guess)
    line = access(1).encode()
    assert detector.timeline_for(source, "", [line], guess).formats_at(None) == profile_formats("ingress-nginx")
    # What two of them can have written is what the name says.
    assert detector.timeline_for("b", "", [FORWARDED], "nginx-ingress").formats_at(None) == profile_formats(
        "nginx-ingress"
    )


def test_a_profile_that_was_given_is_no_guess():
    line = access(1).encode()
    assert FormatDetector().timeline_for("a", "envoy", [line], "traefik").formats_at(None) == profile_formats("envoy")
    assert FormatDetector(None, "envoy").timeline_for("a", "", [line], "traefik").formats_at(0) == profile_formats(
        "envoy"
    )


def source(number, guess="nginx", namespace="shop"):
    return Source(f"{number}", namespace, f"web-nginx-{number}", "uid", "nginx", guess=guess)


def test_in_words():
    assert describe_lookalikes([]) == ""
    assert describe_lookalikes([source(1)]) == (
        "1 container looks like nginx (shop/web-nginx-1/nginx) and is not followed: if it is your ingress proxy, give "
        "--profile nginx (ENRICHER_PROFILE=nginx)"
    )
    text = describe_lookalikes([*map(source, range(5)), source(1, "envoy")])
    assert text.startswith(
        "5 containers look like nginx (shop/web-nginx-0/nginx, shop/web-nginx-1/nginx, shop/web-nginx-2/nginx, …) and "
        "are not followed: if one is your ingress proxy, give --profile nginx (ENRICHER_PROFILE=nginx); 1 container"
    )
    assert text.endswith("give --profile envoy (ENRICHER_PROFILE=envoy)")


def test_very_many_take_one_line():
    text = describe_lookalikes(map(source, range(10_000)))
    assert text.startswith(f"{MAX_LOOKALIKES} or more containers look like nginx (")
    assert len(text) < 400


def test_a_name_that_moves_the_cursor():
    assert "\x1b" not in describe_lookalikes([source(1, namespace="a\x1b[2Jb")])
