"""The daemon's log names the log whose tries have no room, and not one that happens to go on then."""

from dataclasses import replace

from enricher.accesslog.detection import FormatDetector
from enricher.config.settings import LogSettings
from enricher.daemon.format_checks import FormatChecks
from enricher.enrich.engine import Enricher, Output
from enricher.metrics.counters import Metrics
from enricher.vocabulary import LineKind, RequestMissing
from tests.unit.enrich.generators.envoy_tries import SOURCE

ALONE = Output(b'{"kind":"try","attempts":[],"request_missing":"no_room","logged_by":{}}\n', 1, {LineKind.TRY: 1})
QUIET = Output(b'{"kind":"access","http_user_agent":"\\"request_missing\\":\\"no_room\\"","attempts":[]}\n', 1, {})


def test_the_log_with_too_many_is_named_once(caplog):
    metrics = Metrics()
    checks = FormatChecks(LogSettings(), Enricher(FormatDetector(), metrics), metrics)
    loud = replace(SOURCE, path="/var/log/pods/loud")
    metrics.count_lone_try(RequestMissing.NO_ROOM)
    checks.add(SOURCE, [QUIET], [])
    assert not caplog.messages
    for _ in range(2):
        checks.add(loud, [QUIET, ALONE], [])
        checks.add(SOURCE, [QUIET], [])
    [message] = [message for message in caplog.messages if "too many tries" in message]
    assert message.startswith("/var/log/pods/loud: ")
