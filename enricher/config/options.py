"""Every option, defined once: its name, its type, its purpose and the setting that it fills.

An option can be given as a flag (`--log-dir`), as a variable (`ENRICHER_LOG_DIR`) or as a key of a configuration file
(`log-dir`); the first of these wins. A variable for an option that can be repeated holds its values separated by white
space. An error about a value names the place where it was set and what is allowed.
"""

import argparse
import re
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from enricher.accesslog.profiles import PROFILES
from enricher.config.settings import ListenAddress, Settings, describe_selection
from enricher.errors import UsageError
from enricher.tailer.selector import Selector

STDIN = "-"
"""Name of stdin among files."""
NAMESPACE_NAME = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
"""What the name of a namespace looks like."""
CONTROLLERS = ("ingress-nginx", "nginx-ingress")
"""Profiles of controllers whose ConfigMap holds the log format."""

# --- parsers: each takes the text of a value, and raises UsageError that says what is expected ------------------------


def parse_text(text: str) -> str:
    """Parse a path or a name. Reject empty text and NUL here, where the error can name the option."""
    if not text or "\0" in text:
        raise UsageError("expected text that is not empty and has no NUL in it")
    return text


def parse_listen(text: str) -> ListenAddress:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or len(port) > 5 or int(port) > 65535:
        raise UsageError("expected HOST:PORT, with a port from 0 to 65535; without HOST it means all addresses")
    return ListenAddress(host.strip("[]") or None, int(port))


def parse_choice(*choices: str) -> Callable[[str], str]:
    """Return a parser that takes these words and no others."""

    def parse(text: str) -> str:
        if text not in choices:
            raise UsageError(f"expected {' or '.join(choices)}")
        return text

    return parse


def parse_switch(text: str) -> bool:
    if text not in {"true", "false"}:
        raise UsageError("expected true or false")
    return text == "true"


def parse_object_name(text: str) -> tuple[str, str]:
    """Parse `NAMESPACE/NAME` of a Kubernetes object."""
    namespace, _, name = text.partition("/")
    if not all(re.fullmatch(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", part) for part in (namespace, name)):
        raise UsageError("expected NAMESPACE/NAME")
    return namespace, name


def parse_namespace(text: str) -> str | None:
    """Parse the name of a namespace; `*` stands for all, which is None."""
    if text == "*":
        return None
    if not re.fullmatch(NAMESPACE_NAME, text):
        raise UsageError("expected the name of a namespace, or * for all")
    return text


def parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < 1e9:
        raise UsageError("expected a number of seconds, 0 or more")
    return seconds


def parse_duration(text: str) -> float:
    """Parse a duration such as `10m` into seconds."""
    match = re.fullmatch(r"(\d{1,6})([smhd])", text, re.ASCII)
    if not match:
        raise UsageError("expected a whole number and one of s, m, h, d, as in 10m")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]]


def parse_count(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise UsageError("expected a whole number")
    return int(text)


def parse_profile(text: str) -> str:
    if text not in PROFILES:
        raise UsageError(f"expected one of {', '.join(PROFILES)}")
    return text


def parse_select(text: str) -> Selector:
    """Parse `[PROFILE:]NAMESPACE/POD-GLOB/CONTAINER`, or the absolute path of files."""
    profile, colon, rest = text.partition(":")
    if not colon or text.startswith("/"):
        return Selector.parse(text)
    return Selector.parse(rest, parse_profile(profile))


def parse_variable(text: str) -> str:
    """Parse `NAME`, `$NAME` or `${NAME}` into the bare name of a variable of nginx."""
    match = re.fullmatch(r"\$?(?:\{(\w+)\}|(\w+))", text, re.ASCII)
    if not match:
        raise UsageError("expected the name of a variable of the log format")
    return match[1] or match[2]


# --- the table --------------------------------------------------------------------------------------------------------


class Option(NamedTuple):
    """One option: `parse` turns its text into the value of `setting`, or raises UsageError."""

    flag: str
    setting: str
    """Path of the setting below Settings, as in `logs.directory`."""
    metavar: str
    help: str
    parse: Callable[[str], Any] = parse_text
    repeatable: bool = False
    choices: Sequence[str] = ()
    """The allowed texts, if there are only a few."""

    @property
    def key(self) -> str:
        """Return the name of the option in a configuration file."""
        return self.flag.removeprefix("--")

    @property
    def variable(self) -> str:
        """Return the name of the option's environment variable."""
        return "ENRICHER_" + self.key.replace("-", "_").upper()

    @property
    def value_type(self) -> str:
        """Return the type of each of its values in a configuration file: text, number or switch."""
        if self.parse is parse_switch:
            return "switch"
        return "number" if self.parse in {parse_seconds, parse_count} else "text"

    def value_in(self, settings: Settings) -> Any:
        """Return the value of the option's setting."""
        return attrgetter(self.setting)(settings)


def _choice(flag: str, setting: str, choices: Sequence[str], text: str) -> Option:
    return Option(flag, setting, "|".join(choices), text, parse_choice(*choices), choices=choices)


LOG_DIR = Option("--log-dir", "logs.directory", "DIR", "the directory in which the kubelet keeps the logs of pods")
PROFILE = Option(
    "--profile",
    "logs.profile",
    "NAME",
    f"the proxy that writes the logs: {', '.join(PROFILES)}; without it, each log's first lines decide",
    parse_profile,
    choices=tuple(PROFILES),
)
SELECT = Option(
    "--select",
    "logs.select",
    "[PROFILE:]NAMESPACE/POD-GLOB/CONTAINER",
    "the containers to follow, or the absolute path (glob) of log files; can be repeated",
    parse_select,
    repeatable=True,
)
LOG_FORMAT = Option(
    "--log-format",
    "logs.formats",
    "FORMAT",
    "the proxy's log format in the proxy's own language; without --profile, nginx's",
    str,
)
LOG_FORMAT_FILE = Option(
    "--log-format-file",
    "logs.formats",
    "FILE",
    "a file that holds the log format, or the configuration that sets it: nginx.conf, haproxy.cfg, Helm values, a "
    "ConfigMap or another object in YAML or JSON",
)
CONTROLLER_CONFIGMAP = Option(
    "--controller-configmap",
    "logs.controller_configmap",
    "NAMESPACE/NAME",
    "the ingress controller's ConfigMap, whose log format is followed while it changes",
    parse_object_name,
)
FROM = _choice("--from", "logs.start", ("beginning", "end"), "where to start in logs that were never read")
OUTPUT = _choice("--output", "output.mode", ("json", "none"), "what to write to stdout; none: only count")
STATE_DIR = Option(
    "--state-dir", "state_dir", "DIR", "where to remember what was read; without it, a restart reads all logs again"
)
LISTEN = Option("--listen", "server.listen", "HOST:PORT", "where to serve /metrics, /livez and /readyz", parse_listen)
STATUS_PAGE = _choice("--status-page", "server.status_page", ("on", "off"), "whether to serve / and /status.json")
NAMESPACE = Option(
    "--namespace",
    "cluster.namespace",
    "NAME",
    "the namespace of the upstreams (not of the proxy); only its EndpointSlices are watched",
    parse_namespace,
)
KUBECONFIG = Option(
    "--kubeconfig",
    "cluster.kubeconfig",
    "FILE",
    "how to reach the API server; without it, $KUBECONFIG, a pod's service account or ~/.kube/config",
)
CONTEXT = Option("--context", "cluster.context", "NAME", "the context of the kubeconfig to use")
SERVICES = Option(
    "--services", "cluster.services", "", "watch Services too, to name those behind cluster IPs", parse_switch
)
PODS = Option(
    "--pods", "cluster.pods", "", "look up how pods ended, and their Events, to say why they failed", parse_switch
)
ENDPOINTS = Option(
    "--endpoints",
    "cluster.endpoints",
    "FILE",
    "which pod is at which address, in place of a watch: `kubectl get endpointslices,services -A -o json`, a recorded "
    "watch, or a map of addresses; can be repeated",
    repeatable=True,
)
EXTRA_ENDPOINTS = Option(
    "--extra-endpoints",
    "cluster.extra_endpoints",
    "FILE",
    "what is at addresses outside the cluster, a map, beside the watch or --endpoints, which have the last word; "
    "can be repeated",
    repeatable=True,
)
POD_VARIABLE = Option(
    "--pod-variable",
    "output.pod_variable",
    "NAME",
    "the variable of the log format that holds the name of the answering pod",
    parse_variable,
)
HISTORY = Option("--history", "cluster.retention", "SECONDS", "how long to remember who held an address", parse_seconds)
MAX_SERIES = Option(
    "--max-series",
    "server.max_series",
    "NUMBER",
    "the largest number of pods that get series of their own",
    parse_count,
)
SINCE = Option(
    "--since",
    "logs.since",
    "DURATION",
    "how far back to begin: 10m, 1h; without it, now where logs are followed, else 10m",
    parse_duration,
)
NODE = Option("--node", "output.node", "NAME", "the name of this node for the output; NODE_NAME is read too")
CONFIG = Option("--config", "", "FILE", "a YAML file of options, each under its flag's name without dashes")
"""An option of every command, which is not allowed in the file itself."""

RUN = (
    LOG_DIR,
    PROFILE,
    SELECT,
    LOG_FORMAT,
    LOG_FORMAT_FILE,
    CONTROLLER_CONFIGMAP,
    FROM,
    OUTPUT,
    STATE_DIR,
    LISTEN,
    STATUS_PAGE,
    NAMESPACE,
    KUBECONFIG,
    CONTEXT,
    SERVICES,
    PODS,
    ENDPOINTS,
    EXTRA_ENDPOINTS,
    POD_VARIABLE,
    HISTORY,
    MAX_SERIES,
    NODE,
)
CLUSTER = (NAMESPACE, KUBECONFIG, CONTEXT, SERVICES)
ENRICH = (PROFILE, LOG_FORMAT, LOG_FORMAT_FILE, *CLUSTER, ENDPOINTS, EXTRA_ENDPOINTS, POD_VARIABLE, NODE)
RECORD = (*CLUSTER, PODS)
TOP = (
    PROFILE,
    SELECT,
    LOG_FORMAT,
    LOG_FORMAT_FILE,
    CONTROLLER_CONFIGMAP,
    *CLUSTER,
    PODS,
    ENDPOINTS,
    EXTRA_ENDPOINTS,
    POD_VARIABLE,
)
TAIL = (*TOP, SINCE)
ALL_OPTIONS = tuple(dict.fromkeys((*RUN, *ENRICH, *RECORD, *TAIL)))


def add_options(parser: argparse.ArgumentParser, options: Sequence[Option]) -> None:
    """Add the flags; `resolve` parses their texts later, with those of the variables and the configuration file."""
    defaults = Settings()
    for option in (CONFIG, *options):
        default = "" if option in {CONFIG, LOG_FORMAT_FILE} else default_text(option.value_in(defaults))
        text = option.help + (f" (default: {default})" if default else "") + f" [{option.variable}]"
        if option.parse is parse_switch:
            parser.add_argument(option.flag, dest=option.flag, action="store_const", const="true", help=text)
        else:
            action = "append" if option.repeatable else "store"
            flags = ("-n", option.flag) if option is NAMESPACE else (option.flag,)
            parser.add_argument(*flags, dest=option.flag, metavar=option.metavar, action=action, help=text)
        if option is NAMESPACE:
            text = "all namespaces: the default, unless a variable or the configuration file names one"
            parser.add_argument("-A", "--all-namespaces", dest=option.flag, action="store_const", const="*", help=text)


def default_text(default: object) -> str:
    """Return a default as a flag would have it; empty if there is none."""
    if isinstance(default, ListenAddress):
        return f"{default.host or ''}:{default.port}"
    if isinstance(default, tuple):
        return describe_selection(default) if default else ""
    if isinstance(default, float) and default:
        return f"{default:g}"
    return str(default) if default else ""
