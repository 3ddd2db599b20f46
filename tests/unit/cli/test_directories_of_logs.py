"""Directories of logs, as the kubelet and logrotate keep them, and rotated files that are given in order."""

import gzip
import json
import os

import pytest

from enricher.cli.main import main
from tests.support.controller_logs import access, cri

CONTROLLER = "ingress-nginx_ingress-nginx-controller-1_0f3a/controller"


@pytest.fixture
def enrich(tmp_path, endpoints, capsys):
    def enrich(*names, command="enrich"):
        code = main([command, "--endpoints", str(endpoints), *(str(tmp_path / name) for name in names)])
        out, err = capsys.readouterr()
        rows = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        return code, rows, err

    return enrich


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content.encode()) if path.name.endswith(".gz") else content.encode())


def requests(rows):
    return [row.get("req_id") or row["kind"] for row in rows]


def write_rotated(directory):
    """Write four requests, of which two go on in the next file."""
    texts = [access(n) for n in range(4)]
    write(directory / "0.log.20261122-231829.gz", cri(texts[0]) + cri(texts[1][:40], tag="P"))
    write(directory / "0.log.20261122-231830", cri(texts[1][40:]) + cri(texts[2][:-3], tag="P"))
    write(directory / "0.log", cri(texts[2][-3:]) + cri(texts[3]))


def test_a_line_goes_on_in_the_next_file_that_is_given(tmp_path, enrich):
    write_rotated(tmp_path)
    code, rows, _ = enrich("0.log.20261122-231829.gz", "0.log.20261122-231830", "0.log")
    assert code == 0
    assert requests(rows) == [f"request-{n}" for n in range(4)]


@pytest.mark.parametrize(
    "names", [("a.log.1", "b.log"), ("0.log", "1.log"), ("0.log", "0.log.20261122-231830"), ("x/0.log", "y/0.log")]
)
def test_a_line_does_not_go_on_in_another_log(tmp_path, enrich, names):
    write(tmp_path / names[0], cri(access(0)) + cri(access(1)[:40], tag="P"))
    write(tmp_path / names[1], cri(access(1)[40:]) + cri(access(2)))
    _, rows, _ = enrich(*names)
    assert requests(rows) == ["request-0", "parse_error", "parse_error", "request-2"]


@pytest.mark.parametrize("directory", [f"pods/{CONTROLLER}", f"pods/{CONTROLLER.partition('/')[0]}", "pods"])
def test_directories_of_the_kubelet(tmp_path, enrich, directory):
    write_rotated(tmp_path / "pods" / CONTROLLER)
    write(tmp_path / "pods" / CONTROLLER / "1.log", cri(access(4)))
    write(tmp_path / "pods" / "shop_web-1_77aa" / "web" / "0.log", cri("not a proxy's line"))
    code, rows, err = enrich(directory)
    assert code == 0
    assert ("the logs of 1 of 2 containers are left out" in err) == (directory == "pods")
    assert err.count("\n") == (directory == "pods")
    assert requests(rows) == [f"request-{n}" for n in range(5)]
    source = {"namespace": "ingress-nginx", "pod": "ingress-nginx-controller-1", "container": "controller"}
    assert all(row["logged_by"] == source | {"stream": "stdout"} for row in rows)


def test_other_containers_are_read_if_no_proxy_is_among_them(tmp_path, enrich):
    for n in (1, 2):
        write(tmp_path / "pods" / f"edge_my-proxy-{n}_77aa" / "main" / "0.log", cri(access(n)))
    assert requests(enrich("pods")[1]) == ["request-1", "request-2"]


def test_links_of_the_kubelet(tmp_path, enrich):
    write(tmp_path / "pods" / CONTROLLER / "0.log", cri(access(1)))
    links = tmp_path / "containers"
    links.mkdir()
    name = f"ingress-nginx-controller-1_ingress-nginx_controller-{'0f' * 32}.log"
    (links / name).symlink_to(tmp_path / "pods" / CONTROLLER / "0.log")
    (row,) = enrich("containers")[1]
    assert (row["logged_by"]["pod"], row["logged_by"]["container"]) == ("ingress-nginx-controller-1", "controller")


def test_a_directory_of_other_files(tmp_path, enrich):
    for number, name in enumerate(
        ["access.log.2.gz", "access.log.1", "access.log", "other.log-20261122", "sub/more.log"]
    ):
        write(tmp_path / "logs" / name, access(number) + "\n")
    code, rows, err = enrich("logs")
    assert (code, err) == (0, "")
    assert requests(rows) == [f"request-{n}" for n in range(5)]
    assert rows[2]["logged_by"]["path"] == str(tmp_path / "logs/access.log")


def test_a_directory_without_logs(tmp_path, enrich):
    (tmp_path / "empty").mkdir()
    code, _, err = enrich("empty")
    assert code == 3
    assert err == f"enricher: {tmp_path}/empty has no log files\n"


def test_tail_reads_them_too(tmp_path, endpoints, capsys):
    write_rotated(tmp_path / "pods" / CONTROLLER)
    assert main(["tail", "--endpoints", str(endpoints), str(tmp_path / "pods")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_files_that_are_no_logs_are_not_opened(tmp_path, enrich):
    write(tmp_path / "logs" / "a.log", access(1) + "\n")
    os.mkfifo(tmp_path / "logs" / "b.log")
    (tmp_path / "logs" / "loop").symlink_to(tmp_path / "logs")
    assert requests(enrich("logs")[1]) == ["request-1"]


LINKED = "ingress-nginx-controller-1_ingress-nginx_controller-" + 64 * "a" + ".log"


@pytest.mark.parametrize(
    "order", [("",), ("containers", "pods"), ("pods", "containers"), ("pods", "pods"), ("", "pods")]
)
@pytest.mark.parametrize("command", ["enrich", "tail"])
def test_a_file_with_several_names_is_read_once(tmp_path, enrich, capsys, caplog, order, command):
    """The kubelet links each container's newest file in another directory."""
    write_rotated(tmp_path / "logs" / "pods" / CONTROLLER)
    links = tmp_path / "logs" / "containers"
    links.mkdir()
    (links / LINKED).symlink_to(tmp_path / "logs" / "pods" / CONTROLLER / "0.log")
    os.link(tmp_path / "logs" / "pods" / CONTROLLER / "0.log", links / "hard.log")
    code, rows, err = enrich(*(f"logs/{name}" for name in order), command=command)
    assert code == 0
    if command == "enrich":
        assert requests(rows) == [f"request-{n}" for n in range(4)]
        assert {row["logged_by"]["pod"] for row in rows} == {"ingress-nginx-controller-1"}
    news = [*err.splitlines(), *caplog.messages]
    assert any(": it is read once" in text for text in news)
    assert len(news) <= len(order) + 1


def test_containers_that_are_linked_count_once(tmp_path, enrich):
    for name in (CONTROLLER, "shop_web-1_77aa/web"):
        write(tmp_path / "logs" / "pods" / name / "0.log", cri(access(0)))
    (tmp_path / "logs" / "containers").mkdir()
    for link, name in ((LINKED, CONTROLLER), (f"web-1_shop_web-{64 * 'b'}.log", "shop_web-1_77aa/web")):
        (tmp_path / "logs" / "containers" / link).symlink_to(tmp_path / "logs" / "pods" / name / "0.log")
    _, rows, err = enrich("logs")
    assert requests(rows) == ["request-0"]
    assert "the logs of 1 of 2 containers are left out" in err
    assert ": it is read once; such files: 2" in err


def test_a_file_that_is_given_twice(tmp_path, enrich):
    write(tmp_path / "a.log", cri(access(0)))
    (tmp_path / "b.log").symlink_to("a.log")
    for names in (("a.log", "a.log"), ("b.log", "a.log"), ("a.log", "b.log")):
        code, rows, err = enrich(*names)
        assert (code, requests(rows)) == (0, ["request-0"])
        assert err.count(": it is read once") == 1
    _, rows, err = enrich("b.log")
    assert (requests(rows), err) == (["request-0"], "")


@pytest.mark.parametrize("command", ["enrich", "tail"])
def test_the_message_names_the_file_if_there_are_several(tmp_path, enrich, caplog, command):
    write(tmp_path / "a.log", cri(access(0)))
    write(tmp_path / "b.log", cri("who knows"))
    _, _, err = enrich("a.log", "b.log", command=command)
    assert f"one of them, in {tmp_path / 'b.log'}, is like no known log format" in err + caplog.text
    caplog.clear()
    _, _, err = enrich("b.log", command=command)
    assert "one of them is like no known log format" in err + caplog.text
