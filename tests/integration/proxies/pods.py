"""Who listens where. The addresses are fixed, so that recorded logs and `endpoints.yaml` fit together."""

PODS = {
    "127.0.1.1:10001": "shop-7c9d-aaaaa",
    "127.0.1.2:10002": "shop-7c9d-bbbbb",
    "127.0.1.3:10003": "shop-7c9d-ccccc",
}
"""The project's own backend. It listens on all addresses, so that each needs a port of its own."""

BREAKING = {"127.0.1.8:10008": "shop-7c9d-break"}

CALLS = {
    "127.0.2.1:10011": "call-5f6b-aaaaa",
    "127.0.2.2:10011": "call-5f6b-bbbbb",
    "127.0.2.3:10011": "call-5f6b-ccccc",
}
"""The gRPC servers."""

DEAD = {"127.0.1.9:10009": "shop-7c9d-ddddd", "127.0.1.10:10009": "shop-7c9d-eeeee"}
DEAD_CALLS = {"127.0.2.9:10011": "call-5f6b-ddddd"}
"""Pods that are gone: connections to them are refused."""

POOLS = {
    "shop": list(PODS),
    "auth": list(PODS),
    "single": [next(iter(PODS))],
    "flaky": [next(iter(DEAD)), *PODS],
    "dead": list(DEAD),
    "breaking": list(BREAKING),
    "mixed": [*BREAKING, next(iter(PODS))],
}
"""A request for `<name>.example` goes to these addresses, in turn."""

CALL_POOLS = {"calls": list(CALLS), "flaky-calls": [*DEAD_CALLS, *CALLS], "dead-calls": list(DEAD_CALLS)}

USERS = {"jane doe": "secret", 'jo "quoted" [x]': "secret"}
"""For `auth.example`, where the proxy checks passwords."""


def endpoints() -> dict[str, dict[str, str]]:
    return {
        address: {"pod": pod, "namespace": "shop", "service": pod.partition("-")[0], "node": f"node-{number % 2 + 1}"}
        for number, (address, pod) in enumerate({**PODS, **BREAKING, **DEAD, **CALLS, **DEAD_CALLS}.items())
    }


def host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)
