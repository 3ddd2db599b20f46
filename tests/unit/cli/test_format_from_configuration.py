"""A log is read with the configuration of its proxy in place of the bare format."""

import json

import pytest

from enricher.cli.main import main

LINE = {"code": "502", "to": "10.0.0.1:80, 10.0.0.2:80", "codes": "502, 200", "agent": r"a \"b\" c"}
VALUES = """
controller:
  allowSnippetAnnotations: true
  config:
    use-forwarded-headers: true
    log-format-escape-json: true
    log-format-upstream: '{"code": "$status", "to": "$upstream_addr",
              "codes": "$upstream_status", "agent": "$http_user_agent"}'
"""
F5 = """
kind: ConfigMap
apiVersion: v1
metadata: {name: nginx-config, namespace: nginx-ingress}
data:
  log-format-escaping: json
  log-format: |
    {"code": "$status", "to": "$upstream_addr",
    "codes": "$upstream_status", "agent": "$http_user_agent"}
"""
SNIPPET = """
kind: ConfigMap
apiVersion: v1
metadata: {name: nginx-config, namespace: nginx-ingress}
data:
  keepalive: "32"
  http-snippets: |
    log_format shop escape=json '{'
    '"code": "$status", "to": "$upstream_addr", '
    '"codes": "$upstream_status", "agent": "$http_user_agent"}';
    access_log /var/log/nginx/access.log shop;
"""
VALUE = """escape=json
{"code": "$status", "to": "$upstream_addr",
"codes": "$upstream_status", "agent": "$http_user_agent"}
"""


@pytest.fixture
def enriched(tmp_path, endpoints, capsys):
    def enriched(content):
        (log := tmp_path / "log").write_text("{" + ", ".join(f'"{k}": "{v}"' for k, v in LINE.items()) + "}\n")
        (path := tmp_path / "format").write_text(content)
        code = main(["enrich", "--endpoints", str(endpoints), "--log-format-file", str(path), str(log)])
        out, err = capsys.readouterr()
        return code, json.loads(out), err

    return enriched


@pytest.mark.parametrize("content", [VALUES, F5, SNIPPET, VALUE, json.dumps({"log-format": VALUE})])
def test_each_try_has_its_pod(enriched, content):
    code, row, _ = enriched(content)
    assert (code, row["kind"], row["http_user_agent"]) == (0, "access", 'a "b" c')
    assert [(attempt["pod"], attempt["status"]) for attempt in row["attempts"]] == [("web-1", 502), ("web-2", 200)]


def test_a_bare_format_without_its_escaping(enriched):
    code, row, err = enriched(VALUE.removeprefix("escape=json\n"))
    assert (code, row["kind"]) == (3, "parse_error")
    assert "fits the given log format with escape=json, not with escape=default: write escape=json before" in err


def test_several_formats(enriched):
    code, row, err = enriched(F5 + "  stream-log-format: $status $upstream_addr\n")
    assert (code, row["kind"]) == (0, "access")
    assert "data.log-format is used, and ConfigMap nginx-ingress/nginx-config: data.stream-log-format not" in err
