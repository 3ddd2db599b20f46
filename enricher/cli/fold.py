"""Requests that fail alike, folded: on a terminal, a wall of equal lines hides the others."""

from enricher.report.record_view import OutputRecord, attempts_text, pod_text, request_text
from enricher.timestamps import SECOND, parse_rfc3339

PERIOD = 10 * SECOND
"""Time (ns), by the lines' own times, after which a request is printed again though one like it was."""


class Fold:
    """Lines of requests, of which those like one of the last PERIOD are counted, in a line that is written over.

    Requests are alike if they differ in their times and ids only.
    """

    def __init__(self) -> None:
        self._printed = set[tuple[object, ...]]()
        """What the requests of the present period have in common with those like them."""
        self._began = self._count = 0

    def add(self, record: OutputRecord, line: str) -> str:
        """Return what to write for a request, whose line is given without its newline."""
        at = parse_rfc3339(str(record.get("time") or "").encode())
        end = ""
        if at is not None and not 0 <= at - self._began < PERIOD:
            end = self.end()
            self._printed.clear()
            self._began = at
        pods = [pod_text(attempt) for attempt in record.get("attempts") or ()]
        likeness = (record.get("status"), request_text(record), *pods, attempts_text(record))
        if likeness not in self._printed:
            self._printed.add(likeness)
            return f"{end or self.end()}{line}\n"
        self._count += 1
        seconds = max(1, ((self._began if at is None else at) - self._began) // SECOND)
        return f"{end}\r… {self._count:,} more like {'this' if len(self._printed) == 1 else 'these'} in {seconds} s"

    def end(self) -> str:
        """Return the end of the line with the number, if that is being written."""
        is_open, self._count = self._count > 0, 0
        return "\n" if is_open else ""
