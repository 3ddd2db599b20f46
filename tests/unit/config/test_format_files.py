"""--log-format-file takes the log format itself, and every kind of file that proxies and their charts keep it in."""

import textwrap

import pytest

from enricher.accesslog.profiles import PROFILES, text_and_escape
from enricher.config.format_files import read_log_format
from tests.unit.config.format_examples import FILES


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file(tmp_path, name):
    content, profile, text = FILES[name]
    (path := tmp_path / "file").write_text(textwrap.dedent(content))
    given = read_log_format(str(path), None)
    expected = PROFILES[profile or "nginx"].compile(text)
    assert given.profile == profile
    assert list(map(text_and_escape, given.formats)) == list(map(text_and_escape, expected))
    assert [item.names for item in given.formats] == [item.names for item in expected]
    again = read_log_format(str(path), profile or "nginx")
    assert list(map(text_and_escape, again.formats)) == list(map(text_and_escape, expected))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("name", ["the format itself", "nginx.conf", "values of ingress-nginx", "EnvoyProxy with JSON"])
def test_files_of_other_encodings(tmp_path, name, encoding):
    content, profile, _ = FILES[name]
    (path := tmp_path / "file").write_bytes(textwrap.dedent(content).encode(encoding))
    (plain := tmp_path / "plain").write_text(textwrap.dedent(content))
    given, expected = read_log_format(str(path), None), read_log_format(str(plain), None)
    assert given.profile == profile
    assert given.formats[0].text == expected.formats[0].text
