"""The proxies' own lines in one stream with their access lines, as `enrich` reads them with each profile."""

import json

import pytest

from enricher.cli.main import main
from tests.unit.accesslog.own_lines import OWN_LINES

STAMP = "2026-11-22T23:19:10.1Z stdout F "
ACCESS = {
    "traefik": '{"ClientAddr":"10.9.0.7:40112","DownstreamStatus":200,"Duration":5200300,"OriginStatus":200,'
    '"ServiceURL":"http://10.0.0.1:80","StartUTC":"2026-11-22T23:19:13Z","level":"info","msg":"","time":"x"}',
    "haproxy": "10.9.0.7:40112 [22/Nov/2026:23:19:13.014] web~ cart/s1 10.0.0.1:80 0/0/1/2/3 200 31 - - ---- 1/1/0/0/0 "
    '0/0 "GET /cart HTTP/1.1"',
    "nginx-ingress": '10.9.0.7 - - [22/Nov/2026:23:19:13 +0000] "GET /cart HTTP/1.1" 200 12 "-" "curl/8" "-"',
}
PROGRAMS = {"traefik": "Traefik", "haproxy": "HAProxy", "nginx-ingress": "F5's controller"}


@pytest.mark.parametrize("profile", PROGRAMS)
@pytest.mark.parametrize("option", [True, False])
def test_every_line_but_the_request_is_other(tmp_path, endpoints, capsys, profile, option):
    own = [line.decode() for line in OWN_LINES[PROGRAMS[profile]]]
    if profile == "haproxy":
        own += [f"<133>Nov 22 23:19:10 haproxy[8]: {own[0]}", f"<129>Nov 22 23:19:10 haproxy[8]: {own[5]}"]
    (log := tmp_path / "log").write_text("".join(f"{STAMP}{line}\n" for line in [*own, ACCESS[profile]]))
    assert main(["enrich", "--endpoints", str(endpoints), *(["--profile", profile] if option else []), str(log)]) == 0
    kinds = [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()]
    assert kinds == ["other"] * len(own) + ["access"]
