"""Write the text of docs/licences.md to stdout, from the SBOM on stdin; `make sbom` runs this."""

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


def declared_licences(component: dict[str, Any]) -> str:
    """Return the identifiers of the licences if there are any, else the last words of the classifiers."""
    entries = component.get("licenses", [])
    identifiers = [entry["expression"] if "expression" in entry else entry["license"].get("id") for entry in entries]
    names = [entry["license"]["name"].rpartition(" :: ")[2] for entry in entries if "name" in entry.get("license", {})]
    licences = [identifier for identifier in identifiers if identifier] or names
    if not licences:
        sys.exit(f"{component['name']} {component['version']} declares no licence: find it by hand")
    return ", ".join(licences)


components = sorted(json.load(sys.stdin)["components"], key=lambda component: component["name"].lower())
rows = [
    f"| {component['name']} | {component['version']} | {declared_licences(component)} |\n" for component in components
]
sys.stdout.write(HEAD + "".join(rows))
