"""What we may do at the API server, by its own word."""

from typing import Any

import orjson

from enricher.kube.client import ApiClient
from enricher.kube.responses import ApiError, answered
from enricher.kube.watcher import Resource

SECONDS = 10.0
"""For an answer."""


async def may(api: ApiClient, verb: str, resource: Resource, namespace: str | None, name: str | None = None) -> bool:
    """Whether the server would let us; `namespace` None stands for all. Raises ApiError."""
    attributes = {"verb": verb, "group": resource.group, "version": resource.version, "resource": resource.plural}
    attributes |= {"namespace": namespace} if namespace else {}
    attributes |= {"name": name} if name else {}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    async with answered(api.ask(review, total=SECONDS), "ask what we may do", 201) as response:
        return _allowed(await response.read())


def _allowed(body: bytes) -> bool:
    try:
        answer: Any = orjson.loads(body)
        allowed = answer["status"]["allowed"]
    except (ValueError, KeyError, TypeError) as error:
        raise ApiError("garbage", "the API server answered what no API server would") from error
    return allowed is True
