"""--log-format-file takes the log format itself, and every kind of file that proxies and their charts keep it in."""

import textwrap

import pytest

from enricher.accesslog.profiles import PROFILES, text_and_escape
from enricher.config import format_files
from enricher.config.format_files import read_log_format
from enricher.config.options import RUN
from enricher.config.print_config import dump_config
from enricher.config.resolve import resolve, resolve_settings
from enricher.errors import ConfigurationError
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


def test_a_file_that_is_too_large(tmp_path, monkeypatch):
    (path := tmp_path / "file").write_text("$status")
    monkeypatch.setattr(format_files, "MAX_SIZE", 7)
    assert read_log_format(str(path), None).formats[0].text == "$status"
    path.write_text("$statuss")
    with pytest.raises(ConfigurationError, match=r"cannot read the log format from .*: it is larger than"):
        read_log_format(str(path), None)


@pytest.mark.parametrize("name", ["nginx.conf", "EnvoyProxy with a text", "values of ingress-nginx"])
def test_print_config_says_where_the_profile_is_from(tmp_path, name):
    content, profile, _ = FILES[name]
    (path := tmp_path / "file").write_text(textwrap.dedent(content))
    flags = {"--log-format-file": str(path)}
    printed = "\n".join(dump_config(RUN, resolve(RUN, flags, {})))
    assert (f"\nprofile: {profile}  # from --log-format-file" in printed) == (profile is not None)
    (config := tmp_path / "config").write_text(printed)
    again, first = (resolve_settings(RUN, given, {}) for given in ({"--config": str(config)}, flags))
    assert (again.logs.profile, again.logs.select) == (first.logs.profile, first.logs.select)
    assert again.logs.formats[0].text == first.logs.formats[0].text
