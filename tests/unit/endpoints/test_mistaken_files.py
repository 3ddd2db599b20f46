"""Files that are given for lists of endpoints by mistake: the message says what they are and what to do."""

import json

import pytest

from enricher.endpoints.attribution import Histories
from enricher.endpoints.files import load_into
from enricher.endpoints.history import History
from tests.support.controller_logs import access, cri

COMMAND = "`kubectl get endpointslices,services -A -o json`"
TABLES = [
    "NAMESPACE   NAME         ADDRESSTYPE   PORTS   ENDPOINTS               AGE\n"
    "shop        cart-x7k2p   IPv4          8080    10.42.1.21,10.42.2.22   2d\n",
    "NAME                     READY   STATUS    RESTARTS   AGE   IP           NODE   NOMINATED NODE   READINESS GATES\n"
    "cart-6d5f8c9b7-aaaaa     1/1     Running   0          2d    10.42.1.21   node-a   <none>           <none>\n",
    "NAME         ENDPOINTS          AGE\ncart   10.42.1.21:8080,10.42.2.22:8080 + 1 more...   2d\n",
    "NAME\tREADY\ncart\t1/1\n",
    "LAST SEEN   TYPE     REASON   OBJECT   MESSAGE\n2m   Normal   Killing   pod/cart   Stopping\n",
]
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cart"}}
KUBECONFIG = {"apiVersion": "v1", "kind": "Config", "clusters": [], "contexts": [], "users": []}
FORBIDDEN = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "pods is forbidden", "code": 403}
LINE = access(1, "10.0.0.1:80", "200", "0.001", "5")
CASES = (
    [(table, "a table of kubectl") for table in TABLES]
    + [(table, COMMAND) for table in TABLES]
    + [
        ("Name:         cart\nNamespace:    shop\n", "kubectl describe"),
        ("No resources found in default namespace.\n", f"kubectl found nothing: {COMMAND} lists all namespaces"),
        (
            "Error from server (Forbidden): endpoints is forbidden\n",
            "an error of kubectl in place of a list: Error from",
        ),
        ('error: the server doesn\'t have a resource type "slices"\n', "an error of kubectl"),
        (json.dumps(DEPLOYMENT), f"not Deployment: {COMMAND}"),
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: cart}\n", f"not Deployment: {COMMAND}"),
        (json.dumps({"kind": "NodeList", "items": [{}]}), f"not Node: {COMMAND}"),
        (json.dumps({"kind": "Table", "rows": []}), f"not Table: {COMMAND}"),
        ("\n".join(json.dumps({"kind": kind}) for kind in "ABCDE"), "not A, B, C, …:"),
        ("apiVersion: v1\nkind: Config\nclusters: []\n", "give it with --kubeconfig"),
        (json.dumps(KUBECONFIG), "give it with --kubeconfig"),
        (json.dumps(FORBIDDEN), "an error of the API server: pods is forbidden"),
        (json.dumps({"kind": 5}), "not 5"),
        (LINE, "a log: give it without --endpoints"),
        (cri(LINE), "a log: give it without --endpoints"),
        ("2026/11/26 10:01:42 [error] 31#31: *1 connect() failed\n", "a log"),
        ('[2026-11-26T10:01:42.000Z] "GET / HTTP/1.1" 200 - 0 5 1 - "-" "-"\n', "a log"),
        (json.dumps({"log": LINE, "stream": "stdout", "time": "2026-11-26T10:01:42Z"}), "without --endpoints"),
        (
            "\n".join(json.dumps({"status": 200, "upstream_addr": "10.0.0.1:80"}) for _ in range(3)),
            "without --endpoints",
        ),
        ("endpointslice.discovery.k8s.io/cart-x7k2p\n", COMMAND),
    ]
)


@pytest.mark.parametrize(("text", "message"), CASES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_message_says_what_it_is(text, message, encoding):
    with pytest.raises(ValueError) as caught:
        load_into(Histories(History(retention=None), History(retention=None)), text.encode(encoding))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_not_a_text():
    for content in (b"\xff\xfe\x00\xd8\x00\xd8", b"PK\x03\x04\x80\x81", b"\xef\xbb\xbf\xff"):
        with pytest.raises(ValueError, match="not a text in UTF-8 or UTF-16"):
            load_into(Histories(History(retention=None), History(retention=None)), content)


@pytest.mark.parametrize("kind", ["Deployment", "Endpoints", "Node"])
def test_a_recorded_watch_of_other_objects(kind):
    event = {"at": "2026-11-22T23:18:30Z", "type": "ADDED", "object": {"kind": kind, "metadata": {"name": "web"}}}
    with pytest.raises(
        ValueError, match=f"line 1: expected EndpointSlices and Services in a recorded watch, not {kind}"
    ):
        load_into(Histories(History(retention=None), History(retention=None)), json.dumps(event).encode())


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 200_000,
        "[" * 200_000,
        '{"a": 1}\n' + '{"a":' * 200_000,
        "a: " + "[" * 3000,
        "- " * 3000,
        '{"n": ' + "9" * 5000 + "}\n{",
        "? [a]\n: b",
        "!!python/object:os.system {}",
        "kind: List\nitems: &x [*x]",
        "&a {kind: List, items: [*a, 5]}",
        "- &a [*a]",
        "---\n---\n",
        " ",
        "1",
    ],
)
def test_a_strange_text_is_refused_at_once(text):
    with pytest.raises(ValueError):
        load_into(Histories(History(retention=None), History(retention=None)), text.encode())


def test_a_list_within_itself_is_read_once():
    text = "&a {kind: List, items: [*a, *a, {kind: Service, metadata: {name: web}, spec: {clusterIP: 10.96.0.1}}]}"
    load_into(histories := Histories(History(retention=None), History(retention=None)), text.encode())
    assert [tenure.ip for tenure in histories.services.tenures()] == ["10.96.0.1"]
