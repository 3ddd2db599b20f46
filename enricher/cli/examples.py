"""Examples in `--help`: for each command what it does, and the arguments."""

from collections.abc import Mapping, Sequence

EXAMPLES: Mapping[str, Sequence[tuple[str, str]]] = {
    "run": (
        ("Follow the usual ingress proxies of this node", "--state-dir /var/lib/enricher"),
        ("Follow a file of an nginx outside Kubernetes", "--select /var/log/nginx/access.log --endpoints hosts.yaml"),
    ),
    "check": (
        ("Which proxies the cluster has, and what their logs lack", ""),
        ("Whether a proxy's containers would be found", "--select 'envoy:*/gateway-*/envoy'"),
    ),
    "enrich": (
        ("A log with a recorded watch, as JSON lines", "--endpoints watch.jsonl controller.log"),
        ("A table per Service, of a log that was fetched with kubectl logs", "--summary --by service controller.log"),
        ("A graph of which service calls which", "--map mermaid gateway.log"),
    ),
    "diagnose": (
        ("The last ten minutes of the cluster", ""),
        ("The last hour of one Service", "service/cart -n shop --since 1h"),
        ("A log file, as text for a ticket", "-o markdown --endpoints history.json controller.log"),
    ),
    "explain": (
        ("A line of a log", "--endpoints watch.jsonl 'LINE'"),
        ("Who held an address", "--at 2026-11-22T23:18:31Z 10.244.0.60:10000"),
    ),
    "record": (("Record until Ctrl-C, with how pods ended", "--pods -o watch.jsonl"),),
    "top": (
        ("All pods behind the cluster's ingress proxies", ""),
        ("One Service", "service/cart -n shop"),
        ("The last hour of the whole cluster, from its daemons", "--daemons"),
        ("A row for each Deployment, in all that a file has", "--by workload controller.log"),
    ),
    "tail": (
        ("Requests to one Service, as they come", "service/cart -n shop"),
        ("What failed in the last ten minutes, in all namespaces", "--errors --since 10m --no-follow"),
        ("Slow requests to the pods of a Deployment", "deployment/cart --slower-than 2s"),
        ("A saved log, as JSON lines", "-o json --endpoints watch.jsonl controller.log"),
    ),
    "rollout": (("Whether the new revision of a Deployment is worse", "deployment/cart -n shop --since 30m"),),
    "compare": (("Two proxies of the cluster, for ten minutes", "ingress-nginx: envoy: --for 10m"),),
    "completion": (("For the present shell", "bash"),),
}


def examples_text(program: str, command: str) -> str:
    """Return the examples of a command, each a comment and a command line, as in the help of kubectl."""
    lines = ((f"  # {text}", f"  {program} {arguments}".rstrip()) for text, arguments in EXAMPLES[command])
    return "Examples:\n" + "\n\n".join("\n".join(each) for each in lines)
