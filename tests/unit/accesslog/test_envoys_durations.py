"""The upstream's time behind Envoy, from all durations that its formats can have.

The durations of each line are made of one request: when its parts were received and sent, by try.
"""

import random
from itertools import product

import orjson
import pytest

from enricher.accesslog import envoy
from enricher.accesslog.json_layouts import learn_layout
from enricher.accesslog.profiles import profile_formats
from enricher.accesslog.record import RequestTime
from enricher.timestamps import MILLISECOND

BASE = "%START_TIME% %RESPONSE_CODE% %RESPONSE_FLAGS% %DURATION% %UPSTREAM_HOST%"
POINTS = (
    *("DS_RX_BEG", "DS_RX_END", "US_CX_BEG", "US_CX_END", "US_HS_END", "US_TX_BEG", "US_TX_END"),
    *("US_RX_BEG", "US_RX_BODY_BEG", "US_RX_END", "DS_TX_BEG", "DS_TX_END"),
)
UNITS = {"ms": MILLISECOND, "us": 1000, "ns": 1}
BEGINS, ENDS = ("US_TX_BEG", "US_TX_END"), ("US_RX_BEG", "US_RX_BODY_BEG", "US_RX_END")
HEADER = "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)"
OLDER = {
    "REQUEST_DURATION": ("DS_RX_BEG", "DS_RX_END"),
    "REQUEST_TX_DURATION": ("DS_RX_BEG", "US_TX_END"),
    "RESPONSE_DURATION": ("DS_RX_BEG", "US_RX_BEG"),
    "RESPONSE_TX_DURATION": ("US_RX_BEG", "DS_TX_END"),
    HEADER: ("DS_RX_END", "US_RX_BEG"),
}


def moments(rng: random.Random) -> dict[str, int]:
    """Return when each part of a request happened, in ns after its beginning; the tries before the last take time."""
    steps = {point: rng.randrange(50 * MILLISECOND) for point in POINTS}
    steps["DS_RX_BEG"] = 0
    steps["US_TX_BEG"] += rng.choice((0, 700 * MILLISECOND))
    at, result = 0, {}
    for point in POINTS:
        at += steps[point]
        result[point] = at
    return result


def value(at: dict[str, int], operator: str) -> int:
    if operator in OLDER:
        begin, end = OLDER[operator]
        return (at[end] - at[begin]) // MILLISECOND
    begin, end, unit = operator.removeprefix("COMMON_DURATION(").removesuffix(")").split(":")
    return (at[end] - at[begin]) // UNITS[unit]


def response_time(operators: list[str], at: dict[str, int], flags: str = "-", attempts: str = "") -> int | None:
    duration = at["DS_TX_END"] // MILLISECOND
    pieces = [BASE, *(f"%{operator}%" for operator in operators)]
    values = ["2026-11-25T01:21:23.000Z 200", flags, str(duration), "10.0.0.1:80"]
    values += [str(value(at, operator)) for operator in operators]
    if attempts:
        pieces.append("%UPSTREAM_REQUEST_ATTEMPT_COUNT%")
        values.append(attempts)
    record = envoy.compile_format(" ".join(pieces)).parse(" ".join(values).encode())
    return record.attempts[0].response_time


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(("begin", "end"), list(product(POINTS, POINTS)))
def test_each_pair_of_points(begin: str, end: str, unit: str) -> None:
    """Those of the last try count whatever came before it, the others only if they are about one try."""
    if POINTS.index(begin) >= POINTS.index(end):
        return
    at = moments(random.Random(f"{begin}{end}"))
    operator = f"COMMON_DURATION({begin}:{end}:{unit})"
    expected = (at[end] - at[begin]) // UNITS[unit] * UNITS[unit]
    single = response_time([operator], at, attempts="1")
    several = response_time([operator], at, flags="URX", attempts="3")
    if begin in BEGINS and end in ENDS:
        assert single == several == expected
        assert not isinstance(single, RequestTime)
    elif begin == "DS_RX_END" and end in ENDS:
        assert single == expected
        assert not isinstance(single, RequestTime)
        assert several is None
    else:
        assert isinstance(single, RequestTime)
        assert several is None


def test_any_operators_together() -> None:
    """The result is the time of the last try within a few ms, or none; the request's only without any other."""
    common = [f"COMMON_DURATION({begin}:{end}:{unit})" for begin, end, unit in product(BEGINS, ENDS, UNITS)]
    for seed in range(400):
        rng = random.Random(seed)
        at = moments(rng)
        operators = rng.sample(rng.choice(([*OLDER], [*OLDER, *common])), rng.randint(1, 5))
        attempts = rng.choice(("", "1", "2"))
        time = response_time(operators, at, flags="URX" if attempts == "2" else "-", attempts=attempts)
        of_try = any(operator in common for operator in operators)
        of_try |= "REQUEST_TX_DURATION" in operators and bool(
            {"RESPONSE_DURATION", "RESPONSE_TX_DURATION"} & {*operators}
        )
        if of_try:
            shortest = at["US_RX_BEG"] - at["US_TX_END"]
            longest = at["US_RX_END"] - at["US_TX_BEG"]
            assert time is not None
            assert shortest - 3 * MILLISECOND <= time <= longest + 3 * MILLISECOND
        elif attempts == "2":
            assert time is None
        else:
            since_request = HEADER in operators or (
                "REQUEST_DURATION" in operators and bool({"RESPONSE_DURATION", "RESPONSE_TX_DURATION"} & {*operators})
            )
            assert isinstance(time, RequestTime) is not since_request
            if since_request:
                assert time is not None
                assert abs(time - at["US_RX_BEG"] + at["DS_RX_END"]) <= 3 * MILLISECOND


def test_no_answer_and_answers_before_the_request_was_sent() -> None:
    text = f"{BASE} %REQUEST_TX_DURATION% %RESPONSE_DURATION% %COMMON_DURATION(US_TX_BEG:US_RX_BEG:us)%"
    log_format = envoy.compile_format(text)
    head = b"2026-11-25T01:21:23.000Z 503 UF 7 10.0.0.1:80 "
    for values in (b"- - -", b"5 - -", b"- 5 -", b"5 3 -"):
        assert log_format.parse(head + values).attempts[0].response_time is None
    assert log_format.parse(head + b"5 5 -").attempts[0].response_time == 0
    assert log_format.parse(head + b"5 3 40").attempts[0].response_time == 40_000


def test_a_json_object_of_envoy_gateways_keys_and_one_more() -> None:
    """The default format with the documented key is read without an option, one by one and in columns."""
    (log_format,) = profile_formats("envoy")[-1:]
    for seed in range(40):
        rng = random.Random(seed)
        at = moments(rng)
        keys = {"upstream_ms": "COMMON_DURATION(US_TX_BEG:US_RX_BEG:ms)"}
        keys |= {name.lower(): name for name in rng.sample(list(OLDER)[:4], rng.randint(0, 4))}
        fields = {
            "start_time": "2026-11-25T01:21:23.000Z",
            "response_code": 200,
            "response_flags": "URX",
            "duration": 999,
            "x-envoy-upstream-service-time": None,
            "upstream_host": "10.0.0.1:80",
            **{key: value(at, operator) for key, operator in keys.items()},
        }
        line = orjson.dumps(fields)
        record = log_format.parse(line)
        took = fields["upstream_ms"] * MILLISECOND
        assert record.attempts[0].response_time == took
        assert {key: record.fields[key] for key in keys if key != "upstream_ms"} == {
            key: fields[key] for key in keys if key != "upstream_ms"
        }
        layout = learn_layout(log_format, line)
        assert layout is not None
        columns = layout.parse(line + b"\n", 1, framed=False)
        assert columns is not None
        assert columns.value("common_duration_us_tx_beg_us_rx_beg_ms", 0) == fields["upstream_ms"]
