"""A restarted container writes the next number; nothing more comes of the one before."""

from tests.support.kubelet import cri


def test_the_next_run_follows_the_last_one(container, reading):
    container.write("a")
    reading.read()
    container.write("b")
    container.restart()
    container.write("c")
    assert reading.drain() == ["b", "c"]


def test_a_line_left_open_ends_with_its_container(container, reading):
    container.write("open ", tag="P")
    container.write("more", tag="P")
    assert reading.drain() == []
    container.restart()
    container.write("c")
    assert reading.drain() == ["open more", "c"]
    assert [line.stream for line in reading.lines] == ["stdout", "stdout"]


def test_a_line_left_open_survives_a_restart_of_the_follower_and_a_loss_of_its_file(container, reading):
    container.write("open", tag="P")
    reading.drain()
    saved = reading.save()
    container.live.unlink()
    container.restart()
    container.write("c")
    reading.resume(saved)
    assert reading.drain() == ["open", "c"]


def test_lines_left_open_are_committed_one_by_one(container, reading):
    container.write("one", tag="P")
    container.write("two", tag="P", stream="stderr")
    container.restart()
    container.write("c")
    reading.now += 1
    assert reading.follower.read() is None
    reading.now += 1
    chunk = reading.follower.read()
    assert [line.text for line in chunk.lines] == [b"one", b"two"]
    reading.follower.commit(chunk, 1)
    reading.restart()
    assert reading.drain() == ["two", "c"]


def test_a_last_line_without_newline_counts_when_the_file_is_over(container, reading):
    container.write_raw(cri("no newline")[:-1])
    assert reading.drain() == []
    container.restart()
    container.write("c")
    assert reading.drain() == ["no newline", "c"]


def test_several_restarts_at_once_are_read_in_order(container, reading):
    container.write("0")
    reading.read()
    for run in range(1, 12):
        container.restart()
        container.write(str(run))
    container.rotate()
    container.write("end")
    assert reading.drain() == [*map(str, range(1, 12)), "end"]


def test_a_run_that_was_never_seen_is_counted(container, reading):
    container.write("0")
    reading.read()
    container.restart()
    container.write("1")
    gone = container.live
    container.restart()
    gone.unlink()
    container.write("2")
    assert reading.drain() == ["2"]
    assert reading.follower.missed_files == 1


def test_the_framing_is_settled_anew_for_each_run(container, reading):
    container.write("cri")
    container.restart()
    container.write_raw(b'{"log":"docker\\n","stream":"stderr","time":"2026-11-22T23:20:31Z"}\n')
    assert reading.drain() == ["cri", "docker"]
