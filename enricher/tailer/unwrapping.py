"""Detection of what tools put before the lines of a log, and its removal. Pure.

Nothing that a client writes may look like such a wrapper. So it is the lines' contents that decide, once for each log,
by its first lines: no line fits a log format as it is, and most lines of a container do without the wrapper.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from enum import IntEnum
from itertools import islice
from typing import NamedTuple

from enricher.line import Line, Source
from enricher.tailer.framing import MAX_LINE
from enricher.tailer.unwrapped import Unwrapped
from enricher.tailer.wrappers import WRAPPERS, Wrapper

DETECTION_LINES = 200
"""Lines of a batch that are examined to find out what is around them."""
MAX_EXAMINED = 2000
"""Lines of a log after which a log whose lines fit nothing is taken as it is."""
MAX_DEPTH = 4
"""Wrappers around one line: for example a record of Elasticsearch, with syslog's line in a container runtime's."""
MAX_SOURCES = 1000
"""Largest number of containers that are told apart in a file; the lines of others count as the file's."""


class Fit(IntEnum):
    """What the text of a line is."""

    NOTHING = 0
    OTHER = 1
    """A line that may accompany requests."""
    REQUEST = 2
    """A request, or an error line: no wrapper is around it."""


FitOf = Callable[[bytes], Fit]
Wrappers = tuple[Wrapper, ...]
Score = tuple[int, int]
"""How many lines are requests, and how many fit at all. Only requests show that nothing is left around a line: what is
left may look like the beginning of another program's message.
"""


class SourcedLines(NamedTuple):
    """Lines, and the source of all of them or of each."""

    lines: Sequence[Line]
    source: Source
    sources: Sequence[Source] = ()


def detect_wrappers(texts: Iterable[bytes], fit_of: FitOf) -> Wrappers | None:
    """Return what is to be taken off these lines, outermost first; None if they do not show it.

    More than half of the lines must fit then, beside blank lines and those that are whole as they are. Where nearly all
    lines name a pod, those of one container are enough: the others may not be a proxy's.
    """
    misfits = list[Unwrapped]()
    for text in texts:
        fit = fit_of(text) if text.strip() else Fit.OTHER
        if fit is Fit.REQUEST:
            return ()
        if fit is Fit.NOTHING:
            misfits.append(Unwrapped(text))
    return _search(misfits, len(misfits), fit_of, MAX_DEPTH)[1] or None


def _search(lines: list[Unwrapped], total: int, fit_of: FitOf, depth: int) -> tuple[Score, Wrappers]:
    """Return the wrappers that are convincing on these lines, and how well the lines fit without them."""
    best: tuple[Score, Wrappers] = ((0, 0), ())
    for wrapper in WRAPPERS:
        inner = [
            unwrapped.inside(line)
            for line in lines
            if (unwrapped := wrapper(line.text)) and len(unwrapped.text) < len(line.text)
        ]
        if 2 * len(inner) <= total:
            continue
        score, rest = _score(inner, total, fit_of), Wrappers()
        if not score[0] and depth > 1:
            score, rest = max((score, rest), _search(inner, total, fit_of, depth - 1), key=lambda found: found[0])
        if score > best[0]:
            best = score, (wrapper, *rest)
    return best


def _score(lines: list[Unwrapped], total: int, fit_of: FitOf) -> Score:
    """Return how well the unwrapped lines fit, blank ones included; nothing if too few of the total do."""
    fits = [(line, fit_of(line.text) if line.text.strip() else None) for line in lines]
    score = sum(fit is Fit.REQUEST for _, fit in fits), sum(fit is not Fit.NOTHING for _, fit in fits)
    if 2 * score[1] > total and any(fit for _, fit in fits):
        return score
    if 10 * len(lines) < 9 * total:
        return 0, 0
    requests = Counter((line.pod, line.container) for line, fit in fits if fit is Fit.REQUEST and line.pod)
    named = Counter((line.pod, line.container) for line in lines)
    return score if any(1 < named[name] < 2 * number for name, number in requests.items()) else (0, 0)


class Unwrapper:
    """The removal of wrappers from the lines of one file or stream, which come in batches.

    A line that another tool put in between is passed on as it is.
    """

    def __init__(self, source: Source, fit_of: FitOf) -> None:
        self._source, self._fit_of = source, fit_of
        self._wrappers: Wrappers | None = None
        self._examined = 0
        self._sources: dict[tuple[str, str, str], Source] = {("", "", ""): source}
        self._fragments: dict[tuple[Source, str], Line] = {}
        self.unnamed_lines = 0
        """The number of lines whose source is the file, because there are too many others."""

    def unwrap(self, lines: Sequence[Line]) -> SourcedLines:
        """Return the lines without what is around them, and the sources that it names."""
        if self._wrappers is None:
            self._detect(lines)
        if not self._wrappers:
            return SourcedLines(lines, self._source)
        result, sources = list[Line](), list[Source]()
        for line in lines:
            source, unwrapped = self._unwrap_line(line)
            if unwrapped is not None:
                result.append(unwrapped)
                sources.append(source)
        alike = len(set(sources)) <= 1
        return SourcedLines(result, sources[0] if sources and alike else self._source, () if alike else sources)

    def flush(self) -> SourcedLines:
        """Return the fragments whose ends did not come."""
        sources, lines = [source for source, _ in self._fragments], list(self._fragments.values())
        self._fragments.clear()
        return SourcedLines(lines, self._source, sources)

    def _detect(self, lines: Sequence[Line]) -> None:
        texts = (line.text for line in islice(lines, DETECTION_LINES))  # of most logs, one line decides
        self._wrappers = detect_wrappers(texts, self._fit_of)
        self._examined += len(lines)
        if self._examined >= MAX_EXAMINED and self._wrappers is None:
            self._wrappers = ()

    def _unwrap_line(self, line: Line) -> tuple[Source, Line | None]:
        """Return a line without its wrappers and its source; no line if it is a fragment that others continue."""
        unwrapped = Unwrapped(line.text, line.stamp, line.stream)
        for wrapper in self._wrappers or ():
            inner = wrapper(unwrapped.text)
            if inner is None:
                return self._source, line
            unwrapped = inner.inside(unwrapped)
        source = self._source_of(unwrapped)
        return source, self._join(source, unwrapped, line.cut)

    def _join(self, source: Source, unwrapped: Unwrapped, cut: int) -> Line | None:
        key = (source, unwrapped.stream)
        before = self._fragments.pop(key, None)
        line = Line(unwrapped.text, unwrapped.stamp, unwrapped.stream, cut)
        if before:
            text = before.text + line.text
            line = before._replace(text=text[:MAX_LINE], cut=before.cut + cut + max(0, len(text) - MAX_LINE))
        if unwrapped.is_fragment:
            self._fragments[key] = line
            return None
        return line

    def _source_of(self, unwrapped: Unwrapped) -> Source:
        names = (unwrapped.namespace, unwrapped.pod, unwrapped.container)
        source = self._sources.get(names)
        if source is None:
            if len(self._sources) > MAX_SOURCES:
                self.unnamed_lines += 1
                return self._source
            namespace, pod, container = names
            source = replace(self._source, namespace=namespace, pod=pod, container=container)
            self._sources[names] = source
        return source
