"""A command that reads slices from a file says whose endpoints it does not use, and why."""

import json

from enricher.cli.common import MAX_REFUSALS, read_histories
from enricher.config.settings import ClusterSettings
from tests.unit.endpoints.timeline import pod, slice_


def test_the_namespaces_are_named(tmp_path, capsys):
    items = []
    for n in range(MAX_REFUSALS + 2):
        item = slice_("a", pod("10.0.0.1", "a b")) | {"kind": "EndpointSlice"}
        item["metadata"]["namespace"] = f"tenant-{n}"
        item["endpoints"][0]["targetRef"]["namespace"] = f"tenant-{n}"
        items.append(item)
    (path := tmp_path / "endpoints.json").write_text(json.dumps({"kind": "List", "items": items}))
    read_histories(ClusterSettings(endpoints=(str(path),)))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("enricher: EndpointSlices in namespace tenant-0 have names that are malformed")
    assert lines[-1] == "enricher: and so have those in 2 other namespaces"
    assert len(lines) == MAX_REFUSALS + 1
