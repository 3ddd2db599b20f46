"""`enricher top`: a live view, in a terminal, of the pods that fail."""

import asyncio
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from enricher.cli.common import raise_first_error
from enricher.cli.daemons_view import DaemonsView
from enricher.cli.feed import open_feed
from enricher.cli.live_view import LiveView
from enricher.cli.roll_ups import ROLL_UPS
from enricher.cli.time_zone import zone_for_people
from enricher.cli.top_app import TopApp, View
from enricher.cli.upstreams import parse_upstreams
from enricher.config.options import CONTEXT, KUBECONFIG, NAMESPACE, NAMESPACE_NAME, STDIN, TOP
from enricher.config.resolve import resolve_settings
from enricher.errors import EXIT_CONFIGURATION, UsageError
from enricher.report.console import PipedConsole, one_line
from enricher.report.hour_texts import print_hour
from enricher.report.pod_rows import R
from enricher.report.pod_stats import WINDOW_SECONDS, PodStats
from enricher.report.terminal import warn
from enricher.tailer.reader import open_stdin

TERMINAL = "/dev/tty"
"""The terminal from which the process was started, even if stdin is a pipe."""
OF_DAEMONS = (NAMESPACE, KUBECONFIG, CONTEXT)
"""The options that --daemons can be combined with; the others say how logs are read."""
ROWS_OF_DAEMONS = ("pod", "service", "workload", "revision", "node")
"""What the daemons' counts can be added up by, as they are by pod."""


@contextmanager
def terminal_as_stdin(log_on_stdin: bool) -> Iterator[None]:
    """Make the terminal stdin if that is a pipe with a log; the reader of the log keeps the pipe.

    Raise UsageError if there is no terminal or if a log is to be read from it, ConfigurationError if stdin is closed.
    """
    is_terminal = open_stdin().isatty()
    if not sys.stdout.isatty() or not (log_on_stdin or is_terminal):
        raise UsageError(
            "top needs a terminal: `enricher tail` writes lines to files and pipes, `enricher enrich --summary` a table"
        )
    if log_on_stdin and is_terminal:
        raise UsageError("cannot read a log from stdin: stdin is the terminal")
    if not log_on_stdin:
        yield
        return
    pipe = os.dup(0)
    try:
        terminal = os.open(TERMINAL, os.O_RDWR)
    except OSError as error:
        raise UsageError(f"top needs a terminal to read keys from: {error.strerror}") from error
    os.dup2(terminal, 0)
    os.close(terminal)
    sys.stdin = open(pipe)  # noqa: SIM115  # a thread may wait for it until the process ends
    yield


def main(arguments: dict[str, Any]) -> int:
    """Show the view until the user quits; return the exit code."""
    if arguments["daemons"] is not None:
        return _show_daemons(_daemons_view(arguments))
    settings = resolve_settings(TOP, arguments)
    upstreams, files = parse_upstreams(arguments, settings.cluster.namespace)
    zone = zone_for_people(arguments)
    feed = open_feed(settings, files, WINDOW_SECONDS, upstreams=upstreams)
    # Files are summed up as a whole; a pipe and a cluster are shown live.
    window = WINDOW_SECONDS if STDIN in files or not files else None
    roll_up = ROLL_UPS[arguments["by"] or "pod"]
    stats = PodStats(window, window_is_covered=not files, included=upstreams.include, roll_up=roll_up, zone=zone)
    with terminal_as_stdin(STDIN in files):
        code = _show(LiveView(stats, feed, (lambda: stats.newest) if files else time.time_ns, live=not files))
    if feed.nothing_fits and not code:
        warn(feed.status())
        return EXIT_CONFIGURATION
    return code


def _show(view: View[R]) -> int:
    """Show a view until the user quits; return the exit code."""
    root = logging.getLogger("enricher")
    root.addHandler(logging.NullHandler())
    root.propagate = False  # problems appear in the first line of the view
    app = TopApp(view)
    app.run()
    if app.failure:
        raise_first_error(BaseExceptionGroup("", [app.failure]))
        raise app.failure
    return app.return_code or 0


def _daemons_view(arguments: dict[str, Any]) -> DaemonsView:
    """Return the view of the daemons. Raise UsageError for what they cannot be asked."""
    namespace = arguments["daemons"]
    if not re.fullmatch(NAMESPACE_NAME, namespace):
        raise UsageError(f"--daemons {namespace!r}: expected the name of a namespace")
    cluster = resolve_settings(OF_DAEMONS, arguments).cluster
    upstreams, files = parse_upstreams(arguments, cluster.namespace)
    if files:
        raise UsageError(f"--daemons cannot be combined with files: it reads no logs, and not {files[0]!r}")
    if upstreams.selector is not None:
        text = "daemons do not count by label: give service/NAME, deployment/NAME or pod/PATTERN"
        raise UsageError(f"--selector cannot be combined with --daemons: {text}")
    for option in TOP:
        if option not in OF_DAEMONS and arguments[option.flag] is not None:
            raise UsageError(f"{option.flag} cannot be combined with --daemons, which reads no logs")
    by = arguments["by"] or "pod"
    if by not in ROWS_OF_DAEMONS:
        expected = ", ".join(ROWS_OF_DAEMONS)
        raise UsageError(f"--by {by} cannot be combined with --daemons, which count by pod: expected one of {expected}")
    return DaemonsView(cluster, namespace, upstreams, ROLL_UPS[by], zone_for_people(arguments))


def _show_daemons(view: DaemonsView) -> int:
    """Show the view until the user quits, or print it once if there is no terminal; return the exit code."""
    if sys.stdout.isatty() and sys.stdin and sys.stdin.isatty():
        return _show(view)
    asyncio.run(view.read())
    for problem in view.problems():
        warn(problem)
    console = PipedConsole()
    print_hour(view.rows(), view.names, view.zone, console)
    console.print(one_line(" · ".join(view.summary())), soft_wrap=True)
    return 0
