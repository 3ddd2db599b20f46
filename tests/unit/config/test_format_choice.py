"""Of several formats in a file one is taken, which is said; a file without one is refused with the way out."""

import textwrap

import pytest

from enricher.config.options import RUN
from enricher.config.resolve import configuration_warnings, resolve_settings
from enricher.errors import UsageError

NGINX_CONF = """
    http {
        log_format main '$remote_addr $status';
        log_format timed '$upstream_addr $status';
        log_format other '$upstream_addr $status $request_time';
        USE
    }
    stream {
        log_format sessions '$upstream_addr $status $session_time';
        access_log /dev/stdout sessions;
    }
"""
CONFIG_MAP = """
    kind: ConfigMap
    apiVersion: v1
    metadata: {name: config, namespace: edge}
    data:
      stream-log-format: $remote_addr $upstream_addr $session_time
      log-format: $status $upstream_addr
"""
ISTIO_AND_HAPROXY = """
    meshConfig:
      accessLogFormat: '%RESPONSE_CODE% %UPSTREAM_HOST%'
    ---
    kind: ConfigMap
    apiVersion: v1
    metadata: {name: lb}
    data:
      log-format: '%ci %si:%sp %ST'
"""


@pytest.fixture
def settings_of(tmp_path, monkeypatch):
    def settings_of(content, profile=None):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "file").write_text(textwrap.dedent(content))
        return resolve_settings(RUN, {"--log-format-file": "file", "--profile": profile}, {})

    return settings_of


@pytest.mark.parametrize(
    ("use", "name"),
    [
        ("", "timed"),
        ("access_log /dev/stdout other;", "other"),
        ("access_log /dev/stdout main;", "main"),
        ("access_log off; access_log syslog:server=x other buffer=1k if=$y;", "other"),
        ("access_log /a main; server { access_log /b other; }", "other"),
        ("access_log /a main; # access_log /b other;", "main"),
        ("access_log /a; access_log /b combined;", "timed"),
    ],
)
def test_nginxs_format_in_use_is_taken(settings_of, use, name):
    settings = settings_of(NGINX_CONF.replace("USE", use))
    expected = {"main": "$remote_addr $status", "timed": "$upstream_addr $status"}
    (log_format,) = settings.logs.formats
    assert log_format.text == expected.get(name, "$upstream_addr $status $request_time")
    (warning, *_) = configuration_warnings(settings)
    assert warning.startswith(f"--log-format-file 'file': it sets 4 log formats: log_format {name} in line ")
    assert "log_format sessions in line 9" in warning
    assert warning.endswith(": to use another, give that format alone")


def test_the_only_format_is_taken_without_a_word(settings_of):
    for content in ("log_format a '$upstream_addr $status';", NGINX_CONF.replace("log_format", "#log_format", 3)):
        settings = settings_of(content)
        assert "log formats" not in "".join(configuration_warnings(settings))
        assert settings.logs.formats[0].names[0] == "upstream_addr"


def test_requests_come_before_sessions(settings_of):
    settings = settings_of(CONFIG_MAP)
    assert settings.logs.formats[0].text == "$status $upstream_addr"
    assert settings.logs.profile == "nginx-ingress"
    assert configuration_warnings(settings)[0] == (
        "--log-format-file 'file': it sets 2 log formats: ConfigMap edge/config: data.log-format is "
        "used, and ConfigMap edge/config: data.stream-log-format not: to use another, give that format alone"
    )


def test_ciliums_sessions(settings_of):
    items = [
        "- {format: Text, targets: [TCP], text: '%UPSTREAM_HOST% %BYTES_SENT% %DURATION%'}",
        "- {format: Text, text: '%UPSTREAM_HOST% %RESPONSE_CODE%'}",
    ]
    for first, second in (items, items[::-1]):
        content = f"spec:\n  telemetry:\n    accessLogs:\n    {first}\n    {second}\n"
        (log_format,) = settings_of(content).logs.formats
        assert log_format.names == ("upstream_addr", "status")


@pytest.mark.parametrize("order", [1, -1])
def test_sessions_of_every_controller(settings_of, order):
    for request_key, session_key in (
        ("log-format-upstream", "log-format-stream"),
        ("log-format", "stream-log-format"),
    ):
        lines = [f"{request_key}: $status", f"{session_key}: $upstream_addr $session_time"]
        assert settings_of("\n".join(lines[::order])).logs.formats[0].text == "$status"
    for request_key, session_key in (("http-log-format", "tcp-log-format"), ("log-format", "auth-log-format")):
        lines = [f"{request_key}: '%ST'", f"{session_key}: '%ci %si:%sp'"]
        assert settings_of("\n".join(lines[::order])).logs.formats[0].text == "%ST"


def test_a_profile_chooses(settings_of):
    for profile, name in (("envoy", "status"), ("haproxy", "remote_addr"), (None, "status")):
        settings = settings_of(ISTIO_AND_HAPROXY, profile)
        assert settings.logs.formats[0].names[0] == name
        assert settings.logs.profile == (profile or "envoy")
        assert ("log formats" in "".join(configuration_warnings(settings))) == (profile is None)
    with pytest.raises(UsageError, match=r"accessLogFormat\) is one of envoy, not of the profile traefik: give --pro"):
        settings_of(ISTIO_AND_HAPROXY, "traefik")


def test_many_are_counted(settings_of):
    settings = settings_of("".join(f"log_format f{number} '$status {number}';\n" for number in range(20)))
    (note,) = (warning for warning in configuration_warnings(settings) if "log formats" in warning)
    assert "it sets 20 log formats: log_format f0 in line 1 is used, and log_format f1 in line 2, " in note
    assert "log_format f4 in line 5 and 15 more not: to use another" in note


def test_two_keys_with_one_format_are_one(settings_of):
    content = "http-log-format: '%ci %si:%sp %ST'\nhttps-log-format: '%ci %si:%sp %ST'\n"
    assert "log formats" not in "".join(configuration_warnings(settings_of(content)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "kind: ConfigMap\napiVersion: v1\nmetadata: {name: config, namespace: edge}\ndata: {hsts: 'false'}\n",
            "there is no log format in ConfigMap edge/config: give the format itself, or ",
        ),
        (
            '{"kind": "List", "apiVersion": "v1", "items": [{"kind": "Pod", "apiVersion": "v1"}]}',
            "there is no log format in Pod: ",
        ),
        ("controller:\n  config:\n    hsts: $false\n", "there is no log format in it: "),
        (
            'config:\n  log-format-upstream: {"a": "$status"}\n',
            "log-format-upstream is an object: put the format in",
        ),
        ("controller:\n  replicas: 2\n", "which needs no option"),
        (
            "kind: Telemetry\napiVersion: telemetry.istio.io/v1\nmetadata: {name: mesh}\n"
            "spec: {accessLogging: [{providers: [{name: json}]}]}\n",
            "it names Istio's provider json but does not hold its format: give the mesh's configuration (kubectl get ",
        ),
        ("log-format-upstream: '$status\n  a: b: c\n", "it cannot be read as YAML: "),
        ("config:\n  log-format-upstream: {{ .Values.format }}\n  a: {{ b }}\n", "it cannot be read as YAML: "),
        ("log-format: $status\nlog-format: $host\n", 'it cannot be read as YAML: line 1: duplicate key "log-format"'),
        (
            "http {\n  include conf.d/*.conf;\n}\n",
            "there is no log_format in it: give the file that ",
        ),
        ("Name:         config\nNamespace:    edge\n\nData\n====\n", "it is the output of kubectl describe: give that"),
        (
            "log-format-upstream: |\n  $status\n  $host\n",
            "log-format-upstream: not an nginx log_format: the fo",
        ),
        ("http { log_format a '$'; }", "log_format a in line 1: not an nginx log_format: character 1: "),
        ("%RESPONSE_CODE% %UPSTREAM_HOST%", "it looks like one of envoy: give --profile envoy"),
        ('{"code": "%RESPONSE_CODE%", "a": {}}', "it looks like one of envoy: give --profile envoy"),
        ("%ci:%cp %si:%sp %ST", "it looks like one of haproxy: give --profile haproxy"),
        ("words", "the format contains no variable"),
    ],
)
def test_a_file_without_a_format(settings_of, content, message):
    with pytest.raises(UsageError) as error:
        settings_of(content)
    assert str(error.value).startswith("--log-format-file 'file': ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        "time: $time_iso8601\nstatus: $status\nto: $upstream_addr\n",
        '{"kind": "access", "log": {"code": "$status"}, "to": "$upstream_addr"}',
        '{\n"kind": "access",\n"access_log": "$status",\n"to": "$upstream_addr"\n}',
        "option: $status log-format: $upstream_addr",
    ],
)
def test_a_format_that_looks_like_a_document(settings_of, content):
    settings = settings_of(content)
    assert settings.logs.formats[0].text == " ".join(content.splitlines())
    assert settings.logs.profile is None


def test_repeated_and_nested_references(settings_of):
    lines = ["a0: &a0 {log-format-upstream: $status $upstream_addr}"]
    lines += [f"a{n}: &a{n} [{', '.join(f'*a{n - 1}' for _ in range(10))}]" for n in range(1, 30)]
    assert settings_of("\n".join(lines)).logs.formats[0].text == "$status $upstream_addr"


@pytest.mark.parametrize("key", ["log-format-escape-json", "json_format", "sinks", "kind", "type", "value", "name"])
def test_endless_values_of_keys_that_matter(settings_of, key):
    lines = ["a0: &a0 {b: '%RESPONSE_CODE%'}"]
    lines += [f"a{n}: &a{n} {{{', '.join(f'b{m}: *a{n - 1}' for m in range(10))}}}" for n in range(1, 30)]
    lines += ["last:", "  log-format-upstream: $status $upstream_addr", f"  {key}: *a29"]
    assert settings_of("\n".join(lines)).logs.formats[0].text == "$status $upstream_addr"
