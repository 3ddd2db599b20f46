"""A guide's file that nobody runs here has rotted: it does not parse, takes the raw log as well, or names no field."""

import json
import re
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from enricher.accesslog.try_formats import REQUEST_ID
from enricher.config.settings import USUAL_SELECTORS
from tests.integration.shippers.pods_logs import CONTROLLER, DEPLOY

ROOT = Path(__file__).parents[3]
FILES = sorted(path for path in DEPLOY.glob("*/*"))
UID = "0d7c8a52-3a3f-4c55-9a51-222222222222"
ROTATED = "20261122-232031"
SELECTED = [selector.text.split("/") for selector in USUAL_SELECTORS]
"""The namespace, the pod and the container of what a daemon follows without an option, as globs."""
FOLLOWED = [f"{namespace}_{pod}_*/{container}" for namespace, pod, container in SELECTED]
"""The same as globs of a kubelet's directories."""


def names(glob: str) -> list[str]:
    """Return names that a glob matches."""
    return sorted({glob.replace("*", text) for text in ("x", "a-1", "")} - {""})


RAW = [
    f"/var/log/pods/{directory}/0.log{rotated}"
    for directory in (
        CONTROLLER,
        *(
            f"{namespace}_{pod}_{UID}/{container}"
            for globs in SELECTED
            for namespace, pod, container in product(*map(names, globs))
        ),
    )
    for rotated in ("", f".{ROTATED}")
]
ENRICHED = f"/var/log/pods/enricher_enricher-x7k2p_{UID}/enricher/0.log"
OTHERS = [
    f"/var/log/pods/shop_web-1_{UID}/web/0.log",
    f"/var/log/pods/ingress-nginx_ingress-nginx-controller-7d78fd997-csccr_{UID}/sidecar/0.log",
    f"/var/log/pods/ingress-nginx_ingress-nginx-admission-create-x_{UID}/create/0.log",
    # Whose namespace has a proxy's name; what only looks like a proxy, and is not followed by default.
    f"/var/log/pods/envoy-gateway-system_web-1_{UID}/envoy/0.log",
    f"/var/log/pods/traefik_web-1_{UID}/traefik/0.log",
    f"/var/log/pods/shop_web-nginx-1_{UID}/nginx/0.log",
    f"/var/log/pods/shop_cart-1_{UID}/istio-proxy/0.log",
    f"/var/log/pods/shop_router-1_{UID}/logs/0.log",
]


def text(name: str) -> str:
    return (DEPLOY / name).read_text()


def loaded(name: str) -> Any:
    return yaml.safe_load(text(name))


def globs(taken: list[str], left_out: list[str]) -> Any:
    """A glob's `*` stops at a slash; `**` does not."""

    def matches(path: str, pattern: str) -> bool:
        if pattern.startswith("**/"):
            return fnmatchcase(path, "*/" + pattern.removeprefix("**/"))
        ours, theirs = path.split("/"), pattern.split("/")
        return len(ours) == len(theirs) and all(map(fnmatchcase, ours, theirs))

    def reads(path: str) -> bool:
        return any(matches(path, one) for one in taken) and not any(matches(path, one) for one in left_out)

    return reads


def alloy(name: str) -> Any:
    found = re.search(rf'local.file_match "{name}" {{(.*?)^}}', text("loki/config.alloy"), re.DOTALL | re.MULTILINE)
    assert found
    keys = dict(re.findall(r'"(__path\w*__)"\s*= "(.*?)"', found[1]))
    alternatives = re.fullmatch(r"(.*){(.*)}(.*)", keys.get("__path_exclude__", ""))
    before, middles, after = alternatives.groups() if alternatives else ("", "", "")
    return globs([keys["__path__"]], [before + middle + after for middle in middles.split(",")])


def filebeat(name: str) -> Any:
    [found] = [one for one in loaded("elasticsearch/filebeat.yml")["filebeat.inputs"] if one["id"] == name]
    left_out = found.get("prospector.scanner.exclude_files", [])
    return lambda path: globs(found["paths"], [])(path) and not any(re.search(one, path) for one in left_out)


def vector(name: str) -> Any:
    found = loaded("vector/vector.yaml")["sources"][name]
    default = ["**/*.gz", "**/*.tmp"]
    left_out = found.get("exclude_paths_glob_patterns", default)
    return globs(found.get("include_paths_glob_patterns", ["**/*"]), left_out)


def fluent_bit(name: str) -> Any:
    tag = {"enricher": "ingress", "others": "pods"}[name]
    [found] = [one for one in loaded("fluent-bit/fluent-bit.yaml")["pipeline"]["inputs"] if one["tag"] == tag]
    return globs([found["path"]], found.get("exclude_path", "").split(","))


def otelcol(name: str) -> Any:
    found = loaded("otelcol/config.yaml")["receivers"][f"file_log/{name}"]
    return globs(found["include"], found.get("exclude", []))


def rsyslog(name: str) -> Any:
    before, _, rest = text("rsyslog/enricher.conf").partition(" then stop")
    left_out = re.findall(r're_match\(\$!metadata!filename, "(.*?)"\)', before)
    enricher = re.search(r're_match\(\$!metadata!filename, "(.*?)"\)', rest)
    assert enricher

    def reads(path: str) -> bool:
        taken = globs(["/var/log/pods/*/*/*.log"], [])(path) and not any(re.search(one, path) for one in left_out)
        return taken and bool(re.search(enricher[1], path)) == (name == "enricher")

    return reads


TOOLS = [alloy, filebeat, vector, fluent_bit, otelcol, rsyslog]


def as_regex(glob: str) -> str:
    return glob.replace("*", "[^/_]*").replace("_[^/_]*/", "_[^/]*/")


@pytest.mark.parametrize(
    ("name", "pattern", "written"),
    [
        ("loki/config.alloy", r"[{,]([^{,/]*_\*/[^{,/]*)(?=[,}])", str),
        ("elasticsearch/filebeat.yml", r"- /pods/(.*)/$", as_regex),
        ("vector/vector.yaml", r'- "\*\*/(.*_.*)/\*"$', str),
        ("fluent-bit/fluent-bit.yaml", r"[ ,]/var/log/pods/([^,\s]*_\*/[^,\s]*)/\*\.log(?=,)", str),
        ("otelcol/config.yaml", r"- /var/log/pods/(.*_.*)/\*$", str),
        ("rsyslog/enricher.conf", r"[(|](?!\$)([^(|)]*_\[\^/\]\*/[^(|)]*)(?=[|)])", as_regex),
    ],
)
def test_what_is_left_out_is_what_a_daemon_follows_without_an_option(name: str, pattern: str, written: Any) -> None:
    """A selector more or less in accesslog/profiles.py changes each of the configurations."""
    found = [each for each in re.findall(pattern, text(name), re.MULTILINE) if not each.startswith("enricher_")]
    assert found == [written(glob) for glob in FOLLOWED]


@pytest.mark.parametrize("tool", TOOLS)
def test_the_raw_log_is_read_by_nobody_and_the_others_once(tool: Any) -> None:
    enricher, others = tool("enricher"), tool("others")
    readers = {path: [enricher(path), others(path)] for path in (*RAW, ENRICHED, *OTHERS)}
    raw = {path: [False, False] for path in RAW}
    assert readers == raw | {ENRICHED: [True, False]} | {path: [False, True] for path in OTHERS}


@pytest.mark.parametrize("tool", TOOLS)
def test_what_the_kubelet_rotated_is_read_by_one_at_most_and_never_compressed(tool: Any) -> None:
    enricher, others = tool("enricher"), tool("others")
    for path in (ENRICHED, *OTHERS):
        assert not others(f"{path}.{ROTATED}") or path != ENRICHED
        assert not enricher(f"{path}.{ROTATED}") or path == ENRICHED
        compressed = [f"{path}.{ROTATED}.gz", f"{path}.{ROTATED}.tmp"]
        assert not any(map(enricher, compressed)) and not any(map(others, compressed))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_guide_names_the_file(path: Path) -> None:
    assert f"(../{path.relative_to(ROOT)})" in (ROOT / "docs" / "shipping.md").read_text()


def keys(stage: str) -> set[str]:
    """Return what a stage of Alloy names."""
    found = re.search(rf"stage.{stage} {{\s*\w+ = {{(.*?)}}", text("loki/config.alloy"), re.DOTALL)
    assert found
    return set(re.findall(r"^\s*(\w+)\s*=", found[1], re.MULTILINE))


def test_nothing_with_many_values_is_a_label_of_loki() -> None:
    config = text("loki/config.alloy")
    assert all(config.count(opening) == config.count(closing) for opening, closing in ("{}", "[]", "()"))

    assert keys("labels") == {"kind", "logged_by_node"}
    assert {"pod", "namespace", "service", "status", "req_id", REQUEST_ID} <= keys("structured_metadata")
    assert keys("labels") | keys("structured_metadata") | {"time"} == keys("json")


def test_the_queries_of_loki_name_what_is_sent(enriched: list[bytes]) -> None:
    guide = (ROOT / "docs" / "shipping.md").read_text().partition("\n## Loki\n")[2]
    of_pod, failed, tried = re.findall(r"^    (\S.*)$", guide, re.MULTILINE)[:3]
    for query in (of_pod, failed, tried):
        labels = re.search(r"{(.*?)}", query)
        assert labels
        assert set(re.findall(r"(\w+)=", labels[1])) <= keys("labels") | {"job"}
    assert set(re.findall(r"\| (\w+) ?(?:>=|=)", of_pod + failed)) <= keys("structured_metadata")
    searched = re.search(r"`(.*?)`", tried)
    assert searched
    rows = map(json.loads, enriched)
    bad = [line for line, row in zip(enriched, rows, strict=True) if tried_with(row, 502)]
    assert bad == [line for line in enriched if searched[1].encode() in line]
    assert bad


def tried_with(row: dict[str, Any], status: int) -> bool:
    return bool(row["kind"] == "access" and row["attempts"][0]["status"] == status)


NOT_INDEXED = {
    "time_local",
    "remote_user",
    "http_referer",
    "proxy_alternative_upstream_name",
    "upstream_addr",
    "upstream_status",
    "upstream_response_time",
    "upstream_response_length",
}
"""Of ingress-nginx's default format."""
FITS = {
    "boolean": lambda value: isinstance(value, bool),
    "keyword": lambda value: isinstance(value, str),
    "text": lambda value: isinstance(value, str),
    "date_nanos": lambda value: bool(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", value)
    ),
    "short": lambda value: value is None or (isinstance(value, int) and -(2**15) <= value < 2**15),
    "long": lambda value: value is None or isinstance(value, int),
    "float": lambda value: value is None or isinstance(value, int | float),
}


def test_the_index_template_has_a_type_for_what_is_asked_for(enriched: list[bytes]) -> None:
    template = json.loads(text("elasticsearch/index-template.json"))["template"]["mappings"]["properties"]["ingress"]
    left: set[str] = set()

    def check(value: Any, mapping: dict[str, Any], where: str) -> None:
        for name, one in value.items():
            inner = mapping["properties"].get(name)
            if inner is None:
                left.add(where + name)
            elif isinstance(one, dict | list) and "properties" in inner:
                for each in one if isinstance(one, list) else [one]:
                    check(each, inner, f"{where}{name}.")
            else:
                assert FITS[inner["type"]](one), (name, one)

    for line in enriched:
        check(json.loads(line), template, "")
    assert left == NOT_INDEXED
