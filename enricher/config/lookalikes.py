"""Containers that are named like a proxy's and are not followed, in words that say which option follows them. Pure."""

from collections import defaultdict
from collections.abc import Iterable

from enricher.accesslog.profiles import PROFILES
from enricher.line import Source
from enricher.tailer.selector import Selector
from enricher.text import printable, truncate

LOOKALIKE_SELECTORS = tuple(
    Selector.parse(text, guess=name)
    for name, profile in PROFILES.items()
    for text in (*profile.selectors, *profile.wide_selectors)
)
"""The selectors of all containers that are named like a proxy's."""
MAX_LOOKALIKES = 100
"""Largest number of such containers that are counted for a profile; a cluster may have thousands of web servers."""
MAX_NAMED = 3
"""Largest number of them that are named for a profile."""
MAX_NAME = 200
"""Characters of such a name."""


def describe_lookalikes(sources: Iterable[Source]) -> str:
    """Return which containers look like which proxy, and the option that follows them; empty if there are none.

    The guesses of the sources say which proxy it is.
    """
    names = defaultdict[str, list[str]](list)
    for source in sources:
        if source.guess and len(names[source.guess]) < MAX_LOOKALIKES:
            names[source.guess].append(f"{source.namespace}/{source.pod}/{source.container}")
    return "; ".join(_describe(profile, sorted(names[profile])) for profile in PROFILES if names[profile])


def _describe(profile: str, names: list[str]) -> str:
    count, is_one = len(names), len(names) == 1
    number = f"{count} or more" if count == MAX_LOOKALIKES else str(count)
    named = ", ".join(printable(truncate(name, MAX_NAME)) for name in names[:MAX_NAMED]) + (
        ", …" if count > MAX_NAMED else ""
    )
    subject = f"{number} container{' looks' if is_one else 's look'} like {profile} ({named})"
    advice = f"if {'it is' if is_one else 'one is'} your ingress proxy, give --profile {profile}"
    return f"{subject} and {'is' if is_one else 'are'} not followed: {advice} (ENRICHER_PROFILE={profile})"
