"""`--print-config`: the settings as a configuration file, with the origin of each."""

from collections.abc import Iterator, Sequence
from typing import Any

from enricher.config import file as config_file
from enricher.config.options import LOG_FORMAT, LOG_FORMAT_FILE, PROFILE, SELECT, Option, default_text
from enricher.config.resolve import Resolved
from enricher.config.settings import USUAL_SELECTORS, describe_selection


def dump_config(options: Sequence[Option], resolved: Resolved) -> Iterator[str]:
    """Yield the lines of a configuration file with the same settings, each with its origin as a comment."""
    return config_file.write((option.key, *_value_and_origin(option, resolved)) for option in options)


def _value_and_origin(option: Option, resolved: Resolved) -> tuple[Any, str]:
    """Return an option's value as a file holds it, or None if there is none, and where it was set."""
    if option_value := resolved.values.get(option):
        values = [_file_value(option, text) for text in option_value.texts]
        return values if option.repeatable else values[0], option_value.origin
    if option.setting == LOG_FORMAT.setting:
        return None, "default"
    value, profile = option.value_in(resolved.settings), resolved.settings.logs.profile
    if option is SELECT and value == USUAL_SELECTORS:
        return None, f"default: {describe_selection(value)}"
    if option is SELECT:
        return [selector.text for selector in value], f"default of the profile {profile}" if profile else "default"
    origin = "default"
    if option is PROFILE and LOG_FORMAT_FILE in resolved.values:
        origin = f"from {resolved.values[LOG_FORMAT_FILE].name}"
    text = default_text(value) or ("false" if option.value_type == "switch" else "")
    return _file_value(option, text) if text else None, origin


def _file_value(option: Option, text: str) -> str | float | bool:
    if option.value_type == "switch":
        return text == "true"
    if option.value_type == "number":
        number = float(text)
        return int(number) if number.is_integer() else number
    return text
