"""`service/NAME`, `deployment/NAME`, `pod/NAME` and `-n`: as users of kubectl and stern type them."""

import json

import pytest

from demo.fake_api import slice_of
from enricher.cli.main import main
from enricher.cli.upstreams import Kind, Upstreams, split_objects, unknown_upstreams
from enricher.config.settings import ClusterSettings
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.errors import UsageError
from tests.support.controller_logs import access, cri

CHECK = "check that they are of the log's cluster and time"
CART, PAY = "cart-5d69b8b5c9-x7k2p", "pay-0"


@pytest.fixture
def command(tmp_path, capsys):
    """What a command prints of three requests: to cart in shop, to pay in bank, and to nobody that is known."""
    slices = [
        slice_of("cart", {"10.0.0.1": CART}, port=80, namespace="shop", service="cart"),
        slice_of("pay", {"10.0.0.2": PAY}, port=80, namespace="bank", service="pay"),
    ]
    (endpoints := tmp_path / "slices.json").write_text(
        json.dumps({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSliceList", "items": slices})
    )
    lines = [
        access(1, "10.0.0.1:80", "502", "0.001", "0"),
        access(2, "10.0.0.2:80", "504", "0.001", "9"),
        access(3, "10.9.9.9:80", "502", "0.001", "0"),
    ]
    (log := tmp_path / "log").write_text("".join(map(cri, lines)))

    def command(name, *arguments, code=0):
        assert main([name, *arguments, "--endpoints", str(endpoints), str(log)]) == code
        return capsys.readouterr()

    command.endpoints = endpoints
    return command


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ([], "123"),
        (["service/cart"], "1"),
        (["svc/cart", "svc/pay"], "12"),
        (["svc/c*", "-n", "shop"], "1"),
        (["services/shop/cart"], "1"),
        (["deployment/cart"], "1"),
        (["deploy/cart"], "1"),
        (["deployment.apps/cart"], "1"),
        (["sts/pay"], "2"),
        (["statefulset/bank/pay"], "2"),
        ([f"pod/{CART}"], "1"),
        (["po/pay-*", "pods/cart-*"], "12"),
        (["-n", "bank"], "2"),
        (["-n", "bank", "-A"], "123"),
        (["service/cart", "--status", "502"], "1"),
    ],
)
def test_which_requests_are_printed(command, arguments, numbers):
    out, err = command("tail", *arguments)
    assert [line.split()[3] for line in out.splitlines()] == [f"/{number}" for number in numbers]
    assert err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["service/crat"], "no service of this name: did you mean service/cart?"),
        (["svc/shop/crat"], "no service of this name in namespace 'shop': did you mean svc/shop/cart?"),
        (["svc/crat", "-n", "shop"], "no service of this name in namespace 'shop': did you mean svc/cart?"),
        (["service/crat", "-n", "bank"], f"no service of this name in namespace 'bank': {CHECK}"),
        (
            ["service/cart", "-n", "bank"],
            "no service of this name in namespace 'bank': there is one in namespace 'shop'",
        ),
        (
            ["svc/shop/cart", "-n", "bank"],
            "no service of this name in namespace 'bank': there is one in namespace 'shop'",
        ),
        (["deploy/pay"], f"no deployment of this name: {CHECK}"),
        (["pod/shop/pay-0"], "no pod of this name in namespace 'shop': there is one in namespace 'bank'"),
    ],
)
def test_an_unknown_name_is_reported_once(command, caplog, arguments, message):
    out, err = command("tail", *arguments)
    assert out == ""
    messages = [text for text in caplog.messages if text.startswith(f"{arguments[0]}: ")]
    assert messages == [f"{arguments[0]}: the endpoints in {command.endpoints} have {message}"]
    assert f"enricher: no line of 3 matches {arguments[0]}" in err


def test_endpoints_that_are_watched_may_come_to_have_a_name():
    asked = Upstreams("bank", split_objects(["svc/cart", "po/c*"])[0])
    histories = Histories(History(), History())
    assert unknown_upstreams(asked, histories, ClusterSettings(), live=True) == [
        f"{text}: the cluster's endpoints have no {kind} of this name in namespace 'bank': "
        "its requests are shown once it has some"
        for text, kind in (("svc/cart", "service"), ("po/c*", "pod"))
    ]


@pytest.mark.parametrize(
    ("arguments", "conditions"),
    [
        (["--status", "418", "-n", "shop"], "--namespace shop, --status 418"),
        (["svc/pay", "--errors", "--status", "2xx"], "svc/pay, --status 2xx, --errors"),
        (["--slower-than", "9s"], "--slower-than 9s"),
    ],
)
def test_conditions_that_nothing_meets_are_reported_once(command, arguments, conditions):
    out, err = command("tail", *arguments)
    assert (out, err) == ("", f"enricher: no line of 3 matches {conditions}\n")


def test_a_diagnosis_of_one_service(command):
    shop, bank = "shop/cart", "bank/pay"
    for arguments, services in (
        (["svc/cart"], {shop}),
        (["-n", "shop"], {shop}),
        (["svc/pay"], {bank}),
        ([], {shop, bank}),
    ):
        out, _ = command("diagnose", *arguments)
        assert {service for service in (shop, bank) if service in out} == services
    out, _ = command("diagnose", "svc/crat")
    assert out.startswith("No access line of 3 is about what was asked for")
    assert main(["diagnose", "pod/x", "log"]) == 2


def test_a_namespace_beside_files_is_still_refused_where_all_lines_go_out(command):
    assert "cannot be combined" in command("enrich", "-n", "shop", code=2).err


@pytest.mark.parametrize("name", ["Shop", "shop/cart", "", "-x", "a" * 64])
def test_what_is_no_namespace(capsys, name):
    assert main(["tail", f"--namespace={name}"]) == 2
    assert "expected the name of a namespace, or * for all" in capsys.readouterr().err


def test_files_beside_objects(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = ["./pod/x", "pods/shop_x_0/0.log", "a.log", "-", "pods/shop_x_0", "svc/a/b/c"]
    assert split_objects(texts) == ([], texts)
    [named], files = split_objects(["a.log", "svc/shop/cart"])
    assert (named.kind, named.namespace, named.name, files) == (Kind.SERVICE, "shop", "cart", ["a.log"])


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("deplyment/cart", "did you mean deployment/cart?"),
        ("servce/shop/cart", "did you mean service/shop/cart?"),
        ("ingress/cart", "use --route 'cart'"),
    ],
)
def test_a_mistyped_kind(tmp_path, monkeypatch, text, hint):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=hint.replace("?", r"\?")):
        split_objects([text])
    (tmp_path / text).parent.mkdir(parents=True)
    (tmp_path / text).touch()
    assert split_objects([text]) == ([], [text])
