"""Output records of files for `enricher top`, `tail` and `rollout`: of logs, or as a daemon wrote them."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from threading import Thread
from typing import BinaryIO

from enricher.cli.common import read_histories, report_news
from enricher.cli.file_enricher import FileEnricher
from enricher.cli.upstreams import Upstreams, unknown_upstreams
from enricher.config.settings import Settings
from enricher.endpoints.attribution import Histories
from enricher.endpoints.history import History
from enricher.enrich.format_check import FormatCheck
from enricher.tailer.reader import open_stdin

logger = logging.getLogger(__name__)


class FileFeed:
    """Log files, read one after the other from beginning to end; `-` is stdin.

    The endpoints are read when the first line needs them, as those that a daemon has enriched do not. That nothing is
    known of some of the `upstreams` is reported then.
    """

    def __init__(self, settings: Settings, files: Sequence[str], upstreams: Upstreams) -> None:
        self._settings, self._files, self._upstreams = settings, files, upstreams
        self._histories: Histories | None = None
        if settings.cluster.endpoints:
            self._load_histories()  # a file that cannot be read is reported at once
        self._done = False
        self._check = FormatCheck(1, settings.logs.expected_format, expects_access_lines=True)

    @property
    def histories(self) -> Histories:
        """Return the endpoints, which are empty if no line needed them."""
        return self._histories or Histories(History(), History())

    def _load_histories(self) -> Histories:
        if self._histories is None:
            self._histories = read_histories(self._settings.cluster)
            for text in unknown_upstreams(self._upstreams, self._histories, self._settings.cluster):
                _log_warning(text)
        return self._histories

    def read(self) -> Iterator[bytes]:
        """Yield JSON lines as they come. Raise ConfigurationError for a file that cannot be read."""
        with report_news(self._check, _log_warning):
            enricher = FileEnricher(
                self._settings, self._files, self._check, load=self._load_histories, report=_log_warning
            )
            yield from enricher.read(_unbuffered_stdin)
            yield from enricher.finish()
        for warning in enricher.warnings():
            _log_warning(warning)
        self._done = True

    async def run(self, consume: Callable[[bytes], None]) -> None:
        """Pass JSON lines on until the end of the files.

        A thread reads them, because stdin may block for long; the program does not wait for that thread when it ends.
        """
        loop, ended = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        async def pass_on(data: bytes) -> None:
            consume(data)

        def end(error: BaseException | None) -> None:
            if not ended.done():
                ended.set_result(error)

        def read() -> None:
            with suppress(RuntimeError):  # the loop is closed: the command has ended
                try:
                    for data in self.read():
                        asyncio.run_coroutine_threadsafe(pass_on(data), loop).result()
                except Exception as error:  # it is raised in the loop
                    loop.call_soon_threadsafe(end, error)
                else:
                    loop.call_soon_threadsafe(end, None)

        Thread(target=read, name="reading", daemon=True).start()
        if error := await ended:
            raise error

    @property
    def nothing_fits(self) -> bool:
        """Return whether no line fits the log format."""
        return self._check.nothing_fits

    def status(self) -> str:
        """Return whether the end has been reached, and the present problem."""
        problem = self._check.problem
        return ("read to the end" if self._done else "reading") + (f" · {problem}" if problem else "")


def _log_warning(text: str) -> None:
    logger.warning("%s", text)


def _unbuffered_stdin() -> BinaryIO:
    """Return stdin without Python's buffer, whose lock a thread that waits for input would still hold at exit."""
    return open(open_stdin().fileno(), "rb", buffering=0, closefd=False)
