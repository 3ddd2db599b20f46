"""Whether attempts crossed from the proxy's zone to another. Pure."""

from enricher.endpoints.history import History
from enricher.endpoints.zones import zone_of_pod
from enricher.line import Source

MAX_ZONES = 1000
"""Largest number of sources whose zones are cached, which are few but for the files of `enrich`."""


class ZoneCrossings:
    """The zones of the proxies whose logs are read, each looked up when one of its attempts failed."""

    def __init__(self) -> None:
        self._source = Source("")
        self._zone: str | None = None
        """The zone of the source that is used; empty if it is not known, None if it was not looked up."""
        self._zones: dict[Source, str] = {}

    def use(self, source: Source) -> None:
        """Compare with the zone of this source from now on."""
        self._source, self._zone = source, self._zones.get(source)

    def forget(self) -> None:
        """Forget all zones: the history has changed."""
        self._zones.clear()
        self._zone = None

    def to_json(self, pods: History, zone: str) -> bytes:
        """Return whether an attempt in a zone crossed zones, as the end of its JSON object; empty if not known."""
        if self._zone is None:
            self._zone = self._find(pods)
        if not self._zone:
            return b""
        return b',"zone_crossed":false' if self._zone == zone else b',"zone_crossed":true'

    def _find(self, pods: History) -> str:
        source = self._source
        if len(self._zones) >= MAX_ZONES:
            self._zones.clear()
        zone = zone_of_pod(pods, source.namespace, source.pod, source.uid) if source.pod else ""
        self._zones[source] = zone
        return zone
