"""What Alloy sends, as the guide sets it up, does not become VictoriaLogs' fields and streams."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.shippers.stores.controller_log import flat, in_order, one_spelling
from tests.integration.shippers.stores.senders import LABELS, as_alloy
from tests.integration.shippers.stores.victoria_logs import VictoriaLogs
from tests.support.kube import eventually

pytestmark = pytest.mark.shipping


def test_every_line_is_stored_once_with_its_fields(
    tmp_path: Path, store: VictoriaLogs, lines: list[bytes], rows: list[dict[str, Any]]
) -> None:
    as_alloy(store, tmp_path, lines)
    eventually(lambda: stored(store, rows))
    kinds = {row["kind"] for row in rows}
    assert store.streams() == {
        f'{{job="enricher",kind="{kind}",logged_by_node="node-1",stream="stdout"}}' for kind in kinds
    }


def stored(store: VictoriaLogs, rows: list[dict[str, Any]]) -> None:
    found = [as_it_was(row) for row in store.query("*")]
    assert in_order(found) == in_order([one_spelling(flat(row)) for row in rows])


def as_it_was(stored: dict[str, str]) -> dict[str, str]:
    row = {name: value for name, value in stored.items() if name[0] != "_" and name not in LABELS - {"kind"}}
    row["request" if row["kind"] == "access" else "message"] = stored["_msg"]
    return one_spelling(row)
