"""The objectives for Sloth and Pyrra: they read what is there, and are those of the rules."""

import re
from typing import Any

import yaml

from tests.integration.prometheus.queries import RULES, SLO_RULES, rules

RECORDS = {rule["record"] for rule in rules(SLO_RULES) if "record" in rule}
OBJECTIVES = set(re.findall(r"1 - ([\d.]+) / 100", SLO_RULES.read_text()))


def read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(RULES.with_name(name).read_text())
    return document


def test_sloth_reads_the_records_of_failed_and_of_all_requests_of_one_service() -> None:
    document = read("sloth.yaml")
    [slo] = document["slos"]
    selector = f'{{namespace="{document["labels"]["namespace"]}",service="{document["service"]}"}}[{{{{.window}}}}]'
    events = slo["sli"]["events"]
    for query, record in (("error_query", "ingress_failed_requests"), ("total_query", "ingress_requests")):
        name = f"namespace_service:{record}:rate5m"
        assert events[query] == f"sum(sum_over_time({name}{selector}))"
        assert name in RECORDS
    assert str(slo["objective"]) in OBJECTIVES


def test_pyrra_groups_the_requests_by_service() -> None:
    spec = read("pyrra.yaml")["spec"]
    ratio = spec["indicator"]["ratio"]
    assert ratio["total"]["metric"] == 'ingress_requests_total{service!=""}'
    assert ratio["errors"]["metric"] == 'ingress_requests_total{service!="",code=~"5.."}'
    assert ratio["grouping"] == ["namespace", "service"]
    assert (spec["target"], spec["window"]) == ("99.9", "30d")
    assert spec["target"] in OBJECTIVES
