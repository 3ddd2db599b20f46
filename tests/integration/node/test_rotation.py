"""The kubelet rotates both logs, the controller's and the daemon's own, while requests come in."""

from pathlib import Path

import pytest

from tests.integration.node.output import Output
from tests.integration.node.proxy import Proxy

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

ROTATIONS = 3
# The runtime cuts lines at 16 KiB: one of these takes two fragments, and a rotation may fall between them.
LONG = "x" * 9000


def test_nothing_is_lost_or_doubled_by_rotations(proxy: Proxy, output: Output) -> None:
    rotated: set[str] = set()
    with proxy.load("rotated", "/", f"/?{LONG}", agent=LONG) as load:
        while len(rotated) < ROTATIONS:
            load.until(20)
            rotated |= rotated_logs(proxy)
            output.read()
        load.until(50)
    lines = output.of(load.answers)
    right = sum(lines[answer.request_id]["pod"] == answer.pod for answer in load.answers)
    longest = max(len(line["request"]) + len(line["http_user_agent"]) for line in lines.values())
    print(
        f"{len(rotated)} rotations: {len(load.answers)} requests sent, {len(lines)} lines out, none doubled, "
        f"{right} attributed right; the longest held more than {longest} bytes"
    )
    assert right == len(load.answers)
    assert longest > 16384


def rotated_logs(proxy: Proxy) -> set[str]:
    paths = Path("/var/log/pods").glob(f"ingress-nginx_{proxy.pod.name}_*/controller/*.log.*")
    return {path.name.removesuffix(".gz").removesuffix(".tmp") for path in paths}
