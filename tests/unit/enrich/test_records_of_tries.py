"""Lines of tries are taken from columns: they have what the format itself reads from them, whatever that is."""

import random
from dataclasses import fields

import orjson
import pytest

from enricher.accesslog import envoy
from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.record import Record
from enricher.enrich.batch import Batch, Layouts
from enricher.enrich.layout_facts import layout_facts
from enricher.enrich.output import variable_fields
from enricher.enrich.tries import VARIABLES
from enricher.enrich.try_columns import TryColumns
from enricher.line import Line
from tests.unit.enrich.generators.envoy_tries import SOURCE

EXTRA = "%ACCESS_LOG_TYPE% %DOWNSTREAM_REMOTE_ADDRESS% %ROUTE_NAME% %DOWNSTREAM_LOCAL_ADDRESS% %RESPONSE_CODE_DETAILS%"
TEXT = f"{envoy.DETAILED} {EXTRA}"
VALUES = {
    "%START_TIME%": ["2026-11-26T22:47:25.563Z", "-"],
    "%REQ(:METHOD)%": ["GET", "POST", "-"],
    "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%": ["/", "/a?b=%20", "/\u00e4", "-"],
    "%PROTOCOL%": ["HTTP/1.1", "HTTP/2", "-"],
    "%RESPONSE_CODE%": ["200", "503", "0", "302"],
    "%RESPONSE_FLAGS%": ["-", "UF", "UH", "DC", "UT", "URX,UF"],
    "%BYTES_RECEIVED%": ["0", "120"],
    "%BYTES_SENT%": ["0", "7"],
    "%DURATION%": ["0", "12", "-"],
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%": ["3", "-"],
    "%REQ(X-FORWARDED-FOR)%": ["10.244.0.1", "-"],
    "%REQ(USER-AGENT)%": ["curl/8", "a b", "-"],
    "%REQ(X-REQUEST-ID)%": ["id-1", "id-2", "-"],
    "%REQ(:AUTHORITY)%": ["shop.example", "-"],
    "%UPSTREAM_HOST%": ["10.0.0.1:80", "[fd00::1]:8080", "-"],
    "%UPSTREAM_REQUEST_ATTEMPT_COUNT%": ["0", "1", "3"],
    "%UPSTREAM_CLUSTER_RAW%": ["httproute/shop/cart/rule/0", "outbound|80||cart.shop.svc.cluster.local", "-"],
    "%UPSTREAM_CLUSTER%": ["httproute/shop/cart/rule/0", "-"],
    "%GRPC_STATUS_NUMBER%": ["0", "14", "-"],
    "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%": ["192.0.2.1", "fd00::2"],
    "%ACCESS_LOG_TYPE%": ["UpstreamEnd", "DownstreamEnd"],
    "%DOWNSTREAM_REMOTE_ADDRESS%": ["192.0.2.1:5", "[fd00::2]:5"],
    "%ROUTE_NAME%": ["httproute/shop/cart/rule/0/match/0/shop_example", "-"],
    "%DOWNSTREAM_LOCAL_ADDRESS%": ["10.0.0.9:10080", "-"],
    "%RESPONSE_CODE_DETAILS%": ["via_upstream", "no_healthy_upstream", "-"],
}

SEVERAL = {"@timestamp", "path", "user_agent", "x_forwarded_for", "request_id", "authority", "upstream_service_time"}
"""The keys that other proxies have for the same."""
KEYS = {key: value for key, value in orjson.loads(envoy.GATEWAY).items() if value in VALUES and key not in SEVERAL}
JSON = orjson.dumps(KEYS).decode()


def text_line(rng):
    line = TEXT
    for operator in sorted(VALUES, key=len, reverse=True):
        line = line.replace(operator, rng.choice(VALUES[operator]))
    return line.encode()


def json_line(rng):
    values = {}
    for key, operator in KEYS.items():
        value = rng.choice(VALUES.get(operator, ["-", "x"]))
        number = value.isdigit() and not operator.startswith("%REQ(")
        values[key] = None if value == "-" and operator != "%RESPONSE_FLAGS%" else int(value) if number else value
    return orjson.dumps(values)


@pytest.mark.parametrize(("text", "make"), [(TEXT, text_line), (JSON, json_line)], ids=["text", "JSON"])
@pytest.mark.parametrize("seed", range(5))
def test_records(seed, text, make):
    rng = random.Random(seed)
    log_format = envoy.compile_format(text)
    detector = FormatDetector((log_format,))
    lines = [Line(make(rng), b"2026-11-26T22:47:26Z", "stdout") for _ in range(100)]
    timeline = detector.timeline_for(SOURCE, "", [line.text for line in lines])
    batch = Batch(SOURCE, lines, timeline, Layouts("", count_only=False), log_format)
    compared = 0
    for own_format, columns in batch.columns:
        of_columns = TryColumns(own_format, columns, "")
        assert layout_facts(columns.layout).is_joinable
        for number, parsed in of_columns.lines(lines):
            expected = batch.parse(number)
            assert parsed
            assert expected.record
            assert parsed.record
            assert parsed.windows == expected.windows
            for field in fields(Record):
                if field.name != "fields":
                    assert getattr(parsed.record, field.name) == getattr(expected.record, field.name), field.name
            for name in VARIABLES:
                assert parsed.record.fields.get(name) == expected.record.fields.get(name), name
            if expected.record.fields["access_log_type"] == "DownstreamEnd":
                own = orjson.loads(b"{%b}" % parsed.fields_json)
                assert own == orjson.loads(
                    orjson.dumps(variable_fields(expected.record), default=lambda s: float(s.text))
                )
            compared += 1
    assert compared > 20
