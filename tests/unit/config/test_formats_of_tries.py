"""A file that logs attempts as well, with formats that do not let their lines be told apart, or be joined."""

import pytest
import yaml

from enricher.accesslog.try_formats import NO_ID, NO_TYPE
from enricher.config.format_files import read_log_format

BASE = '%RESPONSE_CODE% "%UPSTREAM_HOST%" %DURATION%'
WHOLE = f'%ACCESS_LOG_TYPE% "%REQ(X-REQUEST-ID)%" {BASE}\n'
WITHOUT_ID = f"%ACCESS_LOG_TYPE% {BASE}\n"
WITHOUT_TYPE = f'"%REQ(X-REQUEST-ID)%" {BASE}\n'


def setting(text, **more):
    sinks = [{"type": "File", "file": {"path": "/dev/stdout"}}]
    return {"sinks": sinks, "format": {"type": "Text", "text": text}, **more}


def envoy_proxy(of_requests, of_tries):
    settings = [setting(of_tries, type="Upstream"), setting(of_requests)]
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyProxy",
        "spec": {"telemetry": {"accessLog": {"settings": settings}}},
    }


def log(text):
    return [{"typed_config": {"log_format": {"text_format_source": {"inline_string": text}}}}]


def envoy(of_requests, of_tries):
    router = {"name": "envoy.filters.http.router", "typed_config": {"upstream_log": log(of_tries)}}
    return {"http_filters": [router], "access_log": log(of_requests)}


@pytest.mark.parametrize("make", [envoy_proxy, envoy])
@pytest.mark.parametrize(
    ("of_requests", "of_tries", "fault"),
    [
        (WHOLE, WHOLE, ""),
        (WHOLE, WITHOUT_TYPE, NO_TYPE),
        (WHOLE, WITHOUT_ID, NO_ID),
        (WITHOUT_ID, WHOLE, NO_ID),
        (WITHOUT_TYPE, WHOLE, ""),
        (WITHOUT_TYPE, WITHOUT_TYPE, NO_TYPE),
    ],
)
def test_what_the_formats_lack_is_said(tmp_path, make, of_requests, of_tries, fault):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(make(of_requests, of_tries)))
    given = read_log_format(str(path), None)
    [log_format] = given.formats
    assert log_format.text == of_requests.strip()
    assert [each for each in (NO_TYPE, NO_ID) if each in given.note] == ([fault] if fault else [])


@pytest.mark.parametrize("text", [WITHOUT_ID, WITHOUT_TYPE, f"{BASE}\n"])
def test_nothing_is_said_without_a_log_of_tries(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"access_log": log(text)}))
    assert read_log_format(str(path), None).note == ""
