"""Whatever is in logs, lists, saved states, names of files and options: no command lets it through to a terminal."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from enricher.cli.main import main
from enricher.text import printable_json
from tests.unit.endpoints.timeline import Timeline, pod, slice_

HOSTILE = [
    *("\x1b[2J", "\x1b]0;title\x07", "\x1b]52;c;aGk=\x1b\\", "\x1b]8;;http://x\x1b\\y", "\x9b31m", "\x85", "\x7f"),
    *(
        "\r= exact: bank/pay-1",
        "\n= exact: bank/pay-1",
        "\u2028x",
        "\v\f\b\a",
        "\u202eabc",
        "\u2066x",
        "\u200bx",
        "\ufeff",
    ),
    *(
        "[red]x",
        "[/x]",
        "[link=http://x]y",
        "\\[bold]",
        ":smile:",
        "[@click=app.quit]x",
        "\ue000",
        "\U000e0041",
        "a\u0300" * 40,
    ),
]
"""Escape sequences, control characters, line breaks, marks of direction, invisible characters, markup."""
OWN_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
LINE = (
    '192.0.2.7 - {user} [26/Nov/2026:10:00:30 +0000] "GET {uri} HTTP/1.1" 502 612 "-" "{agent}" 421 0.005 '
    "[{name}] [] {addr} 612 0.005 502 {id}\n"
)


def assert_harmless(output: str, hostile: str) -> None:
    text = OWN_COLOURS.sub("", output)
    assert all(character == "\n" or character.isprintable() for character in text), ascii(text)
    assert not re.search(r"[\u200b\u2028\ufeff\ue000\U000e0041\u202e\u2066]", text)
    assert "\n= exact" not in text
    assert hostile.isprintable() or hostile not in text


@pytest.fixture
def run(capsysbinary, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*command: str) -> str:
        main(command)
        out, err = capsysbinary.readouterr()
        return (out + err).decode()

    return run


@pytest.fixture(params=HOSTILE, ids=ascii)
def hostile(request) -> str:
    return request.param


@pytest.fixture
def history(hostile, tmp_path) -> str:
    """A saved history in which each name is a hostile one."""
    t = Timeline()
    t.put(0, slice_("a", pod("10.0.0.1", "web-1"), pod("10.0.0.1", "web-2", node="n2")))
    t.service(0, "web", "10.96.0.1")
    saved = t.history.dump() | {"cluster_ips": t.services.dump()}
    text = orjson.dumps({"version": 1, "history": saved}).decode()
    for name in ("web-1", "uid-web-1", "node-1", "n2", '"shop"', '"web"'):
        text = text.replace(f'"{name}"' if name[0] != '"' else name, json.dumps(hostile[:200]))
    (path := tmp_path / "history.json").write_text(text)
    return str(path)


@pytest.fixture
def log(hostile, tmp_path) -> str:
    raw = hostile.replace("\n", " ")
    lines = [
        LINE.format(user=raw, uri=raw, agent=raw, name=raw, addr="10.0.0.1:8080", id=raw),
        LINE.format(user="-", uri="/a", agent="-", name="shop-web-80", addr="10.0.0.1:8080", id=raw),
        LINE.format(user="-", uri="/a", agent="-", name="shop-web-80", addr="10.9.9.9:80", id="x"),
        f"{raw}\n",
        f"2026/11/26 10:00:30 [error] 7#7: *1 {raw} while connecting to upstream, client: {raw}, upstream: "
        f'"http://10.0.0.1:8080/{raw}", host: "{raw}"\n',
    ]
    (path := tmp_path / "controller.log").write_text("".join(lines))
    return str(path)


@pytest.mark.parametrize("report", [["--summary"], ["--map", "dot"], ["--map", "mermaid"]], ids=" ".join)
def test_enrich_reports(run, hostile, history, log, report):
    assert_harmless(run("enrich", "--endpoints", history, *report, log), hostile)


def test_explain_a_line(run, hostile, history, log):
    for line in Path(log).read_text().splitlines()[:3]:
        assert_harmless(run("explain", "--endpoints", history, line), hostile)


def test_explain_an_address(run, hostile, history):
    for subject in ("10.0.0.1:8080", "10.96.0.1:80", hostile):
        assert_harmless(run("explain", "--endpoints", history, "--at", "2026-11-26T10:00:30Z", subject), hostile)
    assert_harmless(run("explain", "--endpoints", history, "--at", hostile, "10.0.0.1:8080"), hostile)


def test_tail(run, hostile, history, log):
    assert_harmless(run("tail", "--endpoints", history, log), hostile)


@pytest.mark.parametrize("form", ["text", "markdown", "csv"])
def test_compare(run, hostile, history, log, tmp_path, form):
    """The second proxy refuses the paths of the first."""
    lines = Path(log).read_text()
    (tmp_path / "old.log").write_text(lines.replace(" 502 ", " 200 ") * 30)
    (tmp_path / "new.log").write_text(lines.replace(" 502 ", " 404 ") * 30)
    assert_harmless(run("compare", "--endpoints", history, "old.log", "new.log", "-o", form), hostile)


def test_lines_of_other_proxies(run, hostile, history, tmp_path):
    (path := tmp_path / "traefik.log").write_text(
        json.dumps(
            {
                "ServiceURL": "http://10.0.0.1:8080",
                "ServiceName": hostile,
                "RouterName": hostile,
                "RequestPath": hostile,
                "RequestMethod": hostile,
                "ClientHost": hostile,
                "OriginStatus": 502,
                "DownstreamStatus": 502,
                "Duration": 5_000_000,
                "StartUTC": "2026-11-26T10:00:30Z",
                "time": hostile,
            }
        )
        + "\n"
    )
    for command in (["enrich", "--summary"], ["tail"]):
        assert_harmless(run(*command, "--profile", "traefik", "--endpoints", history, str(path)), hostile)
    assert_harmless(run("compare", "--endpoints", history, str(path), f"traefik:{path}"), hostile)
    explained = run("explain", "--profile", "traefik", "--endpoints", history, path.read_text().strip())
    assert_harmless(explained, hostile)


def test_names_of_files(run, hostile, tmp_path):
    name = hostile[:200]
    for command in (["enrich"], ["tail"], ["explain", "10.0.0.1:80", "--at", "2026-11-26T10:00:30Z"]):
        assert_harmless(run(*command, "--endpoints", name, "x.log"), hostile)
    (tmp_path / "endpoints.yaml").write_text("10.0.0.1:80: a\n")
    assert_harmless(run("enrich", "--endpoints", "endpoints.yaml", name), hostile)
    assert_harmless(run("compare", "--endpoints", "endpoints.yaml", name, f"envoy:{name}"), hostile)
    assert_harmless(run("enrich", "--endpoints", "endpoints.yaml", "--log-format-file", name, "x.log"), hostile)
    assert_harmless(run("check", "--endpoints", name, "--log-dir", name, "--state-dir", name), hostile)


def test_values_of_options(run, hostile, tmp_path, monkeypatch):
    for option in ("--listen", "--select", "--history", "--profile", "--log-format", "--output", "--namespace"):
        assert_harmless(run("check", f"{option}={hostile}", "--endpoints", "x"), hostile)
    assert_harmless(run(hostile), hostile)
    if "=" not in hostile:
        monkeypatch.setenv(f"ENRICHER_{hostile}", "x")
    assert_harmless(run("enrich", "--endpoints", "x", "x.log"), hostile)


def test_content_of_lists(run, hostile, tmp_path):
    (path := tmp_path / "list").write_text("")
    for content in (
        f"{json.dumps(hostile)}: a\n",
        f"10.0.0.1:80: {json.dumps(hostile)}\n",
        f"10.0.0.1:80: {{{json.dumps(hostile)}: a}}\n",
        json.dumps({"kind": hostile}),
        json.dumps({"kind": "List", "items": [{"kind": hostile}]}),
        json.dumps(
            {"kind": "EndpointSlice", "metadata": {"namespace": hostile}, "endpoints": [pod("10.0.0.1", hostile)]}
        ),
        f"{{{hostile}",
        hostile,
    ):
        path.write_text(content)
        assert_harmless(run("enrich", "--endpoints", str(path), "x.log"), hostile)
        assert_harmless(run("check", "--endpoints", str(path)), hostile)


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_json_for_a_terminal_is_the_same_json(hostile):
    line = orjson.dumps({"a": hostile, hostile: "b"}) + b"\n"
    shown = printable_json(line)
    assert orjson.loads(shown) == orjson.loads(line)
    assert_harmless(shown.decode(), hostile)
    assert shown.endswith(b"\n")
    assert shown.count(b"\n") == 1


@pytest.mark.parametrize("command", ["enrich", "tail -o json", "compare -o json x.log"])
def test_json_on_a_real_terminal(tmp_path, command):
    (tmp_path / "endpoints.yaml").write_text("10.0.0.1:8080: a\n")
    everything = "".join(HOSTILE).replace("\n", " ")
    fields = dict.fromkeys(("user", "uri", "agent", "id"), everything)
    (tmp_path / "x.log").write_text(LINE.format(name="shop-web-80", addr="10.0.0.1:8080", **fields))
    arguments = [sys.executable, "-m", "enricher", *command.split(), "--endpoints", "endpoints.yaml", "x.log"]
    controller, terminal = pty.openpty()
    with subprocess.Popen(arguments, cwd=tmp_path, stdout=terminal, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL):
        os.close(terminal)
        output = b""
        try:
            while data := os.read(controller, 65536):
                output += data
        except OSError:  # the other end is closed
            os.close(controller)
    text = output.replace(b"\r\n", b"\n").decode()
    assert_harmless(text, everything)
    assert "10.0.0.1" in text or command.startswith("compare")


def test_an_encoding_without_the_characters(tmp_path):
    (tmp_path / "endpoints.yaml").write_text("10.0.0.1:8080: ä\n")
    (tmp_path / "x.log").write_text(LINE.format(user="ä", uri="/ä", agent="-", name="-", addr="10.0.0.1:8080", id="→"))
    for command in ("enrich --summary", "tail", "enrich --map dot", "compare x.log"):
        done = subprocess.run(
            [sys.executable, "-m", "enricher", *command.split(), "--endpoints", "endpoints.yaml", "x.log"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
            capture_output=True,
            check=False,
        )
        assert done.returncode == (5 if command.startswith("compare") else 0)
        assert b"Traceback" not in done.stderr
