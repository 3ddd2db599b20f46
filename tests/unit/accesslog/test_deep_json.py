"""A log line that is nested more deeply than can be written again: it is no access line, and ends nothing."""

import pytest

from enricher.accesslog.profiles import profile_formats

HEAD = '{"StartUTC":"2026-11-22T23:18:30Z","Duration":5,"DownstreamStatus":200,"ServiceURL":"http://10.0.0.1:80"'


@pytest.mark.parametrize("depth", [1, 200, 300, 900, 2000, 100_000])
@pytest.mark.parametrize("key", ["x", "RequestPath"])
def test_nesting(depth: int, key: str) -> None:
    line = f'{HEAD},"{key}":{"[" * depth}{"]" * depth}}}'.encode()
    records = [log_format.parse(line) for log_format in profile_formats("traefik")]
    assert any(records) == (depth <= 200)
