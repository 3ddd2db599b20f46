"""Finding the proxies' programs, and what a proxy's module hands to the rig."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class NotInstalledError(RuntimeError):
    """Says how to get the program."""


@dataclass(frozen=True)
class Launch:
    """How to start a proxy. Its access log is a file that it opens itself, or its stdout."""

    arguments: list[str]
    logs_to_stdout: bool = False
    ready: Callable[[], bool] | None = None  # beyond its port being open


def found(name: str, how_to_get: str) -> str:
    # Debian's are in /usr/sbin, which the PATH of an ordinary user leaves out; wheels' programs stand beside Python.
    for places in (str(Path(sys.executable).parent), None, "/usr/sbin:/usr/local/sbin"):
        if path := shutil.which(name, path=places):
            return path
    raise NotInstalledError(f"there is no {name}; {how_to_get}")


def output(*arguments: str) -> str:
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    return done.stdout
