"""`enricher check` finds what would keep the daemon from working on a node, and leaves no trace."""

import json
import os
import socket
import subprocess
import sys

import pytest

from enricher.accesslog.try_formats import NO_ID, NO_TYPE
from enricher.cli.main import main
from tests.support.controller_logs import access, cri
from tests.support.daemons import CONTROLLER

LOG = "ingress-nginx/ingress-nginx-controller-7/controller"


@pytest.fixture
def check(node, capsys):
    """Runs it as a daemon on the node would be run; gives the exit code, the verdicts by subject, and what is said."""

    def check(*arguments, state_dir=None):
        options = ["--log-dir", node.log_dir, "--state-dir", state_dir or node.state_dir, "--endpoints", node.endpoints]
        code = main([str(one) for one in ("check", *options, "--listen", "127.0.0.1:0", *arguments)])
        out, err = capsys.readouterr()
        assert err == ""
        lines = out.splitlines()
        assert lines[-1].startswith("checks: ")
        rows = [line[9:].split("  ", 1) for line in lines[:-1] if line[:1].strip()]
        verdicts = [line.split()[0] for line in lines[:-1] if line[:1].strip()]
        return code, {subject: verdict for (subject, _), verdict in zip(rows, verdicts, strict=True)}, out

    return check


def test_all_is_well(check, node):
    node.write(*(cri(access(n)) for n in range(5)), cri("I1122 23:18:31.5 7 x.go:1] starting", "stderr"))
    code, verdicts, out = check()
    assert code == 0
    assert set(verdicts.values()) == {"ok"}
    assert list(verdicts) == ["configuration", "endpoints", "logs", LOG, "state directory", "port"]
    assert (
        "5 of the last 5 access lines fit the profile ingress-nginx, detected from its lines; lines of other kinds: 1"
        in out
    )
    assert "addresses held by pods: 2" in out
    assert "to be followed: 1" in out
    assert out.endswith("checks: 6, failed: 0, warnings: 0\n")


def test_nothing_is_left_behind(check, node, tmp_path):
    node.write(cri(access(1)))

    def files():
        return {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}

    before = files()
    check()
    check(state_dir=node.log_dir)
    assert {path for path in files() if path not in before} == set()
    assert {path for path, at in before.items() if files()[path] != at and path.is_file()} == set()


def test_the_options_themselves(check, capsys, monkeypatch):
    assert main(["check", "--from", "middle"]) == 3
    out, err = capsys.readouterr()
    assert out.startswith("failed   configuration  --from 'middle': expected beginning or end\n")
    assert err == ""
    monkeypatch.setenv("ENRICHER_LOGDIR", "x")
    code, verdicts, out = check()
    assert (code, verdicts["configuration"]) == (0, "warning")
    assert "ENRICHER_LOGDIR does not belong to any option" in out


def test_a_flag_that_is_unknown_is_wrong_usage(capsys):
    assert main(["check", "--nonsense"]) == 2
    assert "--nonsense" in capsys.readouterr().err


def test_print_config_checks_nothing(capsys):
    assert main(["check", "--log-dir", "/nowhere", "--print-config"]) == 0
    assert "log-dir: /nowhere  # flag\n" in capsys.readouterr().out
    assert main(["check", "--from", "middle", "--print-config"]) == 2


def test_broken_endpoints(check, node):
    node.endpoints.write_text("nonsense")
    code, verdicts, out = check()
    assert (code, verdicts["endpoints"]) == (3, "failed")
    assert f"the endpoints file {node.endpoints}: " in out


def test_a_missing_log_directory(check, node, tmp_path):
    code, verdicts, out = check("--log-dir", tmp_path / "nowhere")
    assert (code, verdicts["log directory"]) == (3, "failed")
    assert "nowhere: No such file or directory" in out


def test_nothing_to_follow_may_still_come(check, node, tmp_path):
    node.write(cri(access(1)))
    code, verdicts, out = check("--select", "a/b/c", "--select", f"{tmp_path}/*.log")
    assert (code, verdicts["logs"]) == (0, "warning")
    assert f"nothing matches a/b/c in {node.log_dir} yet" in out
    assert f"nothing matches {tmp_path}/*.log yet" in out


def test_another_proxy_is_found_without_an_option(check, node):
    node.write(cri(ENVOY), container="edge_envoy-default-eg-7d9_u-1/envoy")
    node.write(cri("[2026-11-22 23:18:31.5][1][info][main] starting"), container="edge_envoy-default-eg-8d9_u-2/envoy")
    code, verdicts, out = check()
    assert (code, verdicts["edge/envoy-default-eg-7d9/envoy"]) == (0, "warning")  # for what the format lacks
    assert "to be followed: 2" in out
    assert "1 of the last 1 access lines fit the profile envoy, detected from its lines" in out
    assert "no access line among the last 1 line\n" in out
    assert "not followed" not in out


def test_what_looks_like_a_proxy_is_named(check, node):
    node.write(cri(access(1)), container="shop_web-nginx-7_u-4/nginx")
    code, verdicts, out = check()
    assert (code, verdicts["logs"]) == (0, "warning")
    assert f"nothing matches the usual names of ingress proxies in {node.log_dir} yet" in out
    assert "1 container looks like nginx (shop/web-nginx-7/nginx) and is not followed" in out
    assert "not followed" not in check("--profile", "nginx")[2]
    # A profile that finds nothing may be the wrong one.
    assert "give --profile nginx" in check("--profile", "traefik")[2]


def test_plain_files_need_no_log_directory(check, tmp_path):
    (tmp_path / "access.log").write_text(access(1) + "\n")
    code, verdicts, _ = check("--select", f"{tmp_path}/*.log", "--log-dir", "/nowhere")
    assert (code, verdicts[f"{tmp_path}/access.log"]) == (0, "ok")


def test_the_daemons_own_log_is_not_followed(check, node, monkeypatch):
    node.write(cri(access(1)))
    namespace, pod, _ = CONTROLLER.split("/")[0].split("_")
    monkeypatch.setenv("POD_NAMESPACE", namespace)
    monkeypatch.setenv("POD_NAME", pod)
    assert check()[1]["logs"] == "warning"


def test_a_log_without_lines(check, node):
    node.log().touch()
    code, verdicts, out = check()
    assert (code, verdicts[LOG]) == (0, "warning")
    assert "no lines yet" in out


def test_a_log_with_error_lines_only(check, node):
    error = '2026/11/22 23:18:31 [error] 31#31: *7 x, client: 192.0.2.7, server: _, request: "GET / HTTP/1.1"'
    notice = "2026/11/22 23:18:31 [notice] 31#31: start worker process 32"
    node.write(*(cri(error, "stderr") for _ in range(3)), cri(notice, "stderr"))
    code, verdicts, out = check()
    assert (code, verdicts[LOG]) == (0, "warning")
    assert "no access line among the last 4 lines, but 3 error lines about requests: the proxy does not write" in out


def test_a_link_that_leads_out(check, node, tmp_path):
    (tmp_path / "secret").write_text("secret\n")
    node.log().symlink_to(tmp_path / "secret")
    code, verdicts, out = check()
    assert (code, verdicts[LOG]) == (3, "failed")
    assert "outside the allowed directories" in out


def test_a_log_that_can_not_be_read(check, node, monkeypatch):
    """To root no file is closed: this one is closed to all."""
    node.write(cri(access(1)))
    plain = os.open

    def closed(path, *arguments, **more):
        if path == str(node.log()):
            raise PermissionError(13, "Permission denied", path)
        return plain(path, *arguments, **more)

    monkeypatch.setattr(os, "open", closed)
    code, verdicts, out = check()
    assert (code, verdicts[LOG]) == (3, "failed")
    assert f"{node.log()}: Permission denied" in out


@pytest.mark.parametrize(("misfits", "verdict", "exit_code"), [(1, "warning", 0), (5, "failed", 3)])
def test_lines_that_do_not_fit(check, node, misfits, verdict, exit_code):
    node.write(
        *(cri("10.0.0.1 \x1b[31mof another format " + "x" * 500 if n < misfits else access(n)) for n in range(5))
    )
    code, verdicts, out = check()
    assert (code, verdicts[LOG]) == (exit_code, verdict)
    fitting = "no line of 5 fits" if misfits == 5 else f"{5 - misfits} of the last 5 access lines fit"
    assert f"{fitting} the profile ingress-nginx" in out
    [example] = [line for line in out.splitlines() if "does not fit: " in line]
    assert r"10.0.0.1 \x1b[31mof another format xxx" in example
    assert example.endswith("x…")
    assert len(example) < 200


def test_another_proxys_lines(check, node):
    combined = '192.0.2.7 - - [22/Nov/2026:23:18:31 +0000] "GET / HTTP/1.1" 200 39 "-" "-"'
    node.write(cri(combined))
    code, verdicts, out = check()
    assert (code, verdicts[LOG]) == (0, "warning")
    assert (
        "1 of the last 1 access lines fit the profile nginx, detected from its lines, but none names an upstream" in out
    )
    code, verdicts, out = check("--profile", "haproxy", "--select", "*/*/controller")
    assert (code, verdicts[LOG]) == (3, "failed")
    assert (
        "no line of 1 fits the profile haproxy; the last fits the log format of the profile nginx: "
        "read such lines with --profile nginx" in out
    )


ENVOY = '[2026-11-22T23:18:31.000Z] "GET / HTTP/1.1" 200 - 0 39 7 5 "-" "curl/8" "1" "shop" "10.0.0.1:80"'
NO_ATTEMPTS = "the log format has no number of attempts: failures that a retry hid are not known: add "


def test_what_a_detected_format_lacks(check, node):
    node.write(*(cri(ENVOY) for _ in range(3)))
    code, verdicts, out = check()
    assert (code, verdicts[LOG]) == (0, "warning")
    assert "ok       ingress-nginx/ingress-nginx-controller-7/controller  3 of the last 3 access lines fit" in out
    assert out.count(f"{NO_ATTEMPTS}%UPSTREAM_REQUEST_ATTEMPT_COUNT%") == 1
    assert out.endswith("failed: 0, warnings: 1\n")


def test_what_else_a_detected_format_lacks(check, node):
    node.write(*(cri(ENVOY) for _ in range(3)))
    assert "lines also lack the pods of tries before the last, gRPC statuses, the route, the service" in check()[2]


@pytest.mark.parametrize(("times", "is_missing"), [("--", True), ("-5", False), ("5-", False)])
def test_answers_without_a_time(check, node, times, is_missing):
    """Envoy Gateway takes the header with the time away; one answer that has it shows that this one does not."""
    node.write(*(cri(ENVOY.replace("7 5", f"7 {time}")) for time in times), cri(ENVOY.replace("200 -", "503 UF")))
    _, _, out = check()
    assert ("the log format does not say how long upstreams took" in out) is is_missing


def test_failures_alone_do_not_show_that_times_are_missing(check, node):
    node.write(cri(ENVOY.replace("200 -", "503 UF").replace("7 5", "7 -")))
    assert "how long upstreams took" not in check()[2]


@pytest.mark.parametrize(
    ("of_try", "fault"),
    [
        ({"access_log_type": "UpstreamEnd", "x-request-id": "a", "response_code": 200}, ""),
        ({"access_log_type": "UpstreamEnd", "response_code": 200}, NO_ID),
        ({"x-request-id": "a", "response_code": 0}, NO_TYPE),
    ],
)
def test_lines_of_attempts_that_look_like_requests(check, node, of_try, fault):
    fields = {"start_time": "2026-11-22T23:18:31.000Z", "response_flags": "-", "upstream_host": "10.0.0.1:80"}
    request = fields | {"access_log_type": "DownstreamEnd", "x-request-id": "a", "response_code": 200, "duration": 2}
    node.write(cri(json.dumps(fields | {"duration": 1} | of_try)), cri(json.dumps(request)))
    _, _, out = check("--select", "envoy:*/*/controller")
    assert [each for each in (NO_TYPE, NO_ID) if each in out] == ([fault] if fault else [])


def test_lines_of_attempts_in_a_given_format(check, node):
    node.write(cri("UpstreamEnd 200 10.0.0.1:80"))
    log_format = ("--log-format", "%ACCESS_LOG_TYPE% %RESPONSE_CODE% %UPSTREAM_HOST%", "--profile", "envoy")
    assert NO_ID in check(*log_format, "--select", "*/*/controller")[2]


def test_what_a_given_format_lacks_is_said_once(check, node):
    node.write(cri("200 10.0.0.1:80"))
    _, _, out = check("--log-format", "$status $upstream_addr")
    assert out.count("the log format has no $upstream_status") == 1


def test_what_lines_of_json_lack(check, node):
    fields = {"ClientHost": "192.0.2.7", "StartUTC": "2026-11-22T23:18:31Z", "Duration": 5_000_000}
    fields |= {"DownstreamStatus": 200, "OriginStatus": 200, "RequestMethod": "GET", "ServiceURL": "http://10.0.0.1:80"}
    node.write(cri(json.dumps(fields)))
    _, _, out = check("--select", "traefik:*/*/controller")
    assert "1 of the last 1 access lines fit the profile traefik" in out
    assert f"{NO_ATTEMPTS.removesuffix('add ')}choose the format json" in out
    node.write(cri(json.dumps(fields | {"RetryAttempts": 0})))
    assert NO_ATTEMPTS.partition(":")[0] not in check("--select", "traefik:*/*/controller")[2]


@pytest.mark.parametrize("line", [access(1) + " extra", access(1).replace('"-" "-"', '"-" "-" "x"')])
def test_the_commands_use_the_same_words(check, node, tmp_path, line):
    """The daemon's are those of FormatCheck, as are those of tail and enrich."""
    made = line.replace("request-1", "0" * 32)
    node.write(*(cri(made) for _ in range(30)))
    _, _, out = check()
    explanation = out.partition("; the last ")[2].partition("\n")[0]
    assert explanation.startswith("has a field more than the closest, the log format of the profile ingress-nginx")
    (path := tmp_path / "log").write_text(f"{made}\n" * 30)
    for command in ("enrich", "tail"):
        arguments = [sys.executable, "-m", "enricher", command, "--endpoints", node.endpoints, path]
        done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, check=False)
        assert done.returncode == 3
        assert done.stderr == f"enricher: no line of 30 fits a known log format: one of them {explanation}\n"


def test_a_format_of_ones_own(check, node):
    node.write(cri("200 10.0.0.1:80"), cri("other"))
    _, verdicts, out = check("--log-format", "$status $upstream_addr")
    assert "1 of the last 2 access lines fit the given format" in out
    assert verdicts[LOG] == "warning"


def test_the_last_lines_are_looked_at(check, node):
    """Of a long log, over a rotation, and not a line that is just being written, nor the rest of a cut one."""
    node.write(*(cri("old and different") for _ in range(50)), *(cri(access(n, size=3000)) for n in range(150)))
    node.log().rename(node.log().with_name("0.log.20261122-231831"))
    node.write(cri(access(1)), cri(access(2))[:-9])
    code, verdicts, out = check()
    assert (code, verdicts[LOG]) == (0, "ok"), out
    assert " access lines fit the profile ingress-nginx, detected from its lines\n" in out


def test_a_state_directory_that_will_be_made(check, node):
    _, verdicts, out = check()
    assert verdicts["state directory"] == "ok"
    assert "will be created" in out
    assert not node.state_dir.exists()


@pytest.mark.parametrize("path", ["{endpoints}", "{endpoints}/below"])
def test_a_state_directory_that_can_not_be_written(check, node, path):
    code, verdicts, _ = check(state_dir=path.format(endpoints=node.endpoints))
    assert (code, verdicts["state directory"]) == (3, "failed")


def test_a_port_that_is_taken(check):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        taken.settimeout(5)
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        code, verdicts, out = check("--listen", where)
    assert (code, verdicts["port"]) == (3, "failed")
    assert f"cannot listen on {where}" in out


def test_beside_the_daemon_it_is_no_warning(check, node, tmp_path):
    """As `kubectl exec` would run it."""
    node.write(cri(access(1)))
    daemon = node.start()
    code, verdicts, out = check("--listen", f"127.0.0.1:{daemon.port}")
    assert (code, verdicts["port"], verdicts["state directory"]) == (0, "ok", "ok")
    assert "the running daemon serves there" in out
    assert out.endswith("warnings: 0\n")
    _, verdicts, out = check("--listen", "127.0.0.1:0")
    assert (verdicts["port"], verdicts["state directory"]) == ("ok", "warning")
    assert "make sure that it is the daemon, and the only one" in out
    _, verdicts, out = check("--listen", f"127.0.0.1:{daemon.port}", state_dir=str(tmp_path / "other"))
    assert (verdicts["port"], verdicts["state directory"]) == ("warning", "ok")
    assert "a daemon is already serving there" in out
    assert daemon.stop()[0] == 0


def test_colours_are_for_terminals(node):
    command = [sys.executable, "-m", "enricher", "check", "--log-dir", node.log_dir, "--endpoints", node.endpoints]
    quiet = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    ours, theirs = os.openpty()
    for out, on_terminal in ((subprocess.PIPE, False), (theirs, True)):
        done = subprocess.run(
            [*command, "--listen", "127.0.0.1:0"],
            stdout=out, check=False, timeout=30, env=quiet | {"TERM": "xterm"},
        )  # fmt: skip
        message = os.read(ours, 1 << 16) if on_terminal else done.stdout
        assert (b"\x1b[" in message) is on_terminal
        assert b"checks: " in message
    os.close(ours)
    os.close(theirs)


def test_nobody_reads_the_table(node):
    command = [sys.executable, "-m", "enricher", "check", "--log-dir", node.log_dir, "--endpoints", node.endpoints]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) == 0
