"""Two proxies side by side: each service at both, what the proxies answered by themselves, and a verdict. Pure."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from enricher.fair_share import OVERFLOW
from enricher.report.migration.judgement import (
    MIN_REQUESTS,
    MORE_ERRORS,
    Judgement,
    can_be_significant,
    judge_share,
    judge_times,
    worse_of,
)
from enricher.report.migration.paths import PathCounts, Target
from enricher.report.migration.request_counts import RequestCounts
from enricher.report.migration.side import Side, SideRow
from enricher.report.pod_rows import UNNAMED, RowKey
from enricher.report.rollout import Verdict

_NO_ROW = SideRow(RequestCounts(), None)
_ORDER = {Verdict.WORSE: 0, Verdict.TOO_FEW: 1, Verdict.NO_WORSE: 2, None: 3}


class Row(NamedTuple):
    """One service, or what else there is a row for, at both proxies."""

    key: RowKey
    old: SideRow
    new: SideRow
    verdict: Verdict | None
    """None for requests whose service is not known: each proxy has others among them."""
    worse: Sequence[Judgement]
    """What is worse at the new proxy."""

    @property
    def requests(self) -> int:
        return self.old.requests.requests + self.new.requests.requests


class ProxyAnswer(NamedTuple):
    """A status with which a proxy answers by itself, without asking a pod."""

    judgement: Judgement
    """Its share of all requests."""
    old: int
    new: int
    is_worse: bool


class RefusedPath(NamedTuple):
    """A target that the old proxy had answered and that the new one refuses significantly more often."""

    target: Target
    old: PathCounts
    new: PathCounts

    @property
    def numbers(self) -> tuple[int, int, int, int]:
        """Return how many requests the old proxy refused, of how many, and the same of the new one."""
        return self.old.refused.total(), self.old.requests, self.new.refused.total(), self.new.requests


class Migration(NamedTuple):
    """The comparison of two proxies."""

    old: Side
    new: Side
    rows: Sequence[Row]
    """The worst first, then those with the most requests."""
    answers: Sequence[ProxyAnswer]
    """Statuses of which the new proxy answers more by itself, the most frequent first."""
    refused_paths: Sequence[RefusedPath]
    """The most frequently refused first."""
    has_hosts: bool
    """Whether targets have their hosts; else those of several hosts are one."""

    @property
    def verdict(self) -> Verdict:
        """Return whether the new proxy is worse in anything that is judged."""
        is_worse = any(row.verdict == Verdict.WORSE for row in self.rows)
        if is_worse or self.refused_paths or any(answer.is_worse for answer in self.answers):
            return Verdict.WORSE
        return Verdict.TOO_FEW if self.moved_too_little or not self.services(Verdict.NO_WORSE) else Verdict.NO_WORSE

    @property
    def moved_too_little(self) -> list[Row]:
        """Return the services that have enough requests at the old proxy, and too few or none at the new one."""
        return [row for row in self.services(Verdict.TOO_FEW) if row.old.requests.requests >= MIN_REQUESTS]

    def services(self, verdict: Verdict) -> list[Row]:
        """Return the rows with a verdict."""
        return [row for row in self.rows if row.verdict == verdict]


def compare(old: Side, new: Side) -> Migration:
    """Compare what two proxies have logged."""
    old_rows, new_rows = old.rows(), new.rows()
    pairs = {key: (old_rows.get(key, _NO_ROW), new_rows.get(key, _NO_ROW)) for key in old_rows | new_rows}
    judgements = {key: list(_judge(key, *pair)) for key, pair in pairs.items()}
    answers = list(_answers(old, new))
    together = [*chain.from_iterable(judgements.values()), *(each.judgement for each in answers if _is_error(each))]
    worse = {id(judgement) for judgement, is_worse in zip(together, worse_of(together), strict=True) if is_worse}
    rows = [_row(key, *pair, [each for each in judgements[key] if id(each) in worse]) for key, pair in pairs.items()]
    rows.sort(key=lambda row: (_ORDER[row.verdict], -row.requests, row.key))
    answers = [each._replace(is_worse=id(each.judgement) in worse) for each in answers if each.judgement.is_a_rise]
    has_hosts = old.paths.has_hosts and new.paths.has_hosts
    return Migration(old, new, rows, answers, _refused_paths(old, new, with_hosts=has_hosts), has_hosts)


def _judge(key: RowKey, old: SideRow, new: SideRow) -> Iterator[Judgement]:
    if not is_named(key):
        return
    before, after = old.requests, new.requests
    numbers = before.failed, before.requests, after.failed, after.requests
    if can_be_significant(*numbers):
        yield judge_share("errors", *numbers, tolerance=MORE_ERRORS)
    numbers = before.refused, before.requests, after.refused, after.requests
    if can_be_significant(*numbers):
        yield judge_share("4xx", *numbers)
    if min(before.times.total(), after.times.total()) >= MIN_REQUESTS:
        yield from judge_times(before.times, after.times)


def is_named(key: RowKey) -> bool:
    """Return whether a row is one service, or one of what else there are rows for."""
    return not key[-1].startswith(UNNAMED) and key[-1] != OVERFLOW


def _row(key: RowKey, old: SideRow, new: SideRow, worse: Sequence[Judgement]) -> Row:
    verdict = None
    if worse:
        verdict = Verdict.WORSE
    elif is_named(key):
        fewest = min(old.requests.requests, new.requests.requests)
        verdict = Verdict.TOO_FEW if fewest < MIN_REQUESTS else Verdict.NO_WORSE
    return Row(key, old, new, verdict, worse)


def _answers(old: Side, new: Side) -> Iterator[ProxyAnswer]:
    before, after = old.total.requests, new.total.requests
    for status in sorted(old.by_proxy | new.by_proxy, key=lambda status: (-new.by_proxy[status], status)):
        numbers = old.by_proxy[status], before, new.by_proxy[status], after
        if can_be_significant(*numbers):
            yield ProxyAnswer(judge_share(status, *numbers), numbers[0], numbers[2], is_worse=False)


def _is_error(answer: ProxyAnswer) -> bool:
    """Return whether a status is a 4xx or 5xx: a redirect may be wanted, and a client may leave."""
    return answer.judgement.subject[0] in "45"


def _refused_paths(old: Side, new: Side, *, with_hosts: bool) -> list[RefusedPath]:
    before = old.paths.counts(with_hosts=with_hosts)
    after = new.paths.counts(with_hosts=with_hosts)
    pairs = [RefusedPath(target, before[target], after[target]) for target in after if target in before]
    judged = [(pair, judge_share("4xx", *pair.numbers)) for pair in pairs if can_be_significant(*pair.numbers)]
    worse = worse_of([judgement for _, judgement in judged])
    found = [pair for (pair, _), is_worse in zip(judged, worse, strict=True) if is_worse and pair.old.answered]
    return sorted(found, key=lambda pair: (-pair.new.refused.total(), pair.target))
