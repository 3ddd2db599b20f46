"""Every option once: its name, its type, its default and what it is for.

An option can be given as a flag (`--log-dir`), as a variable (`ENRICHER_LOG_DIR`) or as a key in a configuration file
(`log-dir`); the first of these wins. A variable for an option that can be repeated holds its values separated by white
space. A wrong value is refused with what was given, what is allowed, and where it was set.
"""

import argparse
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from enricher import config_file
from enricher.accesslog.choosing import Choosing
from enricher.accesslog.compiling import LogFormatError
from enricher.accesslog.profiles import DEFAULT_PROFILE, PROFILES, Formats
from enricher.errors import ConfigurationError, EnricherError, UsageError
from enricher.metrics import MAX_SERIES
from enricher.tailing.discovering import Selector

CONTROLLERS = ("ingress-nginx", "nginx-ingress")
"""Profiles of controllers whose ConfigMap holds the log format."""
Start = Literal["beginning", "end"]
Output = Literal["json", "none"]


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
    max_series: int = MAX_SERIES
    node: str = ""
    own_pod: tuple[str, str] | None = None
    """Namespace and name of the pod that this is, from POD_NAMESPACE and POD_NAME: its own log is never read."""

    def choosing(self) -> Choosing:
        """What lines may look like, by source."""
        return Choosing(self.log_format, self.profile)


class Option(NamedTuple):
    """One option: `parse` turns its text into the value of the field `field`, or raises UsageError."""

    flag: str
    field: str
    metavar: str
    help: str
    parse: Callable[[str], Any] = str
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


def parse_start(text: str) -> Start:
    if text not in {"beginning", "end"}:
        raise UsageError("beginning or end is expected")
    return cast(Start, text)


def parse_output(text: str) -> Output:
    if text not in {"json", "none"}:
        raise UsageError("json or none is expected")
    return cast(Output, text)


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


def _compiled(text: str, profile: str) -> Formats:
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
    parse_start,
    choices=("beginning", "end"),
)
OUTPUT = Option(
    "--output",
    "output",
    "json|none",
    "what to write to stdout; none: count only",
    parse_output,
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
NODE = Option("--node", "node", "NAME", "the name of this node, for the output (NODE_NAME is read too)")
CONFIG = Option("--config", "", "FILE", "a file of options, YAML or TOML, each under its flag's name without dashes")
"""Of every command, and of no use in the file itself."""

RUN = (
    *(LOG_DIR, PROFILE, SELECT, LOG_FORMAT, LOG_FORMAT_FILE, CONTROLLER_CONFIGMAP, FROM, OUTPUT, STATE_DIR, LISTEN),
    *(NAMESPACE, KUBECONFIG, CONTEXT, SERVICES, ENDPOINTS, POD_VARIABLE, HISTORY, SERIES, NODE),
)
OF_A_CLUSTER = (NAMESPACE, KUBECONFIG, CONTEXT, SERVICES)
ENRICH = (PROFILE, LOG_FORMAT, LOG_FORMAT_FILE, *OF_A_CLUSTER, ENDPOINTS, POD_VARIABLE, NODE)
RECORD = OF_A_CLUSTER


class Given(NamedTuple):
    """An option's texts, and who gave them: a flag, a variable or, with the texts' lines, a configuration file."""

    option: Option
    texts: Sequence[str]
    variable: str = ""
    file: str = ""
    lines: Sequence[int] = ()

    @property
    def origin(self) -> str:
        if self.file:
            return f"{self.file}:{self.lines[0]}"
        return f"variable {self.variable}" if self.variable else "flag"

    @property
    def name(self) -> str:
        if self.file:
            return f"{self.option.key} (in {self.file}, line {self.lines[0]})"
        return self.variable or self.option.flag

    def where(self, number: int) -> str:
        """Of one of its texts."""
        if self.file:
            return f"for {self.option.key} in {self.file}, line {self.lines[number]}"
        return f"in the variable {self.variable}" if self.variable else f"with {self.option.flag}"


class Settled(NamedTuple):
    """The settings, and for each option that was given by whom, as far as it counts."""

    settings: Settings
    given: Mapping[Option, Given]


def add_options(parser: argparse.ArgumentParser, options: Sequence[Option]) -> None:
    """Adds flags whose texts are read later, by `settle`, together with the variables and the configuration file."""
    defaults = Settings()
    for option in (CONFIG, *options):
        default = "" if option in {CONFIG, LOG_FORMAT_FILE} else _shown(getattr(defaults, option.field))
        text = option.help + (f" (default: {default})" if default else "") + f" [{option.variable}]"
        if option.parse is parse_switch:
            parser.add_argument(option.flag, dest=option.flag, action="store_const", const="true", help=text)
        else:
            action = "append" if option.repeatable else "store"
            parser.add_argument(option.flag, dest=option.flag, metavar=option.metavar, action=action, help=text)


def settle(options: Sequence[Option], flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings from flags, then variables, then a configuration file, then defaults. Raises UsageError or
    ConfigurationError.
    """
    return settle_all(options, flags, environ).settings


def settle_all(options: Sequence[Option], flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settled:
    """As `settle`, and where each of the settings came from."""
    given: dict[Option, Given] = {}
    for layer in (
        _of_flags(options, flags),
        _of_variables(options, environ),
        _of_file(options, flags, environ),
        _of_the_pod(options, environ),
    ):
        _refuse_both(layer)
        taken = {option.field for option in given}
        given.update((one.option, one) for one in layer if one.option.field not in taken)
    values: dict[str, Any] = {}
    if environ.get("POD_NAME"):
        values["own_pod"] = environ.get("POD_NAMESPACE", ""), environ["POD_NAME"]
    # In the table's order: a format is read as the profile's.
    for option in filter(given.__contains__, options):
        values[option.field] = _parse(given[option], values)
    if "select" not in values and values.get("profile"):
        values["select"] = selectors(values["profile"])
    settings = Settings(**values)
    _refuse_contradictions(settings, given)
    return Settled(settings, given)


def _of_flags(options: Sequence[Option], flags: Mapping[str, Any]) -> list[Given]:
    found = ((option, flags.get(option.flag)) for option in options)
    return [Given(option, texts if option.repeatable else [texts]) for option, texts in found if texts is not None]


def _of_variables(options: Sequence[Option], environ: Mapping[str, str]) -> list[Given]:
    found = ((option, option.variable, environ.get(option.variable, "")) for option in options)
    return [
        Given(option, texts, variable=name)
        for option, name, text in found
        if (texts := text.split() if option.repeatable else list(filter(None, [text])))
    ]


def _of_the_pod(options: Sequence[Option], environ: Mapping[str, str]) -> list[Given]:
    """What takes a default's place."""
    node = environ.get("NODE_NAME")
    return [Given(NODE, [node], variable="NODE_NAME")] if node and NODE in options else []


def _of_file(options: Sequence[Option], flags: Mapping[str, Any], environ: Mapping[str, str]) -> list[Given]:
    """As with variables, options of other commands may be in it."""
    path = flags.get(CONFIG.flag)
    where = f"with {CONFIG.flag}" if path is not None else f"in the variable {CONFIG.variable}"
    if path is None and not (path := environ.get(CONFIG.variable)):
        return []
    try:
        entries = config_file.read(path)
    except ConfigurationError as error:
        raise ConfigurationError(f"{error} (given {where})") from error
    known = {option.key: option for option in _known()}
    given = []
    for entry in entries:
        if (option := known.get(entry.key)) is None:
            raise ConfigurationError(_unknown_key(path, entry, known))
        values = _typed(option, path, entry.value)
        lines = [value.line for value in values]
        given.append(Given(option, [value.text for value in values], file=path, lines=lines))
    return [one for one in given if one.option in options]


_ALLOWED = {
    "text": "text is expected, in quotes where it looks like anything else",
    "number": "a number is expected",
    "switch": "true or false is expected",
}


def _typed(option: Option, path: str, value: config_file.Value) -> Sequence[config_file.Value]:
    if option.repeatable and value.kind != "list":
        raise ConfigurationError(
            f"{_was_given(value)} for {option.key} in {path}, line {value.line}: a list is expected, as in "
            f"[{option.metavar}]"
        )
    values = value.items if option.repeatable else (value,)
    if not values:
        raise ConfigurationError(
            f"an empty list was given for {option.key} in {path}, line {value.line}: one value or more is expected"
        )
    for one in values:
        if one.kind != option.kind:
            raise ConfigurationError(
                f"{_was_given(one)} for {option.key} in {path}, line {one.line}: {_ALLOWED[option.kind]}"
            )
    return values


def _was_given(value: config_file.Value) -> str:
    if value.kind == "nothing":
        return "nothing was given"
    return f"{value.text!r}, a {value.kind}, was given" if value.text else f"a {value.kind} was given"


def _unknown_key(path: str, entry: config_file.Entry, known: Mapping[str, Option]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  # nothing else needs it

    near = get_close_matches(entry.key.lower().replace("_", "-").removeprefix("--"), known, 1)
    meant = f"did you mean {near[0]}?" if near else f"{', '.join(known)} are known"
    return f"{entry.key!r} is no option (in {path}, line {entry.line}): {meant}"


def _known() -> Sequence[Option]:
    """Of all commands."""
    return tuple(dict.fromkeys((*RUN, *ENRICH, *RECORD)))


def doubts(settings: Settings) -> list[str]:
    """What is allowed, and hardly meant."""
    found = [f"the variable {name} belongs to no option" for name in unknown_variables()]
    if settings.log_format and not any("upstream_addr" in one.names for one in settings.log_format):
        found.append("the log format does not name the upstream ($upstream_addr): no line can be attributed")
    return found


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """ENRICHER_* variables that no option has: misspelt, most likely."""
    known = {option.variable for option in (CONFIG, *_known())}
    # What Kubernetes sets where there is a Service of that name.
    of_a_service = re.compile(r"ENRICHER_(?:SERVICE_HOST|(?:SERVICE_)?PORT.*)")
    return sorted(
        name
        for name in environ
        if name.startswith("ENRICHER_") and name not in known and not of_a_service.fullmatch(name)
    )


def _parse(given: Given, settled: Mapping[str, Any]) -> Any:
    """`settled`: the options before this one."""
    option, values = given.option, []
    for number, text in enumerate(given.texts):
        try:
            value = option.parse(text)
            if option.field == "log_format":
                value = _compiled(value, settled.get("profile") or DEFAULT_PROFILE)
            values.append(value)
        except UsageError as error:
            raise _error(f"{text!r} was given {given.where(number)}: {error}", given) from error
        except ConfigurationError as error:
            raise ConfigurationError(f"{error} (given {given.where(number)})") from error
    return tuple(values) if option.repeatable else values[0]


def _error(text: str, *given: Given) -> EnricherError:
    """What is wrong in a file is no wrong usage."""
    return ConfigurationError(text) if any(one.file for one in given) else UsageError(text)


def _refuse_contradictions(settings: Settings, given: Mapping[Option, Given]) -> None:
    """Refuses two of them that exclude each other."""
    for option in (*OF_A_CLUSTER, CONTROLLER_CONFIGMAP) if settings.endpoints else ():
        if getattr(settings, option.field):
            one, other = given[option], given[ENDPOINTS]
            raise _error(f"{one.name} was given beside {other.name}, which stands in a cluster's place", one, other)
    if not settings.controller_configmap:
        return
    one = given[CONTROLLER_CONFIGMAP]
    for option in (LOG_FORMAT, LOG_FORMAT_FILE):
        if option in given:
            name = given[option].name
            raise _error(f"{name} and {one.name} were both given: one of them is expected", one, given[option])
    if settings.profile not in {None, *CONTROLLERS}:
        raise _error(f"{one.name} was given beside the profile {settings.profile}, which has none", one)


def _refuse_both(layer: Sequence[Given]) -> None:
    both = [one for one in layer if one.option.field == "log_format"]
    if len(both) == 2:
        raise _error(f"{both[0].name} and {both[1].name} were both given: one of them is expected", *both)


def shown(options: Sequence[Option], settled: Settled) -> Iterator[str]:
    """The lines of a configuration file that says the same, and in comments where each value came from."""
    return config_file.write((option.key, *_value_and_origin(option, settled)) for option in options)


def _value_and_origin(option: Option, settled: Settled) -> tuple[Any, str]:
    """The value as a file holds it; None where there is none."""
    if given := settled.given.get(option):
        values = [_as_in_a_file(option, text) for text in given.texts]
        return values if option.repeatable else values[0], given.origin
    if option.field == "log_format":
        return None, "default"
    value, profile = getattr(settled.settings, option.field), settled.settings.profile
    if option is SELECT:
        return [selector.text for selector in value], f"default of the profile {profile}" if profile else "default"
    texts = _shown(value)
    return _as_in_a_file(option, texts or "false") if texts or option.kind == "switch" else None, "default"


def _as_in_a_file(option: Option, text: str) -> str | float | bool:
    if option.kind == "switch":
        return text == "true"
    if option.kind == "number":
        number = float(text)
        return int(number) if number.is_integer() else number
    return text


def _shown(default: object) -> str:
    if isinstance(default, Listen):
        return f"{default.host or ''}:{default.port}"
    if isinstance(default, tuple):
        return " ".join(selector.text for selector in default)
    if isinstance(default, float):
        return f"{default:g}"
    return str(default) if default else ""


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
