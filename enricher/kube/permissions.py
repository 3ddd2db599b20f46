"""What the API server allows us to do, by a SelfSubjectAccessReview."""

from typing import Any

import orjson

from enricher.kube.client import ApiClient
from enricher.kube.responses import ApiError, expect_status
from enricher.kube.watcher import Resource

REVIEWS = Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
REVIEW_TIMEOUT = 10.0
"""Longest wait for the answer to a review, in seconds."""


async def is_allowed(
    api: ApiClient, verb: str, resource: Resource, namespace: str | None, name: str | None = None
) -> bool:
    """Return whether the API server would allow `verb` on the resource; a `namespace` of None stands for all.

    Raise ApiError if the server does not answer the question.
    """
    attributes = {"verb": verb, "group": resource.group, "version": resource.version, "resource": resource.plural}
    attributes |= {"namespace": namespace} if namespace else {}
    attributes |= {"name": name} if name else {}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    request, action = api.review_access(review, total_timeout=REVIEW_TIMEOUT), f"create {REVIEWS.describe(None)}"
    async with expect_status(request, action, 201) as response:
        body = await response.read()
    try:
        answer: Any = orjson.loads(body)
        allowed = answer["status"]["allowed"]
    except (ValueError, KeyError, TypeError) as error:
        raise ApiError("garbage", "malformed SelfSubjectAccessReview from the API server") from error
    return allowed is True
