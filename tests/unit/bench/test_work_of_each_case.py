"""How much is done for a line of each case, counted: whatever wrote it, and whatever is known of its pods.

What is counted are the calls of functions, Python's and C's, from the reading of a file to its JSON, once the addresses
are known. A case that lines take one by one costs more than a hundred calls for each.
"""

from pathlib import Path

import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.profiles import PROFILES
from enricher.endpoints.files import load_endpoints
from enricher.enrich.engine import Enricher, Output
from enricher.line import Source
from enricher.metrics.counters import Metrics
from enricher.tailer.reader import read_file
from tests.unit.bench.conftest import bench_importable
from tests.unit.enrich.test_work_per_line import calls

with bench_importable() as load:
    cases, formats, generate = map(load, ("cases", "formats", "generate"))

LINES, PODS = 2000, 20
AT_MOST = {"docker": 9, "envoy-json": 13, "haproxy": 12, "traefik-json": 11, "uncommon": 16}
"""Calls for each line; 6 in all other cases. The framing of Docker is JSON, and Envoy's clients have ports."""


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_each_case(tmp_path: Path, case) -> None:
    path = generate.generate(tmp_path, count=LINES, pods=PODS, log=case.log, endpoints=case.endpoints)
    options = dict(zip(*[iter(formats.FORMATS[case.log.form].options)] * 2, strict=True))
    profile = options.get("--profile")
    compiled = (
        PROFILES[profile or "ingress-nginx"].compile(options["--log-format"]) if "--log-format" in options else None
    )
    histories = load_endpoints([str(tmp_path / "endpoints")])
    enricher = Enricher(FormatDetector(compiled, profile), Metrics(), count_only=case.output == "none")

    def work() -> int:
        steps = (step for lines in read_file(str(path)) for step in enricher.enrich(Source("x"), lines, histories))
        return sum(step.data.count(b"\n") for step in steps if isinstance(step, Output))

    assert work() == (0 if case.output == "none" else LINES)
    made = calls(work) / LINES
    print(f"{made:.2f} calls a line")
    assert made <= AT_MOST.get(case.name, 6)
