"""`tail --timezone`: the zone of the printed times."""

import time

import pytest

from enricher.cli.line_filter import parse_timezone
from enricher.cli.main import main
from enricher.errors import UsageError
from enricher.report.record_view import time_text
from tests.support.controller_logs import access, cri


@pytest.mark.parametrize(
    ("zone", "expected"),
    [("UTC", "23:18:31.500"), ("Europe/Berlin", "00:18:31.500"), ("Asia/Kolkata", "04:48:31.500")],
)
def test_a_zone_by_name(tmp_path, endpoints, capsys, zone, expected):
    (log := tmp_path / "log").write_text(cri(access(1)))
    assert main(["tail", "--timezone", zone, "--endpoints", str(endpoints), str(log)]) == 0
    assert capsys.readouterr().out.startswith(f"{expected}  200  GET /1")


def test_the_machines_own_zone(monkeypatch):
    record = {"time": "2026-07-01T12:00:00.25Z"}
    try:
        for zone, expected in (("America/New_York", "08:00:00.250"), ("UTC", "12:00:00.250")):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert time_text(record, parse_timezone("local")) == expected
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_stamp_of_another_zone():
    assert time_text({"time": "2026-07-01T12:00:00+05:30"}, parse_timezone("UTC")) == "06:30:00.000"
    assert time_text({"time": None}, parse_timezone("UTC")) == ""


@pytest.mark.parametrize("text", ["", "Berlin", "../../etc/passwd", "/etc/localtime", "Europe", "x\0"])
def test_what_is_no_zone(text):
    with pytest.raises(UsageError, match="--timezone"):
        parse_timezone(text)
