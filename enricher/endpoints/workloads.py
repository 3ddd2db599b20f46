"""The workload of a pod, as far as the pod's name shows it without doubt. Pure."""

import re
from functools import lru_cache
from typing import NamedTuple

from enricher.endpoints.slices import Owner

_SAFE = "[bcdfghjklmnpqrstvwxz2456789]"
"""The letters and digits of which Kubernetes makes the generated parts of names."""
_OF_DEPLOYMENT = re.compile(rf"(?P<name>.+)-(?P<hash>{_SAFE}{{8,10}})-{_SAFE}{{5}}")
_OF_STATEFUL_SET = re.compile(r"(?P<name>.+)-(?:0|[1-9][0-9]{0,3})")
"""An ordinal of five digits may as well be the generated end of another pod's name."""
_SCHEDULED_TIME = re.compile(r"[0-9]{8}")
"""The minutes of a CronJob's run, which stand where a Deployment's pod has the hash."""


class Workload(NamedTuple):
    """The Deployment or StatefulSet of a pod; all are empty if the pod's name does not show it."""

    name: str = ""
    kind: str = ""
    revision: str = ""
    """The hash of the pod's template, in the name of the Deployment's ReplicaSet."""


@lru_cache(maxsize=1 << 12)
def workload_of(owner: Owner) -> Workload:
    """Return the workload of a pod by its name.

    Only names that the API server gave tell anything: those without a uid are from a log line or a file.
    """
    if not owner.uid:
        return Workload()
    if (match := _OF_DEPLOYMENT.fullmatch(owner.pod)) and not _SCHEDULED_TIME.fullmatch(match["hash"]):
        return Workload(match["name"], "Deployment", match["hash"])
    if match := _OF_STATEFUL_SET.fullmatch(owner.pod):
        return Workload(match["name"], "StatefulSet")
    return Workload()
