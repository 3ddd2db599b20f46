"""rsyslog, as the guide sets it up, loses or changes a line on its way into VictoriaLogs."""

from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.integration.shippers.stores.controller_log import flat, in_order, one_spelling
from tests.integration.shippers.stores.senders import by_rsyslog
from tests.integration.shippers.stores.victoria_logs import VictoriaLogs

pytestmark = pytest.mark.shipping


def test_every_line_is_stored_with_its_fields_and_its_time(
    tmp_path: Path, store: VictoriaLogs, lines: list[bytes], rows: list[dict[str, Any]]
) -> None:
    by_rsyslog(store, tmp_path, lines)
    found = store.query("*")
    # rsyslog sends a request again whose answer it does not get.
    assert once(list(map(as_it_was, found))) == once([one_spelling(flat(row)) for row in rows])
    assert store.streams() == {f'{{kind="{kind}"}}' for kind in {row["kind"] for row in rows}}


def once(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [row for row, _ in groupby(in_order(rows))]


def as_it_was(stored: dict[str, str]) -> dict[str, str]:
    assert stored["_time"] == stored["time"]
    row = {name: value for name, value in stored.items() if name[0] != "_"}
    row["request" if stored["kind"] == "access" else "message"] = stored["_msg"]
    return one_spelling(row)
