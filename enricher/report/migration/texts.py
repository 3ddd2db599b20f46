"""The numbers of a comparison of two proxies, in texts that its forms share. Pure."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from enricher.report.migration.comparison import Migration, ProxyAnswer, RefusedPath, Row
from enricher.report.migration.judgement import MIN_REQUESTS, Judgement, judge_share
from enricher.report.migration.side import Side, SideRow
from enricher.report.pod_rows import UNNAMED
from enricher.report.record_view import Zone
from enricher.report.rollout import Verdict
from enricher.report.wording import amount, listed, when_text
from enricher.vocabulary import LineKind

COLUMNS = ("requests", "errors", "attempts", "4xx", "retries", "p50 s", "p99 s", "up p50", "up p99")
UNKNOWN = "?"
"""Stands for what a proxy's log does not tell."""
NOTHING = "-"
"""Stands for a number of nothing: a share of no requests, a time of no attempts."""
MAX_CHANGES = 3
"""Number of causes, and of statuses, that are named for a row: those with the largest differences."""
VERDICTS = {
    Verdict.WORSE: "worse",
    Verdict.NO_WORSE: "no worse",
    Verdict.TOO_FEW: "too few requests to tell",
    None: "not judged",
}


class Change(NamedTuple):
    """A share of the requests of a row at both proxies."""

    name: str
    old: float
    new: float

    def __str__(self) -> str:
        return f"{self.name} {share_text(self.old)} → {share_text(self.new)}"


def values(row: SideRow) -> Iterator[str]:
    """Yield the texts of a row's COLUMNS at one proxy."""
    requests, share = row.requests, row.attempt_error_share
    yield str(requests.requests)
    yield _share_of(requests.failed, requests.requests)
    yield NOTHING if share is None else share_text(share)
    yield _share_of(requests.refused, requests.requests)
    each = requests.retries_each
    unknown = UNKNOWN if requests.requests else NOTHING
    yield unknown if each is None else f"{each:.3f}"
    yield from (unknown if seconds is None else time_text(seconds) for seconds in requests.percentiles)
    unknown = NOTHING if share is None else UNKNOWN
    yield from (unknown if seconds is None else time_text(seconds) for seconds in row.upstream_times)


def _share_of(part: int, whole: int) -> str:
    return share_text(part / whole) if whole else NOTHING


def share_text(share: float) -> str:
    """Return a share: `0.03 %`, `2.2 %`, `31 %`."""
    percent = 100 * share
    if 0 < percent < 0.01:
        return "<.01 %"
    digits = 2 if percent < 1 else 1 if percent < 10 else 0
    return f"{percent:.{digits}f} %" if percent else "0 %"


def time_text(seconds: float) -> str:
    """Return seconds with three decimals, without them if they are many."""
    return f"{seconds:.3f}" if seconds < 100 else f"{seconds:.0f}"


def row_name(row: Row) -> str:
    """Return the name of a row: `shop/cart`."""
    return "without a name" if set(row.key) == {UNNAMED} else "/".join(row.key)


def verdict_text(row: Row) -> str:
    """Return the verdict on a row; which proxy has not seen it, if one has not."""
    if row.verdict != Verdict.WORSE:
        for side, name in ((row.old, "OLD"), (row.new, "NEW")):
            if not side.requests.requests:
                return f"no requests at {name}"
    return VERDICTS[row.verdict]


def judgement_text(judgement: Judgement) -> str:
    """Return what is worse: `errors: 0.2 % → 3.1 % of requests, by chance in 1e-09 of cases`."""
    form, unit = (time_text, " s") if judgement.subject.startswith("p") else (share_text, " of requests")
    text = f"{judgement.subject}: {form(judgement.old)} → {form(judgement.new)}{unit}"
    return f"{text}, by chance in {judgement.chance:.1g} of cases"


def cause_changes(row: Row) -> list[Change]:
    """Return the causes of failures whose shares of the requests differ most, the largest difference first."""
    changes = _changes(row, row.old.causes, row.new.causes)[:MAX_CHANGES]
    return [change for change in changes if share_text(change.old) != share_text(change.new)]


def status_changes(row: Row) -> list[Change]:
    """Return the statuses but 2xx of which clients got more from the new proxy than chance explains."""
    old, new = row.old.requests, row.new.requests
    if not old.requests:
        return []
    changes = _changes(row, old.statuses, new.statuses)
    return [change for change in changes if _is_a_rise(change.name, row)][:MAX_CHANGES]


def _is_a_rise(status: str, row: Row) -> bool:
    old, new = row.old.requests, row.new.requests
    judgement = judge_share(status, old.statuses[status], old.requests, new.statuses[status], new.requests)
    return status[0] not in "12" and judgement.is_a_rise


def _changes(row: Row, old: Mapping[str, int], new: Mapping[str, int]) -> list[Change]:
    before, after = (max(1, side.requests.requests) for side in (row.old, row.new))
    changes = [Change(name, old.get(name, 0) / before, new.get(name, 0) / after) for name in {**old, **new}]
    return sorted(changes, key=lambda change: (-abs(change.new - change.old), change.name))


def answer_text(answer: ProxyAnswer) -> str:
    """Return how often a proxy answers with a status by itself: `404: 0 % → 6.2 % of all requests, new`."""
    judgement = answer.judgement
    text = f"{judgement.subject}: {share_text(judgement.old)} → {share_text(judgement.new)} of all requests"
    return f"{text}{'' if answer.old else ', new'}"


def path_text(path: RefusedPath) -> str:
    """Return how a target was refused, without its name: `404 to 40 of 40 requests; OLD answered 52 of 52`."""
    statuses = sorted(path.new.refused, key=lambda status: (-path.new.refused[status], status))
    old = f"OLD answered {path.old.answered} of {path.old.requests}"
    return f"{'/'.join(statuses)} to {path.new.refused.total()} of {amount(path.new.requests, 'request')}; {old}"


def side_text(side: Side, zone: Zone | None = None) -> str:
    """Return how many requests there were, when, and how many in a second."""
    text = amount(side.total.requests, "request")
    period = when_text(side.first, side.last, zone) or "at unknown times"
    misfits = side.lines[LineKind.PARSE_ERROR]
    return f"{text}, {period}" + (f"; {amount(misfits, 'line')} not parsed" if misfits else "")


def verdict_sentence(migration: Migration) -> str:
    """Return the verdict on the new proxy in words."""
    counts = {verdict: len(migration.services(verdict)) for verdict in Verdict}
    by = migration.old.roll_up.columns[-1]
    match migration.verdict:
        case Verdict.WORSE:
            worse = [row_name(row) for row in migration.services(Verdict.WORSE)]
            parts = [f"{amount(len(worse), by)} ({listed(worse)})"] if worse else []
            statuses = [answer.judgement.subject for answer in migration.answers if answer.is_worse]
            parts += [f"NEW answers {listed(statuses)} by itself more often"] if statuses else []
            parts += [f"NEW refuses {amount(len(migration.refused_paths), 'path')} that OLD answered"] * bool(
                migration.refused_paths
            )
            return f"worse: {'; '.join(parts)}"
        case Verdict.TOO_FEW:
            return f"too few requests to tell: {_shortage_text(migration)}"
    more = f"; {amount(counts[Verdict.TOO_FEW], by)} with too few requests to tell" if counts[Verdict.TOO_FEW] else ""
    return f"no worse: {amount(counts[Verdict.NO_WORSE], by)} compared{more}"


def _shortage_text(migration: Migration) -> str:
    by = migration.old.roll_up.columns[-1]
    if rows := migration.moved_too_little:
        have = "has" if len(rows) == 1 else "have"
        names = listed([row_name(row) for row in rows])
        return f"{amount(len(rows), by)} ({names}) {have} fewer than {MIN_REQUESTS} at NEW"
    return f"no {by} has at least {MIN_REQUESTS} at each"
