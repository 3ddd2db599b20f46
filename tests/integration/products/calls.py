"""gRPC calls through a product."""

import itertools
from collections.abc import Callable
from typing import Any

from tests.integration.node.load import Answer
from tests.integration.node.output import ID_IN_PATH
from tests.integration.products.product import Route

METHOD = "/shop.Shop/Call"
ENDS = ("0", "0", "5", "0", "13", "0", "14")
"""The statuses that the backend is asked to end calls with."""


class Caller:
    """Makes calls to the proxy's pod; the path of a request is the status that the call shall end with."""

    def __init__(self, ip: str) -> None:
        self._ip = ip
        self._numbers = itertools.count()

    def __call__(self, route: Route, request_id: str, ends: str) -> Answer:
        import grpc  # noqa: PLC0415  # only who starts the products needs it

        # A retry of the client's own would be a second line of the same request; a pool of connections that others
        # have, too, would keep calls at one pod.
        options = [
            *(("grpc.default_authority", route.host), ("grpc.enable_retries", 0)),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        with grpc.insecure_channel(f"{self._ip}:{route.port}", options=options) as channel:
            call: Callable[..., Any] = channel.unary_stream(f"{METHOD}{ID_IN_PATH}{request_id}", None, None)
            # With every other one the answer consists of trailers only.
            metadata = [("x-end", ends), *[("x-once", "yes")] * (next(self._numbers) % 2 and ends != "0")]
            answers = call(b"asked", metadata=metadata, timeout=45)
            try:
                for _ in answers:
                    pass
            except grpc.RpcError:
                pass
            named = [*(answers.initial_metadata() or ()), *(answers.trailing_metadata() or ())]
            pod = next((str(value) for name, value in named if name == "x-pod-name"), None)
            return Answer(request_id, int(answers.code().value[0]), pod)
