"""Log formats as users give them: a text, or a file that holds the text or the configuration that sets it."""

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import orjson

from enricher.accesslog.format_compiler import LogFormatError
from enricher.accesslog.profiles import DEFAULT_PROFILE, PROFILES, Formats
from enricher.accesslog.try_formats import fault_for_tries
from enricher.config.directive_formats import find_directives, is_nginx_conf
from enricher.config.document_formats import describe_documents, find_in_documents, used_providers
from enricher.config.kept_format import KeptFormat, is_nginx, join_lines, language_of
from enricher.documents import Document, is_json, read_json_or_yaml, to_utf8
from enricher.errors import ConfigurationError, UsageError
from enricher.text import printable

MAX_SIZE = 32 * 1024 * 1024
"""Largest number of bytes of a file: all ConfigMaps of a cluster are smaller, a log given by mistake is not."""
MAX_NAMED = 4
"""Largest number of formats that are named because they are not used."""

_ARGUMENTS = re.compile(r"\s*(?:escape=\w+\s+)?(?:'[^'\n]*'\s*)+;?\s*")
"""The arguments of a log_format directive that was copied without its name."""
_KEY = re.compile(r"(?im)^\s*[\"']?[\w-]*(?:log-?_?format|format-?_?log|accesslog|apiVersion)[\w-]*[\"']?:")
"""A key of YAML that shows that a text is configuration."""
_TABLE = re.compile(r"(?m)^\s*\[accessLog\]\s*(?:#.*)?$")
"""The beginning of a table of TOML."""
_OBJECT = re.compile(r"(?im)^\s*[\"']?([\w-]*log-?_?format[\w-]*)[\"']?:\s*\{")
"""A format that YAML reads as an object, since it begins with a brace."""
_DESCRIBED = re.compile(r"Name:  ")
_ADVICE = (
    "give the format itself, or the file of the proxy's configuration that sets it; a proxy that nothing sets a format "
    "for has its default, which needs no option"
)


class GivenFormat(NamedTuple):
    """A log format that the user gave."""

    formats: Formats
    profile: str | None
    """The profile of the proxy: the given one, or the one that the place of the format in a file shows."""
    note: str = ""
    """Which format of several was chosen, for a warning."""


def compile_log_format(text: str, profile: str | None) -> Formats:
    """Compile a log format in the language of a profile's proxy. Raise UsageError if it is invalid."""
    profile = profile or DEFAULT_PROFILE
    return _compile(_as_one_line(text) if is_nginx(profile) else text, profile)


def _compile(text: str, profile: str) -> Formats:
    try:
        return PROFILES[profile].compile(text)
    except LogFormatError as error:
        language = "an nginx log_format" if is_nginx(profile) else f"a log format of {profile}"
        other = language_of(text)
        is_other = other not in {"", language_family(profile)}
        hint = f": it looks like one of {other}: give --profile {other}" if is_other else ""
        raise UsageError(f"not {language}: {error}{hint}") from error


def language_family(profile: str) -> str:
    """Return the profile that stands for all whose formats are in the same language."""
    return "nginx" if is_nginx(profile) else profile


def read_log_format(path: str, profile: str | None) -> GivenFormat:
    """Return the log format that a file holds, in the language of the given profile or of the proxy it belongs to.

    Raise ConfigurationError if the file cannot be read, UsageError if it holds no format that can be used.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_SIZE + 1)
        if len(content) > MAX_SIZE:
            raise ConfigurationError(f"cannot read the log format from {path}: it is larger than {MAX_SIZE >> 20} MiB")
        content = to_utf8(content)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise ConfigurationError(f"cannot read the log format from {path}: {reason or error}") from error
    text = content.decode()
    documents = _documents(content, text)
    kept = find_in_documents(documents) or find_directives(text) or _format_strings(text, documents)
    if not kept:
        _refuse_configuration(text, documents)
        return GivenFormat(compile_log_format(text, profile), profile)
    return _choose(kept, profile)


def _documents(content: bytes, text: str) -> Sequence[Document]:
    """Return the objects of a file of YAML, JSON or TOML; none for any other file. Raise UsageError if malformed."""
    if _TABLE.search(text):  # Traefik's
        import tomllib  # noqa: PLC0415  # the start of each command would take longer

        with suppress(tomllib.TOMLDecodeError):
            return [Document(1, tomllib.loads(text))]
    try:
        documents = read_json_or_yaml(content)
    except ValueError as error:
        if "\n" in text.strip() and _KEY.search(text) and not find_directives(text):
            raise UsageError(f"it cannot be read as YAML: {printable(error)}") from error
        return ()
    return [document for document in documents if isinstance(document.value, dict)]


def _format_strings(text: str, documents: Sequence[Document]) -> Sequence[KeptFormat]:
    """Return the format that is an object of Envoy's format strings, alone in a file."""
    if len(documents) != 1 or not all(isinstance(value, str) for value in documents[0].value.values()):
        return ()
    text = text if is_json(text.encode()) else orjson.dumps(documents[0].value, option=orjson.OPT_NON_STR_KEYS).decode()
    return [KeptFormat("the object of format strings", text, "envoy")] if language_of(text) == "envoy" else ()


def _choose(kept: Sequence[KeptFormat], profile: str | None) -> GivenFormat:
    """Return the best of a file's formats. Raise UsageError if none is the profile's, or it cannot be compiled."""
    readable = [item for item in kept if not profile or language_family(item.profile) == language_family(profile)]
    if not readable:
        raise UsageError(
            f"the format that it sets ({printable(kept[0].place)}) is one of {kept[0].profile}, not of the profile "
            f"{profile}: give --profile {kept[0].profile}"
        )
    distinct = list({(item.text, item.profile): item for item in reversed(readable)}.values())[::-1]
    chosen = max(distinct, key=_worth)  # the first of those that are worth the same
    try:
        formats = _compile(chosen.text, profile or chosen.profile)
    except UsageError as error:
        raise UsageError(f"{printable(chosen.place)}: {error}") from error
    note = "; ".join(filter(None, (_note(chosen, distinct), _note_on_tries(readable))))
    return GivenFormat(formats, profile or _shown_profile(chosen), note)


def _worth(kept: KeptFormat) -> tuple[bool, bool, bool, bool]:
    """Return how good a format is to choose: for requests, in use, with the upstream's address, not only for tries."""
    try:
        formats = PROFILES[kept.profile].compile(kept.text)
    except LogFormatError:
        names_upstream = False
    else:
        names_upstream = any(not set(item.names).isdisjoint(item.dialect.facts.addr.variables) for item in formats)
    return kept.logs_requests, kept.is_used, names_upstream, not kept.logs_tries


def _shown_profile(kept: KeptFormat) -> str | None:
    """Return the profile of a format's proxy; None for nginx.conf, which any of nginx's profiles may have."""
    return None if kept.profile == "nginx" else kept.profile


def _note(chosen: KeptFormat, formats: Sequence[KeptFormat]) -> str:
    """Return which of several formats was chosen; empty if there is only one."""
    others = [printable(item.place) for item in formats if item is not chosen]
    if not others:
        return ""
    names = ", ".join(others[:MAX_NAMED]) + (f" and {len(others) - MAX_NAMED} more" if len(others) > MAX_NAMED else "")
    return (
        f"it sets {len(formats)} log formats: {printable(chosen.place)} is used, and {names} not: to use another, give "
        "that format alone"
    )


def _note_on_tries(formats: Sequence[KeptFormat]) -> str:
    """Return what the formats lack if one of them is that of tries; nothing if that is not so."""
    used = [kept for kept in formats if kept.is_used and kept.profile == "envoy"]
    for kept in used if any(kept.logs_tries for kept in used) else ():
        with suppress(LogFormatError):
            for log_format in PROFILES[kept.profile].compile(kept.text):
                if fault := fault_for_tries(log_format, logs_tries=kept.logs_tries):
                    return fault
    return ""


def _refuse_configuration(text: str, documents: Sequence[Document]) -> None:
    """Raise UsageError if a text without a format is configuration and not a bare format."""
    objects = describe_documents(documents)
    # A format may look like YAML that has one key in each line, or be JSON.
    values = [value for document in documents for value in document.value.values()]
    is_format = language_of(text) and (is_json(text.encode()) or all(isinstance(value, str) for value in values))
    if providers := used_providers(documents):
        raise UsageError(
            f"it names Istio's provider {printable(providers[0])} but does not hold its format: give the mesh's "
            "configuration (kubectl get configmap -n istio-system istio -o yaml)"
        )
    if documents and "$" in text and (unquoted := _OBJECT.search(text)):
        raise UsageError(f"{unquoted[1]} is an object: put the format in quotes, since it begins with a brace")
    if objects or (documents and not is_format):
        raise UsageError(f"there is no log format in {printable(objects) or 'it'}: {_ADVICE}")
    if is_nginx_conf(text):
        raise UsageError(
            "there is no log_format in it: give the file that holds the directive, or the output of nginx -T, which "
            "has all included files; without the directive the format is nginx's own, which needs no option"
        )
    if _DESCRIBED.match(text):
        raise UsageError("it is the output of kubectl describe: give that of kubectl get … -o yaml")


def _as_one_line(text: str) -> str:
    """Return nginx's format over several lines as one, with a space for each line break, unless it is a directive.

    F5's controller and YAML's folding join lines so. The indentation of a copied block is not part of the format; what
    some lines have beyond it is.
    """
    if find_directives(text):
        return text
    if _ARGUMENTS.fullmatch(text):
        return f"log_format copied {text.strip().removesuffix(';')};"
    first, *others = text.strip("\r\n").splitlines() or [""]
    margin = min((len(line) - len(line.lstrip()) for line in others if line.strip()), default=0)
    return join_lines("\n".join([first.lstrip() if others else first, *(line[margin:] for line in others)]))
