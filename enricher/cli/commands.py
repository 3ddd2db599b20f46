"""The command line: every command with its options. It names commands by their modules and imports none of them."""

import argparse
import os
import sys
from typing import Any

from enricher import __version__
from enricher.cli.examples import examples_text
from enricher.cli.parser import Parser
from enricher.config.options import ENRICH, PODS, RECORD, RUN, SELECT, TAIL, TOP, add_options

EPILOG = "Exit codes: 0 done, 1 failed while running, 2 wrong usage, 3 wrong configuration, 130 interrupted."


ROWS = ("pod", "service", "workload", "revision", "node", "zone", "route", "gateway", "listener")
"""What there may be a row for, by the names in `--by`; cli/roll_ups.py defines them."""
_ROW_NAMES = f"{', '.join(ROWS[:-1])} or {ROWS[-1]} (default: pod)"
OBJECTS = "KIND/NAME|FILE"
"""The metavar of arguments that are upstreams or files."""
FILES = "log files or directories instead of a cluster's logs; - is stdin"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `command` is set to the name of the module of enricher.cli that runs it."""
    # kubectl runs its plugins as kubectl-NAME.
    is_plugin = os.path.basename(sys.argv[0]).startswith("kubectl-enricher")
    parser = Parser(
        "kubectl enricher" if is_plugin else "enricher",
        description="Which pod failed my request? Names the pod behind each upstream address in a proxy's log.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"enricher {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add_check(commands)
    _add_enrich(commands)
    _add_diagnose(commands)
    _add_explain(commands)
    _add_record(commands)
    _add_top(commands)
    _add_tail(commands)
    _add_rollout(commands)
    _add_compare(commands)
    _add_completion(commands)
    parser.commands = commands.choices
    for name, command in commands.choices.items():
        command.description = f"{command.description}\n\n{examples_text(command.prog, name)}"
    return parser


def _add_run(commands: Any) -> None:
    run = commands.add_parser(
        "run",
        help="run the daemon: follow this node's proxy logs",
        description="Follow the proxy logs of this node, write each line as JSON to stdout, and count.",
        epilog=EPILOG,
    )
    add_options(run, RUN)
    _add_print_config(run)
    run.set_defaults(command="run")


def _add_check(commands: Any) -> None:
    check = commands.add_parser(
        "check",
        help="report whether `run` would work here",
        description="Check what `run` with the same options needs: the options themselves, the permissions at the API "
        "server, the logs and their format, the state directory and the port. With an administrator's kubeconfig, also "
        "report which proxies the cluster has, and what their logs lack. Change nothing.",
        epilog=f"{EPILOG} 3 also if any check failed.",
    )
    add_options(check, RUN)
    _add_print_config(check)
    check.set_defaults(command="check")


def _add_print_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--print-config",
        action="store_true",
        help="print the resulting options as a configuration file, each with where it was set, and exit",
    )


def _add_enrich(commands: Any) -> None:
    enrich = commands.add_parser(
        "enrich",
        help="enrich log files and print the result",
        description="Enrich log files with the endpoints of --endpoints; without it, with a cluster's present ones.",
        epilog=EPILOG,
    )
    enrich.add_argument(
        "files",
        nargs="*",
        default=[],
        metavar="FILE",
        help="log files as they were fetched, also .gz, or directories of them; - is stdin, the default",
    )
    add_options(enrich, ENRICH)
    enrich.add_argument("--summary", action="store_true", help="print a table per pod instead of the lines")
    enrich.add_argument(
        "--by",
        choices=ROWS,
        metavar="NAME",
        help=f"with --summary: what there is a row for, {_ROW_NAMES}",
    )
    enrich.add_argument(
        "--output",
        "-o",
        choices=("text", "json", "markdown", "csv"),
        help="with --summary: how the table is printed (default: text)",
    )
    enrich.add_argument(
        "--map", choices=("dot", "mermaid"), help="print which service calls which instead of the lines, as a graph"
    )
    enrich.set_defaults(command="enrich")


def _add_diagnose(commands: Any) -> None:
    diagnose = commands.add_parser(
        "diagnose",
        help="say why requests failed, and what to change",
        description="Group the failures in log files, or in the last minutes of a cluster's controllers, by their "
        "causes, the worst first, with the evidence and what to change. The files may be logs or the daemon's output.",
        epilog=f"{EPILOG} Findings are not an error.",
    )
    add_options(diagnose, TAIL)
    diagnose.add_argument(
        "--no-pods",
        dest=PODS.flag,
        action="store_const",
        const="false",
        help="do not look up how pods ended, as it is done for a cluster",
    )
    diagnose.add_argument(
        "--output",
        "-o",
        choices=("text", "json", "markdown", "csv"),
        default="text",
        help="markdown: for a ticket; csv: a row for each finding",
    )
    _add_timezone(diagnose)
    _add_objects(diagnose)
    diagnose.set_defaults(command="diagnose")


def _add_explain(commands: Any) -> None:
    explain = commands.add_parser(
        "explain",
        help="explain why a line is attributed as it is, and why its attempts failed",
        description="Print which tenures were considered for a line's attempts, or for an address, and what decided; "
        "for a failed attempt also what was happening to its pod, and the rule that gave it its cause.",
        epilog=EPILOG,
    )
    explain.add_argument(
        "subject",
        metavar="LINE|ADDRESS",
        help="a log line, or with --at an address; - reads lines from stdin, and explains a request together with its "
        "attempts if these have lines of their own",
    )
    explain.add_argument("--at", metavar="TIME", help="report which pod held ADDRESS at this RFC 3339 time")
    add_options(explain, ENRICH)
    explain.set_defaults(command="explain")


def _add_record(commands: Any) -> None:
    record = commands.add_parser(
        "record",
        help="record a watch for `enrich --endpoints`",
        description="Record a cluster's EndpointSlices and each change to them, with its time, until stopped.",
        epilog=EPILOG,
    )
    add_options(record, RECORD)
    record.add_argument("--output", "-o", metavar="FILE", help="where to write (default: stdout)")
    record.set_defaults(command="record")


def _add_top(commands: Any) -> None:
    top = commands.add_parser(
        "top",
        help="show which pods fail, live",
        description="Show which pods fail: those of a cluster's controllers in the last minute, or those in log files.",
        epilog=EPILOG,
    )
    add_options(top, TOP)
    top.add_argument("--by", choices=ROWS, metavar="NAME", help=f"what there is a row for: {_ROW_NAMES}")
    top.add_argument(
        "--daemons",
        nargs="?",
        const="enricher",
        metavar="NAMESPACE",
        help="the last hour, as the cluster's daemons have counted it, in place of logs; without a terminal it is "
        "printed once (default of NAMESPACE: enricher)",
    )
    _add_timezone(top)
    _add_objects(top)
    top.set_defaults(command="top")


def _add_tail(commands: Any) -> None:
    tail = commands.add_parser(
        "tail",
        help="print one short line for each request, live",
        description="Follow a cluster's controllers, or read log files, and print one short line for each request.",
        epilog=EPILOG,
    )
    add_options(tail, TAIL)
    tail.add_argument(
        "--errors",
        action="store_true",
        help="only requests that failed, or had a failed attempt; on a terminal, those alike are counted",
    )
    tail.add_argument("--pod", metavar="GLOB", help="only requests with an attempt at a pod of this name")
    tail.add_argument(
        "--service", metavar="[NAMESPACE/]GLOB", help="only requests with an attempt at a service of this name"
    )
    tail.add_argument("--route", metavar="GLOB", help="only requests by this route, as in shop/cart")
    tail.add_argument("--status", metavar="STATUS", help="only requests whose client got this: 503, 5xx, or 404,5xx")
    tail.add_argument("--slower-than", metavar="DURATION", help="only requests that took at least as long: 500ms, 2s")
    tail.add_argument("--request", metavar="ID", help="only the lines of the request with this request or trace id")
    tail.add_argument(
        "--output", "-o", choices=("text", "json"), default="text", help="json: the lines of docs/output.md"
    )
    tail.add_argument("-f", "--follow", action="store_true", help="follow a cluster's logs: the default")
    tail.add_argument(
        "--no-follow",
        action="store_true",
        help="end where a cluster's logs end at present; begin 10m back unless --since says otherwise",
    )
    _add_timezone(tail)
    tail.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="when to print colours")
    _add_objects(tail)
    tail.set_defaults(command="tail")


def _add_rollout(commands: Any) -> None:
    rollout = commands.add_parser(
        "rollout",
        help="compare a Deployment's new revision with the old one",
        description="Compare how often attempts fail at the two latest revisions of a Deployment, in log files or in a "
        "cluster's logs of the last minutes.",
        epilog=f"{EPILOG} 4 if the new revision is significantly worse, 5 if there are too few attempts to tell.",
    )
    rollout.add_argument("workload", metavar="WORKLOAD", help="deployment/NAME, or the NAME of a Deployment")
    add_options(rollout, TAIL)
    rollout.add_argument("--new", metavar="REVISION", help="the new revision, where no history shows which it is")
    rollout.add_argument(
        "--for", metavar="DURATION", help="how long to follow a cluster's logs (default: to their present ends)"
    )
    rollout.add_argument(
        "--output", "-o", choices=("text", "json", "markdown"), default="text", help="markdown: for a ticket"
    )
    rollout.add_argument("files", nargs="*", default=[], metavar="FILE", help=FILES)
    rollout.set_defaults(command="rollout")


def _add_compare(commands: Any) -> None:
    compare = commands.add_parser(
        "compare",
        help="compare two proxies, while traffic moves from one to the other",
        description="Compare how two proxies serve the same services: requests, errors, refusals, retries, response "
        "times and causes. OLD and NEW are log files (also those of `run`) or containers of a cluster, each with the "
        "PROFILE of the proxy if its lines do not show it: [PROFILE:]FILE, a directory or a glob in quotes, - for "
        "stdin, [PROFILE:]NAMESPACE/POD-GLOB/CONTAINER, or PROFILE: for the containers of a known proxy.",
        epilog=f"{EPILOG} 4 if NEW is significantly worse, 5 if there are too few requests to tell.",
    )
    compare.add_argument("old", metavar="OLD", help="the proxy that traffic moves away from")
    compare.add_argument("new", metavar="NEW", help="the proxy that traffic moves to")
    add_options(compare, tuple(option for option in TAIL if option is not SELECT))
    compare.add_argument(
        "--service", metavar="[NAMESPACE/]GLOB", help="only services of this name, as long as not all have moved"
    )
    compare.add_argument(
        "--by",
        choices=("service", "workload", "revision", "pod", "node"),
        default="service",
        help="what there is a row for (default: service)",
    )
    compare.add_argument(
        "--for", metavar="DURATION", help="how long to follow a cluster's logs (default: to their present ends)"
    )
    compare.add_argument(
        "--output",
        "-o",
        choices=("text", "json", "markdown", "csv"),
        default="text",
        help="markdown: for a ticket; csv: two rows for each service",
    )
    _add_timezone(compare)
    compare.set_defaults(command="compare")


def _add_timezone(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timezone",
        metavar="ZONE",
        help="the zone of times for people: local, Europe/Berlin (default: the log's, usually UTC)",
    )


def _add_objects(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-l",
        "--selector",
        metavar="LABELS",
        help="only requests to pods of a cluster with these labels, as in kubectl: app=cart,tier!=db",
    )
    parser.add_argument(
        "files",
        nargs="*",
        default=[],
        metavar=OBJECTS,
        help="only requests to service/NAME, deployment/NAME, statefulset/NAME or pod/NAME, or to KIND/NAMESPACE/NAME; "
        f"{FILES}; a file in a directory named as a kind is ./KIND/NAME",
    )


def _add_completion(commands: Any) -> None:
    completion = commands.add_parser(
        "completion",
        help="print a script that completes options",
        description="Print a script with which a shell completes enricher's commands and options.",
        epilog=EPILOG,
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish")
    completion.set_defaults(command="completion")
