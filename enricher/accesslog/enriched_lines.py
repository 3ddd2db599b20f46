"""Lines that a daemon has enriched already, as they are recognised where a proxy's are expected. Pure."""

import re

_OUTPUT_LINE = re.compile(rb'\{"time":(?:"[^"\\]{1,40}"|null),"kind":"(?:access|try|error|other|parse_error)",')
"""The beginning of a line of a daemon's output; no log format that a proxy has by default begins like this."""


def looks_like_output(text: bytes) -> bool:
    """Return whether a line begins like one of a daemon's output."""
    return _OUTPUT_LINE.match(text) is not None
