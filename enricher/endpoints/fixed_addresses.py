"""Addresses that never change, from a map of addresses to names in YAML or JSON. Pure."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from enricher.documents import is_json
from enricher.endpoints.listed_objects import LIST_COMMAND
from enricher.endpoints.slices import MAX_NAME, NO_SERVICE, Endpoint, Owner, Service, SliceState, split_address


def is_map_of_addresses(values: list[Any]) -> bool:
    """Return whether the documents of a text are one map of addresses, and not an object without a kind."""
    return len(values) == 1 and isinstance(values[0], dict) and any(split_address(str(key))[0] for key in values[0])


def fixed_slices(text: bytes, values: list[Any]) -> Iterator[SliceState]:
    """Yield a slice for each address in the documents of a text, whose values are given.

    Raise ValueError if they are not maps of addresses to names, or a key occurs twice.
    """
    if not any(values) or not all(isinstance(value, dict) for value in values):
        raise ValueError(
            "expected a list of EndpointSlices, a recorded watch, or a map of addresses to names: "
            f"{LIST_COMMAND} prints such a list"
        )
    if is_json(text):  # as in YAML
        json.loads(text, object_pairs_hook=_reject_duplicates)
    for addresses in values:
        for address, name in addresses.items():
            yield _fixed_address_slice(str(address), name)


def _reject_duplicates(members: list[tuple[str, Any]]) -> None:
    numbers = Counter(key for key, _ in members)
    if duplicate := next((key for key, number in numbers.items() if number > 1), None):
        raise ValueError(f"duplicate key {json.dumps(duplicate)}")


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
