"""Print docs/helm-values.md, a table of the chart's values and the comments in values.yaml; `make chart` runs this."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

VALUES = Path(__file__).parent / "enricher" / "values.yaml"
LINE = re.compile(r"(?P<indent> *)(?:# ?(?P<comment>.*)|(?P<key>[\w./-]+):(?P<value>.*))")
HEAD = """\
# Values of the chart

`make chart` writes this table from the comments in [values.yaml](../deploy/helm/enricher/values.yaml).
[Installing](install.md#helm) has examples. `options` takes the daemon's [options](options.md) by their names:
{options}.

| value | default | what it is |
| --- | --- | --- |
"""


class Value(NamedTuple):
    path: tuple[str, ...]
    comment: str
    nested: bool
    """Whether its own values follow it, on lines of their own."""


def read_values(text: str) -> Iterator[Value]:
    """Yield the values in the order of the text, each with the comment above it.

    A comment belongs to a value at the same indentation; what is indented more is an example.
    """
    path: list[str] = []
    comments: list[tuple[int, str]] = []
    lines = text.splitlines()
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        match = LINE.fullmatch(line)
        if not match:
            comments = []
        elif match["comment"] is not None:
            comments.append((len(match["indent"]), match["comment"]))
        else:
            indent = len(match["indent"])
            path = [*path[: indent // 2], match["key"]]
            own = " ".join(comment for at, comment in comments if at == indent)
            yield Value(tuple(path), own, not match["value"].strip() and not after.lstrip().startswith("- "))
            comments = []


def render_table(text: str) -> Iterator[str]:
    """Yield the document that describes the values in `text`, piece by piece."""
    options = re.findall(r"^  # ([a-z-]+): ", text, re.MULTILINE)
    yield HEAD.format(options=", ".join(f"`{option}`" for option in options))
    defaults = yaml.safe_load(text)
    for value in read_values(text):
        if value.nested and not value.comment:
            continue
        default: Any = defaults
        for key in value.path:
            default = default[key]
        cells = (
            f"`{'.'.join(value.path)}`",
            "" if value.nested else f"`{json.dumps(default)}`",
            value.comment.replace("|", "\\|"),
        )
        yield f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.stdout.writelines(render_table(VALUES.read_text()))
