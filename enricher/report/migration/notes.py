"""What a comparison of two proxies cannot tell, in sentences. Pure."""

from collections.abc import Iterator

from enricher.report.migration.comparison import Migration, is_named
from enricher.report.migration.side import Side
from enricher.report.wording import amount

PAGE = "docs/proxies/index.md#which-change-your-proxy-needs"


def notes(migration: Migration) -> Iterator[str]:
    """Yield what cannot be told from the two logs, each once."""
    sides = {"OLD": migration.old, "NEW": migration.new}
    for name, side in sides.items():
        if side.total.requests:
            yield from _notes_on(name, side)
        else:
            yield f"{name} has no requests."
    changeable = [name for name, side in sides.items() if _lacks_what_a_proxy_can_log(side)]
    if changeable:
        yield f"What can be added to the log of {' and of '.join(changeable)}: see {PAGE}"
    unnamed = [
        f"{amount(number, 'request')} of {name}"
        for name, side in sides.items()
        if (number := _requests_without_name(side))
    ]
    if unnamed:
        noun = migration.old.roll_up.columns[-1]
        yield f"{' and '.join(unnamed)} cannot be attributed to a {noun}: they are shown and not judged."
    if migration.old.total.requests and migration.new.total.requests and not migration.has_hosts:
        without = " and ".join(name for name, side in sides.items() if not side.paths.has_hosts)
        yield f"{without} {'do' if ' ' in without else 'does'} not log hosts: paths are those of all hosts together."


def _requests_without_name(side: Side) -> int:
    return sum(row.requests.requests for key, row in side.rows().items() if not is_named(key))


def _lacks_what_a_proxy_can_log(side: Side) -> bool:
    total = side.total
    is_complete = total.retries_logged == total.requests and not side.listed.incomplete and not side.times_of_requests
    return bool(total.requests) and not is_complete


def _notes_on(name: str, side: Side) -> Iterator[str]:
    total = side.total
    if not total.retries_logged:
        yield f"{name} does not log how often a request was tried: its retries are not known."
    elif total.retries_logged < total.requests:
        part = amount(total.requests - total.retries_logged, "request")
        yield f"{name} does not log how often {part} of {total.requests:,} were tried: these are not in its retries."
    if incomplete := side.listed.incomplete:
        tried = side.listed.requests
        part = "a request" if incomplete == tried else f"{incomplete:,} of {amount(tried, 'request')}"
        yield f"{name} logs only the last attempt of {part}: what failed before it is not in its numbers."
    if side.times_of_requests:
        yield f"{name} does not log how long upstreams took, only whole requests: its upstream times are left out."
    if timeless := total.requests - total.times.total():
        part = "requests" if timeless == total.requests else f"{timeless:,} of {amount(total.requests, 'request')}"
        yield f"{name} does not log how long {part} took."
    if side.first is None:
        yield f"{name} does not log when requests were made."
    if forgotten := side.paths.forgotten:
        yield f"{name} has too many paths: {amount(forgotten, 'request')} for the rarest were not looked at."
