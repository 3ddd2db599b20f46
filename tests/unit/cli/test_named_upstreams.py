"""`service/NAME`, `deployment/NAME`, `pod/NAME` and `-n`: as users of kubectl and stern type them."""

import json

import pytest

from demo.fake_api import slice_of
from enricher.cli.main import main
from enricher.cli.upstreams import Kind, split_objects
from enricher.errors import UsageError
from tests.support.controller_logs import access, cri

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
        access(2, "10.0.0.2:80", "200", "0.001", "9"),
        access(3, "10.9.9.9:80", "502", "0.001", "0"),
    ]
    (log := tmp_path / "log").write_text("".join(map(cri, lines)))

    def command(name, *arguments, code=0):
        assert main([name, *arguments, "--endpoints", str(endpoints), str(log)]) == code
        return capsys.readouterr()

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
        (["service/cart", "--status", "5xx"], "1"),
    ],
)
def test_which_requests_are_printed(command, arguments, numbers):
    out, err = command("tail", *arguments)
    assert [line.split()[3] for line in out.splitlines()] == [f"/{number}" for number in numbers]
    assert err == ""


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (
            ["service/crat"],
            "no such service is behind an address that is known: did you mean service/cart?",
        ),
        (["deploy/pay"], "deploy/pay: no such deployment is behind an address that is known: requests are shown if"),
        (["pod/shop/pay-0"], "no such pod is in namespace 'shop' behind an address that is known"),
    ],
)
def test_an_unknown_name_is_reported_once(command, caplog, arguments, hint):
    out, err = command("tail", *arguments)
    assert out == ""
    assert caplog.text.count(hint) == 1
    assert f"enricher: none of 3 lines matches {arguments[0]}\n" in err


@pytest.mark.parametrize(
    ("arguments", "conditions"),
    [
        (["--status", "418", "-n", "shop"], "--namespace shop, --status 418"),
        (["svc/pay", "--errors"], "svc/pay, --errors"),
        (["--slower-than", "9s"], "--slower-than 9s"),
    ],
)
def test_conditions_that_nothing_meets_are_reported_once(command, arguments, conditions):
    out, err = command("tail", *arguments)
    assert (out, err) == ("", f"enricher: none of 3 lines matches {conditions}\n")


def test_a_diagnosis_of_one_service(command):
    for arguments, seen in ((["svc/cart"], True), (["-n", "shop"], True), (["svc/pay"], False)):
        out, _ = command("diagnose", *arguments)
        assert ("shop/cart" in out) is seen
        assert ("bank/pay" in out) is False
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
