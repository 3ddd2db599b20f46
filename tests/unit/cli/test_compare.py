"""`enricher compare` over files: real logs of several proxies, made logs, a daemon's output, and what is refused."""

import csv
import json
from pathlib import Path

import pytest

import tests.integration.proxies
from enricher.cli.main import main
from tests.support.controller_logs import access, cri

RECORDED = Path(tests.integration.proxies.__file__).with_name("recorded")
RECORDED_ENDPOINTS = str(RECORDED / "endpoints.yaml")


@pytest.fixture
def run(capsys):
    def run(*arguments):
        code = main(["compare", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def log(tmp_path):
    """Write a log of ingress-nginx with some good requests and some 502s."""

    def log(name, good, bad=0):
        path = tmp_path / name
        path.write_text("".join([cri(access(1))] * good + [cri(access(2, status="502"))] * bad))
        return path

    return log


def envoy_lines(good, bad=0):
    """Return lines of Envoy's default format, whose profile has to be recognised."""
    line = (
        '[2026-11-22T23:18:31.000Z] "GET /1 HTTP/1.1" {} - 0 31 7 6 "192.0.2.7" "-" "r" "shop.example" "10.0.0.1:80"\n'
    )
    return line.format(200) * good + line.format(503) * bad


@pytest.mark.parametrize(
    ("old", "new", "code", "verdict"),
    [
        ((300, 0), (300, 0), 0, "no worse"),
        ((270, 30), (290, 10), 0, "no worse"),
        ((300, 0), (280, 20), 4, "worse"),
        ((300, 0), (50, 0), 5, "too few"),
        ((300, 0), (0, 20), 4, "worse"),
    ],
)
def test_the_verdict_is_the_exit_code(run, log, endpoints, old, new, code, verdict):
    found, out, err = run("--endpoints", endpoints, log("old", *old), log("new", *new))
    assert (found, err) == (code, "")
    assert out.splitlines()[-1].startswith(verdict)
    assert max(map(len, out.splitlines())) <= 80
    assert "\033" not in out


def test_another_proxy_is_recognised(run, log, endpoints, tmp_path):
    (new := tmp_path / "new").write_text(envoy_lines(280, 20))
    code, out, err = run("--endpoints", endpoints, log("old", 300), new, "-o", "json")
    document = json.loads(out)
    (row,) = document["rows"]
    assert (code, err, row["namespace"], row["service"], row["verdict"]) == (4, "", "shop", "web", "worse")
    assert [each["of"] for each in row["worse"]] == ["errors"]
    assert (row["old"]["failed"], row["new"]["failed"], row["new"]["retries"]) == (0, 20, None)
    assert row["new"]["statuses"] == {"200": 280, "503": 20}


def test_a_side_may_have_its_own_format(run, log, endpoints, tmp_path):
    """--log-format is that of the side without a profile of its own."""
    (new := tmp_path / "new").write_text('200 10.0.0.1:80 200 "GET /1 HTTP/1.1" 0.001\n' * 300)
    own = '--log-format=$status $upstream_addr $upstream_status "$request" $request_time'
    code, out, err = run("--endpoints", endpoints, own, f"ingress-nginx:{log('old', 300)}", new, "-o", "json")
    assert code == 0, err
    assert [json.loads(out)[side]["lines"] for side in ("old", "new")] == [{"access": 300}] * 2
    assert run("--endpoints", endpoints, own, log("old", 300), new)[0] == 3


def test_lines_that_do_not_fit_are_reported_with_their_side(run, log, endpoints, tmp_path):
    (new := tmp_path / "new").write_text("nonsense of no proxy\n" * 300)
    code, _, err = run("--endpoints", endpoints, log("old", 300), f"envoy:{new}")
    assert code == 3
    assert err.startswith("enricher: NEW: no line of 300 fits a log format of the profile envoy")


def test_globs_directories_and_a_pipe(run, log, endpoints, tmp_path, monkeypatch):
    for number in range(3):
        log(f"old-{number}.log", 100)
    (directory := tmp_path / "new").mkdir()
    (directory / "a.log").write_text(envoy_lines(300))
    code, out, _ = run("--endpoints", endpoints, tmp_path / "old-*.log", directory)
    assert (code, "OLD  300 requests" in out, "NEW  300 requests" in out) == (0, True, True)
    (tmp_path / "envoy:x").write_text(envoy_lines(300))
    monkeypatch.chdir(tmp_path)
    assert run("--endpoints", endpoints, "envoy:x", "envoy:envoy:x")[0] == 0
    with (directory / "a.log").open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert run("--endpoints", endpoints, directory, "-")[0] == 0


def test_a_daemons_output_needs_no_endpoints(run, log, endpoints, tmp_path, capsys):
    main(["enrich", "--endpoints", str(endpoints), str(log("old", 300))])
    attempt = '{"time":"2026-11-22T23:18:31Z","kind":"try","status":200,"logged_by":{}}\n'
    (output := tmp_path / "output.jsonl").write_text(attempt * 2 + capsys.readouterr().out)
    code, out, err = run(output, output)
    assert (code, err) == (0, "")
    assert "OLD  300 requests" in out
    assert "shop/web: no worse" in out


@pytest.mark.parametrize("output", ["text", "json", "markdown", "csv"])
@pytest.mark.parametrize("new", sorted(path.stem for path in RECORDED.glob("*.log") if ".error" not in path.name))
def test_logs_that_real_proxies_wrote(run, new, output):
    """Each is read; they are too short for a verdict, unless the proxy itself refuses what nginx passed on."""
    code, out, _ = run(
        "--endpoints", RECORDED_ENDPOINTS, RECORDED / "nginx-upstreams.log", RECORDED / f"{new}.log", "-o", output
    )
    assert code in {4, 5}
    assert out
    if output == "csv":
        rows = list(csv.DictReader(out.splitlines()))
        assert {row["proxy"] for row in rows} == {"old", "new"}
    if output == "json":
        assert json.loads(out)["new"]["requests"] > 30


@pytest.mark.parametrize(
    ("by", "name"),
    [
        ("pod", "shop/web/web-5d4bc8f7d6-x2x2x"),
        ("node", "node-1"),
        ("workload", "shop/web"),
        ("revision", "shop/web/5d4bc8f7d6"),
    ],
)
def test_other_rows(run, log, tmp_path, by, name):
    pod = {"kind": "Pod", "name": "web-5d4bc8f7d6-x2x2x", "namespace": "shop", "uid": "u"}
    slice_ = {
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "endpoints": [{"addresses": ["10.0.0.1"], "targetRef": pod, "nodeName": "node-1"}],
        "ports": [{"port": 80}],
    }
    (endpoints := tmp_path / "slices.json").write_text(json.dumps({"kind": "List", "items": [slice_]}))
    code, out, _ = run("--endpoints", endpoints, log("old", 300), log("new", 280, 20), "--by", by)
    assert code == 4
    names = [line for line in out.splitlines() if line.endswith((": worse", ": no worse"))]
    assert names == [f"{name}: worse"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["old"], 2, "the following arguments are required: NEW"),
        (["-", "-"], 2, "OLD and NEW cannot both be stdin"),
        (["old", ""], 2, "NEW is empty"),
        (["old", "new.log"], 3, "new.log"),
        (["old", "a/B c/d"], 2, "NEW 'a/B c/d': there is no such file"),
        (["old", "old", "--since", "5m"], 2, "--since cannot be combined with files"),
        (["old", "old", "--for", "5m"], 2, "--for cannot be combined with files"),
        (["old", "envoy:", "--for", "5"], 2, "--for '5': expected a whole number"),
        (["envoy:", "traefik:", "--endpoints", "map"], 2, "--endpoints requires a FILE"),
        (["old", "old", "--select", "a/b/c"], 2, "unknown option '--select'"),
    ],
)
def test_what_is_refused(run, log, endpoints, monkeypatch, tmp_path, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    log("old", 10)
    endpoints.rename("map")
    more = [] if "--endpoints" in arguments else ["--endpoints", "map"]
    found, _, err = run(*arguments, *more)
    assert (found, message in err) == (code, True), err


def test_services_that_have_moved_are_compared_alone(run, tmp_path):
    """Requests without a service stay: the new proxy has no route for some of the service's."""
    (endpoints := tmp_path / "map.yaml").write_text(
        "10.0.0.1:80: {pod: web-1, namespace: shop, service: web}\n"
        "10.0.0.2:80: {pod: pay-1, namespace: shop, service: pay}\n"
    )
    web, pay, lost = (
        cri(access(1, addr, status)) for addr, status in (("10.0.0.1:80", "200"), ("10.0.0.2:80", "200"), ("-", "404"))
    )
    web_of_old = web + web.replace("GET /1", "GET /lost")
    lost = lost.replace("GET /1", "GET /lost").replace('" 200 39', '" 404 39').replace("- 5 0.001 404", "- - - -")
    (tmp_path / "old").write_text((web_of_old + pay) * 150)
    (tmp_path / "moved").write_text(web_of_old * 150)
    (tmp_path / "broken").write_text((web + lost) * 150)
    old, moved, broken = (tmp_path / name for name in ("old", "moved", "broken"))
    assert run("--endpoints", endpoints, old, moved)[0] == 5
    code, out, _ = run("--endpoints", endpoints, old, moved, "--service", "web")
    assert (code, "shop/pay" in out, "OLD  300 requests" in out) == (0, False, True)
    assert run("--endpoints", endpoints, old, moved, "--service", "shop/p*")[0] == 5
    code, out, _ = run("--endpoints", endpoints, old, broken, "--service", "shop/web")
    assert (code, "/lost: 404 to 150 of 150 requests; OLD answered 150 of 150" in out) == (4, True)


def test_one_namespace(run, tmp_path):
    """A proxy's own answers stay, since a route may be missing; attempts at unknown pods may be of other namespaces."""
    (endpoints := tmp_path / "map.yaml").write_text(
        "10.0.0.1:80: {pod: web-1, namespace: shop, service: web}\n"
        "10.0.0.2:80: {pod: pay-1, namespace: bank, service: pay}\n"
    )
    format_ = '$remote_addr [$time_local] "$request" $status $upstream_addr $upstream_status $upstream_response_time'
    lines = [
        f'192.0.2.7 [22/Nov/2026:23:18:31 +0000] "GET /{addr} HTTP/1.1" {status} {addr} {status} 0.001\n'
        for addr, status in (("10.0.0.1:80", 200), ("10.0.0.2:80", 502), ("10.9.9.9:80", 502))
    ]
    own = '192.0.2.7 [22/Nov/2026:23:18:31 +0000] "GET /none HTTP/1.1" 404 - - -\n'
    (log := tmp_path / "log").write_text("".join([*lines, own]) * 200)
    for arguments, rows, requests in (
        ([], {("shop", "web"), ("bank", "pay")}, 800),
        (["-n", "shop"], {("shop", "web")}, 400),
        (["-n", "bank"], {("bank", "pay")}, 400),
        (["-n", "bank", "--service", "web"], set(), 200),
        (["-n", "none"], set(), 200),
    ):
        _, out, _ = run("--endpoints", endpoints, "--log-format", format_, log, log, "-o", "json", *arguments)
        document = json.loads(out)
        assert document["old"]["requests"] == requests
        named = {(row["namespace"], row["service"]) for row in document["rows"] if row["service"]}
        assert named == rows


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDED.glob("*.log") if ".error" not in path.name))
def test_a_proxy_is_not_worse_than_itself(run, name):
    log = RECORDED / f"{name}.log"
    code, out, _ = run("--endpoints", RECORDED_ENDPOINTS, log, log)
    assert code in {0, 5}
    assert "Answered" not in out


def test_an_empty_log_is_too_few(run, log, endpoints):
    code, out, _ = run("--endpoints", endpoints, log("old", 300), log("new", 0))
    assert code == 5
    assert "NEW has no requests." in out
