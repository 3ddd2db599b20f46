"""Writes docs/licences.md's text to stdout, from the SBOM on stdin: `make sbom` runs it."""

import json
import sys
from typing import Any

HEAD = """\
# Licences

What the image's environment is made of, as `make sbom` found it; the licences are what each package declares. Python
itself and the base image's Debian come on top. Enricher is under Apache-2.0.

| package | version | licence |
| --- | --- | --- |
"""


def declared(component: dict[str, Any]) -> str:
    """Return the identifiers if there are some, else the last words of the classifiers."""
    found = component.get("licenses", [])
    known = [one["expression"] if "expression" in one else one["license"].get("id") for one in found]
    named = [one["license"]["name"].rpartition(" :: ")[2] for one in found if "name" in one.get("license", {})]
    licences = [one for one in known if one] or named
    if not licences:
        sys.exit(f"{component['name']} {component['version']} declares no licence: look for it by hand")
    return ", ".join(licences)


components = sorted(json.load(sys.stdin)["components"], key=lambda component: component["name"].lower())
rows = [f"| {one['name']} | {one['version']} | {declared(one)} |\n" for one in components]
sys.stdout.write(HEAD + "".join(rows))
