"""Texts that are given as endpoints files by mistake: tables and errors of kubectl, and logs. Pure."""

import re

from enricher.endpoints.listed_objects import LIST_COMMAND

MAX_LINE = 1000
"""Number of characters of the first line that are looked at."""
MAX_REPEATED = 200
"""Largest number of characters of the first line that a message repeats."""
_MISTAKES = [
    (re.compile(pattern), message)
    for pattern, message in (
        (
            r"[A-Z][A-Z-]*(?: [A-Z-]+)*(?: {2,}|\t)\s*[A-Z]",
            f"a table of kubectl, which has no uids and shortens lists: {LIST_COMMAND} prints all that is needed",
        ),
        (r"Name:\s+\S", f"the output of `kubectl describe`: {LIST_COMMAND} prints what is needed"),
        (r"No resources found", f"kubectl found nothing: {LIST_COMMAND} lists all namespaces"),
        (
            r"Error from server|error: |The connection to the server|Unable to connect to|E\d{4} .*memcache\.go",
            "an error of kubectl in place of a list: {}",
        ),
        (
            r'.* HTTP/\d(?:\.\d)?"|\S+ (?:stdout|stderr) [FP] |\d{4}/\d\d/\d\d \d\d:|[IWEF]\d{4} \d\d:|time="',
            f"a log: give it without --endpoints, and with --endpoints a file that {LIST_COMMAND} has written",
        ),
    )
]
"""Patterns of the first line, and what to do; `{}` is the line."""


def mistake_in(text: bytes) -> str | None:
    """Return in one line for people what a text is in place of an endpoints file, and what to do; else None."""
    first = text.lstrip()[:MAX_LINE].decode(errors="replace").partition("\n")[0].strip()
    if first.startswith(("{", "[{")):
        return None
    message = next((message for pattern, message in _MISTAKES if pattern.match(first)), None)
    return message and message.replace("{}", first[:MAX_REPEATED])
