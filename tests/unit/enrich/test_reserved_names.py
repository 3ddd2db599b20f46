"""A format's variables keep their nginx names, but never take the place of what the output itself says."""

import pytest

from enricher.enrich.output import RESERVED_NAMES
from tests.unit.enrich.controller_lines import STAMP


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_a_variable_of_a_reserved_name_is_renamed(enriched, name):
    (row,) = enriched(b"evil 10.0.0.1:80 200", format_=f"${name} $upstream_addr $upstream_status")
    assert row[f"log_{name}"] == "evil"
    assert row.get(name) != "evil"
    assert row["pod"] == "web-1"
    assert row["time"] == STAMP.decode()


def test_the_controllers_own_namespace_is_no_pods(enriched):
    """ingress-nginx has a $namespace: the Ingress's. It may be a name that is in use elsewhere."""
    (row,) = enriched(b"other 10.0.0.1:80 200", format_="$namespace $upstream_addr $upstream_status")
    assert row["namespace"] == "shop"
    assert row["log_namespace"] == "other"


def test_a_json_formats_own_keys_do_not_matter(enriched):
    format_ = 'escape=json {"pod": "$http_user_agent", "attempts": $status, "up": "$upstream_addr"}'
    (row,) = enriched(b'{"pod": "evil", "attempts": 200, "up": "10.0.0.1:80"}', format_=format_)
    assert row["pod"] == "web-1"
    assert row["http_user_agent"] == "evil"
    assert row["status"] == 200
    assert len(row["attempts"]) == 1
