"""Reasons of requests with several tries, beside alike requests, with streams that are stamped apart: none is wrong.

A simulated nginx has connections with one request at a time, and some of HTTP/2 with several. It writes an error line
when a try fails and an access line when a request ends. A runtime reads each stream in order, but stamps it up to
100 ms late, so that an error line may come up to 100 ms too early or too late for its access line.
"""

import os
import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from operator import itemgetter

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from enricher.accesslog.error_log import parse_error_line
from enricher.accesslog.record import Attempt, Record
from enricher.enrich.error_correlation import ErrorCorrelator
from enricher.enrich.windows import attempt_windows
from enricher.timestamps import MILLISECOND, SECOND

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "1"))
NOW = 1_795_569_500 * SECOND
LAG = 100 * MILLISECOND
MESSAGES = {
    "refused": "connect() failed (111: Connection refused) while connecting to upstream",
    "premature_close": "upstream prematurely closed connection while reading response header from upstream",
    "reset": "recv() failed (104: Connection reset by peer) while reading response header from upstream",
    "timed_out": "upstream timed out (110: Connection timed out) while reading response header from upstream",
}


@dataclass
class Try:
    addr: str
    status: int
    began: int
    ended: int
    reason: str = ""
    length: int = 0


@dataclass
class Request:
    text: str
    connection: int
    tries: list[Try]
    ended: int
    stamp: int = 0

    def record(self):
        """The record of the access line, with times in whole milliseconds as nginx writes them."""
        attempts = [
            Attempt(each.addr, each.status, (each.ended - each.began) // MILLISECOND * MILLISECOND, each.length)
            for each in self.tries
        ]
        duration = (self.ended - self.tries[0].began) // MILLISECOND * MILLISECOND
        fields = {"remote_addr": "192.0.2.7", "request": self.text}
        return Record(fields, attempts, end=self.ended // SECOND * SECOND, duration=duration)


def make_tries(rng, at, *, may_be_odd):
    """Tries that failed, and perhaps one that did not. `may_be_odd`: a pod may answer 502 without a body."""
    upstreams = [f"10.0.0.{n}:80" for n in range(rng.choice((1, 2, 2, 3)))]
    tries = []
    for _ in range(rng.choice((1, 1, 2, 3, 4))):
        began, at = at, at + rng.choice((0, 1, 3, 40, 2000)) * MILLISECOND + rng.randrange(MILLISECOND)
        tries.append(Try(rng.choice(upstreams), 502, began, at, rng.choice(list(MESSAGES))))
        if rng.random() < 0.1:
            tries[-1].reason, tries[-1].length = "", 0 if may_be_odd else 9
    if rng.random() < 0.5:
        tries.append(Try(rng.choice(upstreams), 200, at, at + rng.choice((1, 30, 3000)) * MILLISECOND, length=5))
    return tries


def make_requests(rng, *, alike):
    """Requests with all texts different, or with few texts."""
    requests, free = [], defaultdict(list)
    at, every = NOW + rng.randrange(SECOND), rng.choice((2, 20, 200))
    protocol = rng.choice(("HTTP/1.1", "HTTP/1.1", "HTTP/2.0"))
    for number in range(rng.randrange(1, 12)):
        at += rng.randrange(every) * MILLISECOND
        tries = make_tries(rng, at, may_be_odd=not alike)
        ended = tries[-1].ended + rng.choice((0, 0, 0, 50, 1000)) * MILLISECOND
        usable = [c for c, until in free.items() if until <= at or protocol == "HTTP/2.0"]
        connection = rng.choice(usable) if usable and rng.random() < 0.6 else 1000 + number
        free[connection] = max(ended, free.get(connection, 0))
        text = f"GET /{rng.randrange(2) if alike else number} {protocol}"
        requests.append(Request(text, connection, tries, ended))
    return sorted(requests, key=lambda request: request.ended)


def stamps(rng, times):
    """The stamps of the lines of one stream, in order."""
    result, last, most = [], 0, rng.choice((1, LAG // 2, LAG))
    for at in times:
        last = max(last, at + rng.randrange(most))
        result.append(last)
    return result


def error_lines(rng, requests):
    """The error lines of all requests, in the order of their failures, with their stamps."""
    failures = sorted(
        ((each.ended, request, each) for request in requests for each in request.tries if each.reason),
        key=lambda failure: failure[0],
    )
    lines = [
        parse_error_line(
            f"2026/11/25 01:18:20 [error] 29#31: *{request.connection} {MESSAGES[each.reason]}, client: 192.0.2.7, "
            f'server: s, request: "{request.text}", upstream: "http://{each.addr}/", host: "s"'.encode()
        )
        for _, request, each in failures
    ]
    return list(zip(lines, stamps(rng, [at for at, _, _ in failures]), strict=True))


def batches(rng, requests, errors, *, live):
    """Error lines and requests in the order of the file, read at once or some lines at a time."""
    lines = sorted(
        [*((at, line) for line, at in errors), *((each.stamp, each) for each in requests)], key=itemgetter(0)
    )
    while lines:
        size = rng.choice((1, 2, 5)) if live else len(lines)
        batch, lines = lines[:size], lines[size:]
        yield (
            [(line, at) for at, line in batch if not isinstance(line, Request)],
            [request for _, request in batch if isinstance(request, Request)],
        )


def claims(batches):
    """The claims of each request, and whether all its error lines had been read."""
    correlator, read = ErrorCorrelator(), Counter()
    for errors, requests in batches:
        for line, at in errors:
            correlator.add(line, at)
            read[line.connection, line.fields["request"]] += 1
        for request in requests:
            record, written = request.record(), sum(bool(each.reason) for each in request.tries)
            found = correlator.claim(record, attempt_windows(record, request.stamp))
            yield request, found, read[request.connection, request.text] == written


def run(seed, seen, *, alike, live=False):
    rng = random.Random(seed)
    requests = make_requests(rng, alike=alike)
    for request, stamp in zip(requests, stamps(rng, [request.ended for request in requests]), strict=True):
        request.stamp = stamp
    errors = error_lines(rng, requests)
    for request, found, all_read in claims(batches(rng, requests, errors, live=live)):
        seen["read too late"] += not all_read
        for each, claim in zip(request.tries, found, strict=True):
            assert claim.reason in ("", each.reason), (seed, request, found)
            assert each.reason or not claim.explained, (seed, request, found)
            seen["failed"] += bool(each.reason)
            seen["explained"] += claim.explained
            seen["with a reason"] += bool(claim.reason)
        addrs = [each.addr for each in request.tries if each.reason]
        seen["tried twice"] += len(set(addrs)) < len(addrs)
        if not alike and all_read and all(each.reason or each.status == 200 for each in request.tries):
            assert [claim.reason for claim in found] == [each.reason for each in request.tries], (seed, request, found)
            seen["complete"] += 1


def for_all_seeds(examples, **options):
    seen = Counter()

    @settings(max_examples=examples * EXAMPLES, phases=(Phase.explicit, Phase.reuse, Phase.generate))
    @given(seed=st.integers(0, 2**32))
    def run_all(seed):
        run(seed, seen, **options)

    run_all()
    print(dict(seen))
    return seen


def test_each_attempt_of_a_request_of_its_own_kind_has_its_reason():
    """Whatever the stamps; where a pod itself answered 502 without a body, the lines may allow several readings."""
    seen = for_all_seeds(400, alike=False)
    assert seen["complete"] > 1000
    assert seen["tried twice"] > 300
    assert seen["with a reason"] > 0.9 * seen["failed"]


def test_an_error_line_that_is_read_after_its_access_line_misleads_nobody():
    seen = for_all_seeds(200, alike=False, live=True)
    assert seen["complete"] > 300
    assert seen["read too late"] > 100


def test_alike_requests_have_no_reasons_of_each_other():
    seen = for_all_seeds(400, alike=True)
    assert seen["tried twice"] > 300
    assert seen["explained"] > 0.9 * seen["failed"]
    assert seen["with a reason"] > 0.5 * seen["failed"]
