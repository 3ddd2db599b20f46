"""kubelet's dated names never change: they tell what is older than a file that is gone, whatever their times say."""

from tests.support.kubelet import compress


def test_an_older_file_that_was_compressed_late_does_not_come_again(container, reading):
    container.write("a")
    old = container.rotate()
    container.write("b")
    assert reading.drain() == ["a", "b"]
    saved = reading.save()
    compress(old)
    container.live.unlink()
    container.reopen()
    container.write("c")
    reading.resume(saved)
    assert reading.drain() == ["c"]
    assert reading.follower.missed_files == 1
