"""`enricher enrich --map`: who calls whom, drawn by Graphviz or Mermaid."""

import pytest

from enricher.cli.main import main
from enricher.report.service_map import MAPS, ServiceMap
from tests.support.controller_logs import access

ENDPOINTS = """\
10.0.0.1:80: {pod: web-1, namespace: shop, service: web}
10.0.0.2:80: {pod: cart-1, namespace: shop, service: cart}
10.0.0.3:80: {pod: lonely-1, namespace: shop}
10.0.1.1: {pod: front-1, namespace: edge, service: front}
10.0.1.2: {pod: job-1, namespace: edge}
"""


def asked(n, client, addr="10.0.0.1:80", status="200"):
    line = access(n, addr, status, *(["-", "-"] if addr == "-" else []))
    return line.replace("192.0.2.7", client).replace("[shop-web-80]", "[-]")


LINES = [
    asked(1, "10.0.1.1"),
    asked(2, "10.0.1.1", status="503"),
    asked(3, "10.0.1.1", status="404"),
    asked(4, "10.0.1.1", "10.0.0.1:80, 10.0.0.2:80", "502, 200"),
    asked(5, "10.0.1.2", "10.0.0.3:80"),
    asked(6, "192.0.2.7"),
    asked(7, "192.0.2.8"),
    asked(8, "192.0.2.8", "198.51.100.1:443"),
    asked(9, "10.0.1.1", "-", "-"),
    "nonsense",
]
DOT = """\
digraph services {
  rankdir=LR; node [shape=box];
  "edge/front" -> "shop/cart" [label="1"];
  "edge/front" -> "shop/web" [label="3, 1 failed", color=red];
  "edge/job-1" -> "shop/lonely-1" [label="1"];
  "outside" -> "198.51.100.1:443" [label="1"];
  "outside" -> "shop/web" [label="2"];
  // answered by the proxy itself, and left out: 1
}
"""
MERMAID = """\
flowchart LR
  n0["edge/front"] -->|"1"| n1["shop/cart"]
  n0["edge/front"] -->|"3, 1 failed"| n2["shop/web"]
  n3["edge/job-1"] -->|"1"| n4["shop/lonely-1"]
  n5["outside"] -->|"1"| n6["198.51.100.1:443"]
  n5["outside"] -->|"2"| n2["shop/web"]
  linkStyle 1 stroke:red
  %% answered by the proxy itself, and left out: 1
"""


@pytest.fixture
def drawn(tmp_path, capsys):
    def drawn(kind, *lines, endpoints=ENDPOINTS, options=()):
        (log := tmp_path / "log").write_text("".join(f"{line}\n" for line in lines))
        (endpoints_file := tmp_path / "endpoints.yaml").write_text(endpoints)
        assert main(["enrich", "--endpoints", str(endpoints_file), "--map", kind, *options, str(log)]) == 0
        out, err = capsys.readouterr()
        misfits = sum("nonsense" in line for line in lines)
        assert err.startswith(f"enricher: {misfits} of {len(lines)} lines do not fit" if misfits else "")
        assert bool(err) == bool(misfits)
        return out

    return drawn


@pytest.mark.parametrize(("kind", "expected"), [("dot", DOT), ("mermaid", MERMAID)])
def test_who_calls_whom(drawn, kind, expected):
    assert drawn(kind, *LINES) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("dot", "digraph services {\n  rankdir=LR; node [shape=box];\n}\n"), ("mermaid", "flowchart LR\n")],
)
def test_of_nothing(drawn, kind, expected):
    assert drawn(kind) == expected


SLICE = """\
kind: EndpointSlice
metadata: {name: web, namespace: shop, labels: {kubernetes.io/service-name: web}}
ports: [{port: 80}]
endpoints: [{addresses: [10.0.0.1], conditions: {ready: %s}, targetRef: {kind: Pod, name: web-1}}]
"""


def untried(n, status, name="shop-web-80"):
    """A request that nobody was tried for."""
    line = access(n, "-", "-", "-", "-").replace("[shop-web-80]", f"[{name}]")
    return line.replace('HTTP/1.1" 200', f'HTTP/1.1" {status}', 1)


@pytest.mark.parametrize(("kind", "line"), [("dot", '"outside" -> "{}"'), ("mermaid", 'n1["{}"]')])
def test_requests_that_nobody_was_tried_for(drawn, kind, line):
    """They are calls that failed; those that needed nobody are not."""
    lines = [untried(1, 503), untried(2, 503), asked(3, "192.0.2.7"), untried(4, 308), untried(5, 404)]
    drawing = drawn(kind, *lines, endpoints=SLICE % "true")
    assert drawing.count("label=") + drawing.count("-->") == 1
    assert line.format("shop/web") in drawing
    assert '"3, 2 failed (2 not_tried)"' in drawing
    assert "red" in drawing
    assert "answered by the proxy itself, and left out: 2" in drawing
    drawing = drawn(kind, untried(1, 503, "-"))
    assert line.format("unknown service") in drawing
    assert '"1, 1 failed (1 not_tried)"' in drawing
    assert "left out" not in drawing


def test_lines_that_are_no_requests_are_not_left_out_of_a_map():
    table = ServiceMap()
    for kind in ("error", "other", "parse_error"):
        table.add({"kind": kind, "message": "x", "reason": "refused"})
    assert list(table.mermaid()) == ["flowchart LR"]


def test_several_reasons():
    table = ServiceMap()
    for reason in ("not_tried", "no_endpoints", "no_endpoints"):
        table.add({"kind": "access", "attempts": [], "reason": reason, "namespace": "shop", "service": "web"})
    table.add(record("", namespace="shop", service="web", client_pod=""))
    assert table.calls["outside", "shop/web"].label == "4, 3 failed (2 no_endpoints, 1 not_tried)"


def test_a_failed_grpc_call_is_red(drawn):
    line = (
        '10.0.1.1 - - [22/Nov/2026:23:18:31 +0000] "POST /a.B/C HTTP/2.0" 200 39 "-" "-" 128 0.007 '
        '"10.0.0.1:80" 5 0.001 200 14 -'
    )
    assert '"edge/front" -> "shop/web" [label="1, 1 failed", color=red];' in drawn("dot", line)


def test_what_the_client_left_is_no_failure(drawn):
    assert 'label="1"]' in drawn("dot", asked(1, "10.0.1.1", status="-"))


def test_names_with_quotes_are_escaped(drawn):
    endpoints = """\
10.0.0.1:80: {pod: 'a"b\\', namespace: shop}
10.0.1.1: {pod: '"]; x -> y', namespace: edge}
"""
    (call,) = (line for line in drawn("dot", LINES[0], endpoints=endpoints).splitlines() if "label" in line)
    assert call == r'  "edge/\"]; x -> y" -> "shop/a\"b\\" [label="1"];'
    (call,) = (line for line in drawn("mermaid", LINES[0], endpoints=endpoints).splitlines() if "-->" in line)
    assert call == r'  n0["edge/#34;]; x -#62; y"] -->|"1"| n1["shop/a#34;b#92;"]'


def record(pod, client="x", status=200, **more):
    return {"kind": "access", "attempts": [{"addr": "a", "status": status}], "pod": pod, "client_pod": client, **more}


def test_an_address_that_is_no_pods_is_escaped_too():
    table = ServiceMap()
    table.add({"kind": "access", "attempts": [{"addr": 'unix:/a"b', "status": None}]})
    for kind, expected in (("dot", r'"unix:/a\"b"'), ("mermaid", '"unix:/a#34;b"')):
        (call,) = (line for line in MAPS[kind](table) if "outside" in line)
        assert expected in call


def test_calls_are_in_the_order_of_their_names():
    table = ServiceMap()
    for pod in ("b", "a", "c", "a"):
        table.add(record(pod, status=503 if pod == "c" else 200))
    assert [line.strip() for line in table.mermaid()] == [
        "flowchart LR",
        'n0["x"] -->|"2"| n1["a"]',
        'n0["x"] -->|"1"| n2["b"]',
        'n0["x"] -->|"1, 1 failed"| n3["c"]',
        "linkStyle 2 stroke:red",
    ]


def test_a_map_of_any_proxys_log(drawn):
    """The first lines tell whose it is."""
    line = '[2026-11-22T23:18:31.490Z] "GET / HTTP/1.1" 503 UF 0 31 1 - "-" "-" "r" "h" "10.0.0.1:80" 1 shop - 10.0.1.1'
    assert '"edge/front" -> "shop/web" [label="2, 2 failed", color=red];' in drawn("dot", line, line)


def test_a_summary_and_a_map(tmp_path, capsys):
    (endpoints_file := tmp_path / "endpoints.yaml").write_text(ENDPOINTS)
    assert main(["enrich", "--endpoints", str(endpoints_file), "--map", "dot", "--summary", "/dev/null"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "enricher: --summary and --map cannot be combined: give one of them\n"


def test_a_summary_and_a_map_are_refused_before_anything_is_read(capsys):
    """Which of both is wanted needs no cluster."""
    assert main(["enrich", "--endpoints", "/nowhere", "--map", "dot", "--summary"]) == 2
    assert "--summary and --map" in capsys.readouterr().err


def test_another_language(capsys):
    assert main(["enrich", "--map", "svg"]) == 2
    err = capsys.readouterr().err
    assert "svg" in err
    assert "dot" in err
    assert "mermaid" in err


@pytest.mark.parametrize(
    ("name", "drawn_name"),
    [
        ("%%{init: {'theme': 'dark'}}%%", "#37;#37;#123;init: #123;#39;theme#39;: #39;dark#39;#125;#125;#37;#37;"),
        ("`**bold**`", "#96;#42;#42;bold#42;#42;#96;"),
        ("$$x^2$$", "#36;#36;x#94;2#36;#36;"),
        ("fa:fa-ban", "fa#58;fa-ban"),
        (r"a\nb", "a#92;nb"),
        ("a\nb", "a#92;nb"),
        ("a\u202eb", "a#92;u202eb"),
        ("<br>&amp;#35;", "#60;br#62;#38;amp;#35;35;"),
        ("10.0.0.1:8080", "10.0.0.1:8080"),
        ("[fd00::1]:80", "[fd00::1]:80"),
        ("größe", "größe"),
    ],
)
def test_nothing_in_a_name_means_anything_to_mermaid(name, drawn_name):
    table = ServiceMap()
    table.add(record(name))
    assert f'  n0["x"] -->|"1"| n1["{drawn_name}"]' in table.mermaid()


@pytest.mark.parametrize(
    ("name", "drawn_name"),
    [
        ("pay&#45;1", "pay&amp;#45;1"),
        (r"\N\G\l", r"\\N\\G\\l"),
        ("a\nb", r"a\\nb"),
        ("\\", r"\\"),
        ("<b>x</b>", "<b>x</b>"),
    ],
)
def test_nothing_in_a_name_means_anything_to_graphviz(name, drawn_name):
    """Only a text without quotes may be HTML."""
    table = ServiceMap()
    table.add(record(name))
    assert f'  "x" -> "{drawn_name}" [label="1"];' in table.dot()
