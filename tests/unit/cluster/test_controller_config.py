"""What a controller's ConfigMap says of where its log goes."""

import logging

import pytest

from enricher.accesslog.detection import FormatDetector
from enricher.cluster.controller_config import FormatUpdater, formats_from_config, missing_lines
from enricher.kube.watcher import Changed, Listed

ACCESS = "which keeps access lines out of the container's log: remove it"
SESSIONS = "which keeps lines of TCP and UDP sessions out of the container's log: remove it"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, []),
        ({"disable-access-log": "false", "enable-syslog": "no", "access-log-path": "/var/log/nginx/access.log"}, []),
        ({"access-log-path": "/dev/stdout", "stream-access-log-path": " /proc/1/fd/1\n", "access-log-path ": "/x"}, []),
        ({"access-log-path": "/x", "http-access-log-path": "/dev/stdout", "stream-access-log-path": "/dev/stdout"}, []),
        ({"disable-access-log": "true"}, [f"disable-access-log, {ACCESS}"]),
        ({"disable-http-access-log": "1"}, [f"disable-http-access-log, {ACCESS}"]),
        ({"disable-stream-access-log": "T"}, [f"disable-stream-access-log, {SESSIONS}"]),
        (
            {"enable-syslog": "true"},
            ["enable-syslog, which keeps access lines and error lines out of the container's log: remove it"],
        ),
        ({"access-log-path": "/x"}, [f"access-log-path to /x, {ACCESS}, or follow the file with --select"]),
        ({"http-access-log-path": "/x"}, [f"http-access-log-path to /x, {ACCESS}, or follow the file with --select"]),
        (
            {"access-log-path": "/x", "http-access-log-path": "/dev/stdout"},
            [f"access-log-path to /x, {SESSIONS}, or follow the file with --select"],
        ),
        (
            {"stream-access-log-path": "/dev/stderr"},
            [f"stream-access-log-path to /dev/stderr, {SESSIONS}, or follow the file with --select"],
        ),
        ({"access-log-off": "True"}, [f"access-log-off, {ACCESS}"]),
        (
            {"access-log": "syslog:server=1.2.3.4 main"},
            [f"access-log to syslog:server=1.2.3.4 main, {ACCESS}"],
        ),
    ],
)
def test_settings_that_keep_lines_out(data, expected):
    assert missing_lines(data) == expected


def test_each_is_said_once_and_again_when_it_comes_back(caplog):
    caplog.set_level(logging.WARNING)
    updater = FormatUpdater(FormatDetector().default, "ingress-nginx")

    def change(**data):
        caplog.clear()
        updater.apply(Changed("MODIFIED", {"data": {key.replace("_", "-"): data[key] for key in data}}, 1, 1))
        return [record.getMessage() for record in caplog.records]

    updater.apply(Listed([{"data": {"disable-access-log": "true"}}], 1, 1))
    text = f"the controller's ConfigMap sets disable-access-log, {ACCESS}"
    assert [record.getMessage() for record in caplog.records] == [text]
    assert change(disable_access_log="true", log_format_upstream="$status") == []
    assert change(disable_access_log="true", enable_syslog="true") != [text]
    assert change() == []
    assert change(disable_access_log="true") == [text]


def test_f5s_format_over_several_lines():
    data = {"log-format": '$remote_addr\n\n  "$request"\n$status $upstream_addr\n', "log-format-escaping": "json"}
    (log_format,) = formats_from_config(data, "nginx-ingress")
    assert (log_format.text, log_format.escape) == ('$remote_addr   "$request" $status $upstream_addr', "json")
