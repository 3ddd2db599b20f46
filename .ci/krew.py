"""Write enricher.yaml, the manifest of krew, for the archives in a directory; `make krew` runs this.

The arguments are the repository on GitHub whose release has the archives, as OWNER/NAME, and the directory.
"""

import hashlib
import re
import sys
from pathlib import Path
from typing import Any

import yaml

NAME = re.compile(r"enricher-(?P<version>.+)-(?P<os>linux|darwin)-(?P<arch>amd64|arm64)\.tar\.gz")

DESCRIPTION = """\
Reads the logs of ingress-nginx, nginx, Envoy, Traefik and HAProxy, in a cluster
or in files, and names the pod behind each upstream address at the time of each
attempt, also where a retry hid the error from the client.

  kubectl enricher top        which pods fail, live
  kubectl enricher tail       one line for each request
  kubectl enricher diagnose   why requests failed, and what to change
"""

CAVEATS = """\
It reads pod logs and EndpointSlices with the rights of your kubeconfig, and
installs nothing in the cluster. On Linux it needs glibc and zlib.
"""


def platform(archive: Path, url: str, system: str, machine: str) -> dict[str, Any]:
    """Return the entry of an archive. krew takes it apart and links `bin` as kubectl-enricher."""
    return {
        "selector": {"matchLabels": {"os": system, "arch": machine}},
        "uri": f"{url}/{archive.name}",
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "files": [{"from": f"{archive.name.removesuffix('.tar.gz')}/*", "to": "."}],
        "bin": "kubectl-enricher",
    }


def manifest(repository: str, folder: Path) -> dict[str, Any]:
    """Return the manifest; exit if the archives are none, or of several versions."""
    archives = {archive: match for archive in sorted(folder.iterdir()) if (match := NAME.fullmatch(archive.name))}
    versions = {match["version"] for match in archives.values()}
    if len(versions) != 1:
        sys.exit(f"{folder} has archives of {len(versions)} versions, not of one: make archive")
    home = f"https://github.com/{repository}"
    url = f"{home}/releases/download/v{versions.pop()}"
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "enricher"},
        "spec": {
            "version": url.rpartition("/")[2],
            "homepage": home,
            "shortDescription": "Show which pods fail behind an ingress, and why",
            "description": DESCRIPTION,
            "caveats": CAVEATS,
            "platforms": [platform(archive, url, match["os"], match["arch"]) for archive, match in archives.items()],
        },
    }


def main() -> None:
    if len(sys.argv) != 3 or not re.fullmatch(r"[\w.-]+/[\w.-]+", sys.argv[1]):
        sys.exit("expected the repository and the directory of the archives: make krew REPOSITORY=OWNER/NAME")
    made = manifest(sys.argv[1], Path(sys.argv[2]))
    (Path(sys.argv[2]) / "enricher.yaml").write_text(yaml.safe_dump(made, sort_keys=False))


main()
