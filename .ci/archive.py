"""Make dist/enricher-VERSION-SYSTEM-MACHINE.tar.gz, the commands with a Python of their own; `make archive` runs this.

The argument is the path of the wheel. The Python that runs this has what requirements/archive.txt pins, and the wheel.
What is made runs on this kind of system and machine. Linux: with this glibc or a newer one.
"""

import gzip
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "archive"

PROGRAM = """\
import sys

from enricher.cli import kubectl_completion, main

if sys.argv[1:2] == ["__complete"]:
    del sys.argv[1]
    sys.exit(kubectl_completion.main())
sys.exit(main.main())
"""

COMPLETION = """\
#!/bin/sh
# kubectl runs this to complete `kubectl enricher`.
exec kubectl-enricher __complete "$@"
"""


def freeze() -> Path:
    """Run PyInstaller; return the directory of the program."""
    program = BUILD / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "ERROR", "--name", "kubectl-enricher"]
    # The commands are imported by their names. The metadata have the licences.
    command += ["--collect-submodules", "enricher", "--recursive-copy-metadata", "ingress-enricher"]
    command += ["--exclude-module", "setuptools"]
    for option, folder in (("--distpath", "dist"), ("--workpath", "work"), ("--specpath", "spec")):
        command += [option, str(BUILD / folder)]
    # Python looks for packages where it is run, too: in a checkout there may be another installation's metadata.
    subprocess.run([*command, str(program)], cwd=BUILD, check=True)  # noqa: S603  # all of it is from here
    return BUILD / "dist" / "kubectl-enricher"


def pack(folder: Path, archive: Path, modified: int) -> None:
    """Write a directory as a tar that says nothing of who made it when. It has no links: krew takes none."""

    def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mtime = modified
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", mtime=modified, fileobj=raw) as packed,
        tarfile.open(fileobj=packed, mode="w", dereference=True) as tar,
    ):
        tar.add(folder, folder.name, filter=anonymous)  # in the order of the names


def main() -> None:
    wheel = Path(sys.argv[1])
    version = wheel.name.split("-")[1]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    name = f"enricher-{version}-{platform.system().lower()}-{machine}"
    program = freeze()
    shutil.copy(ROOT / "LICENSE", program)
    completion = program / "kubectl_complete-enricher"
    completion.write_text(COMPLETION)
    completion.chmod(0o755)
    folder = program.rename(BUILD / name)
    out = ROOT / "dist" / f"{name}.tar.gz"
    out.parent.mkdir(exist_ok=True)
    pack(folder, out, int(os.environ["SOURCE_DATE_EPOCH"]))
    sys.stdout.write(f"{out.relative_to(ROOT)}\n")


main()
