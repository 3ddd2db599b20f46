"""`enricher record`: the lines it writes, and how it ends."""

import os
import signal
import subprocess
import sys
import threading
from asyncio import new_event_loop

import orjson
import pytest

from demo.fake_api import FakeApi, slice_of
from enricher.cli import record as recording
from enricher.config.settings import ClusterSettings
from enricher.endpoints.attribution import Window, attribute
from enricher.endpoints.files import load_endpoints
from enricher.errors import ConfigurationError
from enricher.kube.watcher import Changed, Listed
from enricher.timestamps import SECOND


def listed(items, at):
    return Listed(items, at, at)


def versioned(name, version, **pods):
    found = slice_of(name, pods)
    found["metadata"] |= {"resourceVersion": version, "managedFields": [{"manager": "kubectl"}]}
    return found


async def recorded(*news):
    async def stream():
        for item in news:
            yield item

    lines = []
    await recording.record(stream(), lines.append)
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    return [orjson.loads(line) for line in lines]


def short(lines):
    return [(line["type"], line["object"]["metadata"].get("name")) for line in lines]


async def test_the_first_list_is_added_and_changes_follow():
    lines = await recorded(
        listed([versioned("a", "1")], 1_700_000_000_123_456_789),
        Changed("ADDED", versioned("b", "2"), 1_700_000_001_000_000_001, 1_700_000_001_000_000_001),
        Changed("DELETED", versioned("a", "3"), 1_700_000_002_500_000_000, 1_700_000_001_500_000_000),
    )
    assert short(lines) == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]
    assert [line.get("earliest") for line in lines] == [None, None, "2023-11-14T22:13:21.5Z"]
    assert [line["at"] for line in lines] == [
        "2023-11-14T22:13:20.123456789Z",
        "2023-11-14T22:13:21.000000001Z",
        "2023-11-14T22:13:22.5Z",
    ]
    assert lines[0]["object"] == slice_of("a", {}) | {
        "kind": "EndpointSlice",
        "metadata": slice_of("a", {})["metadata"] | {"resourceVersion": "1"},
    }


async def test_a_later_list_is_told_as_what_it_differs_in():
    lines = await recorded(
        listed([versioned("same", "1"), versioned("gone", "2"), versioned("other", "3"), versioned("deleted", "4")], 0),
        Changed("DELETED", versioned("deleted", "5"), 1, 1),
        listed([versioned("same", "1"), versioned("other", "6"), versioned("new", "7")], 2),
        listed([versioned("same", "1"), versioned("other", "6"), versioned("new", "7")], 3),
    )
    differences = [("DELETED", "gone"), ("MODIFIED", "other"), ("ADDED", "new")]
    assert short(lines[5:]) == [*differences, ("BOOKMARK", None), ("BOOKMARK", None)]


async def test_what_came_and_went_between_two_lists_makes_nobody_certain(tmp_path):
    """Not even when they are the same: the recording says that something may be missing."""
    at = 1_700_000_000 * SECOND
    same, new = versioned("same", "1"), versioned("new", "2", **{"10.0.0.2": "new"})
    lines = await recorded(
        listed([same], at),
        listed([same], at + 90 * SECOND),
        Changed("ADDED", new, at + 99 * SECOND, at + 99 * SECOND),
        Changed("BOOKMARK", {"metadata": {"resourceVersion": "9"}}, at + 120 * SECOND, at + 120 * SECOND),
    )
    (path := tmp_path / "watch.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    for seconds, grade in ((98, "assumed"), (99, "exact"), (121, "assumed")):
        then = at + seconds * SECOND
        found = attribute(load_endpoints([str(path)]), "10.0.0.2:10000", Window(then, then, then), answered=True)
        assert (found.grade, found.owner.pod) == (grade, "new")


async def test_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(ConfigurationError, match=r"cannot write .*: No such file or directory"):
        recording.record_cluster(str(tmp_path / "no/such"), ClusterSettings())


def test_a_file_is_replaced_when_there_is_something_to_record_and_not_before(tmp_path):
    (path := tmp_path / "watch.jsonl").write_bytes(b"precious")
    with recording._open_output(str(path)) as write:
        assert path.read_bytes() == b"precious"
        write(b"one\n")
        write(b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


CODE = """
import sys
from enricher.cli.record import record_cluster
from enricher.config.settings import ClusterSettings
record_cluster(sys.argv[1] or None, ClusterSettings(kubeconfig=sys.argv[2]))
"""


@pytest.fixture
def server():
    """A stand-in that is served from a thread of its own, holding the slice "a"."""
    loop, stand_in = new_event_loop(), FakeApi()
    stand_in.apply("ADDED", slice_of("a", {"10.0.0.1": "pod-1"}))
    loop.run_until_complete(stand_in.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield stand_in
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(stand_in.stop())
    loop.close()


def start(server, tmp_path, output=""):
    server.write_kubeconfig(tmp_path / "config")
    return subprocess.Popen(
        [sys.executable, "-c", CODE, output, str(tmp_path / "config")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_each_line_is_out_at_once_and_a_signal_ends_it_cleanly(server, tmp_path, number):
    process = start(server, tmp_path)
    assert orjson.loads(process.stdout.readline())["object"]["metadata"]["name"] == "a"
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, b"")
    # A watch that was in sync by then says with a bookmark until when the recording is complete.
    assert [orjson.loads(line)["type"] for line in out.splitlines()] in ([], ["BOOKMARK"])


def test_a_reader_that_goes_away_ends_it_cleanly(server, tmp_path):
    reader, writer = os.pipe()
    server.write_kubeconfig(tmp_path / "config")
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", CODE, "", str(tmp_path / "config")],
        stdout=writer, stderr=subprocess.PIPE, timeout=10, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


def test_into_a_file(server, tmp_path):
    process = start(server, tmp_path, str(tmp_path / "out.jsonl"))
    while not (tmp_path / "out.jsonl").exists() or not (tmp_path / "out.jsonl").stat().st_size:
        assert process.poll() is None
    process.terminate()
    assert process.wait(10) == 0
    process.communicate()
    first, *_ = (tmp_path / "out.jsonl").read_bytes().splitlines()  # a bookmark may have come, too
    assert orjson.loads(first)["type"] == "ADDED"


async def test_a_bookmark_says_that_nothing_else_happened():
    bookmark = Changed("BOOKMARK", {"metadata": {"resourceVersion": "9"}}, 2, 2)
    lines = await recorded(listed([], 1), bookmark, listed([versioned("b", "10")], 3))
    assert [line["type"] for line in lines] == ["BOOKMARK", "ADDED", "BOOKMARK"]
