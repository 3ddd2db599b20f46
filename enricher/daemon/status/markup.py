"""Pieces of the status page's HTML. All that comes from outside becomes text in it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from enricher.text import truncate

MAX_TEXT = 300
"""Characters of a text from outside that are displayed."""
MAX_CODES = 8
"""Largest number of error codes, of reasons, and of causes that are listed for a pod or a service."""


def escaped(text: str, max_length: int = MAX_TEXT) -> str:
    return escape(truncate(text, max_length))


def isolated(text: str, max_length: int = MAX_TEXT) -> str:
    """Return a text from outside as HTML that isolates its writing direction."""
    return f"<bdi>{escaped(text, max_length)}</bdi>" if text else ""


def time_element(at: str) -> str:
    return f'<time datetime="{escape(at)}">{escape(at.replace("T", " ").removesuffix("Z"))} UTC</time>'


def count_text(count: int, singular: str, plural: str) -> str:
    return f"{count:,} {singular if count == 1 else plural}"


def duration_text(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def size_text(count: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def cell(number: int | None) -> str:
    return f'<td class="number">{"not known" if number is None else f"{number:,}"}</td>'


def meanings_table(
    caption: str, name: str, number: str, counts: Mapping[str, int], meanings: Mapping[str, str]
) -> Iterable[str]:
    yield f'<table><caption>{caption}</caption><thead><tr><th scope="col">{name}</th>'
    yield f'<th scope="col" class="number">{number}</th><th scope="col">Meaning</th></tr></thead><tbody>'
    for key, count in counts.items():
        yield f'<tr><th scope="row">{isolated(key)}</th>{cell(count)}<td>{meanings.get(key, "–")}</td></tr>'
    yield "</tbody></table>"


def plain_list(items: Sequence[str]) -> str:
    more = [f"and {len(items) - MAX_CODES} more"] if len(items) > MAX_CODES else []
    return (
        f'<ul class="plain">{"".join(f"<li>{item}</li>" for item in [*items[:MAX_CODES], *more])}</ul>'
        if items
        else "–"
    )
