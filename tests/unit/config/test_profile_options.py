"""Which proxy: --profile for all, a profile for what a selector selects, and formats in each proxy's own language."""

import argparse
import json
from pathlib import Path

import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.accesslog.profiles import PROFILES, profile_formats
from enricher.cli.main import main
from enricher.config.options import RUN, add_options
from enricher.config.resolve import resolve_settings
from enricher.config.settings import Settings
from enricher.errors import UsageError
from enricher.tailer.discovery import discover

RECORDED = Path(__file__).parents[2] / "integration" / "proxies" / "recorded"
ENVOY = '%RESPONSE_CODE% "%UPSTREAM_HOST%" %DOWNSTREAM_REMOTE_ADDRESS%'
HAPROXY = "%ci:%cp %si:%sp %ST %Ta %tsc"


def settings_of(flags=(), environ=()):
    parser = argparse.ArgumentParser()
    add_options(parser, RUN)
    return resolve_settings(RUN, vars(parser.parse_args(list(flags))), dict(environ))


@pytest.fixture
def enriched(tmp_path, endpoints, capsys):
    def enriched(text, *options, code=0):
        (log := tmp_path / "log").write_text(text)
        assert main(["enrich", "--endpoints", str(endpoints), *options, str(log)]) == code
        out, err = capsys.readouterr()
        return [json.loads(line) for line in out.splitlines()], err

    return enriched


# --- --profile --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "name"),
    [
        ("nginx", "nginx-upstreams"),
        ("envoy", "envoy-istio"),
        ("traefik", "traefik-json"),
        ("haproxy", "haproxy-address"),
    ],
)
def test_a_profile_given_and_a_profile_found_out_read_alike(enriched, profile, name):
    text = (RECORDED / f"{name}.log").read_text("utf-8", "surrogateescape").encode("ascii", "replace").decode()
    given = enriched(text, "--profile", profile)
    assert given == enriched(text)
    assert {row["kind"] for row in given[0]} == {"access"}


def test_another_proxys_lines_do_not_fit(enriched):
    rows, err = enriched((RECORDED / "haproxy-httplog.log").read_text(), "--profile", "traefik", code=3)
    assert {row["kind"] for row in rows} == {"parse_error"}
    assert err == (
        f"enricher: no line of {len(rows)} fits a log format of the profile traefik: "
        "one of them fits the log format of the profile haproxy: read such lines with --profile haproxy\n"
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_the_default_selectors_follow_the_profile(profile):
    for settings in (settings_of(["--profile", profile]), settings_of((), {"ENRICHER_PROFILE": profile})):
        assert settings.logs.profile == profile
        of_profile = (*PROFILES[profile].selectors, *PROFILES[profile].wide_selectors)
        assert tuple(selector.text for selector in settings.logs.select) == of_profile
    own = settings_of(["--profile", profile, "--select", "a/b/c"])
    assert [selector.text for selector in own.logs.select] == ["a/b/c"]
    own = settings_of(["--profile", profile], {"ENRICHER_SELECT": "a/b/c"})
    assert [selector.text for selector in own.logs.select] == ["a/b/c"]


def test_without_one():
    assert settings_of().logs.profile is None
    usual = [(text, name) for name, profile in PROFILES.items() for text in profile.selectors]
    assert [(selector.text, selector.guess) for selector in settings_of().logs.select] == usual
    assert Settings().logs.select == settings_of().logs.select


@pytest.mark.parametrize(
    "flags",
    [("--log-format", "$status"), ("--log-format-file", "FILE"), ("--controller-configmap", "a/b")],
)
def test_a_format_without_a_profile_is_of_ingress_nginx_alone(tmp_path, flags):
    (tmp_path / "FILE").write_text("$status")
    settings = settings_of([str(tmp_path / flag) if flag == "FILE" else flag for flag in flags])
    assert tuple(selector.text for selector in settings.logs.select) == PROFILES["ingress-nginx"].selectors


def test_the_profile_that_a_file_shows_selects(tmp_path):
    (tmp_path / "values").write_text(f"meshConfig:\n  accessLogFormat: '{ENVOY}'\n")
    settings = settings_of(["--log-format-file", str(tmp_path / "values")])
    assert settings.logs.select == settings_of(["--profile", "envoy"]).logs.select


@pytest.mark.parametrize(
    ("pod", "container", "profiles"),
    [
        ("ingress-nginx-controller-7d9", "controller", {"ingress-nginx"}),
        ("my-ingress-nginx-controller-7d9", "controller", {"ingress-nginx"}),
        ("nginx-7d9", "nginx", {"nginx"}),
        ("web-nginx-7d9", "nginx", {"nginx"}),
        ("nginx-ingress-controller-7d9", "nginx-ingress", {"nginx-ingress"}),
        ("envoy-default-eg-7d9", "envoy", {"envoy"}),
        ("istio-ingressgateway-7d9", "istio-proxy", {"envoy"}),
        ("nginx-ingress-controller-7d9", "nginx-ingress-controller", {"ingress-nginx"}),
        ("rke2-ingress-nginx-controller-7d9", "rke2-ingress-nginx-controller", {"ingress-nginx"}),
        ("nginx-ingress-7d9", "nginx-plus-ingress", {"nginx-ingress"}),
        ("gateway-nginx-7d9", "nginx", {"nginx"}),
        ("apisix-7d9", "apisix", {"nginx"}),
        ("kong-gateway-7d9", "proxy", {"nginx"}),
        ("gateway-istio-7d9", "istio-proxy", {"envoy"}),
        ("istio-egressgateway-7d9", "istio-proxy", {"envoy"}),
        ("waypoint-7d9", "istio-proxy", {"envoy"}),
        ("cilium-envoy-x7d9z", "cilium-envoy", {"envoy"}),
        ("gateway-proxy-7d9", "gateway-proxy", {"envoy"}),
        ("emissary-ingress-7d9", "emissary-ingress", {"envoy"}),
        ("router-default-7d9", "logs", set()),
        ("edge-kubernetes-ingress-7d9", "kubernetes-ingress-controller", {"haproxy"}),
        ("haproxy-ingress-7d9", "access-logs", {"haproxy"}),
        ("web-7d9", "istio-proxy", set()),
        ("traefik-7d9", "traefik", {"traefik"}),
        ("haproxy-kubernetes-ingress-7d9", "haproxy-ingress-controller", {"haproxy"}),
        ("web-7d9", "web", set()),
    ],
)
def test_what_a_profile_selects(tmp_path, pod, container, profiles):
    (tmp_path / f"ns_{pod}_uid" / container).mkdir(parents=True)
    found = {name for name in PROFILES if discover(str(tmp_path), settings_of(["--profile", name]).logs.select)}
    assert found == profiles


# --- --select PROFILE:… -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("rest", ["a/b*/c", "/var/log/proxy/*.log"])
def test_a_profile_for_what_is_selected(profile, rest):
    text = f"{profile}:{rest}"
    for settings in (settings_of(["--select", text]), settings_of((), {"ENRICHER_SELECT": text})):
        (selector,) = settings.logs.select
        assert (selector.profile, selector.text, settings.logs.profile) == (profile, rest, None)


def test_each_selectors_sources_have_its_profile(tmp_path):
    for pod, container in (("edge-1", "envoy"), ("lb-1", "haproxy"), ("web-1", "nginx")):
        (tmp_path / "pods" / f"ns_{pod}_uid" / container).mkdir(parents=True)
    (tmp_path / "plain.log").touch()
    selects = ["envoy:ns/edge-*/envoy", "haproxy:*/lb-*/*", "*/*/nginx", f"traefik:{tmp_path}/*.log"]
    settings = settings_of([part for select in selects for part in ("--select", select)])
    found = discover(str(tmp_path / "pods"), settings.logs.select)
    assert [(source.container, source.profile) for source in found] == [
        ("", "traefik"),
        ("envoy", "envoy"),
        ("haproxy", "haproxy"),
        ("nginx", ""),
    ]
    detector = FormatDetector(settings.logs.formats, settings.logs.given_profile)
    for source in found:
        usual = source.profile or "ingress-nginx"
        assert detector.timeline_for(source, source.profile, []).formats_at(0) == profile_formats(usual)


def test_a_path_with_a_colon_is_a_path():
    (selector,) = settings_of(["--select", "/var/log/a:b/*.log"]).logs.select
    assert (selector.profile, selector.text) == ("", "/var/log/a:b/*.log")


# --- --log-format -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, -1])
def test_envoys_language(enriched, order):
    pairs = [("--profile", "envoy"), ("--log-format", ENVOY)][::order]
    rows, err = enriched('503 "10.0.0.1:80" 192.0.2.7:4000\n', *(part for pair in pairs for part in pair))
    assert [(row["status"], row["pod"], row["remote_addr"]) for row in rows] == [(503, "web-1", "192.0.2.7:4000")]
    assert "does not name the upstream" not in err


def test_envoys_json(enriched):
    text = json.dumps({"code": "%RESPONSE_CODE%", "up": "%UPSTREAM_HOST%", "tail": "a %PROTOCOL% b"})
    rows, _ = enriched(
        '{"up":"10.0.0.1:80","code":503,"tail":"a HTTP/2 b"}\n', "--profile", "envoy", "--log-format", text
    )
    assert [(row["status"], row["pod"], row["tail"]) for row in rows] == [(503, "web-1", "a HTTP/2 b")]


def test_haproxys_language(enriched):
    rows, err = enriched("192.0.2.7:4000 10.0.0.1:80 503 5 SC--\n", "--profile", "haproxy", "--log-format", HAPROXY)
    assert [(row["status"], row["pod"], row["attempts"][0]["reason"]) for row in rows] == [(503, "web-1", "refused")]
    assert "does not name the upstream" not in err


def test_traefiks_names(enriched):
    line = (RECORDED / "traefik-common.log").read_text().splitlines()[0]
    for text, kind, code in (("common", "access", 0), ("json", "parse_error", 3)):
        rows, _ = enriched(f"{line}\n", "--profile", "traefik", "--log-format", text, code=code)
        assert [row["kind"] for row in rows] == [kind]


@pytest.mark.parametrize(
    ("flags", "environ"),
    [
        (["--profile", "envoy", "--log-format-file", "FILE"], {}),
        (["--log-format", ENVOY], {"ENRICHER_PROFILE": "envoy"}),
        ([], {"ENRICHER_PROFILE": "envoy", "ENRICHER_LOG_FORMAT_FILE": "FILE"}),
        (["--profile", "envoy"], {"ENRICHER_LOG_FORMAT": ENVOY}),
        (["--profile", "envoy"], {"ENRICHER_PROFILE": "nginx", "ENRICHER_LOG_FORMAT": ENVOY}),
    ],
)
def test_in_a_file_and_in_variables(tmp_path, flags, environ):
    (path := tmp_path / "format").write_text(ENVOY + "\\n\n")
    flags = [str(path) if flag == "FILE" else flag for flag in flags]
    environ = {name: str(path) if value == "FILE" else value for name, value in environ.items()}
    expected_value = settings_of(["--profile", "envoy", "--log-format", ENVOY]).logs.formats[0].names
    assert settings_of(flags, environ).logs.formats[0].names == expected_value


def test_a_format_that_names_no_upstream(enriched):
    _, err = enriched("503\n", "--profile", "envoy", "--log-format", "%RESPONSE_CODE%")
    assert err.splitlines() == [
        "enricher: the log format does not name the upstream (%UPSTREAM_HOST%): no line can be attributed"
    ]


def test_a_format_without_the_status_of_upstreams(enriched):
    rows, err = enriched("503 10.0.0.1:80\n", "--log-format", "$status $upstream_addr")
    assert [(attempt["status"], attempt["origin"]) for attempt in rows[0]["attempts"]] == [(503, "pod")]
    assert err.count("the log format has no $upstream_status: $status is taken for the result") == 1


# --- what is wrong is told --------------------------------------------------------------------------------------------


@pytest.fixture
def refused(capsys):
    def refused(*arguments):
        assert main([str(argument) for argument in arguments]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("enricher: ")
        assert err.count("\n") == 1, err
        return err

    return refused


@pytest.mark.parametrize("name", ["apache", "", "Envoy", "envoy "])
@pytest.mark.parametrize("option", ["profile", "select"])
def test_a_name_that_is_no_profiles(refused, monkeypatch, option, name):
    value = name if option == "profile" else f"{name}:a/b/c"
    allowed = f"expected one of {', '.join(PROFILES)}"
    err = refused("run", f"--{option}", value)
    assert f"--{option} {value!r}: {allowed}" in err
    if value.strip() and " " not in value:  # a variable that is empty is none, and of a list spaces are the ends
        monkeypatch.setenv(f"ENRICHER_{option.upper()}", value)
        assert f"ENRICHER_{option.upper()} {value!r}: {allowed}" in refused("run")


@pytest.mark.parametrize("rest", ["a/b", "", "relative.log"])
def test_a_profile_before_what_selects_nothing(refused, rest):
    err = refused("run", "--select", f"envoy:{rest}")
    assert f"--select {f'envoy:{rest}'!r}: " in err
    assert "NAMESPACE/POD-GLOB/CONTAINER" in err


@pytest.mark.parametrize(
    ("profile", "text", "message"),
    [
        ("envoy", "$status $upstream_addr", "not a log format of envoy: the format contains no variable"),
        ("envoy", "%RESPONSE_CODE% %oops", "character 17"),
        ("envoy", "{}", "%RESPONSE_CODE%"),
        ("envoy", "{", "the JSON object of format strings is not valid"),
        ("envoy", '{"a": ["%RESPONSE_CODE%"]}', "%RESPONSE_CODE%"),
        ("haproxy", "", "not a log format of haproxy"),
        ("haproxy", "words only", "not a log format of haproxy: the format contains no variable"),
        ("haproxy", "%ci%ST", "character 4"),
        ("traefik", "{status}", "choose common, genericCLF or json"),
        ("nginx", "%ci", "not an nginx log_format"),
        ("ingress-nginx", "%ci", "not an nginx log_format"),
        ("nginx-ingress", "$status $", "character 9"),
    ],
)
def test_a_format_in_another_language(refused, profile, text, message):
    err = refused("run", "--profile", profile, "--log-format", text)
    assert f"--log-format {text!r}: " in err
    assert message in err


def test_without_a_profile_a_format_is_nginxs():
    assert settings_of(["--log-format", "$status"]).logs.formats[0].names == ("status",)
    with pytest.raises(UsageError, match="not an nginx log_format"):
        settings_of(["--log-format", ENVOY])
