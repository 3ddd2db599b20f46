"""Lines of tries that wait for the line of their request, while the daemon or the proxy stops between them."""

import asyncio
import shutil
from collections import Counter
from functools import partial

import orjson
import pytest

from enricher.accesslog import envoy
from enricher.config.settings import LogSettings, default_selectors
from tests.faults import virtual_time
from tests.faults.in_process import EPOCH, Daemon
from tests.unit.enrich.generators.envoy_tries import FORMAT, Entry

FIRST = Entry("UpstreamEnd", status=503, host="10.0.0.1:80", began=EPOCH, written=EPOCH)
LAST = Entry("UpstreamEnd", status=200, host="10.0.0.2:80", began=EPOCH, written=EPOCH)
END = Entry("DownstreamEnd", status=200, host="10.0.0.2:80", began=EPOCH, written=EPOCH, number=2)


class Rig:
    """A daemon, again and again, that follows the log of one Envoy."""

    def __init__(self, directory, *, are_saved=True):
        self.directory, self.rows = directory, []
        self.log = directory / "pods" / "edge_envoy-1_u" / "envoy" / "0.log"
        self.log.parent.mkdir(parents=True)
        logs = LogSettings(
            directory=str(directory / "pods"),
            select=default_selectors("envoy"),
            profile="envoy",
            formats=(envoy.compile_format(FORMAT),),
        )
        self.start = partial(
            Daemon, directory / "pods", directory / "state", logs=logs, are_saved=are_saved, chunk_size=300
        )

    def write(self, *entries):
        with self.log.open("ab") as log:
            log.write(b"".join(entry.framed(FORMAT) for entry in entries))

    async def life(self, *entries, end="stop", seconds=5.0):
        """Write lines, and run a daemon that is stopped or killed after a checkpoint."""
        daemon = self.start()
        await asyncio.sleep(1)
        self.write(*entries)
        await asyncio.sleep(seconds)
        daemon.save()
        await getattr(daemon, end)()
        self.rows += map(orjson.loads, bytes(daemon.out).splitlines())
        return daemon

    def attempts(self, kind):
        return [[attempt["addr"] for attempt in row["attempts"]] for row in self.rows if row["kind"] == kind]


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path, are_saved=True)


@pytest.mark.parametrize("end", ["stop", "kill"])
@pytest.mark.parametrize("lives", [[[FIRST], [LAST, END]], [[FIRST, LAST], [END]], [[FIRST], [LAST], [], [END]]])
def test_a_restart_between_the_lines_loses_nothing(rig, lives, end):
    async def main():
        for lines in lives:
            await rig.life(*lines, end=end)

    virtual_time.run(main())
    assert Counter(row["kind"] for row in rig.rows) == {"try": 2, "access": 1}
    [request] = [row for row in rig.rows if row["kind"] == "access"]
    assert [attempt["addr"] for attempt in request["attempts"]] == ["10.0.0.1:80", "10.0.0.2:80"]
    assert [attempt.get("outcome") for attempt in request["attempts"]] == ["hidden", None]


def test_a_rotation_between_the_lines(rig):
    async def main():
        daemon = rig.start()
        for line in (FIRST, LAST, END):
            rig.write(line)
            await asyncio.sleep(3)
            shutil.move(rig.log, rig.log.with_name(f"0.log.20261122-0000{line.status % 100:02d}"))
            rig.log.touch()
            await asyncio.sleep(3)
        await daemon.stop()
        rig.rows += map(orjson.loads, bytes(daemon.out).splitlines())

    virtual_time.run(main())
    assert [len(row.get("attempts", ())) for row in rig.rows] == [0, 0, 2]


def test_a_proxy_that_is_killed(rig):
    """Nothing more is written to the log: the try goes out after a minute, while the daemon is idle."""

    async def main():
        daemon = rig.start()
        rig.write(END, FIRST)
        await asyncio.sleep(50)
        assert bytes(daemon.out).count(b"\n") == 1
        await asyncio.sleep(40)
        rig.rows += map(orjson.loads, bytes(daemon.out).splitlines())
        await daemon.stop()
        return daemon

    daemon = virtual_time.run(main())
    assert rig.rows[1]["request_missing"] == "late"
    assert rig.attempts("try") == [["10.0.0.1:80"]]
    assert bytes(daemon.out).count(b"\n") == 2


def test_a_container_that_is_gone(rig):
    async def main():
        daemon = rig.start()
        rig.write(END, FIRST)
        await asyncio.sleep(3)
        shutil.rmtree(rig.log.parent.parent)
        await asyncio.sleep(40)
        rig.rows += map(orjson.loads, bytes(daemon.out).splitlines())
        await daemon.stop()

    virtual_time.run(main())
    assert [row.get("request_missing") for row in rig.rows] == [None, "ended"]


def test_without_a_state_directory(tmp_path):
    """What is not saved is written when the daemon stops."""
    rig = Rig(tmp_path, are_saved=False)
    virtual_time.run(rig.life(END, FIRST))
    assert [row.get("request_missing") for row in rig.rows] == [None, "ended"]


@pytest.mark.parametrize("waiting", [[[1, 2]], "x", [["\u0100", "", "", 0]], [["a", "b", "c", None]], {"a": 1}, [None]])
def test_saved_lines_that_nobody_can_have_saved(rig, waiting):
    async def main():
        await rig.life(END, FIRST)
        path = tmp_positions(rig)
        saved = orjson.loads(path.read_bytes())
        path.write_bytes(orjson.dumps(tampered(saved, waiting)))
        await rig.life(END)

    virtual_time.run(main())
    assert Counter(row["kind"] for row in rig.rows) == {"access": 2}


def tmp_positions(rig):
    [path] = [path for path in (rig.directory / "state").iterdir() if "position" in path.name]
    return path


def tampered(saved, waiting):
    """Return saved positions with other waiting lines."""
    if isinstance(saved, dict):
        return {key: waiting if key == "waiting" else tampered(value, waiting) for key, value in saved.items()}
    return saved
