"""Every option once: its name, its type, its default and what it is for.

An option can be given as a flag (`--log-dir`), as a variable (`ENRICHER_LOG_DIR`) or as a key in a configuration file
(`log-dir`); the first of these wins. A variable for an option that can be repeated holds its values separated by white
space. A wrong value is refused with what was given, what is allowed, and where it was set.
"""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from enricher.accesslog.compiler import LogFormatError
from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.profiles import DEFAULT_PROFILE, PROFILES, Formats
from enricher.errors import ConfigurationError, UsageError
from enricher.tailer.selector import Selector

STDIN = "-"
"""Its name among files."""
CONTROLLERS = ("ingress-nginx", "nginx-ingress")
"""Profiles of controllers whose ConfigMap holds the log format."""
Start = Literal["beginning", "end"]
Output = Literal["json", "none"]
OnOff = Literal["on", "off"]


class Listen(NamedTuple):
    """Where to serve HTTP; the host None stands for all addresses."""

    host: str | None
    port: int


DEFAULT_LISTEN = Listen(None, 9464)


def selectors(profile: str) -> tuple[Selector, ...]:
    """What a profile follows, if the user does not say."""
    return tuple(Selector.parse(text) for text in PROFILES[profile].select)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the user decided; each field belongs to an Option below, which says what it is for."""

    log_dir: str = "/var/log/pods"
    state_dir: str | None = None
    listen: Listen = DEFAULT_LISTEN
    status_page: OnOff = "on"
    select: Sequence[Selector] = selectors(DEFAULT_PROFILE)
    profile: str | None = None
    log_format: Formats | None = None
    controller_configmap: tuple[str, str] | None = None
    """Namespace and name."""
    namespace: str | None = None
    kubeconfig: str | None = None
    context: str | None = None
    start: Start = "beginning"
    output: Output = "json"
    endpoints: Sequence[str] = ()
    services: bool = False
    pod_variable: str = "upstream_http_x_pod_name"
    history: float = 3600.0
    """Seconds."""
    max_series: int = 20_000
    """Pods (as members of services) that get series of their own; the others share one."""
    since: float = 0.0
    """Seconds before now."""
    node: str = ""
    own_pod: tuple[str, str] | None = None
    """Namespace and name of the pod that this is, from POD_NAMESPACE and POD_NAME: its own log is never read."""

    def choosing(self) -> FormatDetector:
        """What lines may look like, by source."""
        # A controller that is configured is a known one.
        return FormatDetector(self.log_format, self.profile or (DEFAULT_PROFILE if self.controller_configmap else None))


def parse_text(text: str) -> str:
    """Of a path, or a name: the system would refuse others later, and say less."""
    if not text or "\0" in text:
        raise UsageError("text is expected that is not empty and has no NUL in it")
    return text


class Option(NamedTuple):
    """One option: `parse` turns its text into the value of the field `field`, or raises UsageError."""

    flag: str
    field: str
    metavar: str
    help: str
    parse: Callable[[str], Any] = parse_text
    repeatable: bool = False
    choices: Sequence[str] = ()
    """The texts that are allowed, if they are few."""

    @property
    def key(self) -> str:
        """Its name in a configuration file."""
        return self.flag.removeprefix("--")

    @property
    def variable(self) -> str:
        return "ENRICHER_" + self.key.replace("-", "_").upper()

    @property
    def kind(self) -> str:
        """What a configuration file holds for it, for each of its values where there may be several."""
        if self.parse is parse_switch:
            return "switch"
        return "number" if self.parse in {parse_seconds, parse_count} else "text"


def parse_listen(text: str) -> Listen:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or len(port) > 5 or int(port) > 65535:
        raise UsageError("HOST:PORT is expected, with a port from 0 to 65535; without HOST it is all addresses")
    return Listen(host.strip("[]") or None, int(port))


def one_of(*words: str) -> Callable[[str], str]:
    """Takes these words and no others."""

    def parse(text: str) -> str:
        if text not in words:
            raise UsageError(f"{' or '.join(words)} is expected")
        return text

    return parse


def parse_switch(text: str) -> bool:
    if text not in {"true", "false"}:
        raise UsageError("true or false is expected")
    return text == "true"


def parse_object(text: str) -> tuple[str, str]:
    namespace, _, name = text.partition("/")
    if not all(re.fullmatch(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", part) for part in (namespace, name)):
        raise UsageError("NAMESPACE/NAME is expected")
    return namespace, name


def parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < 1e9:
        raise UsageError("a number of seconds, 0 or more, is expected")
    return seconds


def parse_duration(text: str) -> float:
    found = re.fullmatch(r"(\d{1,6})([smhd])", text, re.ASCII)
    if not found:
        raise UsageError("a whole number and one of s, m, h, d is expected, as in 10m")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2]]


def parse_count(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise UsageError("a whole number is expected")
    return int(text)


def parse_profile(text: str) -> str:
    if text not in PROFILES:
        raise UsageError(f"one of {', '.join(PROFILES)} is expected")
    return text


def parse_select(text: str) -> Selector:
    profile, colon, rest = text.partition(":")
    if not colon or text.startswith("/"):
        return Selector.parse(text)
    return Selector.parse(rest, parse_profile(profile))


def read_log_format(path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the log format in {path}: {_reason(error)}") from error


def compiled(text: str, profile: str) -> Formats:
    try:
        return PROFILES[profile].compile(text)
    except LogFormatError as error:
        of = "an nginx log_format" if "nginx" in profile else f"a format of {profile}'s"
        raise UsageError(f"{of} is expected: {error}") from error


def parse_variable(text: str) -> str:
    found = re.fullmatch(r"\$?(?:\{(\w+)\}|(\w+))", text, re.ASCII)
    if not found:
        raise UsageError("the name of one of nginx's variables is expected")
    return found[1] or found[2]


LOG_DIR = Option("--log-dir", "log_dir", "DIR", "where the kubelet keeps the logs of pods")
STATE_DIR = Option("--state-dir", "state_dir", "DIR", "where to remember what was read; without it, nothing is")
LISTEN = Option("--listen", "listen", "HOST:PORT", "where to serve /metrics, /livez and /readyz", parse_listen)
STATUS_PAGE = Option(
    "--status-page",
    "status_page",
    "on|off",
    "whether to serve a page for people, / and /status.json",
    one_of("on", "off"),
    choices=("on", "off"),
)
SELECT = Option(
    "--select",
    "select",
    "[PROFILE:]NAMESPACE/POD-GLOB/CONTAINER",
    "which containers to follow; or the absolute path (glob) of log files; can be repeated",
    parse_select,
    repeatable=True,
)
PROFILE = Option(
    "--profile",
    "profile",
    "NAME",
    f"which proxy writes the logs, and how: {', '.join(PROFILES)}; without it, each log's first lines tell",
    parse_profile,
    choices=tuple(PROFILES),
)
LOG_FORMAT = Option(
    "--log-format",
    "log_format",
    "FORMAT",
    "the proxy's log format, in its own language: nginx's, if no profile is given",
    str,
)
LOG_FORMAT_FILE = Option("--log-format-file", "log_format", "FILE", "a file that holds it", read_log_format)
CONTROLLER_CONFIGMAP = Option(
    "--controller-configmap",
    "controller_configmap",
    "NAMESPACE/NAME",
    "the ingress controller's ConfigMap: its log format is followed while it changes",
    parse_object,
)
NAMESPACE = Option("--namespace", "namespace", "NAME", "watch the EndpointSlices of this namespace, not of all")
KUBECONFIG = Option("--kubeconfig", "kubeconfig", "FILE", "how to reach the API server from outside the cluster")
CONTEXT = Option("--context", "context", "NAME", "which context of the kubeconfig")
FROM = Option(
    "--from",
    "start",
    "beginning|end",
    "where to start in logs that were never read",
    one_of("beginning", "end"),
    choices=("beginning", "end"),
)
OUTPUT = Option(
    "--output",
    "output",
    "json|none",
    "what to write to stdout; none: count only",
    one_of("json", "none"),
    choices=("json", "none"),
)
ENDPOINTS = Option(
    "--endpoints",
    "endpoints",
    "FILE",
    "who is where, in place of a watch: `kubectl get endpointslices,services -A -o json`, a recorded watch, "
    "or a YAML map of addresses; can be repeated",
    repeatable=True,
)
SERVICES = Option("--services", "services", "", "watch Services too, to name those behind cluster IPs", parse_switch)
POD_VARIABLE = Option(
    "--pod-variable",
    "pod_variable",
    "NAME",
    "the variable of the format in which the answering pod says its name",
    parse_variable,
)
HISTORY = Option("--history", "history", "SECONDS", "how long to remember who held an address", parse_seconds)
SERIES = Option("--max-series", "max_series", "NUMBER", "how many pods are counted one by one at most", parse_count)
SINCE = Option("--since", "since", "DURATION", "how far back to begin: 10m, 1h; without it, now", parse_duration)
NODE = Option("--node", "node", "NAME", "the name of this node, for the output (NODE_NAME is read too)")
CONFIG = Option("--config", "", "FILE", "a file of options, YAML or TOML, each under its flag's name without dashes")
"""Of every command, and of no use in the file itself."""

RUN = (
    *(LOG_DIR, PROFILE, SELECT, LOG_FORMAT, LOG_FORMAT_FILE, CONTROLLER_CONFIGMAP, FROM, OUTPUT, STATE_DIR, LISTEN),
    STATUS_PAGE,
    *(NAMESPACE, KUBECONFIG, CONTEXT, SERVICES, ENDPOINTS, POD_VARIABLE, HISTORY, SERIES, NODE),
)
OF_A_CLUSTER = (NAMESPACE, KUBECONFIG, CONTEXT, SERVICES)
ENRICH = (PROFILE, LOG_FORMAT, LOG_FORMAT_FILE, *OF_A_CLUSTER, ENDPOINTS, POD_VARIABLE, NODE)
RECORD = OF_A_CLUSTER
TOP = (*(PROFILE, SELECT, LOG_FORMAT, LOG_FORMAT_FILE, CONTROLLER_CONFIGMAP), *OF_A_CLUSTER, ENDPOINTS, POD_VARIABLE)
TAIL = (*TOP, SINCE)
ALL = tuple(dict.fromkeys((*RUN, *ENRICH, *RECORD, *TAIL)))


def add_options(parser: argparse.ArgumentParser, options: Sequence[Option]) -> None:
    """Add flags whose texts `resolve_settings` reads later, together with the variables and the configuration file."""
    defaults = Settings()
    for option in (CONFIG, *options):
        default = "" if option in {CONFIG, LOG_FORMAT_FILE} else default_text(getattr(defaults, option.field))
        text = option.help + (f" (default: {default})" if default else "") + f" [{option.variable}]"
        if option.parse is parse_switch:
            parser.add_argument(option.flag, dest=option.flag, action="store_const", const="true", help=text)
        else:
            action = "append" if option.repeatable else "store"
            parser.add_argument(option.flag, dest=option.flag, metavar=option.metavar, action=action, help=text)


def default_text(default: object) -> str:
    if isinstance(default, Listen):
        return f"{default.host or ''}:{default.port}"
    if isinstance(default, tuple):
        return " ".join(selector.text for selector in default)
    if isinstance(default, float) and default:
        return f"{default:g}"
    return str(default) if default else ""


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
