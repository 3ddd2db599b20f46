"""What is attributed, held against what the client saw and what the backends' own logs say."""

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOKEN = re.compile(r"\bt=(\d+)")
UNNAMED = frozenset({"nginx-combined", "haproxy-httplog"})
"""Variants whose format does not name the upstream's address."""


@dataclass
class Checked:
    """Of one variant's log. A request counts as right if the pod that the client heard from is the one named."""

    requests: int = 0
    answered: int = 0
    """By a pod: the client read its name."""
    right: int = 0
    wrong: list[str] = field(default_factory=list)
    unlogged: int = 0
    """Requests that the proxy wrote no line for, or none with the request in it."""
    kinds: Counter[str] = field(default_factory=Counter)
    grades: Counter[str] = field(default_factory=Counter)


def enrich(log: Path, endpoints: Path, *options: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "enricher", "enrich", "--endpoints", str(endpoints), *options, str(log)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def by_token(records: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    found = {}
    for record in records:
        request = str(record.get("request") or record.get("request_uri") or record.get("message", ""))
        if token := TOKEN.search(request):
            found[int(token[1])] = record
    return found


def check(records: list[dict[str, Any]], truth: Path) -> Checked:
    checked = Checked(kinds=Counter(record["kind"] for record in records))
    checked.grades.update(a["attribution"] for record in records for a in record.get("attempts", ()))
    lines = by_token(records)
    for text in truth.read_text().splitlines():
        seen = json.loads(text)
        checked.requests += 1
        if (record := lines.get(seen["token"])) is None:
            checked.unlogged += 1
        elif seen["pod"]:
            checked.answered += 1
            named = record.get("pod")
            checked.right += named == seen["pod"]
            if named and named != seen["pod"]:
                checked.wrong.append(f"{seen}: {record}")
    return checked
