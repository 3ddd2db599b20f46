"""The commands: `enricher run`, `check`, `top`, `tail`, `enrich`, `explain`, `record` and `completion`."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from enricher import __version__
from enricher.config.resolve import Resolved, doubts, resolve, resolve_settings, shown
from enricher.config.settings import ENRICH, RECORD, RUN, STDIN, TAIL, TOP, Settings, add_options
from enricher.endpoints.attribution import Histories
from enricher.errors import EXIT_CONFIGURATION, EXIT_FAILURE, ConfigurationError, EnricherError, UsageError
from enricher.line import printable

if TYPE_CHECKING:
    from enricher.cli.feed import ClusterFeed, FileFeed

EPILOG = "Exit codes: 0 done, 1 failed while running, 2 wrong usage, 3 wrong configuration, 130 interrupted."


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code."""
    try:
        os.fstat(1)
    except OSError:
        sys.stderr.write("enricher: stdout is closed\n")
        return EXIT_CONFIGURATION
    try:
        arguments = vars(parser().parse_args(argv))
        code: int = arguments["command"](arguments)
    except EnricherError as error:
        sys.stderr.write(f"enricher: {printable(error)}\n")
        return error.exit_code
    except OSError as error:
        # Python must not flush into the broken pipe or the full disk once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 0  # nobody reads any more: that ends the work, and is no failure
        sys.stderr.write(f"enricher: {error.filename or 'stdout'}: {error.strerror or error}\n")
        return EXIT_FAILURE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return code


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other error here; takes no abbreviated options."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.allow_abbrev = False

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def parser() -> argparse.ArgumentParser:
    """Of all commands."""
    made = _Parser("enricher", description="Which pod failed my request? Puts pods on proxy log lines.", epilog=EPILOG)
    made.add_argument("--version", action="version", version=f"enricher {__version__}")
    commands = made.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run",
        help="the daemon: follow this node's proxy logs",
        description="Follows the proxy logs of this node, writes each line as JSON to stdout, and counts.",
        epilog=EPILOG,
    )
    add_options(run, RUN)
    _add_print_config(run)
    run.set_defaults(command=_run)

    check = commands.add_parser(
        "check",
        help="say whether `run` would work here",
        description="Checks what `run` with the same options needs: the options themselves, the rights at the API "
        "server, the logs and their format, the state directory and the port. Changes nothing.",
        epilog=f"{EPILOG} 3 also if any check failed.",
    )
    add_options(check, RUN)
    _add_print_config(check)
    check.set_defaults(command=_check)

    enrich = commands.add_parser(
        "enrich",
        help="enrich log files and print the result",
        description="Enriches log files with what --endpoints says; without it, with a cluster's present endpoints.",
        epilog=EPILOG,
    )
    enrich.add_argument("files", nargs="*", metavar="FILE", help="plain, CRI or Docker log, also .gz; - is stdin")
    add_options(enrich, ENRICH)
    enrich.add_argument("--summary", action="store_true", help="print a table per pod in place of the lines")
    enrich.add_argument(
        "--map", choices=("dot", "mermaid"), help="print who calls whom in place of the lines: for Graphviz, or Mermaid"
    )
    enrich.set_defaults(command=_enrich)

    explain = commands.add_parser(
        "explain",
        help="say why a line is attributed as it is",
        description="Says which tenures were considered for a line's attempts, or for an address, and what decided.",
        epilog=EPILOG,
    )
    explain.add_argument(
        "subject", metavar="LINE|ADDRESS", help="a log line (- reads lines from stdin), or with --at an address"
    )
    explain.add_argument("--at", metavar="TIME", help="who held ADDRESS at this RFC 3339 time")
    add_options(explain, ENRICH)
    explain.set_defaults(command=_explain)

    record = commands.add_parser(
        "record",
        help="record a watch for `enrich --endpoints`",
        description="Records a cluster's EndpointSlices and each change to them, with its time, until it is stopped.",
        epilog=EPILOG,
    )
    add_options(record, RECORD)
    record.add_argument("--output", "-o", metavar="FILE", help="where to write (default: stdout)")
    record.set_defaults(command=_record)
    _add_live(commands)

    completion = commands.add_parser(
        "completion",
        help="print a script that completes options",
        description="Prints a script that has a shell complete enricher's commands and options.",
        epilog=EPILOG,
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish")
    completion.set_defaults(command=_completion)
    return made


def _add_print_config(parser: argparse.ArgumentParser) -> None:
    told = "print the settled options as a configuration file, each with where it came from, and do nothing else"
    parser.add_argument("--print-config", action="store_true", help=told)


def _print_config(settled: Resolved) -> int:
    sys.stdout.writelines(f"{line}\n" for line in shown(RUN, settled))
    sys.stdout.flush()
    return 0


def _add_live(commands: Any) -> None:
    top = commands.add_parser(
        "top",
        help="which pods fail, live",
        description="Shows which pods fail: of a cluster's controllers in the last minute, or of log files.",
        epilog=EPILOG,
    )
    add_options(top, TOP)
    top.set_defaults(command=_top)

    tail = commands.add_parser(
        "tail",
        help="one short line for each request, live",
        description="Follows a cluster's controllers, or reads log files, and prints one short line for each request.",
        epilog=EPILOG,
    )
    add_options(tail, TAIL)
    tail.add_argument("--errors", action="store_true", help="only requests that failed, or had an attempt that did")
    tail.add_argument("--pod", metavar="GLOB", help="only what was tried at such a pod")
    tail.add_argument("--service", metavar="[NAMESPACE/]GLOB", help="only what was tried at such a service")
    tail.add_argument(
        "--output", "-o", choices=("text", "json"), default="text", help="json: the lines of docs/output.md"
    )
    tail.set_defaults(command=_tail)
    for command in (top, tail):
        command.add_argument("files", nargs="*", metavar="FILE", help="in place of a cluster's logs; - is stdin")


def _run(arguments: dict[str, Any]) -> int:
    settled = resolve(RUN, arguments)
    if arguments["print_config"]:
        return _print_config(settled)
    settings = settled.settings
    from enricher.daemon.run import STOPPING, run  # noqa: PLC0415  # each command pays for its own imports only
    from enricher.daemon.stderr import StderrLog  # noqa: PLC0415
    from enricher.daemon.stdout import StdoutWriter  # noqa: PLC0415

    _warn(settings)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    writer = StdoutWriter()
    with StderrLog() as own_log:
        try:
            asyncio.run(run(settings, writer, own_log))
        except BaseExceptionGroup as failures:
            _raise_known(failures)
            logging.getLogger("enricher").exception("failed")
            return EXIT_FAILURE
        finally:
            writer.close()
    return 0


def _check(arguments: dict[str, Any]) -> int:
    from enricher.cli.check import CheckResult, check, print_results  # noqa: PLC0415

    try:
        settled = resolve(RUN, arguments)
    except EnricherError as error:
        if arguments["print_config"]:
            raise
        return print_results([CheckResult("failed", "configuration", printable(str(error)))])
    if arguments["print_config"]:
        return _print_config(settled)
    return check(settled.settings, doubts(settled.settings))


def _completion(arguments: dict[str, Any]) -> int:
    from enricher.cli.completion import script  # noqa: PLC0415

    sys.stdout.write(script(parser(), arguments["shell"]))
    sys.stdout.flush()
    return 0


def _raise_known(failures: BaseExceptionGroup[BaseException], of_stdout: type[OSError] = BrokenPipeError) -> None:
    """Raises the first error of a group that `main` knows how to tell; `of_stdout` are those that come from there."""
    for failure in failures.exceptions:
        if isinstance(failure, BaseExceptionGroup):
            _raise_known(failure, of_stdout)
        elif isinstance(failure, (EnricherError, of_stdout)):
            raise failure


def _enrich(arguments: dict[str, Any]) -> int:
    from enricher.cli.enrich import enrich  # noqa: PLC0415

    if arguments["summary"] and arguments["map"]:
        raise UsageError("--summary and --map were both given: one of them is expected")
    settings = resolve_settings(ENRICH, arguments)
    _warn(settings)
    known = _known(settings)
    instead = "summary" if arguments["summary"] else arguments["map"]
    enrich(settings, arguments["files"] or ["-"], known, instead=instead, out=sys.stdout.buffer)
    sys.stdout.flush()
    return 0


def _explain(arguments: dict[str, Any]) -> int:
    from enricher.cli.explain import explain_address, explain_line  # noqa: PLC0415
    from enricher.tailer.reader import stdin  # noqa: PLC0415

    settings, subject = resolve_settings(ENRICH, arguments), arguments["subject"]
    known = _known(settings)
    if arguments["at"]:
        sys.stdout.writelines(f"{text}\n" for text in explain_address(known, subject, arguments["at"]))
    else:
        lines = stdin() if subject == "-" else [subject.encode("utf-8", "surrogateescape")]
        for line in lines:
            sys.stdout.writelines(f"{text}\n" for text in explain_line(settings, known, line))
    sys.stdout.flush()
    return 0


def _top(arguments: dict[str, Any]) -> int:
    from enricher.cli.top import TopApp, keyboard  # noqa: PLC0415
    from enricher.report.pod_stats import WINDOW_SECONDS, PodStats  # noqa: PLC0415

    settings, files = resolve_settings(TOP, arguments), arguments["files"]
    feed = _feed(settings, files, WINDOW_SECONDS)
    # What lies in a file is looked at as a whole, what comes through a pipe as it comes.
    window = WINDOW_SECONDS if STDIN in files or not files else None
    stats = PodStats(window, window_is_covered=not files, namespace=settings.namespace)
    with keyboard(STDIN in files):
        logging.getLogger("enricher").addHandler(logging.NullHandler())
        logging.getLogger("enricher").propagate = False  # problems are in the first line of the view
        app = TopApp(stats, feed, (lambda: stats.newest) if files else time.time_ns)
        app.run()
    if app.failure:
        _raise_known(BaseExceptionGroup("", [app.failure]))
        raise app.failure
    return app.return_code or 0


def _tail(arguments: dict[str, Any]) -> int:
    from enricher.cli.feed import ClusterFeed  # noqa: PLC0415
    from enricher.cli.tail import LineFilter, format_lines  # noqa: PLC0415

    settings = resolve_settings(TAIL, arguments)
    if arguments["files"] and settings.since:
        raise UsageError("--since was given beside files, which are read from their beginning")
    logging.basicConfig(format="enricher: %(message)s")
    given = {name: arguments[name] for name in ("errors", "pod", "service")}
    line_filter = LineFilter(**given, namespace=settings.namespace)
    is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def take(data: bytes) -> None:
        as_json = arguments["output"] == "json"
        sys.stdout.buffer.write(format_lines(data, line_filter, as_json=as_json, coloured=is_coloured))
        sys.stdout.buffer.flush()

    feed = _feed(settings, arguments["files"], settings.since)
    try:
        if isinstance(feed, ClusterFeed):
            asyncio.run(feed.run(take))
        else:
            for data in feed.read():
                take(data)
    except BaseExceptionGroup as failures:
        _raise_known(failures, OSError)  # a connection's were made Failures
        raise
    return 0


def _feed(settings: Settings, files: Sequence[str], since: float) -> "ClusterFeed | FileFeed":
    """Where `top` and `tail` get their records from. Raises UsageError."""
    from enricher.cli.feed import ClusterFeed, FileFeed  # noqa: PLC0415

    _warn(settings)
    if files:
        return FileFeed(settings, files, _known(settings))
    if settings.endpoints:
        raise UsageError("--endpoints was given without FILE: with a cluster's logs go its own endpoints")
    if path := next((one.text for one in settings.select if not one.namespace), None):
        raise UsageError(f"{path!r} was given to be selected: files are given as arguments, without --select")
    return ClusterFeed(settings, since)


def _warn(settings: Settings) -> None:
    sys.stderr.writelines(f"enricher: {doubt}\n" for doubt in doubts(settings))


def _known(settings: Settings) -> Histories:
    from enricher.endpoints.files import load_endpoints  # noqa: PLC0415

    return load_endpoints(settings.endpoints) if settings.endpoints else asyncio.run(_listed(settings))


async def _listed(settings: Settings) -> Histories:
    """The endpoints as they are now: lines that are older get the grade "assumed"."""
    from enricher.cluster.endpoint_source import EndpointWatch  # noqa: PLC0415
    from enricher.kube.client import connect  # noqa: PLC0415

    async with connect(settings.kubeconfig, settings.context) as api:
        knowledge = EndpointWatch(api, settings, settings.choosing().usual)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(knowledge.keep())
            await knowledge.start()
            watching.cancel()
    if not knowledge.listed:
        raise ConfigurationError(knowledge.problem() or "the API server gave no list of endpoints")
    return knowledge.known


def _record(arguments: dict[str, Any]) -> int:
    from enricher.cli.record import run  # noqa: PLC0415

    run(arguments["output"], resolve_settings(RECORD, arguments))
    return 0
