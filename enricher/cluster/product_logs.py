"""What is known of a product's access log from the objects that set it: whether it is written, and its format. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from enricher.accesslog.format_compiler import LogFormatError
from enricher.accesslog.json_format import JsonFormat
from enricher.accesslog.limits import limits_of
from enricher.accesslog.missing_details import missing_details
from enricher.accesslog.profiles import PROFILES, Formats
from enricher.accesslog.try_formats import NO_TYPE, fault_for_tries
from enricher.cluster.controller_config import config_data, formats_from_config, missing_lines
from enricher.cluster.products import Product
from enricher.cluster.survey import LOG_OBJECTS, TRAFFIC_POLICIES, ProxyWorkload, Survey
from enricher.config.document_formats import find_in_documents, is_log_of_tries
from enricher.config.format_keys import Place, traefik_format
from enricher.config.kept_format import KeptFormat
from enricher.config.traefik_log import TraefikLog, traefik_log
from enricher.documents import Document
from enricher.kube.objects import as_mapping, as_mappings, as_text

MAX_FORMATS = 5
"""Largest number of formats of a product that are judged."""
_CONTOUR_LEVEL = re.compile(r"(?m)^\s*accesslog-level:\s*[\"']?(\w+)")
_ISTIO_FILE = re.compile(r"(?m)^\s*accessLogFile:\s*[\"']?(/\S+?)[\"']?\s*$")


class LogState(NamedTuple):
    """What a product's log is like in one place."""

    place: str
    """The object or the arguments that set it; for a default, words that say so."""
    faults: Sequence[str] = ()
    """Why lines are missing, or which facts they lack, each with the change that mends it."""
    details: Sequence[str] = ()
    """What else lines lack."""
    is_known: bool = True
    """Whether what sets the log could be read."""


def log_states(product: Product, survey: Survey) -> Iterator[LogState]:
    """Yield what is known of a product's log in each place that sets it; its default's if nothing does."""
    if product.name == "Traefik":
        yield from _traefik_states(product, survey)
    elif product.profile in {"ingress-nginx", "nginx-ingress"}:
        yield from _controller_states(product, survey)
    else:
        yield from _states_of_objects(product, survey)


def _default_state(product: Product, *, is_known: bool, without: Collection[str] = ()) -> LogState:
    place = "its default log" if is_known else "what sets its log could not be read; its default log"
    if product.is_off:
        return LogState(place, ["it writes no access log unless that is switched on"], is_known=is_known)
    formats = PROFILES[product.profile].compile(product.default_format)
    return _state(place, formats, without)._replace(is_known=is_known)


def _state(place: str, formats: Formats, without: Collection[str] = ()) -> LogState:
    """Return the state of a log with these formats, whose lines have no values for the variables in `without`."""
    limits = [limits_of(log_format, set(log_format.names).difference(without)) for log_format in formats]
    return LogState(place, list(dict.fromkeys(chain(*limits))), missing_details(formats))


def _compiled_state(
    product: Product, kept: KeptFormat, without: Collection[str], *, tries_are_logged: bool
) -> LogState:
    try:
        formats = PROFILES[product.profile].compile(kept.text)
    except LogFormatError as error:
        return LogState(kept.place, [f"the format cannot be read: {error}"])
    state = _state(kept.place, formats, without)
    if not tries_are_logged:
        return state
    faults = (fault_for_tries(log_format, logs_tries=kept.logs_tries) for log_format in formats)
    return state._replace(faults=[*filter(None, faults), *state.faults])


# --- objects of Envoy's products and others ---------------------------------------------------------------------------


def _states_of_objects(product: Product, survey: Survey) -> Iterator[LogState]:
    objects, without = survey.log_objects.get(product.name), _variables_without_values(product, survey)
    if objects is None:
        yield _default_state(product, is_known=product.name not in LOG_OBJECTS, without=without)
        return
    kept = [
        each
        for each in find_in_documents(Document(1, obj) for obj in objects)
        if each.profile == product.profile and each.logs_requests
    ]
    switched_off = [LogState(_name_of(obj), [fault]) for obj in objects if (fault := _fault_of(obj))]
    yield from switched_off
    used = [each for each in kept if each.is_used]
    yield from (LogState(_name_of(obj), [NO_TYPE]) for obj in objects if _logs_tries_by_default(obj))
    tries_are_logged = any(each.logs_tries for each in used)
    for each in used[:MAX_FORMATS]:
        yield _compiled_state(product, each, without, tries_are_logged=tries_are_logged)
    if kept and not used and not switched_off:
        yield LogState(
            kept[0].place, ["the access log does not go to the container's log: add a sink of the type File"]
        )
    if not kept and not switched_off:
        is_on = not product.is_off or any(map(_switches_on, objects))
        yield _default_state(product._replace(is_off=not is_on), is_known=True, without=without)


def _name_of(obj: Mapping[str, Any]) -> str:
    metadata = as_mapping(obj.get("metadata"))
    name = "/".join(filter(None, (as_text(metadata.get("namespace")), as_text(metadata.get("name")))))
    return f"{as_text(obj.get('kind'))} {name}"


def _fault_of(obj: Mapping[str, Any]) -> str:
    """Return why an object keeps requests out of the container's log; empty if it does not."""
    spec = as_mapping(obj.get("spec"))
    if as_mapping(as_mapping(spec.get("telemetry")).get("accessLog")).get("disable") is True:
        return "the access log is off: remove telemetry.accessLog.disable"
    level = as_text(as_mapping(as_mapping(spec.get("envoy")).get("logging")).get("accessLogLevel"))
    for text in config_data(obj).values():
        if match := _CONTOUR_LEVEL.search(text):
            level = match[1]
    if level.lower() == "disabled":
        return "the access log is off: remove the level disabled"
    if level.lower() in {"error", "critical"}:
        return f"only requests that failed are logged: remove the level {level}, or shares and retries are not known"
    return ""


def _logs_tries_by_default(obj: Mapping[str, Any]) -> bool:
    """Return whether an EnvoyProxy logs tries in Envoy Gateway's default format, which has no type."""
    settings = as_mapping(as_mapping(as_mapping(obj.get("spec")).get("telemetry")).get("accessLog")).get("settings")
    return any(is_log_of_tries(setting) and not setting.get("format") for setting in as_mappings(settings))


def _switches_on(obj: Mapping[str, Any]) -> bool:
    """Return whether an object switches on an access log that is off by default."""
    spec = as_mapping(obj.get("spec"))
    if any(_ISTIO_FILE.search(text) for text in config_data(obj).values()):
        return True
    sections = as_mappings(spec.get("accessLogging"))  # of Istio's Telemetry
    if any(section.get("disabled") is not True for section in sections):
        return True
    return bool(spec.get("accessLog") or as_mapping(spec.get("telemetry")).get("accessLogs"))


def _variables_without_values(product: Product, survey: Survey) -> Collection[str]:
    """Return the variables that stay empty: Envoy Gateway takes a header away, unless a policy keeps it."""
    policies = survey.log_objects.get(TRAFFIC_POLICIES.plural)
    if product.name != "Envoy Gateway" or policies is None:
        return ()
    headers = (as_mapping(as_mapping(policy.get("spec")).get("headers")) for policy in policies)
    return () if any(each.get("enableEnvoyHeaders") is True for each in headers) else ("upstream_service_time",)


# --- controllers of nginx ---------------------------------------------------------------------------------------------


def _controller_states(product: Product, survey: Survey) -> Iterator[LogState]:
    workloads = [workload for workload in survey.workloads if workload.source.guess == product.profile]
    objects = survey.log_objects.get(product.name)
    if not objects:
        is_known = objects is not None or any(not workload.configmap for workload in workloads)
        yield _default_state(product, is_known=is_known)
    for obj in objects or ():
        data = config_data(obj)
        faults = [f"it sets {text}" for text in missing_lines(data)]
        try:
            state = _state(_name_of(obj), formats_from_config(data, product.profile)[-1:])
        except LogFormatError as error:
            state = LogState(_name_of(obj), [f"the format cannot be read: {error}"])
        yield state._replace(faults=[*faults, *state.faults])


# --- Traefik ----------------------------------------------------------------------------------------------------------


def _traefik_states(product: Product, survey: Survey) -> Iterator[LogState]:
    workloads = [workload for workload in survey.workloads if workload.source.guess == product.profile]
    if not workloads:
        yield _default_state(product, is_known=False)
    for workload in workloads[:MAX_FORMATS]:
        yield _traefik_state(product, workload, traefik_log(workload.arguments, workload.variables))


def _traefik_state(product: Product, workload: ProxyWorkload, log: TraefikLog) -> LogState:
    place = f"the arguments of {workload.name}"
    if not log.is_on:
        text = "do not switch the access log on: add --accesslog.format=json"
        return LogState(place, [text + ", unless its file of configuration does, which is not read" * log.has_file])
    kept_format = next(traefik_format(log.format, Place()), None)
    if kept_format is None:
        return LogState(place, [f"{log.format} is not a format of Traefik: choose json"])
    formats = PROFILES[product.profile].compile(kept_format.text)
    json_format, dropped = formats[0], set[str]()
    if isinstance(json_format, JsonFormat):
        kept = {name for key, name in json_format.keys.items() if log.keeps(key)}
        kept |= {name for key, (name, _) in json_format.substitutes.items() if log.keeps(key)}
        dropped = set(json_format.names) - kept
    state = _state(place, formats, dropped)
    faults = list(state.faults)
    if log.path:
        faults.append(f"the access log goes to the file {log.path}: remove --accesslog.filepath, or follow it")
    if log.filters:
        faults.append(f"requests are left out by {', '.join(log.filters)}: shares and retries are not known")
    return state._replace(faults=faults)
