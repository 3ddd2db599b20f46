"""Content replaced in place: truncated, or copied and then truncated."""

import os
import shutil

from tests.support.kubelet import Reading


def test_a_truncated_file_is_read_from_its_start(container, reading):
    container.write("a", "b")
    reading.read()
    os.truncate(container.live, 0)
    assert reading.read() == []
    container.write("c")
    assert reading.drain() == ["c"]
    assert reading.follower.truncations == 1


def test_content_that_grew_past_the_offset_is_known_by_its_head(container, reading):
    container.write("a")
    reading.read()
    os.truncate(container.live, 0)
    container.write(*map(str, range(100)))
    assert reading.drain() == [*map(str, range(100))]


def test_the_same_while_the_follower_was_away(container, reading):
    container.write("a")
    reading.read()
    saved = reading.save()
    os.truncate(container.live, 0)
    container.write(*map(str, range(100)))
    reading.resume(saved)
    assert reading.drain() == [*map(str, range(100))]


def test_a_file_first_seen_empty_is_known_by_what_was_read_of_it(container):
    reading = Reading(container.directory, start="end")
    reading.read()
    assert reading.follower.has_open_file
    container.write("a")
    assert reading.read() == ["a"]
    os.truncate(container.live, 0)
    container.write(*map(str, range(100)))
    assert reading.drain() == [*map(str, range(100))]


def test_the_whole_head_counts_though_it_was_read_in_steps(tmp_path):
    log = tmp_path / "access.log"
    log.write_bytes(b"same\n")
    reading = Reading(log)
    assert reading.read() == ["same"]
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old\n")
        assert reading.read() == ["old"]
        os.truncate(log, 0)
        writer.write(b"same\nnew 1\nnew 2\n")
    assert reading.drain() == ["same", "new 1", "new 2"]


def test_a_copy_of_what_was_empty_when_it_was_last_seen(tmp_path):
    log = tmp_path / "access.log"
    log.touch()
    reading = Reading(log)
    assert reading.read() == []
    assert not reading.follower.has_open_file
    log.write_bytes(b"1\n")
    shutil.copy(log, tmp_path / "access.log.1")
    log.write_bytes(b"2\n")
    assert reading.drain() == ["1", "2"]


def test_what_was_unread_is_found_in_the_copy(tmp_path):
    log = tmp_path / "access.log"
    log.write_bytes(b"1\n2\n")
    reading = Reading(log)
    assert reading.read() == ["1", "2"]
    with log.open("ab", buffering=0) as writer:
        writer.write(b"3\n")
        shutil.copy(log, tmp_path / "access.log.1")
        os.truncate(log, 0)
        writer.write(b"4\n")
    assert reading.drain() == ["3", "4"]


def test_what_was_unread_is_found_in_the_copy_after_a_restart(tmp_path):
    log = tmp_path / "access.log"
    log.write_bytes(b"1\n2\n")
    reading = Reading(log)
    assert reading.read() == ["1", "2"]
    saved = reading.save()
    with log.open("ab", buffering=0) as writer:
        writer.write(b"3\n")
        shutil.copy(log, tmp_path / "access.log.1")
        os.truncate(log, 0)
        writer.write(b"4\n")
    reading.resume(saved)
    assert reading.drain() == ["3", "4"]


def test_an_unfinished_line_that_was_cut_away_is_not_lost(container, reading):
    container.write_raw(b"2026-11-22T23:20:31Z stdout F unfinished")
    reading.read()
    os.truncate(container.live, 0)
    container.write("c")
    assert reading.drain() == ["unfinished", "c"]


def test_a_file_that_lost_its_end_with_the_node_does_not_come_again(container, reading):
    container.write(*map(str, range(100)))
    reading.read()
    saved = reading.save()
    os.truncate(container.live, container.live.stat().st_size - 500)
    for _ in range(2):
        reading.resume(saved)
        assert reading.drain() == []
    container.write("next")
    assert reading.drain() == ["next"]
