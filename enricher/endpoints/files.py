"""Endpoints from files in place of a watch, for `--endpoints FILE`, and beside it, for `--extra-endpoints FILE`.

There are four kinds of files, which are recognised by their content:
- a recorded watch, documents of `{"at": RFC 3339, "type": "ADDED|MODIFIED|DELETED|BOOKMARK", "object": {…}}`;
- lists as `kubectl get endpointslices -A -o json` prints them, or objects: a snapshot, which has no times;
- `history.json` of a daemon's state directory, which the daemon saves once a minute and when it ends;
- YAML or JSON, addresses that never change: `10.0.0.5:8080: shop-1`, or `10.0.0.5: {pod: shop-1, namespace: …}`.
The objects are EndpointSlices and, in the same file or in a file of their own, Services. A snapshot may have v1
Endpoints and pods as well. Pods and Events also show why pods failed; after a recording or a history, which have times,
they show nothing else. Recordings and snapshots may be JSON or YAML, in one or several documents. A file may be in
UTF-8 or UTF-16, and gzipped.
Beside a watch, only addresses that never change can be given.
"""

import gzip
import logging
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from enricher.documents import Document, is_json, read_documents, to_utf8
from enricher.endpoints.attribution import Histories
from enricher.endpoints.fixed_addresses import fixed_slices, is_map_of_addresses
from enricher.endpoints.history import History
from enricher.endpoints.listed_objects import (
    LIST_COMMAND,
    MAX_KIND,
    Object,
    endpoints_as_slices,
    listed_objects,
    pod_as_slice,
    unusable_kinds,
)
from enricher.endpoints.mistaken_files import mistake_in
from enricher.endpoints.pod_objects import add_object
from enricher.endpoints.pod_status import PodStatuses
from enricher.endpoints.saved_history import SavedHistory
from enricher.endpoints.saved_statuses import dump_statuses, load_statuses
from enricher.endpoints.slices import read_slice, service_as_slice
from enricher.endpoints.tenure import BEGINNING
from enricher.errors import ConfigurationError
from enricher.state_file import unwrap_state
from enricher.timestamps import parse_rfc3339

logger = logging.getLogger(__name__)
T = TypeVar("T")

EVENT_TYPES = ("ADDED", "MODIFIED", "DELETED", "BOOKMARK")
USABLE_KINDS = ("EndpointSlice", "Endpoints", "Pod", "Service", "Event")
"""Kinds of objects that a snapshot may have."""

KINDS_OF_PODS = ("Pod", "Event")
"""Kinds of objects that show why pods failed."""


class RecordedEvent(NamedTuple):
    """A recorded watch event; it arrived `at` and happened no earlier than `earliest` (ns since the epoch)."""

    at: int
    earliest: int
    type: str
    object: Object


def load_endpoints(paths: Sequence[str], extra: Sequence[str] = ()) -> Histories:
    """Return the endpoints of all files together, and beside them the fixed addresses of the `extra` files.

    Raise ConfigurationError if a file cannot be read or parsed. Log a warning if the times in one of them are of no use
    beside another that has none.
    """
    statuses = PodStatuses(limit=inf)
    histories = Histories(_new_history(), _new_history(), statuses)
    timed, untimed = list[str](), list[str]()
    pods = list[Object]()
    for path in paths:
        has_times = _load_file(path, lambda content: _load_content(histories, content, pods))
        if has_times is not None:
            (timed if has_times else untimed).append(path)
    _use_pods(histories.pods, pods)
    if timed and untimed:
        logger.warning(
            "--endpoints %s has times and %s has none, so all attributions are `assumed`: "
            "give the files with times alone",
            ", ".join(timed),
            ", ".join(untimed),
        )
    if extra:
        histories.pods.use_fixed(load_fixed(extra))
    return histories if len(statuses) else histories._replace(statuses=None)


def shortage_of(histories: Histories) -> str | None:
    """Return in one line for people what files have in place of pods, and what to do; None if they have any."""
    if any(histories.pods.tenures()):
        return None
    if any(histories.services.tenures()):
        return f"only Services: {LIST_COMMAND} lists EndpointSlices too"
    return f"no endpoints: {LIST_COMMAND} lists all namespaces"


def load_fixed(paths: Sequence[str]) -> History:
    """Return the fixed addresses of all files. Raise ConfigurationError if a file cannot be read or has no others."""
    histories = Histories(_new_history(), _new_history())
    for path in paths:
        _load_file(path, lambda content: _load_fixed_addresses(histories, content))
    return histories.pods


def _load_file(path: str, load: Callable[[bytes], T]) -> T:
    try:
        content = Path(path).read_bytes()
        return load(gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content)
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


def load_into(histories: Histories, content: bytes) -> bool | None:
    """Add the endpoints of a file's content, and return whether they have times; None if it has none that could.

    Raise ValueError if it is not of one of the kinds, or malformed.
    """
    pods = list[Object]()
    has_times = _load_content(histories, content, pods)
    return False if _use_pods(histories.pods, pods) else has_times


def _load_content(histories: Histories, content: bytes, pods: list[Object]) -> bool | None:
    """Do as `load_into`, but put the addresses of Pod objects into `pods`, as slices."""
    text = to_utf8(content)
    documents = _read_documents(text)
    values = [document.value for document in documents]
    if any(isinstance(value, dict) and value.keys() >= {"type", "object"} for value in values):
        return _load_recording(histories, list(_parse_events(documents))) or None
    if len(values) == 1 and isinstance(values[0], dict) and "history" in values[0]:
        _load_saved_history(histories, values[0])
        return not histories.pods.is_snapshot
    if is_map_of_addresses(values) or not (is_json(text) or any(_is_kubernetes(value) for value in values)):
        _use_fixed_addresses(histories.pods, text, values)
        return None
    return False if _load_snapshot(histories, values, pods) else None


def _use_pods(history: History, pods: list[Object]) -> bool:
    """Use the addresses of Pod objects, and return whether there are any.

    They are not used beside a recording or a saved history, of whichever file: they have no times, and would make all
    others as uncertain as those of a snapshot.
    """
    if not history.is_snapshot and any(not tenure.is_fixed for tenure in history.tenures()):
        return False
    for slice_ in pods:
        history.is_snapshot = True
        history.apply("ADDED", slice_, 0, BEGINNING)
    return bool(pods)


def _read_documents(text: bytes) -> list[Document]:
    if mistake := mistake_in(text):
        raise ValueError(mistake)
    return read_documents(text)


def _is_kubernetes(value: object) -> bool:
    return isinstance(value, dict) and bool(value.keys() & {"apiVersion", "kind", "items", "history", "object"})


def _load_snapshot(histories: Histories, values: list[Any], pods: list[Object]) -> bool:
    """Add the objects of lists and single documents, and return whether they have endpoints beside `pods`.

    Objects of other kinds are left out, as those of `kubectl get all`, unless there are no others.
    """
    objects = list(listed_objects(values))
    unusable = [(kind, obj) for kind, obj in objects if kind not in USABLE_KINDS]
    if unusable and len(unusable) == len(objects):
        raise ValueError(unusable_kinds(unusable))
    if not values:
        raise ValueError(f"expected a list of EndpointSlices, as {LIST_COMMAND} prints it")
    has_endpoints = False
    for kind, obj in objects:
        if histories.statuses is not None:
            add_object(histories.statuses, kind, obj)
        if kind == "Pod" and (slice_of_pod := pod_as_slice(obj)):
            pods.append(slice_of_pod)
        if kind == "Service":
            histories.services.apply("ADDED", service_as_slice(obj), 0, BEGINNING)
        for slice_ in _slices_of(kind, obj):
            has_endpoints = histories.pods.is_snapshot = True
            histories.pods.apply("ADDED", slice_, 0, BEGINNING)
    return has_endpoints


def _slices_of(kind: str, obj: Object) -> Iterable[Object]:
    match kind:
        case "EndpointSlice":
            return [obj]
        case "Endpoints":
            return endpoints_as_slices(obj)
        case _:
            return []


def dump_histories(histories: Histories, *, from_files: bool) -> SavedHistory:
    """Return all that a daemon knows of addresses as JSON values; the history of pods is at the top.

    A daemon that watches loads that alone when it starts again. `explain` and the like load all of it, so that they
    answer as the daemon did, with whatever options it ran.
    """
    pods = histories.pods
    return pods.dump() | {
        "cluster_ips": histories.services.dump(),
        "fixed": pods.dump_fixed(),
        "statuses": dump_statuses(histories.statuses) if histories.statuses else None,
        "files": {"is_snapshot": pods.is_snapshot, "has_bookmarks": pods.has_bookmarks} if from_files else None,
    }


def _load_saved_history(histories: Histories, obj: Object) -> None:
    pods = histories.pods
    if any(pods.tenures()):
        raise ValueError("the history of a daemon must be given before other files with endpoints")
    saved = unwrap_state(obj, "history")
    if histories.statuses is not None:
        load_statuses(histories.statuses, saved.get("statuses"))
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


def _load_recording(histories: Histories, events: list[RecordedEvent]) -> bool:
    """Add the events of a recorded watch, and return whether it has any of slices.

    For each kind of object, the ADDED events at the beginning that have one time are the first list. The tenures in it
    began at an unknown time before.
    """
    slices, services = list[RecordedEvent](), list[RecordedEvent]()
    for event in events:
        kind = event.object.get("kind")
        if kind == "Service":
            services.append(event._replace(object=service_as_slice(event.object)))
        elif kind not in KINDS_OF_PODS:
            slices.append(event)
        elif histories.statuses is not None:
            add_object(histories.statuses, kind, event.object)
    for history, own_events in ((histories.pods, slices), (histories.services, services)):
        listed = [event.object for event in own_events if event.at == own_events[0].at and event.type == "ADDED"]
        if listed:
            history.replace(map(read_slice, listed), own_events[0].at)
        for event in own_events[len(listed) :]:
            history.apply(event.type, event.object, event.at, event.earliest)
            if event.type == "BOOKMARK" and event.earliest < event.at:
                history.mark_incomplete(event.at)
    return bool(slices)


def _parse_events(documents: list[Document]) -> Iterator[RecordedEvent]:
    """Yield the events of a recording. Raise ValueError for a document without one."""
    for line, value in documents:
        event = _parse_event(value)
        if event is None:
            hint = ""
            if isinstance(value, dict) and "object" in value and "at" not in value:
                hint = "; `enricher record` writes when each event came, kubectl does not"
            raise ValueError(f'line {line}: expected {{"at", "type", "object"}} of a watch event{hint}')
        kind = event.object.get("kind", "EndpointSlice")
        if kind not in ("EndpointSlice", "Service", *KINDS_OF_PODS):
            raise ValueError(
                f"line {line}: expected EndpointSlices and Services in a recorded watch, not {str(kind)[:MAX_KIND]}: "
                "`enricher record` writes them"
            )
        yield event


def _parse_event(event: Any) -> RecordedEvent | None:
    try:
        at, type_, obj = parse_rfc3339(event["at"].encode()), event["type"], event["object"]
        earliest = parse_rfc3339(event.get("earliest", event["at"]).encode())
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if at is None or earliest is None or type_ not in EVENT_TYPES or not isinstance(obj, dict):
        return None
    return RecordedEvent(at, earliest, type_, obj)


def _load_fixed_addresses(histories: Histories, content: bytes) -> None:
    text = to_utf8(content)
    values = [document.value for document in _read_documents(text)]
    if any(_is_kubernetes(value) for value in values):
        raise ValueError("expected a map of addresses to names, not objects of Kubernetes")
    _use_fixed_addresses(histories.pods, text, values)


def _use_fixed_addresses(pods: History, text: bytes, values: list[Any]) -> None:
    for slice_ in fixed_slices(text, values):
        pods.update(slice_, BEGINNING, BEGINNING)
