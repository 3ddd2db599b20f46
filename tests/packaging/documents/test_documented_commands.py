"""A documented command that the program refuses, or whose documented output is not what it prints."""

import gzip
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from enricher.accesslog.nginx import INGRESS_NGINX
from enricher.cli.commands import build_parser
from enricher.cli.main import main
from enricher.endpoints.files import load_endpoints
from enricher.errors import EnricherError
from enricher.state_file import StateFile

ROOT = Path(__file__).parents[3]
DATA = ROOT / "demo" / "data"
RECORDED = ROOT / "tests" / "integration" / "proxies" / "recorded"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = ("run", "check", "top", "tail", "enrich", "diagnose", "explain", "record", "completion")

OTHER_PROGRAMS = ("kubectl", "curl", "helm", "docker", "pip", "make", "cd", "source", "pytest", "promtool", "sed", "(")
"""What a line in a block begins with if it is another command and not the output of the one before it."""

SEPARATORS = {"|", "&&", ";", "--", "<(", "(", "$"}
ENDS = {"|", "&&", ";", ">", ">>", ")", "&"}


class Command(NamedTuple):
    """One documented command, and the output that the document shows below it."""

    document: str
    line: int
    text: str
    arguments: list[str]
    folder: str
    """Where a `cd` before it in the same block leads, relative to the repository."""
    in_cluster: bool
    """Whether the document runs it in a pod, by kubectl."""
    output: tuple[str, ...] = ()


def blocks(text: str) -> Iterator[list[tuple[int, str]]]:
    """Yield each fenced or indented block as numbered lines; blank lines do not end an indented block."""
    fence, block, previous = "", [], ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if mark and (not fence or line.strip() == fence):
            yield block
            fence, block = ("" if fence else mark[1]), []
        elif fence or (line.startswith("    ") and (block or not previous.strip() or previous.startswith("    "))):
            block.append((number, line.strip()))
        elif line.strip():
            yield block
            block = []
        previous = line
    yield block


def tokens_of(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
    lexer.whitespace_split = True
    return list(lexer)


def arguments_of(line: str) -> tuple[list[str], list[str]] | None:
    """Return what stands before `enricher` in a line, and its arguments; None if the line does not run it."""
    if not re.search(rf"\benricher ({'|'.join(COMMANDS)}|--?\w)", line):
        return None
    try:
        tokens = tokens_of(line)
    except ValueError:
        return None
    for at, token in enumerate(tokens):
        before = tokens[:at]
        if token != "enricher" or not (not before or before[-1] in SEPARATORS or "env" in before):
            continue
        rest = tokens[at + 1 :]
        end = next((n for n, following in enumerate(rest) if following in ENDS), len(rest))
        return before, rest[:end]
    return None


def commands_in(document: str, text: str) -> Iterator[Command]:
    for block in blocks(text):
        folder, latest = "", None
        for number, line in block:
            if found := arguments_of(line):
                if latest:
                    yield latest
                before, arguments = found
                latest = Command(document, number, line, arguments, folder, "kubectl" in before)
            elif line.startswith(OTHER_PROGRAMS) or line.startswith("#"):
                if latest:
                    yield latest
                latest = None
                if line.startswith("cd "):
                    folder = line.split()[1]
            elif latest and line:
                latest = latest._replace(output=(*latest.output, line))
        if latest:
            yield latest


ALL = [
    command
    for path in DOCUMENTS
    for command in commands_in(str(path.relative_to(ROOT)), path.read_text("utf-8"))
]  # fmt: skip


def why_not_run(command: Command) -> str | None:
    """Return the reason why a command is only parsed, or None. Every exception is one of these."""
    name, *rest = command.arguments
    if any("…" in argument for argument in rest):
        return "is abbreviated in the document"
    if name == "completion":
        return None
    if name == "record":
        return "records a cluster until Ctrl-C"
    if "--endpoints" not in rest:
        return "asks a cluster who is where"
    return "draws on a terminal" if name == "top" else None


def identity(command: Command) -> str:
    return f"{command.document}:{command.line}"


@pytest.fixture(scope="module")
def line() -> str:
    """The line that the documents explain: the first that a retry saved."""
    lines = gzip.decompress((DATA / "controller.log.gz").read_bytes()).decode().splitlines()
    return next(text for text in lines if " 502, 200 " in text)


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory, line: str) -> Path:
    """A directory with the files that the documents name, made of the demo's data and the recorded logs."""
    folder = tmp_path_factory.mktemp("documented")
    log, watch = (gzip.decompress((DATA / f"{name}.gz").read_bytes()) for name in ("controller.log", "watch.jsonl"))
    for name in ("controller.log", "gateway.log"):
        (folder / name).write_bytes(log)
    (folder / "watch.jsonl").write_bytes(watch)
    lines = log.splitlines(keepends=True)
    (folder / "logs").mkdir()
    (folder / "logs/0.log.20261122-231925.gz").write_bytes(gzip.compress(b"".join(lines[:400])))
    (folder / "logs/0.log").write_bytes(b"".join(lines[400:]))
    StateFile(str(folder), "history").save(load_endpoints([str(folder / "watch.jsonl")]).pods.dump())

    slices = {}
    for event in map(orjson.loads, watch.splitlines()):
        slices[event["object"]["metadata"]["name"]] = {"kind": "EndpointSlice", **event["object"]}
    services = [
        {"kind": "Service", **orjson.loads(text)} for text in (DATA / "services.jsonl").read_bytes().splitlines()
    ]
    (folder / "endpoints.json").write_bytes(orjson.dumps({"kind": "List", "items": [*slices.values(), *services]}))
    (folder / "services.json").write_bytes(orjson.dumps({"kind": "List", "items": services}))

    pod = {"kind": "Pod", "metadata": {"namespace": "default", "name": "backend-1", "uid": "u-1"}, "status": {}}
    (folder / "pods.json").write_bytes(orjson.dumps({"kind": "List", "items": [pod]}))

    config = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"log-format-upstream": INGRESS_NGINX}}
    (folder / "config.yaml").write_bytes(orjson.dumps(config))

    # nginx without Kubernetes: the README says what is in its two files.
    for name, text in re.findall(r"^    # (nginx\.conf|backends\.yaml) +(.*)$", DOCUMENTS[0].read_text(), re.MULTILINE):
        (folder / name).write_text(f"{text}\n")
    (folder / "var/log/nginx").mkdir(parents=True)
    (folder / "var/log/nginx/access.log").write_text(
        '10.1.0.9 [22/Nov/2026:23:19:13 +0000] "GET / HTTP/1.1" 200 10.0.0.5:8080 200 0.001\n'
    )
    (folder / "var/lib/enricher").mkdir(parents=True)
    shutil.copy(folder / "history.json", folder / "var/lib/enricher")

    # Another proxy: "proxy.log" is the log of an Envoy, the rest is named as in the repository.
    shutil.copy(RECORDED / "envoy-istio.log", folder / "proxy.log")
    shutil.copy(RECORDED / "traefik-json.log", folder / "traefik.log")
    (folder / "tests").symlink_to(ROOT / "tests")
    return folder


def filled_in(argument: str, folder: Path, line: str) -> list[str]:
    """Replace the documents' placeholders, expand patterns, and move absolute paths into the directory."""
    if argument in {"$line", "LINE"}:
        return [line]
    if argument.startswith("/var/"):
        return [f"{folder}{argument}"]
    return sorted(str(path) for path in Path().glob(argument)) if argument.endswith("*") else [argument]


def is_shown(documented: tuple[str, ...], output: str) -> str | None:
    """Return the first documented piece that the output lacks, or has in another order.

    White space does not count. `…` stands for anything, and a line may be broken anywhere.
    """
    squeezed, at = "".join(output.split()), 0
    for line in documented:
        for piece in filter(None, "".join(line.split()).split("…")):
            at = squeezed.find(piece, at)
            if at < 0:
                return piece
            at += len(piece)
    return None


@pytest.mark.parametrize("command", ALL, ids=identity)
def test_the_parser_knows_the_options(command: Command) -> None:
    build_parser().parse_args(command.arguments)


@pytest.mark.parametrize("command", [command for command in ALL if not why_not_run(command)], ids=identity)
def test_it_works_and_prints_what_is_documented(
    command: Command, laid_out: Path, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(laid_out / command.folder)
    arguments = [text for argument in command.arguments for text in filled_in(argument, laid_out, line)]
    if arguments[0] == "run":  # all but following the logs
        arguments.append("--print-config")
    code = main(arguments)
    output = capsys.readouterr()
    assert code == 0, output.err
    assert output.out
    if arguments[0] != "run":
        assert is_shown(command.output, output.out) is None


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_options_named_in_the_text_belong_to_their_command(path: Path) -> None:
    choices = next(action.choices for action in build_parser()._actions if isinstance(action.choices, dict))
    for name, rest in re.findall(rf"`enricher ({'|'.join(COMMANDS)})\b([^`]*)`", path.read_text("utf-8")):
        known = {flag for action in choices[name]._actions for flag in action.option_strings}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, f"enricher {name}{rest}"


def test_commands_are_found_and_run() -> None:
    assert len(ALL) > 25
    assert len([command for command in ALL if not why_not_run(command)]) > 12
    assert len([command for command in ALL if command.output and not why_not_run(command)]) >= 5
    assert {command.arguments[0] for command in ALL} == set(COMMANDS)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("    enricher tail --errors    # failed ones\n", ["tail", "--errors"]),
        ("```console\n$ enricher check\n```\n", ["check"]),
        ("    kubectl exec POD -- enricher check | grep ok\n", ["check"]),
        ("    kubectl exec POD -- env -u A enricher explain 'a b'\n", ["explain", "a b"]),
        ("    source <(enricher completion bash)\n", ["completion", "bash"]),
        ("1. So:\n\n       enricher completion zsh >~/x\n", ["completion", "zsh"]),
        ("    zcat a.gz | enricher enrich -\n", ["enrich", "-"]),
    ],
)
def test_a_command_is_found(text: str, arguments: list[str]) -> None:
    [command] = commands_in("a.md", text)
    assert command.arguments == arguments


@pytest.mark.parametrize(
    "text",
    [
        "    kubectl logs -n enricher POD\n",
        "    helm install enricher deploy/\n",
        "enricher check\n",
        "    enricher: no\n",
    ],
)
def test_what_is_not_a_command_is_not(text: str) -> None:
    assert list(commands_in("a.md", text)) == []


def test_an_unknown_option_is_found() -> None:
    [command] = commands_in("a.md", "    enricher tail --backwards\n")
    with pytest.raises(EnricherError, match="--backwards"):
        build_parser().parse_args(command.arguments)


def test_output_that_differs_is_found() -> None:
    [command] = commands_in("a.md", "    enricher check\n\n    ok  all …\n    checks: 2\n    curl x\n")
    assert command.output == ("ok  all …", "checks: 2")
    assert is_shown(command.output, "ok all is well\nchecks: 2\n") is None
    assert is_shown(command.output, "ok all is well\nchecks: 3\n") == "checks:2"
    assert is_shown(command.output, "checks: 2\nok all is well\n") == "checks:2"
