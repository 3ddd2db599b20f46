"""Logs that real proxies wrote, recorded: each is recognised by itself, and nothing is put down to the wrong pod."""

import json
from collections import Counter
from pathlib import Path

import pytest

from enricher.accesslog.grpc import STATUS_NAMES
from tests.integration.proxies.checking import TOKEN, UNNAMED, by_token, check, enrich

RECORDED = Path(__file__).with_name("recorded")
ENDPOINTS = RECORDED / "endpoints.yaml"
VARIANTS = sorted(path.name.removesuffix(".truth.jsonl") for path in RECORDED.glob("*.truth.jsonl"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_line_is_read_and_each_answer_put_down_to_who_gave_it(variant: str) -> None:
    checked = check(enrich(RECORDED / f"{variant}.log", ENDPOINTS), RECORDED / f"{variant}.truth.jsonl")
    print(variant, checked)
    assert set(checked.kinds) == {"access"}
    assert checked.wrong == []
    if variant in UNNAMED:
        assert checked.right == 0
    else:
        assert checked.right == checked.answered > 20


@pytest.mark.parametrize("variant", [variant for variant in VARIANTS if variant.endswith("-grpc")])
def test_calls_are_counted_by_status(variant: str) -> None:
    """What the client saw is what the log says, but for what it makes up itself: of a 502, of its own deadline."""
    lines = by_token(enrich(RECORDED / f"{variant}.log", ENDPOINTS))
    logged: Counter[str] = Counter()
    for seen in truth(variant):
        status = STATUS_NAMES[seen["grpc_status"]] if seen["grpc_status"] is not None else None
        record = lines.get(seen["token"])
        if record is None or not record["attempts"] or not seen["pod"]:
            continue
        logged[record["attempts"][-1].get("grpc_status", "OK")] += 1
        assert record["attempts"][-1].get("grpc_status", "OK") == status
    assert logged["OK"] > 10
    assert set(logged) >= {"NOT_FOUND", "UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED"}


def truth(variant: str) -> list[dict]:
    return [json.loads(line) for line in (RECORDED / f"{variant}.truth.jsonl").read_text().splitlines()]


def test_the_router_of_envoy_names_each_try() -> None:
    """What its `upstream_log` says, against the backends' own logs."""
    records = enrich(RECORDED / "envoy-tries.log", ENDPOINTS)
    tried: dict[int, Counter[str]] = {}
    refused = 0
    for record in records:
        token = TOKEN.search(record["request_uri"])
        if not token or not record["attempts"]:
            continue
        (attempt,) = record["attempts"]
        if attempt.get("reason") == "unreachable":
            refused += 1
            assert (attempt["status"], attempt["origin"]) == (503, "proxy")
        else:
            tried.setdefault(int(token[1]), Counter())[attempt["pod"]] += 1
    assert refused > 10
    retried = 0
    for seen in truth("envoy-tries"):
        if seen["pod"] and seen["token"] in tried:
            assert tried[seen["token"]] == Counter(one["pod"] for one in seen["reached"])
            retried += len(seen["reached"]) > 1
    assert retried > 2
