"""The files of requirements/, read."""

from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]


def entries(name: str) -> Iterator[tuple[Requirement, list[str]]]:
    """Each requirement of a file with its hashes."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    for line in text.replace("\\\n", " ").splitlines():
        if not line.startswith("#"):
            requirement, *hashes = line.split("--hash=")
            yield Requirement(requirement), [found.strip() for found in hashes]
