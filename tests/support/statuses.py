"""Examples of the daemon's status."""

from dataclasses import replace

from enricher.daemon.status.error_rates import MINUTES
from enricher.daemon.status.model import (
    CauseCount,
    ErrorCount,
    FailingPod,
    FollowedSource,
    ServiceCauses,
    Status,
    UntriedRequests,
    Watch,
)

QUIET = Status(
    version="0.1.0",
    node="node-1",
    at="2026-11-22T23:19:13Z",
    since="2026-11-22T20:00:00Z",
    problem=None,
    watch=Watch("in_sync", {"closed": 3}, 12.0),
    endpoints=8,
    sources=1,
    suggestion="",
    lag_bytes=0,
    lag_seconds=0.0,
    followed=(FollowedSource("/var/log/pods/a_b_c/controller", "a", "b", "controller", ("$status",), 0, 1.0, None),),
    lines={"access": 1234567},
    attributions={"exact": 7},
    problems={"log": 0},
    failing=(),
    untried=(),
    causes=(),
)
POD = FailingPod(
    namespace="shop",
    service="web",
    pod="web-1",
    node="node-1",
    errors_per_minute=(*(0,) * (MINUTES - 3), 4, 8, 0),
    errors_last_hour=12,
    hidden_per_minute=(*(0,) * (MINUTES - 3), 4, 4, 0),
    requests=1000,
    guesses=1,
    errors=15,
    hidden=9,
    by_code=(ErrorCount("502", "http", "proxy", 14, 9), ErrorCount("503", "http", "pod", 1, 0)),
    failures={"refused": 14},
)
UNTRIED = (
    UntriedRequests("shop", "down", "no_endpoints", 1234, (*(0,) * (MINUTES - 1), 34), "2026-11-22T23:19:12Z"),
    UntriedRequests("shop", "down", "not_tried", 1, (*(0,) * (MINUTES - 1), 1), "2026-11-22T23:19:11Z"),
    UntriedRequests("", "", "not_tried", 3, (*(0,) * (MINUTES - 1), 3), "2026-11-22T23:19:10Z"),
)
CAUSES = (
    ServiceCauses(
        "shop",
        "shut",
        5,
        "2026-11-22T23:19:12Z",
        (CauseCount("shutting_down", "likely", 4), CauseCount("unknown", "", 1)),
    ),
    ServiceCauses("", "", 2, "2026-11-22T23:19:10Z", (CauseCount("no_endpoints", "certain", 2),)),
)
FAILING = replace(QUIET, failing=(POD, replace(POD, pod="", namespace="")), untried=UNTRIED, causes=CAUSES)
OUT_OF_SYNC = replace(
    FAILING,
    problem="the watch of endpointslices is out of sync: Connection refused",
    watch=Watch("out_of_sync", {"unreachable": 4}, 200.0),
    lag_bytes=3 << 20,
    lag_seconds=150.0,
    followed=(replace(QUIET.followed[0], lag_bytes=3 << 20, problem="Permission denied"),),
    problems={"log": 1, "truncation": 2},
)
