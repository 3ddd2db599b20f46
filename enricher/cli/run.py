"""`enricher run`: the daemon as a command."""

import asyncio
import logging
import signal
from typing import Any

from enricher.cli.common import print_config, raise_first_error, warn_about
from enricher.config.options import RUN
from enricher.config.resolve import resolve
from enricher.errors import EXIT_FAILURE

logger = logging.getLogger(__name__)


def main(arguments: dict[str, Any]) -> int:
    """Run the daemon until it is stopped; return the exit code."""
    resolved = resolve(RUN, arguments)
    if arguments["print_config"]:
        return print_config(resolved)
    from enricher.daemon.run import STOP_SIGNALS, Daemon  # noqa: PLC0415  # --print-config does not need them
    from enricher.daemon.stderr import StderrLog  # noqa: PLC0415
    from enricher.daemon.stdout import StdoutWriter  # noqa: PLC0415

    warn_about(resolved.settings)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    stdout = StdoutWriter()
    with StderrLog() as own_log:
        try:
            asyncio.run(Daemon(resolved.settings, stdout, own_log).run())
        except BaseExceptionGroup as failures:
            raise_first_error(failures)
            logger.exception("failed")
            return EXIT_FAILURE
        finally:
            stdout.close()
    return 0
