"""The archive needs something that a machine without Python may not have.

The machine is a directory with the archive and, where Debian has them, the libraries of glibc, its loader and zlib. It
has no shell, no /proc, no /dev, no /tmp, no certificates and no time zones.
"""

import os
import re
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import orjson
import pytest

from tests.packaging.release.conftest import DATA
from tests.support.terminals import terminal

pytestmark = pytest.mark.release

LIBRARIES = ("libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libz.so.1")
FILES = ("--endpoints", "/watch.jsonl.gz", "/controller.log.gz")


@pytest.fixture(scope="module")
def machine(program: Path) -> Path:
    root = program.parent
    needed = subprocess.run(["ldd", program / "kubectl-enricher"], capture_output=True, text=True, check=True).stdout
    [loader] = re.findall(r"^\s*(/\S+/ld-linux\S+)", needed, re.MULTILINE)
    [zlib] = re.findall(r"=> (/\S+/libz\.so\.1)", needed)
    for path in (Path(loader), *(Path(zlib).parent / name for name in LIBRARIES)):
        copy = root / path.relative_to("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    for name in ("watch.jsonl.gz", "controller.log.gz"):
        shutil.copy(DATA / name, root)
    return root


def chrooted(machine: Path, program: Path) -> tuple[str, ...]:
    return ("chroot", str(machine), f"/{program.name}/kubectl-enricher")


def run(machine: Path, program: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": os.environ["PATH"]}
    command = [*chrooted(machine, program), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)


def test_it_starts(machine: Path, program: Path) -> None:
    done = run(machine, program, "--version")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"enricher {program.name.split('-')[1]}\n"


def test_it_enriches(machine: Path, program: Path) -> None:
    done = run(machine, program, "enrich", *FILES)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) > 300
    assert any(line.get("pod", "").startswith("backend-878dbc76b-") for line in lines)


def test_it_prints_tables_and_completes(machine: Path, program: Path) -> None:
    assert b"backend-service" in run(machine, program, "enrich", "--summary", *FILES).stdout
    assert run(machine, program, "__complete", "enrich", "--su").stdout == b"--summary\n:4\n"


def test_top_draws_and_ends(machine: Path, program: Path) -> None:
    with terminal("top", *FILES, columns=140, program=chrooted(machine, program)) as running:
        running.read(lambda: b"backend-878dbc76b" in running.output)
        os.write(running.ours, b"q")
        running.read()
        assert running.process.wait() == 0


def test_it_says_nothing_of_who_packed_it_and_has_no_links(archive: Path, program: Path) -> None:
    with tarfile.open(archive) as tar:
        entries = tar.getmembers()
    assert {(entry.uid, entry.gid, entry.uname, entry.gname) for entry in entries} == {(0, 0, "", "")}
    assert len({entry.mtime for entry in entries}) == 1
    assert all(entry.isfile() or entry.isdir() for entry in entries), "krew refuses links"
    assert not any(entry.name.endswith("/direct_url.json") for entry in entries), "pip wrote where the wheel was"
    assert {entry.name.partition("/")[0] for entry in entries} == {program.name}
    for name in ("kubectl-enricher", "kubectl_complete-enricher"):
        assert stat.S_IMODE((program / name).stat().st_mode) == 0o755


def test_licences_are_in_it(program: Path) -> None:
    assert "Apache License" in (program / "LICENSE").read_text()
    metadata = {path.name.partition("-")[0].lower() for path in (program / "_internal").glob("*.dist-info")}
    assert {"ingress_enricher", "aiohttp", "kubernetes_asyncio", "orjson", "rich", "textual"} <= metadata
