"""Settings from flags, variables, a configuration file and defaults, in this order, and the origin of each."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from enricher.accesslog.limits import common_limits
from enricher.accesslog.profiles import DEFAULT_PROFILE
from enricher.config import file as config_file
from enricher.config.format_files import compile_log_format, read_log_format
from enricher.config.options import (
    ALL_OPTIONS,
    CLUSTER,
    CONFIG,
    CONTROLLER_CONFIGMAP,
    CONTROLLERS,
    ENDPOINTS,
    LISTEN,
    LOG_FORMAT,
    LOG_FORMAT_FILE,
    NAMESPACE,
    NODE,
    PODS,
    PROFILE,
    SELECT,
    Option,
)
from enricher.config.settings import Settings, default_selectors
from enricher.errors import ConfigurationError, EnricherError, UsageError

_OF_CLUSTERS = (*CLUSTER, PODS, CONTROLLER_CONFIGMAP)
"""The options that need a cluster, which files can replace."""


class OptionValue(NamedTuple):
    """The texts given for an option by a flag, a variable or, with the texts' line numbers, a configuration file."""

    option: Option
    texts: Sequence[str]
    variable: str = ""
    file: str = ""
    lines: Sequence[int] = ()

    @property
    def origin(self) -> str:
        """Return where the option was set, for `--print-config`."""
        if self.file:
            return f"{self.file}:{self.lines[0]}"
        return f"variable {self.variable}" if self.variable else "flag"

    @property
    def name(self) -> str:
        """Return the option as the user wrote it, for messages."""
        if self.file:
            return f"{self.option.key} ({self.file}:{self.lines[0]})"
        return self.variable or self.option.flag

    @property
    def layer(self) -> int:
        """Return the number of the layer that the option was set in; a lower number wins."""
        return 2 if self.file else 1 if self.variable else 0

    def place_of(self, index: int) -> str:
        """Return the beginning of a message about one of the texts."""
        if self.file:
            return f"{self.file}:{self.lines[index]}: {self.option.key}"
        return self.variable or self.option.flag


class Resolved(NamedTuple):
    """The settings, and the values that they come from; options that were not given are missing."""

    settings: Settings
    values: Mapping[Option, OptionValue]


def resolve_settings(
    options: Sequence[Option], flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ
) -> Settings:
    """Return the settings alone; see `resolve`."""
    return resolve(options, flags, environ).settings


def resolve(options: Sequence[Option], flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Resolved:
    """Resolve the settings from flags, then variables, then a configuration file, then defaults.

    Only the values that take effect are validated. Raise UsageError for a flag or variable, ConfigurationError for a
    value of the file.
    """
    values: dict[Option, OptionValue] = {}
    for layer in (
        _from_flags(options, flags),
        _from_variables(options, environ),
        _from_file(options, flags, environ),
        _from_pod(options, environ),
    ):
        _refuse_two_formats(layer)
        set_before = {option.setting for option in values}
        values.update((value.option, value) for value in layer if value.option.setting not in set_before)
    _drop_outdone_by_files(values)
    parsed: dict[str, Any] = {}
    if environ.get("POD_NAME"):
        parsed["logs.own_pod"] = environ.get("POD_NAMESPACE", ""), environ["POD_NAME"]
    # In the order of the table: a log format is compiled for the profile, which comes before it.
    for option in filter(values.__contains__, options):
        if option is LOG_FORMAT_FILE:
            parsed.update(_read_format_file(values[option], parsed.get(PROFILE.setting)))
        else:
            parsed[option.setting] = _parse(values[option], parsed.get(PROFILE.setting))
    # A format or a controller's ConfigMap is one proxy's.
    is_of_one = any(option.setting in parsed for option in (PROFILE, LOG_FORMAT, CONTROLLER_CONFIGMAP))
    if SELECT.setting not in parsed and is_of_one:
        parsed[SELECT.setting] = default_selectors(parsed.get(PROFILE.setting) or DEFAULT_PROFILE)
    settings = _group_settings(parsed)
    _refuse_contradictions(settings, values, options)
    return Resolved(settings, values)


def _group_settings(parsed: Mapping[str, Any]) -> Settings:
    settings = Settings()
    for path, value in parsed.items():
        group, _, name = path.rpartition(".")
        if group:
            settings = replace(settings, **{group: replace(getattr(settings, group), **{name: value})})
        else:
            settings = replace(settings, **{name: value})
    return settings


# --- the layers -------------------------------------------------------------------------------------------------------


def _from_flags(options: Sequence[Option], flags: Mapping[str, Any]) -> list[OptionValue]:
    return [
        OptionValue(option, texts if option.repeatable else [texts])
        for option in options
        if (texts := flags.get(option.flag)) is not None
    ]


def _from_variables(options: Sequence[Option], environ: Mapping[str, str]) -> list[OptionValue]:
    """Return the values of variables; an empty variable counts as one that is not set."""
    layer = []
    for option in options:
        text = environ.get(option.variable, "")
        if texts := text.split() if option.repeatable else [text] if text else []:
            layer.append(OptionValue(option, texts, variable=option.variable))
    return layer


def _from_pod(options: Sequence[Option], environ: Mapping[str, str]) -> list[OptionValue]:
    """Return the values that the pod's environment gives in place of defaults."""
    node = environ.get("NODE_NAME")
    return [OptionValue(NODE, [node], variable="NODE_NAME")] if node and NODE in options else []


def _from_file(options: Sequence[Option], flags: Mapping[str, Any], environ: Mapping[str, str]) -> list[OptionValue]:
    """Return the values of the configuration file, which may also hold options of other commands."""
    path, place = flags.get(CONFIG.flag), f"given with {CONFIG.flag}"
    if path is None:
        path, place = environ.get(CONFIG.variable) or None, f"given with {CONFIG.variable}"
    if path is None and LISTEN not in options:  # neither the daemon nor a check of it
        path, place = _users_file(environ), "your own configuration file"
    if path is None:
        return []
    if not path:
        raise UsageError(f"{CONFIG.flag} '': expected the name of a file")
    try:
        entries = config_file.read(path)
    except ConfigurationError as error:
        raise ConfigurationError(f"{error} ({place})") from error
    by_key = {option.key: option for option in ALL_OPTIONS}
    layer = []
    for entry in entries:
        if (option := by_key.get(entry.key)) is None:
            raise ConfigurationError(_unknown_key(path, entry, by_key))
        texts = _check_types(option, path, entry.value)
        lines = [value.line for value in texts]
        layer.append(OptionValue(option, [value.text for value in texts], file=path, lines=lines))
    return [value for value in layer if value.option in options]


def _users_file(environ: Mapping[str, str]) -> str | None:
    """Return the path of the user's own configuration file, where the XDG specification has it; None without one."""
    directory = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(directory):  # the specification says to ignore it then
        directory = os.path.join(environ.get("HOME", ""), ".config")
    path = os.path.join(directory, "enricher", "config.yaml")
    # A link that leads nowhere is a mistake, not a missing file: reading it reports that.
    return path if os.path.isabs(path) and (os.path.isfile(path) or os.path.islink(path)) else None


_EXPECTED = {
    "text": "expected text, in quotes where it looks like anything else",
    "number": "expected a number",
    "switch": "expected true or false",
}


def _check_types(option: Option, path: str, value: config_file.Value) -> Sequence[config_file.Value]:
    """Return the values of an entry, one or more if the option is repeatable. Raise ConfigurationError."""
    place = f"{path}:{value.line}: {option.key}"
    if option.repeatable and value.type != "list":
        raise ConfigurationError(f"{place} {_describe(value)}: expected a list, as in [{option.metavar}]")
    values = value.items if option.repeatable else (value,)
    if not values:
        raise ConfigurationError(f"{place} is an empty list: expected one value or more")
    for item in values:
        # YAML reads `on` and `off` as a switch.
        if item.type != option.value_type and not (item.type == "switch" and item.text in option.choices):
            expected = f"expected {' or '.join(option.choices)}" if option.choices else _EXPECTED[option.value_type]
            raise ConfigurationError(f"{path}:{item.line}: {option.key} {_describe(item)}: {expected}")
    return values


def _describe(value: config_file.Value) -> str:
    if value.type == "nothing":
        return "has no value"
    value_type = value.type if value.type == "text" else f"a {value.type}"
    return f"{value.text!r} is {value_type}" if value.text else f"is {value_type}"


def _unknown_key(path: str, entry: config_file.Entry, by_key: Mapping[str, Option]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  # needed for this message only

    near = get_close_matches(entry.key.lower().replace("_", "-").removeprefix("--"), by_key, 1)
    hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(by_key)}"
    return f"{path}:{entry.line}: {entry.key!r} is not an option: {hint}"


# --- values and what they exclude -------------------------------------------------------------------------------------


def _parse(value: OptionValue, profile: str | None) -> Any:
    """Parse an option's texts; a log format is compiled in the language of `profile`."""
    option, parsed = value.option, []
    for index, text in enumerate(value.texts):
        with _naming(value, index):
            parsed.append(compile_log_format(text, profile) if option is LOG_FORMAT else option.parse(text))
    return tuple(parsed) if option.repeatable else parsed[0]


def _read_format_file(value: OptionValue, profile: str | None) -> dict[str, Any]:
    """Return the settings that a file with a log format gives: the format, and the proxy that its place shows."""
    with _naming(value, 0):
        given = read_log_format(value.option.parse(value.texts[0]), profile)
    settings: dict[str, Any] = {LOG_FORMAT.setting: given.formats}
    if given.note:
        settings["logs.format_note"] = f"{value.place_of(0)} {value.texts[0]!r}: {given.note}"
    if given.profile:
        settings[PROFILE.setting] = given.profile
    return settings


@contextmanager
def _naming(value: OptionValue, index: int) -> Iterator[None]:
    """Add to an error the place and the text of a value."""
    try:
        yield
    except UsageError as error:
        raise _error(f"{value.place_of(index)} {value.texts[index]!r}: {error}", value) from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{value.place_of(index)}: {error}") from error


def _error(message: str, *values: OptionValue) -> EnricherError:
    """Return a ConfigurationError if one of the values comes from a file, else a UsageError: the exit codes differ."""
    return ConfigurationError(message) if any(value.file for value in values) else UsageError(message)


def _refuse_two_formats(layer: Sequence[OptionValue]) -> None:
    formats = [value for value in layer if value.option.setting == LOG_FORMAT.setting]
    if len(formats) == 2:
        raise _error(f"{formats[0].name} and {formats[1].name} cannot be combined: give one of them", *formats)


def _drop_outdone_by_files(values: dict[Option, OptionValue]) -> None:
    """Drop the options of a cluster that come from a lower layer than the files that replace the cluster.

    In a daemon's container, variables hold the daemon's options, and `explain` is to read its saved history there.
    """
    if files := values.get(ENDPOINTS):
        for option in _OF_CLUSTERS:
            if option in values and values[option].layer > files.layer:
                del values[option]


def _refuse_contradictions(settings: Settings, values: Mapping[Option, OptionValue], options: Sequence[Option]) -> None:
    # To the commands that show some of the requests, a namespace also says which.
    shows_some = SELECT in options and LISTEN not in options
    for option in _OF_CLUSTERS if settings.cluster.endpoints else ():
        if option.value_in(settings) and not (option is NAMESPACE and shows_some):
            value, files = values[option], values[ENDPOINTS]
            message = f"{value.name} cannot be combined with {files.name}, which replaces the cluster"
            raise _error(message, value, files)
    if not settings.logs.controller_configmap:
        return
    configmap = values[CONTROLLER_CONFIGMAP]
    for option in (LOG_FORMAT, LOG_FORMAT_FILE):
        if option in values:
            message = f"{values[option].name} and {configmap.name} cannot be combined: give one of them"
            raise _error(message, configmap, values[option])
    if settings.logs.profile not in {None, *CONTROLLERS}:
        raise _error(
            f"{configmap.name} cannot be combined with the profile {settings.logs.profile}: "
            f"only the controllers of {' and '.join(CONTROLLERS)} have their log format in a ConfigMap",
            configmap,
        )


# --- warnings ---------------------------------------------------------------------------------------------------------


def configuration_warnings(settings: Settings) -> list[str]:
    """Return warnings about what is allowed but probably a mistake."""
    warnings = [f"the variable {name} does not belong to any option: it is ignored" for name in unknown_variables()]
    warnings += filter(None, [settings.logs.format_note])
    return warnings + list(common_limits(settings.logs.formats or ()))


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the ENRICHER_* variables that belong to no option and are probably misspelt."""
    options = {option.variable for option in (CONFIG, *ALL_OPTIONS)}
    # Kubernetes sets these if there is a Service named enricher.
    service_variable = re.compile(r"ENRICHER_(?:SERVICE_HOST|(?:SERVICE_)?PORT.*)")
    return sorted(
        name
        for name in environ
        if name.startswith("ENRICHER_") and name not in options and not service_variable.fullmatch(name)
    )
