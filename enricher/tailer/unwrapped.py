"""A line without what a tool put around it. Pure."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from enricher.timestamps import MILLISECOND, SECOND, format_rfc3339, parse_rfc3339

STAMP = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)"
"""A time with its zone, which journald writes without a colon."""
NAME = rb"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
"""The name of a pod, a namespace or a container."""

_RUNTIME_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")
_NAME = re.compile(NAME.decode())
_EPOCH = re.compile(r"\d{9,11}(?:\.\d{1,9})?|\d{12,13}|\d{15,16}|\d{18,19}")
"""Seconds with a fraction, ms, µs or ns since the epoch, told apart by the number of their digits."""
_NAME_KEYS = {
    "namespace": ("namespace", "namespace_name", "pod_namespace", "kubernetes_namespace_name", "PodNamespace"),
    "pod": ("pod", "pod_name", "podName", "kubernetes_pod_name", "pod.name", "PodName"),
    "container": (
        "container",
        "container_name",
        "containerName",
        "kubernetes_container_name",
        "container.name",
        "ContainerName",
    ),
}
"""What shippers and queries call these."""


class Unwrapped(NamedTuple):
    """The line, and what the tool wrote about it: empty texts are unknown.

    `is_fragment` is true if the line continues in the next one of its stream.
    """

    text: bytes
    stamp: bytes = b""
    stream: str = ""
    namespace: str = ""
    pod: str = ""
    container: str = ""
    is_fragment: bool = False

    def with_names(self, values: Mapping[str, object]) -> "Unwrapped":
        """Return the line with the names and the stream in these values, where there are any and they are valid."""
        found = dict[str, str]()
        for name, keys in _NAME_KEYS.items():
            value = next((values[key] for key in keys if key in values), "")
            value = value.get("name") if isinstance(value, dict) else value
            if isinstance(value, str) and _NAME.fullmatch(value):
                found[name] = value
        stream = values.get("stream")
        return self._replace(
            stream=stream if isinstance(stream, str) and stream in {"stdout", "stderr"} else self.stream,
            namespace=found.get("namespace", self.namespace),
            pod=found.get("pod", self.pod),
            container=found.get("container", self.container),
        )

    def inside(self, outer: "Unwrapped") -> "Unwrapped":
        """Return the line with what only the outer wrapper says; what is nearer to the line counts more."""
        names = (self.namespace or outer.namespace, self.pod or outer.pod, self.container or outer.container)
        is_fragment = self.is_fragment or outer.is_fragment
        return Unwrapped(self.text, self.stamp or outer.stamp, self.stream or outer.stream, *names, is_fragment)


def exact_stamp(stamp: bytes, *, is_exact: bool) -> bytes:
    """Return a stamp as a container runtime writes it; empty if it is not a time.

    Unless `is_exact`, it is empty for whole seconds too, also if it has a fraction, as Splunk writes a time that it
    took from the line: one that was cut says less than the line's own.
    """
    stamp = stamp.replace(b",", b".")
    at = parse_rfc3339(stamp)
    if at is None or (at % SECOND == 0 and not is_exact):
        return b""
    return stamp if _RUNTIME_STAMP.fullmatch(stamp) else format_rfc3339(at).encode()


def stamp_of_epoch(number: str) -> bytes:
    """Return the stamp of a time in seconds, ms, µs or ns since the epoch; empty for whole seconds and other texts."""
    if not _EPOCH.fullmatch(number):
        return b""
    whole, _, fraction = number.partition(".")
    if fraction:
        ns = int(whole) * SECOND + int(fraction.ljust(9, "0"))
    else:
        unit = SECOND if len(whole) < 12 else MILLISECOND if len(whole) < 15 else 1000 if len(whole) < 18 else 1
        ns = int(whole) * unit
    return format_rfc3339(ns).encode() if ns % SECOND else b""
