"""How long each try took: its own time of the upstream if the format has it, or else the duration of its line."""

import orjson
import pytest

from tests.unit.enrich.generators.envoy_tries import FORMAT, JSON_FORMAT, WITHOUT_NUMBER, Entry, Log

OPERATOR = "%COMMON_DURATION(US_TX_BEG:US_RX_BEG:ms)%"
HEADER = "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"
SENT, ANSWERED = "%REQUEST_TX_DURATION%", "%RESPONSE_DURATION%"
OTHER = "10.0.0.2:80"
TRIES = (Entry("UpstreamEnd", status=503, took=250), Entry("UpstreamEnd", status=200, took=30, host=OTHER))
END = Entry("DownstreamEnd", status=200, took=290, host=OTHER, number=2)


def times(base, *values):
    """Return the response times of the attempts of a request with two tries, whose lines have these values more."""
    lines = zip((*TRIES, END), values, strict=True)
    if base == JSON_FORMAT:
        log = Log(orjson.dumps(orjson.loads(JSON_FORMAT) | {name: name for name in values[0]}).decode())
        texts = [orjson.dumps(orjson.loads(entry.text(JSON_FORMAT)) | more) for entry, more in lines]
    else:
        log = Log(" ".join((base, *values[0])))
        columns = [[b"-" if value is None else b"%d" % value for value in more.values()] for more in values]
        texts = [b" ".join((entry.text(base), *more)) for (entry, _), more in zip(lines, columns, strict=True)]
    log.add_texts(*texts)
    log.end()
    [request] = log.of_kind("access")
    assert not any("response_time_of" in attempt for attempt in request["attempts"])
    return [attempt["response_time"] for attempt in request["attempts"]]


@pytest.mark.parametrize("base", [FORMAT, JSON_FORMAT, WITHOUT_NUMBER])
class TestEachFormat:
    def test_the_time_of_the_upstream(self, base):
        assert times(base, {OPERATOR: 200}, {OPERATOR: 20}, {OPERATOR: 20}) == [0.2, 0.02]

    def test_a_try_without_an_answer_has_its_duration(self, base):
        assert times(base, {OPERATOR: None}, {OPERATOR: 20}, {OPERATOR: 20}) == [0.25, 0.02]

    def test_older_operators(self, base):
        values = [{SENT: 40, ANSWERED: 240}, {SENT: 1, ANSWERED: 21}, {SENT: 261, ANSWERED: 281}]
        assert times(base, *values) == [0.2, 0.02]

    def test_the_header_counts_from_the_end_of_the_request(self, base):
        """It is not the time of a try."""
        assert times(base, {HEADER: 250}, {HEADER: 280}, {HEADER: 280}) == [0.25, 0.03]
