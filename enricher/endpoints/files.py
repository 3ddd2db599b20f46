"""`--endpoints FILE`: who was where, from files in place of a watch.

Four kinds, told apart by what they hold:
- JSON Lines, a recorded watch: `{"at": RFC 3339, "type": "ADDED|MODIFIED|DELETED|BOOKMARK", "object": {…}}`;
- one JSON object, a list as `kubectl get endpointslices -A -o json` prints it: a snapshot, which has no times;
- `history.json` of a daemon's state directory: what it knew when it saved it, once a minute and at its end;
- YAML, addresses that never change: `10.0.0.5:8080: shop-1`, or `10.0.0.5: {pod: shop-1, namespace: …, node: …}`.
The objects are EndpointSlices and, in the same file or one of their own, Services. A file may be gzipped.
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import EVER, History
from enricher.endpoints.slices import read_slice, service_as_slice, split_address
from enricher.errors import ConfigurationError
from enricher.state_file import unwrap_state
from enricher.timestamps import parse_rfc3339

EVENTS = ("ADDED", "MODIFIED", "DELETED", "BOOKMARK")

Object = dict[str, Any]


class Event(NamedTuple):
    """A recorded watch event; it arrived `at` and happened no earlier than `earliest` (ns since the epoch)."""

    at: int
    earliest: int
    type: str
    object: Object


def load_endpoints(paths: Sequence[str]) -> Histories:
    """What the files tell. Raises ConfigurationError that says what is wrong, and in which line."""
    known = Histories(_history(), _history())
    for path in paths:
        try:
            content = Path(path).read_bytes()
            load_into(known, gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content)
        except OSError as error:
            raise ConfigurationError(f"the endpoints file {path}: {error.strerror or error}") from error
        except (ValueError, EOFError, zlib.error) as error:
            raise ConfigurationError(f"the endpoints file {path}: {error}") from error
    return known


def _history() -> History:
    """Of a file. A recording with bookmarks says by its last one until when it was made; one without says nothing of
    that, and is believed to be as long as the log.
    """
    history = History(keep=None, in_sync=lambda: not history.bookmarked)
    return history


def load_into(known: Histories, text: bytes) -> None:
    """Adds what a file's content tells; raises ValueError."""
    if not text.lstrip().startswith(b"{"):
        _fixed(known, text)
        return
    try:
        whole = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if not _is_json(text.lstrip().partition(b"\n")[0]):
            raise ValueError(f"line {error.lineno}: not JSON: {error.msg}") from error
        whole = None
    if whole is None or ("type" in whole and "object" in whole):
        _recorded(known, list(_events(text)))
    elif "history" in whole:
        _saved(known, whole)
    else:
        _snapshot(known, whole)


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _snapshot(known: Histories, obj: Object) -> None:
    items = obj.get("items") if str(obj.get("kind", "")).endswith("List") else [obj]
    kinds = {"EndpointSliceList": "EndpointSlice", "ServiceList": "Service"}
    default = kinds.get(str(obj.get("kind")), "")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError("a list of EndpointSlices is expected, as `kubectl get endpointslices -A -o json` prints it")
    for item in items:
        kind = item.get("kind", default)
        if kind == "EndpointSlice":
            known.pods.timeless = True
            known.pods.apply("ADDED", item, 0, EVER)
        elif kind == "Service":
            known.services.apply("ADDED", service_as_slice(item), 0, EVER)
        else:
            raise ValueError(f"EndpointSlices (and Services) are expected, not {kind or 'an object without a kind'}")


def _saved(known: Histories, obj: Object) -> None:
    if any(known.pods.tenures()):
        raise ValueError("a daemon's history has to be the first of the files")
    known.pods.load(unwrap_state(obj, "history"))
    known.pods.bookmarked = True  # it says until when it is whole


def _recorded(known: Histories, events: list[Event]) -> None:
    """A list at the beginning is, for each kind of object, a row of ADDED events with one time; what it shows began
    nobody knows when.
    """
    services = [event._replace(object=service_as_slice(event.object)) for event in events if _is_service(event)]
    for history, ours in ((known.pods, [e for e in events if not _is_service(e)]), (known.services, services)):
        first = [event.object for event in ours if event.at == ours[0].at and event.type == "ADDED"]
        if first:
            history.replace(map(read_slice, first), ours[0].at)
        for event in ours[len(first) :]:
            history.apply(event.type, event.object, event.at, event.earliest)
            if event.type == "BOOKMARK" and event.earliest < event.at:
                history.missed(event.at)


def _is_service(event: Event) -> bool:
    return event.object.get("kind") == "Service"


def _events(text: bytes) -> Iterator[Event]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        event = _event(line)
        if event is None:
            raise ValueError(f'line {number}: {{"at", "type", "object"}} of a watch event is expected')
        yield event


def _event(line: bytes) -> Event | None:
    try:
        event = orjson.loads(line)
        at, type_, obj = parse_rfc3339(event["at"].encode()), event["type"], event["object"]
        earliest = parse_rfc3339(event.get("earliest", event["at"]).encode())
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if at is None or earliest is None or type_ not in EVENTS or not isinstance(obj, dict):
        return None
    return Event(at, earliest, type_, obj)


def _fixed(known: Histories, text: bytes) -> None:
    import yaml  # noqa: PLC0415  # costs 1 MiB, and a daemon that watches never needs it

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            """Refuses a key that stands there twice: plain YAML forgets the first."""
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            if twice := next((key for n, key in enumerate(keys) if key in keys[:n]), None):
                raise ValueError(f"line {node.start_mark.line + 1}: {json.dumps(twice)} stands there twice")
            return super().construct_mapping(node, deep)

    try:
        addresses = yaml.load(text, Loader)  # noqa: S506  # it is a safe one
    except (yaml.YAMLError, LookupError, AttributeError) as error:  # its constructors trip over odd tags
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(addresses, dict) or not addresses:
        raise ValueError("a list of EndpointSlices, a recorded watch, or a YAML map of addresses to names is expected")
    for address, name in addresses.items():
        known.pods.apply("ADDED", _as_slice(str(address), name), EVER, EVER)


def _as_slice(address: str, name: object) -> dict[str, Any]:
    """A fixed address as the slice that would say the same."""
    ip, port = split_address(address)
    names = name if isinstance(name, dict) else {"pod": name}
    if not ip or (port or 0) > 65535:
        raise ValueError(f"{json.dumps(address)}: an address is expected, IP or IP:PORT")
    if strange := set(names) - {"pod", "namespace", "node", "service"}:
        raise ValueError(f"{json.dumps(address)}: {strange.pop()!r} is none of pod, namespace, node, service")
    if "pod" not in names or not all(isinstance(value, str) for value in names.values()):
        raise ValueError(f"{json.dumps(address)}: a name is expected, or a map of names with pod among them")
    "".join(map(str, names.values())).encode()  # a lone surrogate is a ValueError, too
    namespace = names.get("namespace", "")
    labels = {"kubernetes.io/service-name": names["service"]} if "service" in names else {}
    target = {"kind": "Pod", "name": names["pod"], "namespace": namespace}
    return {
        "metadata": {"name": address, "namespace": namespace, "labels": labels},
        "endpoints": [{"addresses": [ip], "targetRef": target, "nodeName": names.get("node", "")}],
        "ports": [{"port": port}],
    }
