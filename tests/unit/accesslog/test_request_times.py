"""Without a time of the upstream's own, a request's duration stands for it, marked, and says nothing of when."""

import pytest

from enricher.accesslog import envoy
from enricher.accesslog.record import RequestTime
from enricher.enrich.windows import attempt_windows
from enricher.timestamps import MILLISECOND, SECOND

FORMAT = envoy.compile_format(
    "%START_TIME% %RESPONSE_CODE% %RESPONSE_FLAGS% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    "%UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_HOST%"
)


def parse(flags: str, duration: str, service_time: str, attempts: str):
    line = f"2026-11-25T01:21:23.000Z 200 {flags} {duration} {service_time} {attempts} 10.0.0.1:80"
    return FORMAT.parse(line.encode())


@pytest.mark.parametrize(
    ("flags", "duration", "service_time", "attempts", "expected", "is_of_request"),
    [
        ("-", "9", "7", "1", 7, False),
        ("-", "9", "-", "1", 9, True),
        ("-", "9", "-", "-", 9, True),
        ("-", "0", "-", "1", 0, True),
        ("-", "-", "-", "1", None, False),
        ("-", "9", "-", "2", None, False),
        ("-", "9", "7", "2", None, False),
        ("URX", "9", "-", "1", None, False),
        ("UT", "9", "-", "1", None, False),
        ("DC", "9", "-", "1", None, False),
    ],
)
def test_response_times(flags, duration, service_time, attempts, expected, is_of_request):
    time = parse(flags, duration, service_time, attempts).attempts[0].response_time
    assert time == (None if expected is None else expected * MILLISECOND)
    assert isinstance(time, RequestTime) is is_of_request


def test_the_attempt_may_have_ended_long_before_the_request():
    """A client may have taken its time to read the answer."""
    record = parse("-", "9000", "-", "1")
    (window,) = attempt_windows(record, None)
    assert window.end_earliest < record.end - 9 * SECOND
