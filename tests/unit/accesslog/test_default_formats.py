"""What each program writes by default: taken for that format and no other, from any first line, without an option."""

import random
import re

import pytest

from enricher.accesslog import default_formats as defaults
from enricher.accesslog import envoy, haproxy, nginx
from enricher.accesslog.detection import FormatDetector, detect_profile
from enricher.accesslog.format_compiler import LogFormat
from enricher.accesslog.profiles import COMBINED, FORWARDED, PROFILES, profile_formats
from tests.unit.enrich.generators.formats import writer
from tests.unit.enrich.generators.requests import NOW, Traffic, make_request

DEFAULTS = {
    "ingress-nginx": (
        *(nginx.INGRESS_NGINX, defaults.INGRESS_NGINX_0_25, defaults.INGRESS_NGINX_0_15, defaults.INGRESS_NGINX_0_9),
        *(defaults.ALIBABA, defaults.TENCENT),
    ),
    "nginx": (
        *(COMBINED, FORWARDED),
        *(defaults.APISIX, defaults.APISIX_3_0, defaults.APISIX_2_0, defaults.KONG),
    ),
    "envoy": (
        *(envoy.DEFAULT, envoy.ISTIO, defaults.EMISSARY),
        *(defaults.ISTIO_1_8, defaults.ISTIO_1_3, defaults.ISTIO_1_2, defaults.ISTIO_1_1),
    ),
    "haproxy": (haproxy.HTTPLOG,),
}
CASES = [(profile, text) for profile, texts in DEFAULTS.items() for text in texts]
COMPILED = {log_format.text: log_format for profile in DEFAULTS for log_format in reversed(profile_formats(profile))}
VALUES = {
    "remote_addr": ("198.51.100.7", "2001:db8::7"),
    "the_real_ip": ("198.51.100.7", "2001:db8::7"),
    "remote_user": ("-", "-", "admin"),
    "time_local": ("26/Nov/2026:09:25:42 +0000", "26/Nov/2026:17:25:42 +0800"),
    "time_iso8601": ("2026-11-26T09:25:42+00:00",),
    "msec": ("1795685142.123",),
    "request": ("GET /cart HTTP/2.0", "POST /cart?a=b HTTP/1.1", "-", "\\x16\\x03\\x01"),
    "status": ("200", "404", "502"),
    "request_time": ("0.000", "12.345"),
    "proxy_upstream_name": ("shop-cart-80", "upstream-default-backend", "", "-"),
    "proxy_alternative_upstream_name": ("", "shop-cart-canary-80"),
    "host": ("shop.example", "198.51.100.9", "_"),
    "http_host": ("shop.example", "shop.example:8080", "-"),
    "req_id": ("8df3b3d29d019233c7ea9fbadbd0bf1e",),
    "upstream_url": ("http://cart.shop/cart", "http://-"),
}
UPSTREAMS = (
    ("10.42.1.21:8080", "31", "0.004", "200"),
    ("10.42.1.21:8080, 10.42.2.22:8080", "0, 31", "0.001, 0.004", "502, 200"),
    ("[2001:db8::21]:8080", "31", "0.004", "503"),
    ("10.42.1.21:8080 : 10.42.2.22:8080", "0 : 31", "0.001 : 0.004", "502 : 200"),
    ("-", "-", "-", "-"),
)
NAMES_OF_LISTS = ("upstream_addr", "upstream_response_length", "upstream_response_time", "upstream_status")


def traffic(odd: float) -> Traffic:
    addresses = ["10.42.1.21:8080", "10.42.2.22:8080", "[2001:db8::21]:8080"]
    return Traffic(usual=addresses, addresses=addresses, clients=["198.51.100.7", "10.244.0.1"], odd=odd, rare=0.1)


def nginx_line(log_format: LogFormat, rng: random.Random) -> bytes:
    """A line as nginx writes it, with or without upstreams."""
    lists = dict(zip(NAMES_OF_LISTS, rng.choice(UPSTREAMS), strict=True))
    names = {token.variable for token in log_format.tokens} - {""}
    drawn = {name: rng.choice(VALUES.get(name, ("-", "17"))) for name in names} | lists
    return "".join(token.literal or drawn[token.variable] for token in log_format.tokens).encode()


def usual_lines(text: str, number: int) -> list[bytes]:
    log_format, rng = COMPILED[text], random.Random(text)
    if log_format.escape == "default":
        return [nginx_line(log_format, rng) for _ in range(number)]
    write = writer(log_format)
    return [write(make_request(rng, NOW, traffic(0))) for _ in range(number)]


@pytest.mark.parametrize(("profile", "text"), CASES)
def test_a_default_is_taken_for_that_format_from_any_first_line(profile, text):
    for line in usual_lines(text, 100):
        timeline = FormatDetector().timeline_for("log", "", [line])
        reading = timeline.parse(line, None)
        assert reading, line
        assert reading[0].text == text, line
        assert detect_profile(line) == profile, line


@pytest.mark.parametrize("profile", PROFILES)
def test_no_usual_line_fits_a_format_before_its_own(profile):
    """So usual lines may be looked for in any order."""
    formats = [log_format for log_format in profile_formats(profile) if isinstance(log_format, LogFormat)]
    rng, usual = random.Random(profile), 0
    for number, log_format in enumerate(formats):
        write = writer(log_format)
        for n in range(150):
            line = write(make_request(rng, NOW, traffic(0.5 * (n % 2))))
            if not log_format.layout or not log_format.layout.line_pattern.fullmatch(line):
                continue
            usual += 1
            before = [other.text for other in formats[:number] if other.text != log_format.text and other.fits(line)]
            assert not before, line
    assert usual > 40 * len(formats) or not formats


def test_a_users_name_in_brackets_is_no_older_version():
    """A client that calls itself `[x] - admin` gains nothing: the attempts are the same."""
    line = nginx_line(COMPILED[nginx.INGRESS_NGINX], random.Random(1))
    line = re.sub(rb" - (?:-|admin) ", b" - [10.0.0.1] - admin ", line, count=1)
    old, new = COMPILED[defaults.INGRESS_NGINX_0_25], COMPILED[nginx.INGRESS_NGINX]
    assert new.layout.line_pattern.fullmatch(line) is None
    assert old.parse(line).attempts == new.parse(line).attempts
