"""What Vector, Filebeat and Fluent Bit send, as the guide sets them up, is not what VictoriaLogs stores."""

import json
import urllib.error
from pathlib import Path
from typing import Any

import pytest

from tests.integration.shippers.stores.controller_log import below_ingress, flat, in_order, one_spelling
from tests.integration.shippers.stores.guide import address
from tests.integration.shippers.stores.senders import as_vector
from tests.integration.shippers.stores.victoria_logs import VictoriaLogs
from tests.support.kube import eventually

pytestmark = pytest.mark.shipping


def test_every_line_is_stored_with_its_fields(
    tmp_path: Path, store: VictoriaLogs, lines: list[bytes], rows: list[dict[str, Any]]
) -> None:
    as_vector(store, tmp_path, lines)
    eventually(lambda: stored(store, rows))
    kinds = {row["kind"] for row in rows}
    assert store.streams() == {f'{{ingress.kind="{kind}",ingress.logged_by.node="node-1"}}' for kind in kinds}


def stored(store: VictoriaLogs, rows: list[dict[str, Any]]) -> None:
    assert in_order(list(map(below_ingress, store.query("*")))) == in_order([one_spelling(flat(row)) for row in rows])


def test_a_long_line_without_the_flag_costs_the_request(
    tmp_path: Path, plain_store: VictoriaLogs, lines: list[bytes]
) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        as_vector(plain_store, tmp_path, lines)


def test_a_long_line_without_the_flag_costs_the_lines_after_it(
    plain_store: VictoriaLogs, rows: list[dict[str, Any]]
) -> None:
    [long] = [number for number, row in enumerate(rows) if "truncated" in row]
    assert long < len(rows) - 1
    lines = b"".join(json.dumps({"ingress": row}).encode() + b"\n" for row in rows)
    plain_store.insert(address("jsonline"), lines)
    eventually(lambda: stored(plain_store, rows[:long]))
