"""The settings from flags, variables, a configuration file and defaults, in this order, and where each came from."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from enricher.accesslog.profiles import DEFAULT_PROFILE
from enricher.config import file as config_file
from enricher.config.settings import (
    ALL,
    CONFIG,
    CONTROLLER_CONFIGMAP,
    CONTROLLERS,
    ENDPOINTS,
    LOG_FORMAT,
    LOG_FORMAT_FILE,
    NODE,
    OF_A_CLUSTER,
    SELECT,
    Option,
    Settings,
    compiled,
    default_text,
    selectors,
)
from enricher.errors import ConfigurationError, EnricherError, UsageError


class OptionValue(NamedTuple):
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


class Resolved(NamedTuple):
    """The settings, and for each option that was given by whom, as far as it counts."""

    settings: Settings
    given: Mapping[Option, OptionValue]


def resolve_settings(
    options: Sequence[Option], flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ
) -> Settings:
    """The settings from flags, then variables, then a configuration file, then defaults. Raises UsageError or
    ConfigurationError.
    """
    return resolve(options, flags, environ).settings


def resolve(options: Sequence[Option], flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Resolved:
    """As `resolve_settings`, and where each of the settings came from."""
    given: dict[Option, OptionValue] = {}
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
    return Resolved(settings, given)


def _of_flags(options: Sequence[Option], flags: Mapping[str, Any]) -> list[OptionValue]:
    found = ((option, flags.get(option.flag)) for option in options)
    return [
        OptionValue(option, texts if option.repeatable else [texts]) for option, texts in found if texts is not None
    ]


def _of_variables(options: Sequence[Option], environ: Mapping[str, str]) -> list[OptionValue]:
    found = ((option, option.variable, environ.get(option.variable, "")) for option in options)
    return [
        OptionValue(option, texts, variable=name)
        for option, name, text in found
        if (texts := text.split() if option.repeatable else list(filter(None, [text])))
    ]


def _of_the_pod(options: Sequence[Option], environ: Mapping[str, str]) -> list[OptionValue]:
    """What takes a default's place."""
    node = environ.get("NODE_NAME")
    return [OptionValue(NODE, [node], variable="NODE_NAME")] if node and NODE in options else []


def _of_file(options: Sequence[Option], flags: Mapping[str, Any], environ: Mapping[str, str]) -> list[OptionValue]:
    """As with variables, options of other commands may be in it."""
    path = flags.get(CONFIG.flag)
    where = f"with {CONFIG.flag}" if path is not None else f"in the variable {CONFIG.variable}"
    if path is None and not (path := environ.get(CONFIG.variable)):
        return []
    if not path:
        raise UsageError(f"{path!r} was given {where}: the name of a file is expected")
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
        given.append(OptionValue(option, [value.text for value in values], file=path, lines=lines))
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
        # YAML takes `on` and `off` for a switch.
        if one.kind != option.kind and not (one.kind == "switch" and one.text in option.choices):
            allowed = f"{' or '.join(option.choices)} is expected" if option.choices else _ALLOWED[option.kind]
            raise ConfigurationError(f"{_was_given(one)} for {option.key} in {path}, line {one.line}: {allowed}")
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
    return ALL


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


def _parse(given: OptionValue, settled: Mapping[str, Any]) -> Any:
    """`settled`: the options before this one."""
    option, values = given.option, []
    for number, text in enumerate(given.texts):
        try:
            value = option.parse(text)
            if option.field == "log_format":
                value = compiled(value, settled.get("profile") or DEFAULT_PROFILE)
            values.append(value)
        except UsageError as error:
            raise _error(f"{text!r} was given {given.where(number)}: {error}", given) from error
        except ConfigurationError as error:
            raise ConfigurationError(f"{error} (given {given.where(number)})") from error
    return tuple(values) if option.repeatable else values[0]


def _error(text: str, *given: OptionValue) -> EnricherError:
    """What is wrong in a file is no wrong usage."""
    return ConfigurationError(text) if any(one.file for one in given) else UsageError(text)


def _refuse_contradictions(settings: Settings, given: Mapping[Option, OptionValue]) -> None:
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


def _refuse_both(layer: Sequence[OptionValue]) -> None:
    both = [one for one in layer if one.option.field == "log_format"]
    if len(both) == 2:
        raise _error(f"{both[0].name} and {both[1].name} were both given: one of them is expected", *both)


def shown(options: Sequence[Option], settled: Resolved) -> Iterator[str]:
    """The lines of a configuration file that says the same, and in comments where each value came from."""
    return config_file.write((option.key, *_value_and_origin(option, settled)) for option in options)


def _value_and_origin(option: Option, settled: Resolved) -> tuple[Any, str]:
    """The value as a file holds it; None where there is none."""
    if given := settled.given.get(option):
        values = [_as_in_a_file(option, text) for text in given.texts]
        return values if option.repeatable else values[0], given.origin
    if option.field == "log_format":
        return None, "default"
    value, profile = getattr(settled.settings, option.field), settled.settings.profile
    if option is SELECT:
        return [selector.text for selector in value], f"default of the profile {profile}" if profile else "default"
    texts = default_text(value)
    return _as_in_a_file(option, texts or "false") if texts or option.kind == "switch" else None, "default"


def _as_in_a_file(option: Option, text: str) -> str | float | bool:
    if option.kind == "switch":
        return text == "true"
    if option.kind == "number":
        number = float(text)
        return int(number) if number.is_integer() else number
    return text
