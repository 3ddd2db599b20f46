"""Envoy's own 503 for want of a healthy host may carry the host of the attempt before it: no pod sent it."""

import pytest

from enricher.accesslog import envoy
from enricher.enrich.error_correlation import error_origin

FORMAT = envoy.compile_format("%RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_HOST%")


@pytest.mark.parametrize(("flags", "origin"), [("UH", "proxy"), ("URX,UH", "proxy"), ("-", "pod")])
def test_the_origin(flags, origin):
    (attempt,) = FORMAT.parse(f"503 {flags} 10.0.0.1:80".encode()).attempts
    assert (error_origin(attempt), attempt.answered) == (origin, origin == "pod")


def test_without_a_host():
    assert FORMAT.parse(b"503 UH -").attempts == []
