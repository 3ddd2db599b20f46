"""kubelet renames the live file, the runtime opens a new one later, older ones are packed and deleted."""

import os
from pathlib import Path

from enricher.tailer import rotation
from enricher.tailer.file_names import list_files
from enricher.tailer.follower import CONTAINER_LINGER
from tests.support.kubelet import Container, Reading, compress, cri, open_descriptors


def test_lines_written_between_rename_and_reopen_are_read_from_the_renamed_file(container, reading):
    container.write("before")
    assert reading.read() == ["before"]
    container.rename()
    assert reading.read() == []
    container.write("in the gap")
    assert reading.read() == ["in the gap"]
    container.write("late")
    container.reopen()
    container.write("after")
    assert reading.drain() == ["late", "after"]


def test_the_old_file_is_read_on_for_a_while_after_the_new_one_appeared(container, reading):
    container.write("before")
    reading.read()
    old = container.rename()
    container.reopen()
    container.write("new")
    assert reading.read() == []
    assert reading.follower.retry_in() == CONTAINER_LINGER
    with old.open("ab") as late:
        late.write(cri("late"))
    reading.now += CONTAINER_LINGER - 0.1
    assert reading.read() == ["late"]
    reading.now += CONTAINER_LINGER - 0.1
    assert reading.read() == []
    reading.now += 0.2
    assert reading.read() == ["new"]
    assert reading.follower.retry_in() is None


def test_the_old_file_is_not_left_while_the_new_one_is_empty(container, reading):
    container.write("before")
    reading.drain()
    old = container.rename()
    container.reopen()
    assert reading.drain() == []
    with old.open("ab") as late:
        late.write(cri("late"))
    assert reading.drain() == ["late"]
    container.write("new")
    assert reading.drain() == ["new"]


def test_the_descriptor_of_the_old_file_is_released(container, reading):
    container.write("a")
    reading.read()
    compress(container.rotate())
    container.write("b")
    assert reading.drain() == ["b"]
    assert [os.path.basename(path) for path in open_descriptors(container.directory)].count("0.log") == 2
    assert not [path for path in open_descriptors(container.directory) if "deleted" in path]
    reading.follower.close()
    assert not reading.follower.has_open_file


def test_missed_rotations_are_made_up_in_order(container, reading):
    container.write("1")
    reading.read()
    for number in range(2, 8):
        container.rotate()
        container.write(str(number))
    for path in container.rotated()[:-1]:
        compress(path)
    assert reading.drain() == list("234567")
    assert reading.follower.missed_files == 0


def test_missed_rotations_need_no_waiting_between_them(container, reading):
    for number in range(5):
        container.write(str(number))
        container.rotate()
    container.write("live")
    assert reading.read() == list("01234")
    reading.now += CONTAINER_LINGER
    assert reading.read() == ["live"]  # only the newest of them may still have been written to


def test_reading_goes_on_inside_a_packed_file(container):
    reading = Reading(container.directory, chunk_size=200)
    container.write(*map(str, range(50)))
    chunk = reading.follower.read()
    reading.follower.commit(chunk, len(chunk.lines))
    first = [line.text.decode() for line in chunk.lines]
    assert 0 < len(first) < 50
    saved = reading.save()
    compress(container.rotate())
    container.write("live")
    reading.resume(saved)
    assert first + reading.drain() == [*map(str, range(50)), "live"]


def test_a_file_packed_between_a_look_at_the_directory_and_opening_it(container, reading, monkeypatch):
    container.write("a")
    old = container.rotate()
    container.write("b")
    stale = list_files(str(container.directory))
    compress(old)
    looks = [stale]
    monkeypatch.setattr(rotation, "list_files", lambda path: looks.pop() if looks else list_files(path))
    assert reading.read() == ["a", "b"]


def test_a_half_packed_file_is_read_once_from_its_plain_form(container, reading):
    container.write("a")
    old = container.rotate()
    container.write("b")
    Path(f"{old}.tmp").write_bytes(b"\x1f\x8bhalf")
    Path(f"{old}.gz").write_bytes(b"\x1f\x8bhalf")
    assert reading.drain() == ["a", "b"]


def test_a_broken_packed_file_gives_what_it_can_and_is_counted(container, reading):
    texts = [os.urandom(200).hex() for _ in range(500)]
    container.write(*texts)
    packed = compress(container.rotate())
    packed.write_bytes(packed.read_bytes()[:60_000])
    container.write("live")
    read = reading.drain()
    assert len(read) > 100
    # The line the damage fell into is the last of it.
    assert read[:-2] == texts[: len(read) - 2]
    assert read[-1] == "live"
    assert reading.follower.missed_files == 1


def test_a_reused_inode_is_not_taken_for_the_old_file(container, reading):
    container.write(*["old"] * 100)
    reading.read()
    saved = reading.save()
    inode = container.live.stat().st_ino
    old = container.rename()
    # The packed copy, and the same inode as the new live file: as recorded on a real node.
    content = old.read_bytes()
    container.reopen()
    container.live.unlink()
    old.rename(container.live)
    container.live.write_bytes(b"")
    container.reopen()
    old.write_bytes(content)
    compress(old)
    container.write(*["new"] * 300)
    assert container.live.stat().st_ino == inode
    reading.resume(saved)
    assert reading.drain() == ["new"] * 300


def test_after_losing_its_file_a_follower_goes_on_with_the_oldest_newer_one(container, reading):
    container.write("a")
    container.rotate()
    container.write("b")
    reading.drain()
    saved = reading.save()
    container.rotate()
    container.write("c")
    container.rotate()
    container.write("d")
    container.rotated()[1].unlink()
    reading.resume(saved)
    assert reading.drain() == ["c", "d"]
    assert reading.follower.missed_files == 1


def test_lines_that_were_out_of_a_lost_file_are_not_taken_off_the_next_one(container, reading):
    container.write("a", "b", "c")
    chunk = reading.follower.read()
    reading.follower.commit(chunk, 2)
    saved = reading.save()
    lost = container.rotate()
    container.write("d", "e", "f")
    lost.unlink()
    reading.resume(saved)
    assert reading.drain() == ["d", "e", "f"]


def test_a_half_written_line_does_not_make_another_runs_file_look_like_this_one(container, reading):
    container.write("a")
    container.restart()
    line = cri("b")
    container.write_raw(line[:1])
    reading.drain()
    saved = reading.save()
    container.write_raw(line[1:])
    compress(container.rotate())
    container.write("c")
    reading.resume(saved)
    assert reading.drain() == ["b", "c"]


def test_older_files_do_not_come_again_when_the_live_one_was_deleted_by_hand(container, reading):
    container.write("a")
    container.rotate()
    container.write("b")
    assert reading.drain() == ["a", "b"]
    saved = reading.save()
    container.live.unlink()
    container.reopen()
    container.write("c")
    reading.resume(saved)
    assert reading.drain() == ["c"]


def test_lag_is_what_is_still_unread(container, reading):
    container.write("a")
    container.rotate()
    container.write("bb")
    assert reading.follower.lag() == sum(path.stat().st_size for path in container.directory.iterdir())
    reading.read()
    assert reading.follower.lag() == container.live.stat().st_size
    reading.drain()
    assert reading.follower.lag() == 0
    container.write("c")
    assert reading.follower.lag() > 0


def test_docker_rotates_beside_the_file_the_link_leads_to(tmp_path):
    real = tmp_path / "docker" / "id"
    real.mkdir(parents=True)
    directory = tmp_path / "pods" / "ns_pod_uid" / "controller"
    directory.mkdir(parents=True)
    (directory / "0.log").symlink_to(real / "id-json.log")

    def write(text):
        with (real / "id-json.log").open("a") as log:
            log.write(f'{{"log":"{text}\\n","stream":"stdout","time":"2026-11-22T23:20:31.{text}Z"}}\n')

    reading = Reading(directory, roots=[tmp_path])
    write(1)
    assert reading.read() == ["1"]
    saved = reading.save()
    for number in (2, 3, 4):
        write(number)
        for old in (2, 1):
            if (real / f"id-json.log.{old}").exists():
                (real / f"id-json.log.{old}").rename(real / f"id-json.log.{old + 1}")
        (real / "id-json.log").rename(real / "id-json.log.1")
    write(5)
    reading.resume(saved)
    assert reading.drain() == ["2", "3", "4", "5"]


def test_logrotate_numbers_and_dates(tmp_path):
    log = tmp_path / "access.log"
    log.write_bytes(b"1\n")
    reading = Reading(log)
    assert reading.read() == ["1"]
    log.rename(tmp_path / "access.log.1")
    log.write_bytes(b"2\n")
    assert reading.drain() == ["2"]
    saved = reading.save()
    for new in (b"3\n", b"4\n"):
        for path in sorted(tmp_path.glob("access.log.*"), reverse=True):
            number = int(path.name.split(".")[2])
            path.rename(tmp_path / f"access.log.{number + 1}")
        log.rename(tmp_path / "access.log.1")
        log.write_bytes(new)
    compress(tmp_path / "access.log.2")
    reading.resume(saved)
    assert reading.drain() == ["3", "4"]
    log.rename(tmp_path / "access.log-20261122")
    log.write_bytes(b"5\n")
    assert reading.drain() == ["5"]


def test_from_the_beginning_and_from_the_end(container):
    container.write("a")
    container.rotate()
    container.write("b")
    container.write_raw(b"2026-11-22T23:20:31Z stdout F half")
    end = Reading(container.directory, start="end")
    assert end.read() == []
    container.write_raw(b" a line\n")
    container.write("c")
    assert end.drain() == ["half a line", "c"]
    assert Reading(container.directory).drain() == ["a", "b", "half a line", "c"]


def test_from_the_end_of_a_log_whose_first_line_is_long(container):
    first = '{"log":"%s\\n","stream":"stdout","time":"2026-11-22T23:18:31Z"}\n' % ("x" * 5000)
    container.write_raw(first.encode())
    reading = Reading(container.directory, start="end")
    assert reading.read() == []
    container.write_raw(first.encode())
    assert reading.read() == ["x" * 5000]


def test_from_the_end_of_a_log_that_is_all_packed(container):
    container.write("a")
    compress(container.rename())
    reading = Reading(container.directory, start="end")
    assert reading.read() == []
    container.reopen()
    container.write("b")
    assert reading.drain() == ["b"]


def test_from_the_end_of_nothing_is_from_the_beginning(tmp_path):
    reading = Reading(tmp_path / "pod" / "controller", start="end", roots=[tmp_path])
    assert reading.read() == []
    container = Container(tmp_path / "pod" / "controller")
    container.write("a")
    assert reading.drain() == ["a"]
