"""Endpoints from files in place of a watch, for `--endpoints FILE`, and beside it, for `--extra-endpoints FILE`.

There are four kinds of files, which are recognised by their content:
- JSON Lines, a recorded watch: `{"at": RFC 3339, "type": "ADDED|MODIFIED|DELETED|BOOKMARK", "object": {…}}`;
- one JSON object, a list as `kubectl get endpointslices -A -o json` prints it: a snapshot, which has no times;
- `history.json` of a daemon's state directory, which the daemon saves once a minute and when it ends;
- YAML, addresses that never change: `10.0.0.5:8080: shop-1`, or `10.0.0.5: {pod: shop-1, namespace: …, node: …}`.
The objects are EndpointSlices and, in the same file or in a file of their own, Services. A file may be gzipped.
Beside a watch, only addresses that never change can be given.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.endpoints.saved_history import SavedHistory
from enricher.endpoints.slices import (
    MAX_NAME,
    NO_SERVICE,
    Endpoint,
    Owner,
    Service,
    SliceState,
    read_slice,
    service_as_slice,
    split_address,
)
from enricher.endpoints.tenure import BEGINNING
from enricher.errors import ConfigurationError
from enricher.state_file import unwrap_state
from enricher.timestamps import parse_rfc3339

EVENT_TYPES = ("ADDED", "MODIFIED", "DELETED", "BOOKMARK")

Object = dict[str, Any]
"""An object of the Kubernetes API as parsed JSON."""


class RecordedEvent(NamedTuple):
    """A recorded watch event; it arrived `at` and happened no earlier than `earliest` (ns since the epoch)."""

    at: int
    earliest: int
    type: str
    object: Object


def load_endpoints(paths: Sequence[str], extra: Sequence[str] = ()) -> Histories:
    """Return the endpoints of all files together, and beside them the fixed addresses of the `extra` files.

    Raise ConfigurationError if a file cannot be read or parsed.
    """
    histories = Histories(_new_history(), _new_history())
    for path in paths:
        _load_file(path, lambda content: load_into(histories, content))
    if extra:
        histories.pods.use_fixed(load_fixed(extra))
    return histories


def load_fixed(paths: Sequence[str]) -> History:
    """Return the fixed addresses of all files. Raise ConfigurationError if a file cannot be read or has no others."""
    histories = Histories(_new_history(), _new_history())
    for path in paths:
        _load_file(path, lambda content: _load_fixed_addresses(histories, content))
    return histories.pods


def _load_file(path: str, load: Callable[[bytes], None]) -> None:
    try:
        content = Path(path).read_bytes()
        load(gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content)
    except OSError as error:
        raise ConfigurationError(f"the endpoints file {path}: {error.strerror or error}") from error
    except (ValueError, EOFError, zlib.error) as error:
        raise ConfigurationError(f"the endpoints file {path}: {error}") from error


def _new_history() -> History:
    """Return an empty history for the content of files.

    The last bookmark of a recording shows until when it was made. A recording without bookmarks does not show that,
    and is assumed to be as long as the log.
    """
    history = History(retention=None, is_synced=lambda: not history.has_bookmarks)
    return history


def load_into(histories: Histories, text: bytes) -> None:
    """Add the endpoints of a file's content. Raise ValueError if it is not of one of the four kinds, or malformed."""
    if not text.lstrip().startswith(b"{"):
        _load_fixed_addresses(histories, text)
        return
    try:
        obj = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        try:
            orjson.loads(text.lstrip().partition(b"\n")[0])
        except orjson.JSONDecodeError:
            raise ValueError(f"line {error.lineno}: not JSON: {error.msg}") from error
        obj = None
    if obj is None or ("type" in obj and "object" in obj):
        _load_recording(histories, list(_parse_events(text)))
    elif "history" in obj:
        _load_saved_history(histories, obj)
    else:
        _load_snapshot(histories, obj)


def _load_snapshot(histories: Histories, obj: Object) -> None:
    items = obj.get("items") if str(obj.get("kind", "")).endswith("List") else [obj]
    item_kinds = {"EndpointSliceList": "EndpointSlice", "ServiceList": "Service"}
    default = item_kinds.get(str(obj.get("kind")), "")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError("expected a list of EndpointSlices, as `kubectl get endpointslices -A -o json` prints it")
    for item in items:
        kind = item.get("kind", default)
        if kind == "EndpointSlice":
            histories.pods.is_snapshot = True
            histories.pods.apply("ADDED", item, 0, BEGINNING)
        elif kind == "Service":
            histories.services.apply("ADDED", service_as_slice(item), 0, BEGINNING)
        else:
            raise ValueError(f"expected EndpointSlices (and Services), not {kind or 'an object without a kind'}")


def dump_histories(histories: Histories, *, from_files: bool) -> SavedHistory:
    """Return all that a daemon knows of addresses as JSON values; the history of pods is at the top.

    A daemon that watches loads that alone when it starts again. `explain` and the like load all of it, so that they
    answer as the daemon did, with whatever options it ran.
    """
    pods = histories.pods
    return pods.dump() | {
        "cluster_ips": histories.services.dump(),
        "fixed": pods.dump_fixed(),
        "files": {"is_snapshot": pods.is_snapshot, "has_bookmarks": pods.has_bookmarks} if from_files else None,
    }


def _load_saved_history(histories: Histories, obj: Object) -> None:
    pods = histories.pods
    if any(pods.tenures()):
        raise ValueError("the history of a daemon must be the first of the files")
    saved = unwrap_state(obj, "history")
    pods.load(saved)
    pods.has_bookmarks = True  # a saved history contains the time until which it is complete
    match saved.get("files"):
        case {"is_snapshot": bool(is_snapshot), "has_bookmarks": bool(has_bookmarks)}:
            pods.is_snapshot, pods.has_bookmarks = is_snapshot, has_bookmarks
    if cluster_ips := saved.get("cluster_ips"):
        histories.services.load(cluster_ips)
        histories.services.has_bookmarks = True
    if fixed := saved.get("fixed"):
        extra = _new_history()
        extra.load(fixed)
        pods.use_fixed(extra)


def _load_recording(histories: Histories, events: list[RecordedEvent]) -> None:
    """Add the events of a recorded watch.

    For each kind of object, the ADDED events at the beginning that have one time are the first list. The tenures in it
    began at an unknown time before.
    """
    slices, services = list[RecordedEvent](), list[RecordedEvent]()
    for event in events:
        if event.object.get("kind") == "Service":
            services.append(event._replace(object=service_as_slice(event.object)))
        else:
            slices.append(event)
    for history, own_events in ((histories.pods, slices), (histories.services, services)):
        listed = [event.object for event in own_events if event.at == own_events[0].at and event.type == "ADDED"]
        if listed:
            history.replace(map(read_slice, listed), own_events[0].at)
        for event in own_events[len(listed) :]:
            history.apply(event.type, event.object, event.at, event.earliest)
            if event.type == "BOOKMARK" and event.earliest < event.at:
                history.mark_incomplete(event.at)


def _parse_events(text: bytes) -> Iterator[RecordedEvent]:
    """Yield the events of a recording. Raise ValueError for a line without one."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        event = _parse_event(line)
        if event is None:
            raise ValueError(f'line {number}: expected {{"at", "type", "object"}} of a watch event')
        yield event


def _parse_event(line: bytes) -> RecordedEvent | None:
    try:
        event = orjson.loads(line)
        at, type_, obj = parse_rfc3339(event["at"].encode()), event["type"], event["object"]
        earliest = parse_rfc3339(event.get("earliest", event["at"]).encode())
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if at is None or earliest is None or type_ not in EVENT_TYPES or not isinstance(obj, dict):
        return None
    return RecordedEvent(at, earliest, type_, obj)


def _load_fixed_addresses(histories: Histories, text: bytes) -> None:
    import yaml  # noqa: PLC0415  # costs 1 MiB, and a daemon that watches never needs it

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml is much faster
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            """Reject duplicate keys: plain YAML would drop the first of them."""
            seen = set[Any]()
            keys = (self.construct_object(key, deep=True) for key, _ in node.value)
            duplicate = next((key for key in keys if key in seen or seen.add(key)), None)  # type: ignore[func-returns-value]
            if duplicate is not None:
                raise ValueError(f"line {node.start_mark.line + 1}: duplicate key {json.dumps(duplicate)}")
            mapping: dict[Any, Any] = super().construct_mapping(node, deep)
            return mapping

    try:
        addresses = yaml.load(text, Loader)  # noqa: S506  # Loader is a SafeLoader
    except (yaml.YAMLError, LookupError, AttributeError) as error:  # unusual tags make its constructors fail
        message = " ".join(str(error).split())
        raise ValueError("nested too deeply" if "nesting depth" in message else message) from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(addresses, dict) or not addresses:
        raise ValueError("expected a list of EndpointSlices, a recorded watch, or a YAML map of addresses to names")
    if addresses.keys() & {"apiVersion", "items", "history", "object"}:
        raise ValueError("expected a YAML map of addresses to names, not objects of Kubernetes")
    for address, name in addresses.items():
        histories.pods.update(_fixed_address_slice(str(address), name), BEGINNING, BEGINNING)


def _fixed_address_slice(address: str, name: object) -> SliceState:
    """Return a slice that assigns a fixed address to its owner. Raise ValueError if one of them is malformed.

    The owner need not be a pod, so its names are free.
    """
    ip, port = split_address(address)
    names: dict[str, Any] = name if isinstance(name, dict) else {"pod": name}
    if not ip or (port or 0) > 65535:
        raise ValueError(f"{json.dumps(address)}: expected an address, IP or IP:PORT")
    if unexpected := set(names) - {"pod", "namespace", "node", "service"}:
        raise ValueError(f"{json.dumps(address)}: {unexpected.pop()!r} is not one of pod, namespace, node, service")
    if "pod" not in names or not all(isinstance(value, str) for value in names.values()):
        raise ValueError(f"{json.dumps(address)}: expected a name, or a map of names that includes pod")
    if any(len(value) > MAX_NAME or not value.isprintable() for value in names.values()):
        raise ValueError(f"{json.dumps(address)}: expected names of at most {MAX_NAME} printable characters")
    namespace = names.get("namespace", "")
    owner = Owner(namespace, names["pod"], "", names.get("node", ""))
    service = Service(namespace, names["service"]) if names.get("service") else NO_SERVICE
    endpoint = Endpoint(ip, owner, ready=True, terminating=False)
    return SliceState((namespace, address), service, (endpoint,), ports=((port, ""),))
