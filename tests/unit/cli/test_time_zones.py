"""`--timezone`: the zone of the times that `tail`, `top`, `diagnose` and `compare` print for people."""

import time

import pytest

from enricher.cli.main import main
from enricher.cli.time_zone import parse_timezone
from enricher.errors import UsageError
from enricher.report.pod_stats import PodStats
from enricher.report.record_view import time_text
from enricher.report.wording import when_text
from enricher.timestamps import SECOND, parse_rfc3339
from tests.support.controller_logs import access, cri

BERLIN = ["--timezone", "Europe/Berlin"]
IN_BERLIN = "2026-11-23 00:18:31 CET", "00:18:31.500"


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


@pytest.mark.parametrize(
    ("stamp", "zone"), [("9999-12-31T23:59:59Z", "Asia/Kolkata"), ("0001-01-01T00:00:01Z", "America/New_York")]
)
def test_a_time_that_the_calendar_lacks_in_a_zone(stamp, zone):
    assert time_text({"time": stamp}, parse_timezone(zone)) == f"{stamp[11:19]}.000"


@pytest.mark.parametrize("output", ["text", "markdown"])
def test_a_diagnosis(tmp_path, endpoints, capsys, output):
    (log := tmp_path / "log").write_text(cri(access(1, status="502")))
    arguments = ["diagnose", "-o", output, "--endpoints", str(endpoints), str(log)]
    for zone, date, clock in (([], "2026-11-22 23:18:31 UTC", "23:18:31.500"), (BERLIN, *IN_BERLIN)):
        assert main([*arguments, *zone]) == 0
        out = capsys.readouterr().out
        assert date in out
        assert f"{clock}  502  GET /1" in out
        assert f"1 request read, {date}." in out.replace("\n", " ")


@pytest.mark.parametrize("output", ["text", "markdown"])
def test_a_comparison(tmp_path, endpoints, capsys, output):
    (log := tmp_path / "log").write_text(cri(access(1)) + cri(access(2)))
    assert main(["compare", str(log), str(log), "-o", output, *BERLIN, "--endpoints", str(endpoints)]) == 5
    assert capsys.readouterr().out.count(f"2 requests, {IN_BERLIN[0]}") == 2


@pytest.mark.parametrize("command", [["diagnose"], ["compare", "log"]])
@pytest.mark.parametrize("output", ["json", "csv"])
def test_what_programs_read_is_the_same_everywhere(tmp_path, monkeypatch, endpoints, capsys, command, output):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log").write_text(cri(access(1, status="502")))
    arguments = [*command, "log", "-o", output, "--endpoints", str(endpoints)]
    main(arguments)
    expected = capsys.readouterr().out
    main([*arguments, *BERLIN])
    assert capsys.readouterr().out == expected
    assert main([*arguments, "--timezone", "Berlin"]) == 2


def test_failures_in_top():
    record = {"time": "2026-11-22T23:18:31.5Z", "kind": "access", "status": 502}
    attempt = {"addr": "10.0.0.1:80", "status": 502, "response_time": None, "attribution": "exact", "pod": "web-1"}
    stats = PodStats(None, zone=parse_timezone("Europe/Berlin"))
    stats.add(record | {"attempts": [attempt]})
    [row] = stats.rows(stats.newest)
    assert [failed.time for failed in stats.failed_requests(row.key)] == [IN_BERLIN[1]]


def test_a_period_in_which_the_clocks_change():
    hour, summer = 3600 * SECOND, parse_rfc3339(b"2026-10-25T00:30:00Z")
    zone = parse_timezone("Europe/Berlin")
    assert when_text(summer, summer + hour, zone) == "2026-10-25 02:30:00 CEST to 02:30:00 CET"
    assert when_text(summer, summer + hour) == "2026-10-25 00:30:00 to 01:30:00 UTC"


@pytest.mark.parametrize("text", ["", "Berlin", "../../etc/passwd", "/etc/localtime", "Europe", "x\0"])
def test_what_is_no_zone(text):
    with pytest.raises(UsageError, match="--timezone"):
        parse_timezone(text)
