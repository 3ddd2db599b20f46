"""A format is found wherever YAML or JSON has it, in any spelling, below any keys, among any other objects."""

import json
import tempfile
from pathlib import Path

import yaml
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from enricher.accesslog.format_compiler import LogFormatError
from enricher.accesslog.nginx import compile_format
from enricher.config.format_files import read_log_format

PIECE = st.sampled_from(
    ["$status", "$upstream_addr", "$request_time", '"$request"', "[$time_local]", "$remote_addr - $remote_user"]
)
JOIN = st.sampled_from([" ", '", "', " : ", " # ", " 'x' ", "=", " | ", ' {"a": ', " - ", " %", "é ", ", "])
"""Words between the variables that YAML, JSON and nginx.conf each take for something else outside quotes."""


@st.composite
def formats(draw):
    pieces = draw(st.lists(PIECE, min_size=1, max_size=6, unique=True))
    text = "$host " + "".join(draw(JOIN) + piece for piece in pieces)
    try:
        compile_format(text)
    except LogFormatError:
        reject()
    return text


KEYS = st.lists(st.sampled_from(["controller", "config", "values", "edge-proxy", "a.b", "spec"]), max_size=4)
OTHERS = st.dictionaries(
    st.sampled_from(["hsts", "keep-alive", "log-level", "access", "logs", "data2", "format", "metadata"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("$status"),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
OBJECTS = st.lists(st.builds(lambda data: {"apiVersion": "v1", "kind": "ConfigMap", "data": data}, OTHERS), max_size=2)


def below(keys, value, others):
    for key in reversed(keys):
        value = {**others, key: value}
    return value


@st.composite
def written(draw, value):
    """The value as a text of YAML or JSON in one of many styles."""
    if draw(st.booleans()):
        return json.dumps(value, indent=draw(st.sampled_from([None, 2])), ensure_ascii=draw(st.booleans()))
    text = yaml.safe_dump(
        value,
        default_style=draw(st.sampled_from([None, '"', "'", "|", ">"])),
        default_flow_style=draw(st.booleans()),
        width=draw(st.sampled_from([20, 80, 1000])),
        indent=draw(st.sampled_from([2, 8])),
        allow_unicode=draw(st.booleans()),
        explicit_start=draw(st.booleans()),
        line_break=draw(st.sampled_from(["\n", "\r\n"])),
    )
    assume(yaml.safe_load(text) == value)  # PyYAML breaks some long texts in double quotes wrongly
    return text


PROFILES = {"log-format-upstream": "ingress-nginx", "log-format": "nginx-ingress", "accessLogFormat": None}


@st.composite
def files(draw):
    text, escape = draw(formats()), draw(st.sampled_from(["", "json", "none"]))
    key, profile = draw(st.sampled_from(list(PROFILES.items())))
    settings = {key: text, **draw(OTHERS)}
    if escape:
        settings |= {"ingress-nginx": {f"log-format-escape-{escape}": "true"}}.get(profile, {f"{key}-escaping": escape})
    value = below(draw(KEYS), settings, draw(OTHERS))
    shape = draw(st.sampled_from(["plain", "object", "list", "text", "documents"]))
    if shape in {"object", "list"}:
        value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "y"}, "data": value}
    if shape == "list":
        value = {"apiVersion": "v1", "kind": "List", "items": [*draw(OBJECTS), value, *draw(OBJECTS)]}
    if shape == "text":
        value = {"apiVersion": "x/v1", "kind": "HelmRelease", "spec": {"values": draw(written(value))}}
    content = draw(written(value))
    if shape == "documents":
        # Documents of JSON follow each other, those of YAML have marks.
        others = [yaml.safe_dump(item, explicit_start=True) for item in draw(OBJECTS)]
        content = "".join(others) + yaml.safe_dump(value, explicit_start=True) if others else content
    return content, f"escape={escape} {text}" if escape else text, profile


@given(files(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be"]))
def test_it_is_found(file, encoding):
    content, text, profile = file
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / "file").write_bytes(content.encode(encoding))
        found = read_log_format(str(path), None)
    expected = compile_format(text)
    assert [(item.text, item.escape, item.names) for item in found.formats] == [
        (expected.text, expected.escape, expected.names)
    ]
    assert found.profile == profile
    assert not found.note
