"""A directory that is made anew counts its runs from 0 again; a clock that is set back names files in the past."""

import os
import shutil

from tests.support.kubelet import Container, Reading, cri


def test_a_directory_made_anew_while_the_old_file_is_open(container, reading):
    for _ in range(3):
        container.restart()
    container.write("old")
    assert reading.read() == ["old"]
    shutil.rmtree(container.directory)
    anew = Container(container.directory)
    anew.write("new")
    reading.read()
    reading.now += 20
    assert reading.drain() == ["new"]
    anew.write("later")
    assert reading.drain() == ["later"]


def test_a_directory_made_anew_while_nobody_reads(container, reading):
    for _ in range(3):
        container.restart()
    container.write("old")
    assert reading.read() == ["old"]
    saved = reading.save()
    reading.follower.close()
    shutil.rmtree(container.directory)
    Container(container.directory).write("new")
    reading.resume(saved)
    assert reading.drain() == ["new"]


def full(text: str) -> str:
    """Longer than what a file is known by."""
    return text + "." * 1100


def test_a_clock_set_back_while_nobody_reads(container, reading):
    container.write(full("first"))
    os.rename(container.live, f"{container.live}.20261122-120000")
    container.reopen()
    container.write(full("second"))
    assert reading.drain() == [full("first"), full("second")]
    saved = reading.save()
    container.write("unread")
    os.rename(container.live, f"{container.live}.20261122-113000")
    container.reopen()
    container.write("new")
    reading.resume(saved)
    assert reading.drain() == ["unread", "new"]
    assert reading.follower.missed_files == 0


def test_a_clock_set_back_between_rename_and_reopen(container, reading):
    container.write(full("first"))
    os.rename(container.live, f"{container.live}.20261122-120000")
    container.reopen()
    container.write(full("second"))
    assert reading.drain() == [full("first"), full("second")]
    os.rename(container.live, f"{container.live}.20261122-113000")
    container.write("late")
    assert reading.drain() == ["late"]
    container.write("later")
    assert reading.drain() == ["later"]
    container.reopen()
    container.write("new")
    assert reading.drain() == ["new"]


def test_a_status_that_cannot_be_had_is_no_disaster(container, monkeypatch):
    """ESTALE of a network file system: what was known of the file stays as good."""
    reading = Reading(container.directory)
    container.write("one")
    reading.read()
    saved = reading.follower.position()

    def stale(self):
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as broken:
        broken.setattr("enricher.tailer.logfile.LogFile.stat", stale)
        broken.setattr("enricher.tailer.logfile.LogFile.read", lambda *_: stale(None))
        assert reading.follower.position() == saved
        assert reading.follower.read() is None
        assert "Stale file handle" in reading.follower.problem
        assert not reading.follower.has_open_file
        reading.follower.close()
    container.write_raw(cri("two"))
    assert reading.drain() == ["two"]


def test_late_lines_of_a_plain_file(tmp_path):
    """nginx's workers open the new file one by one."""
    log = tmp_path / "access.log"
    reading = Reading(log)
    with log.open("ab", buffering=0) as old:
        old.write(b"1\n")
        assert reading.read() == ["1"]
        log.rename(tmp_path / "access.log.1")
        log.write_bytes(b"2\n")
        assert reading.read() == []
        reading.now += 1.5
        old.write(b"late\n")
        assert reading.read() == ["late"]
    assert reading.drain() == ["2"]
