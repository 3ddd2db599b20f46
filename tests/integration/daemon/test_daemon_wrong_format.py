"""What the daemon's own log says of lines that do not fit, in the words of the commands."""

import json

import pytest

from enricher.accesslog.misfits import explain_misfit
from enricher.accesslog.profiles import DEFAULT_PROFILE, profile_formats
from enricher.enrich.format_check import WARNING_LINES
from tests.support.controller_logs import access, cri
from tests.support.daemons import until

MADE_ID = "0" * 32


@pytest.mark.parametrize("arguments", [(), ("--output", "none")])
@pytest.mark.parametrize("more", [f"{MADE_ID} extra", '"x"'])
def test_lines_that_do_not_fit(node, arguments, more):
    lines = [access(n).replace(f"request-{n}", more) for n in range(WARNING_LINES)]
    node.write(*map(cri, lines))
    daemon = node.start(*arguments)
    log = until(lambda: (text := b"".join(daemon.stderr_lines).decode()) and "no line of" in text and text)
    message = next(line for line in log.splitlines() if "no line of" in line)
    message = json.loads(message)["message"] if message.startswith("{") else message
    explanation = str(explain_misfit(lines[0].encode(), profile_formats(DEFAULT_PROFILE)))
    assert f"no line of {WARNING_LINES} fits a known log format: one of them {explanation}" in message
    assert "has a field more than the closest" in explanation or "more than one" in explanation
