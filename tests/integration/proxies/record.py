"""`python -m tests.integration.proxies.record DIR [VARIANT ...]`: record the proxies' logs, the truth and the pods."""

import json
import sys
from pathlib import Path

import yaml

from tests.integration.proxies.pods import endpoints
from tests.integration.proxies.rig import VARIANTS, run_variant
from tests.integration.proxies.scenarios import brief

LONG_LINES = ("envoy-contour", "envoy-gateway", "traefik-json")
"""JSON of 800 bytes a line; recorded logs stay below 40 KB."""


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    list_of_programs = directory / "programs.json"
    programs = json.loads(list_of_programs.read_text()) if list_of_programs.exists() else {}
    for name in sys.argv[2:] or VARIANTS:
        run = run_variant(name, directory, brief() if name in LONG_LINES else None)
        programs[name] = {"version": run.version, "requests": len(run.seen)}
        print(f"{name}: {len(run.seen)} requests, {run.log.stat().st_size} bytes")
    list_of_programs.write_text(json.dumps(programs, indent=2, sort_keys=True) + "\n")
    (directory / "endpoints.yaml").write_text(yaml.safe_dump(endpoints(), default_flow_style=None, sort_keys=False))


if __name__ == "__main__":
    main()
