"""nginx outside Kubernetes: its log files, named by their path, through the daemon and logrotate."""

from tests.support.controller_logs import access
from tests.support.daemons import until


def test_files_are_followed_through_logrotate_and_a_restart(node, tmp_path):
    (logs := tmp_path / "nginx").mkdir()
    one, two = logs / "a.access.log", logs / "b.access.log"
    one.write_text(access(1) + "\n")
    two.write_text(access(2, "10.0.0.2:80") + "\n")
    daemon = node.start("--select", str(logs / "*.access.log"))
    until(lambda: len(daemon.rows()) == 2)
    one.rename(logs / "a.access.log.1")
    one.write_text(access(3) + "\n")
    until(lambda: len(daemon.rows()) == 3)
    assert {(row["req_id"], row["pod"]) for row in daemon.rows()} == {
        ("request-1", "web-1"),
        ("request-2", "web-2"),
        ("request-3", "web-1"),
    }
    assert {row["logged_by"]["path"] for row in daemon.rows()} == {str(one), str(two)}
    assert daemon.stop()[0] == 0
    with two.open("a") as file:
        file.write(access(4) + "\n")
    again = node.start("--select", str(logs / "*.access.log"))
    until(again.rows)
    assert again.stop()[0] == 0
    assert again.ids() == ["request-4"]


def test_the_wrong_format_is_told_once(node):
    node.write(*(f"2026-11-22T23:18:31.5Z stdout F {access(n)}\n" for n in range(50)))
    daemon = node.start("--log-format", "$status $upstream_addr $upstream_status")
    until(lambda: len(daemon.rows()) == 50)
    assert daemon.stop()[0] == 0
    warnings = [line for line in daemon.stderr_lines if b"fits the log format" in line]
    assert len(warnings) == 1
