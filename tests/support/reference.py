"""The obvious implementation of the engine, which property tests hold enricher.enrich.engine to: bytes and counts.

It takes one line at a time, remembers nothing that it could derive again, and renders by dictionaries and orjson. Of
enricher.enrich it uses only the rules about time, about error lines and about requests, which have tests of their own.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from enricher.accesslog.detection import FormatDetector, FormatTimeline
from enricher.accesslog.error_log import ErrorLine, parse_error_line
from enricher.accesslog.gateways import gateway_of_pod
from enricher.accesslog.nginx_variables import Seconds
from enricher.accesslog.own_lines import is_other_line
from enricher.accesslog.record import Attempt, Record, RequestTime
from enricher.endpoints.attribution import (
    Attribution,
    Histories,
    Window,
    attribute,
    attribute_client,
    prefer_reported_pod,
    service_of_attribution,
)
from enricher.endpoints.circumstances import Circumstance, circumstance_of, without_hindsight
from enricher.endpoints.lateness import Lateness, lateness_between
from enricher.endpoints.readiness import ready_gaps, watched_since
from enricher.endpoints.slices import Owner, Service
from enricher.endpoints.states import state_between, tenures_of_owner
from enricher.endpoints.upstream_names import service_of_upstream_name
from enricher.endpoints.workloads import workload_of
from enricher.enrich.causes import NO_ENDPOINTS_LIKELY, cause_of, resolve_cut, symptom_of
from enricher.enrich.engine import Hold, Output
from enricher.enrich.error_correlation import ErrorCorrelator, error_origin
from enricher.enrich.parsed_line import ParsedLine
from enricher.enrich.proxy_gateways import gateway_of_proxy
from enricher.enrich.requests import NoAttempt, is_retried, main_attempt, no_attempt, record_outcome
from enricher.enrich.tries import TryJoiner
from enricher.enrich.waiting_tries import WaitingRoom
from enricher.enrich.windows import attempt_windows, end_to_show, error_window, request_window
from enricher.line import Line, Source
from enricher.metrics.counters import Metrics
from enricher.text import escape_bytes
from enricher.timestamps import MILLISECOND, SECOND, format_rfc3339, parse_rfc3339
from enricher.vocabulary import LineKind, State

HOLD_TIMEOUT = SECOND
HOLD_BACKOFF = 60 * SECOND

RESERVED_NAMES = frozenset(
    (
        *("time", "kind", "attempts", "pod", "namespace", "node", "service", "attribution", "candidates", "logged_by"),
        *("service_of", "no_endpoints_since", "subrequest", "request_missing", "route", "gateway", "listener"),
        *("trace_id", "span_id"),
        *("cause", "cause_grade"),
        *("message", "parse_error", "reason", "origin", "truncated", "truncated_bytes", "invalid_utf8", "uid", "level"),
        *("upstream", "client_pod", "client_namespace", "client_node", "client_service", "client_attribution"),
    )
)
TRACES = (
    ("opentelemetry_trace_id", "opentelemetry_span_id", "ids"),
    ("opentelemetry_context_traceparent", "", "traceparent"),
    ("opentelemetry_context_b3", "", "b3 header"),
    ("otel_trace_id", "otel_span_id", "ids"),
    ("trace_id", "span_id", "ids"),
    ("TraceId", "SpanId", "ids"),
    ("http_traceparent", "", "traceparent"),
    ("req_hdr_traceparent", "", "traceparent"),
    ("req_fhdr_traceparent", "", "traceparent"),
    ("request_Traceparent", "", "traceparent"),
    ("request_traceparent", "", "traceparent"),
    ("traceparent", "", "traceparent"),
    ("http_x_b3_traceid", "http_x_b3_spanid", "b3"),
    ("request_X-B3-Traceid", "request_X-B3-Spanid", "b3"),
    ("http_b3", "", "b3 header"),
    ("request_B3", "", "b3 header"),
)
"""The values that may have the ids of a trace and of a span, and how they are written."""
_POD_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


class PlainJoiner(TryJoiner):
    """Joins tries with their requests, and keeps their records as they are."""

    def _compact(self, line: ParsedLine, record: Record) -> tuple[ParsedLine, Record]:
        return line, record


class ReferenceEnricher:
    """Joins lines with the histories of addresses, with the interface of enricher.enrich.engine.Enricher."""

    def __init__(
        self,
        detector: FormatDetector,
        counts: Metrics,
        *,
        node: str = "",
        pod_variable: str = "",
        count_only: bool = False,
    ) -> None:
        self.detector, self.counts = detector, counts
        self.node, self.pod_variable, self.count_only = node, pod_variable, count_only
        self.correlators: defaultdict[Source, ErrorCorrelator] = defaultdict(ErrorCorrelator)
        self.joiners: dict[Source, PlainJoiner] = {}
        self.waiting_room = WaitingRoom()
        self.routes: defaultdict[tuple[Source, str], set[Service]] = defaultdict(set)
        """The services that the requests of a route in a source went to."""
        self.undecided: list[Failure] = []
        """The failures whose cause may still become known."""
        self.histories: Histories | None = None
        self.backoffs: dict[str, int] = {}
        """Until when (ns) no line waits for an address."""

    def enrich(
        self,
        source: Source,
        lines: Sequence[Line],
        histories: Histories,
        clock: Callable[[], int | None] = lambda: None,
    ) -> Iterator[Output | Hold]:
        """Yield one JSON line for each line, in order, with a Hold before each line that must wait."""
        formats = self.detector.timeline_for(
            source, source.profile, [line.text for line in lines if line.stream != "stderr"]
        )
        # All lines are parsed before the first is enriched: an error line may come after the access line it explains.
        joiner = self.joiners.setdefault(source, PlainJoiner(self.waiting_room, source.namespace))
        joined_lines = joiner.join([parse_line(formats, line) for line in lines])
        for parsed, _ in joined_lines:
            if parsed and parsed.error and parsed.error.reason and parsed.at is not None:
                self.correlators[source].add(parsed.error, parsed.at)
        claimed: list[tuple[ErrorLine, Attribution, State]] = []
        data, messages, kinds = list[bytes](), list[tuple[int, ParsedLine]](), Counter[LineKind]()
        for enriched, (parsed, released) in enumerate(joined_lines):
            if released and not parsed:
                self.look(histories, clock())
            while parsed:
                self.look(histories, now := clock())
                attributions = self.attribute_line(source, parsed, histories)
                if now is None or not self.must_hold(parsed, attributions, now):
                    break
                yield Output(self.join(source, data, messages, claimed, histories), enriched, kinds)
                yield Hold((parsed.at or 0) + HOLD_TIMEOUT)
                data, messages, kinds = [], [], Counter()
            for waited in released:
                kinds[waited.kind] += 1
                data.append(self.render_try(source, waited, histories))
            if not parsed:
                continue
            kinds[parsed.kind] += 1
            if not parsed.record:
                messages.append((len(data), parsed))
            data.append(self.render_record(source, parsed, attributions, claimed, histories))
        yield Output(self.join(source, data, messages, claimed, histories), len(lines), kinds)

    def release(self, source: Source, histories: Histories, now: int | None = None) -> Output:
        """Return the lines of tries of a source that have waited for long enough at `now` (ns); all if it is None."""
        self.look(histories, now)
        joiner = self.joiners.get(source)
        lines = joiner.release(now) if joiner else []
        data = b"".join(self.render_try(source, line, histories) for line in lines)
        return Output(data, 0, Counter(line.kind for line in lines))

    def look(self, histories: Histories, now: int | None) -> None:
        """Use the histories as they are at `now` (ns)."""
        self.now, self.histories = now, histories
        self.known_until = histories.pods.certain_until if now is None else min(histories.pods.certain_until, now)

    def join(
        self,
        source: Source,
        data: list[bytes],
        messages: list[tuple[int, ParsedLine]],
        claimed: list[tuple[ErrorLine, Attribution, State]],
        histories: Histories,
    ) -> bytes:
        """Return all lines up to here. Messages come last: an error line is attributed as the attempt it is about."""
        for number, parsed in messages:
            attributions = self.attribute_line(source, parsed, histories)
            owners = [attribution for error, attribution, _ in claimed if error is parsed.error]
            data[number] = self.render(source, parsed, owners[:1] or attributions, claimed, histories)
        return b"".join(data)

    def update_counts(self) -> None:
        """Count the failures by cause whose cause was not certain: what is known of them now is all that will be."""
        for failure in self.undecided:
            assert self.histories
            cause = failure.cause(self.histories, failure.window_in_counts, self.histories.pods.certain_until)
            self.counts.count_cause(failure.service, *cause)
        self.undecided.clear()

    def count_cause(self, failure: "Failure", histories: Histories) -> dict[str, str]:
        """Count a failure by cause, now or when more is known; return the fields of its attempt."""
        cause, grade = failure.cause(histories, failure.window, self.known_until)
        end = failure.window.end_latest if failure.window else 0
        is_final = grade == "certain" and cause != "timeout"
        if is_final or self.now is None or not -10 * SECOND <= self.now - end < 10 * SECOND:
            self.counts.count_cause(failure.service, cause, grade)
        else:
            self.undecided.append(failure)
        return {"cause": cause, **({"cause_grade": grade} if grade else {})}

    def forget(self, source: Source) -> None:
        """Forget a source that is gone."""
        self.correlators.pop(source, None)
        if joiner := self.joiners.pop(source, None):
            joiner.release(None)
        self.detector.forget(source)

    # --- attributing ------------------------------------------------------------------------------------------------

    def attribute_line(self, source: Source, parsed: ParsedLine, histories: Histories) -> list[Attribution]:
        """Attribute each attempt of an access line, or the upstream that an error line names."""
        record, error = parsed.record, parsed.error
        if error and error.upstream:
            return [attribute(histories, error.upstream, error_window(parsed.at, error.reason), answered=False)]
        if not record:
            return []
        cut_off: Collection[int] = self.correlators[source].cut_off_attempts(record, parsed.windows)
        attributions = [
            attribute(
                histories,
                attempt.addr,
                window,
                answered=attempt.answered and index not in cut_off,
                upstream_name=record.upstream_name,
            )
            for index, (attempt, window) in enumerate(zip(record.attempts, parsed.windows, strict=True))
        ]
        own_name = record.fields.get(self.pod_variable) if self.pod_variable else None
        if not (record.attempts and record.attempts[-1].answered and isinstance(own_name, str)):
            own_name = ""
        pod = own_name if _POD_NAME.fullmatch(own_name) else record.reported_pod
        if record.attempts and _POD_NAME.fullmatch(pod):
            attributions[-1] = prefer_reported_pod(histories, attributions[-1], pod)
        return attributions

    def must_hold(self, parsed: ParsedLine, attributions: Sequence[Attribution], now: int) -> bool:
        """Return whether a line waits at `now` (ns): it is young, and the watch may soon explain its address."""
        if parsed.record:
            addresses = [attempt.addr for attempt in parsed.record.attempts]
        else:
            addresses = [parsed.error.upstream] if parsed.error else []
        waiting = [
            address
            for address, attribution in zip(addresses, attributions, strict=False)
            if attribution.may_change and self.backoffs.get(address, 0) < now
        ]
        if parsed.at is not None and abs(now - parsed.at) < HOLD_TIMEOUT:
            return bool(waiting)
        self.backoffs |= dict.fromkeys(waiting, now + HOLD_BACKOFF)
        return False

    # --- rendering: one JSON object, and its counts -------------------------------------------------------------------

    def render(
        self,
        source: Source,
        parsed: ParsedLine,
        attributions: Sequence[Attribution],
        claimed: list[tuple[ErrorLine, Attribution, State]],
        histories: Histories,
    ) -> bytes:
        """Return the JSON line of a line, and count it. Add the error lines that its attempts claim to `claimed`."""
        self.counts.count_line(parsed.kind)
        line, record = parsed.line, parsed.record
        out: dict[str, Any] = {"time": line_time(line, record), "kind": parsed.kind}
        if record:
            out |= output_fields(record) | trace_fields(record.fields)
            out["attempts"] = self.attempt_objects(source, parsed, record, attributions, claimed, histories)
        else:
            out |= message_fields(line.text)
        if parsed.error:
            states = [state for error, _, state in claimed if error is parsed.error]
            if not states and parsed.error.reason:
                states = [error_state(histories, parsed, attributions[0])]
            out |= self.error_fields(parsed.error, attributions, states)
        if parsed.kind is LineKind.PARSE_ERROR:
            out["parse_error"] = parsed.misfit
        if record:
            out |= self.request_fields(source, parsed, record, attributions, histories)
            out |= {"route": record.route} if record.route else {}
            out |= listener_fields(source, record, histories)
        elif attributions:
            out |= attribution_fields(attributions[-1], uid=False)
        if record:
            out |= self.client_fields(parsed, record, attributions, histories)
        if line.cut:
            out |= {"truncated": True, "truncated_bytes": line.cut}
        out["logged_by"] = self.source_fields(source, line.stream)
        return b"" if self.count_only else orjson.dumps(out, default=dump_seconds) + b"\n"

    def render_record(
        self,
        source: Source,
        parsed: ParsedLine,
        attributions: Sequence[Attribution],
        claimed: list[tuple[ErrorLine, Attribution, State]],
        histories: Histories,
    ) -> bytes:
        """Return the JSON line of a line with a record; nothing for any other."""
        if not parsed.record:
            return b""
        if parsed.kind is LineKind.TRY:
            return self.render_try(source, parsed, histories)
        return self.render(source, parsed, attributions, claimed, histories)

    def render_try(self, source: Source, parsed: ParsedLine, histories: Histories) -> bytes:
        """Return the JSON line of a try, with its attempt if that is not one of its request's."""
        assert parsed.record
        if parsed.record.request_missing:
            return self.render(source, parsed, self.attribute_line(source, parsed, histories), [], histories)
        return self.render_part(source, parsed, parsed.record)

    def render_part(self, source: Source, parsed: ParsedLine, record: Record) -> bytes:
        """Return the JSON line of a part of a request, whose attempt is in the request's line."""
        self.counts.count_line(parsed.kind)
        line = parsed.line
        out: dict[str, Any] = {"time": line_time(line, record), "kind": parsed.kind} | output_fields(record)
        if line.cut:
            out |= {"truncated": True, "truncated_bytes": line.cut}
        out["logged_by"] = self.source_fields(source, line.stream)
        return b"" if self.count_only else orjson.dumps(out, default=dump_seconds) + b"\n"

    def request_fields(
        self,
        source: Source,
        parsed: ParsedLine,
        record: Record,
        attributions: Sequence[Attribution],
        histories: Histories,
    ) -> dict[str, Any]:
        """Return the fields of a request by the attempt that stands for it, and count it as its client saw it."""
        status = record.status
        labels = {"route": record.route, "gateway": listener_fields(source, record, histories).get("gateway", "")}
        if record.attempts:
            main = main_attempt(record.attempts)
            service = service_of_attribution(histories, record.attempts[main].addr, attributions[main])
            fields = attribution_fields(attributions[main], uid=False)
            if record.request_missing:
                self.counts.count_lone_try(record.request_missing)
                return fields | {"request_missing": record.request_missing}
            if record.is_subrequest:
                return fields | {"subrequest": True}
            self.counts.count_requests(service, str(status) if status else "", **labels)
            if service and record.route:
                self.routes[source, record.route].add(service)
            return fields
        failed = status is not None and 500 <= status <= 599
        service = service_of_upstream_name(histories.pods, record.upstream_name)
        window = request_window(record, parsed.at)
        request = why_untried(histories, service, window, failed=failed, nobody_is_live=record.nobody_is_live)
        if request.reason == "not_tried" and not service and record.route:
            candidates = [
                why_untried(histories, candidate, window, failed=True, nobody_is_live=False)
                for candidate in self.routes[source, record.route]
            ]
            empty = [candidate for candidate in candidates if candidate.reason == "no_endpoints"]
            if len(empty) == 1:
                request = empty[0]._replace(cause=NO_ENDPOINTS_LIKELY)
                service = request.service
        self.counts.count_requests(service, str(status) if status else "", reason=request.reason, **labels)
        fields: dict[str, Any] = {"namespace": service.namespace, "service": service.name} if service else {}
        if service and service != service_of_upstream_name(histories.pods, record.upstream_name):
            fields["service_of"] = "route"
        if request.reason:
            fields |= {"origin": "proxy", "reason": request.reason}
            assert request.cause
            cause, grade, _ = request.cause
            self.counts.count_cause(service, cause, grade)
            fields |= {"cause": cause, **({"cause_grade": grade} if grade else {})}
        if request.since is not None:
            fields["no_endpoints_since"] = format_rfc3339(request.since)
        return fields

    def error_fields(
        self, error: ErrorLine, attributions: Sequence[Attribution], states: Sequence[State]
    ) -> dict[str, Any]:
        """Return the fields of an error line, and count the failure that it explains."""
        fields: dict[str, Any] = {"level": error.level, "connection": error.connection, **error.fields}
        if error.upstream:
            fields["upstream"] = error.upstream
        if error.reason:
            fields["reason"] = error.reason
            self.counts.count_failure(attributions[0], error.reason, states[0])
        return fields

    def client_fields(
        self, parsed: ParsedLine, record: Record, attributions: Sequence[Attribution], histories: Histories
    ) -> dict[str, str]:
        """Return the fields of a client that is a pod, and count its request; none for other clients."""
        client = attribute_client(histories, record.client, request_window(record, parsed.at))
        if client is None:
            return {}
        if attributions and not record.is_subrequest and not record.request_missing:
            main = main_attempt(record.attempts)
            service = service_of_attribution(histories, record.attempts[main].addr, attributions[main])
            self.counts.count_edge(client.service, service, failed=record.attempts[-1].failed)
        names = owner_fields(client.owner, uid=False) if client.owner else {}
        if client.service:
            names["service"] = client.service.name
        names["attribution"] = client.grade
        return {f"client_{name}": value for name, value in names.items()}

    def attempt_objects(
        self,
        source: Source,
        parsed: ParsedLine,
        record: Record,
        attributions: Sequence[Attribution],
        claimed: list[tuple[ErrorLine, Attribution, State]],
        histories: Histories,
    ) -> list[dict[str, Any]]:
        """Return the objects of an access line's attempts, and count them."""
        if not record.attempts:
            return []
        claims = self.correlators[source].claim(record, parsed.windows)
        objects = []
        outcome = record_outcome(record)
        for index, (attempt, attribution, claim) in enumerate(zip(record.attempts, attributions, claims, strict=True)):
            origin, reason = error_origin(attempt, explained=claim.explained), claim.reason
            of_pod = pod_fields(source, histories, attempt.addr, attribution, parsed.windows[index])
            state = of_pod.get("state", State.NONE)
            claimed += [(error, attribution, state) for error in claim.errors]
            retried = is_retried(record.attempts, index)
            self.counts.count_attempt(
                attribution,
                attempt,
                retried=retried,
                origin=origin,
                outcome=outcome,
                state=state,
                ended=window.end_latest if (window := parsed.windows[index]) else None,
            )
            if attempt.reason:
                self.counts.count_failure(attribution, attempt.reason, state)
            fields: dict[str, Any] = {
                "addr": attempt.addr,
                "status": attempt.status,
                "response_time": None if attempt.response_time is None else format_seconds(attempt.response_time),
                **({"response_time_of": "request"} if isinstance(attempt.response_time, RequestTime) else {}),
                "response_length": attempt.response_length,
                **attribution_fields(attribution, uid=True),
            }
            if origin:
                fields["origin"] = origin
            if reason or attempt.reason:
                fields["reason"] = reason or attempt.reason
            if attempt.grpc_failed:
                fields["grpc_status"] = attempt.grpc_status
            if attempt.failed:
                fields["outcome"] = outcome
            if attempt.failed or attempt.reason or reason:
                service = service_of_attribution(histories, attempt.addr, attribution)
                window = parsed.windows[index]
                reasons = {reason or attempt.reason} - {""} or set(claim.possible_reasons)
                has_others = len(record.attempts) > 1
                failure = Failure(attempt, attribution, service, window, origin, reasons, has_others, outcome)
                fields |= self.count_cause(failure, histories) | of_pod
            late = lateness(histories, attempt.addr, attribution, parsed.windows[index])
            self.counts.count_late(attribution, late)
            fields |= {**of_pod, "late_seconds": format_seconds(late[0].ns)} if late else {}
            if attempt.redirects:
                fields["internal_redirect"] = True
            objects.append(fields)
        return objects

    def source_fields(self, source: Source, stream: str) -> dict[str, str]:
        """Return the object that names a source and a stream of it."""
        fields = {
            "namespace": source.namespace,
            "pod": source.pod,
            "node": self.node,
            "container": source.container,
            "stream": stream,
            "path": "" if source.pod else source.path,
        }
        return {name: escape_bytes(value) for name, value in fields.items() if value}


def why_untried(
    histories: Histories, service: Service | None, window: Window | None, *, failed: bool, nobody_is_live: bool
) -> NoAttempt:
    """Return why nobody was tried for a request to a service, which may not be known."""
    pods = histories.pods
    gaps = ready_gaps(pods, service) if service else []
    since = watched_since(pods, service) if service else 0
    if not pods.is_snapshot:
        since = min(since, pods.complete_since)
    return no_attempt(service, gaps, window, pods.certain_until, since, failed=failed, nobody_is_live=nobody_is_live)


def listener_fields(source: Source, record: Record, histories: Histories) -> dict[str, str]:
    """Return the Gateway and the listener by which a request came; no listener without a Gateway."""
    gateway, listener = record.listener
    of_proxy = gateway_of_proxy(histories.pods, source.namespace, source.pod, source.uid) if source.pod else ""
    gateway = gateway or of_proxy or gateway_of_pod(source.pod)
    return {"gateway": gateway, **({"listener": listener} if listener else {})} if gateway else {}


@dataclass
class Failure:
    """A failed attempt, whose cause is counted."""

    attempt: Attempt
    attribution: Attribution
    service: Service | None
    window: Window | None
    origin: str
    reasons: set[str]
    has_others: bool
    """Whether there were other attempts of the request."""
    outcome: str

    @property
    def window_in_counts(self) -> Window | None:
        """Return the window in quarters of a second, as attempts are put together until they are counted."""
        if not self.window:
            return None
        quarter = SECOND // 4
        start, over, end = self.window
        return Window(start - start % quarter, over - over % quarter, end + -end % quarter)

    def cause(self, histories: Histories, window: Window | None, known_until: int) -> tuple[str, str]:
        """Return the cause and its grade, if everything that happened before `known_until` (ns) is known."""
        owner, circumstance = self.attribution.owner, Circumstance.NOT_KNOWN
        if window:
            tenures = tenures_of_owner(histories.pods, self.attempt.addr, owner)
            status = histories.statuses.of(owner.uid) if histories.statuses and owner else None
            circumstance = circumstance_of(tenures, status, window)
            if max(window.start, window.end_latest) + 5 * SECOND > known_until:
                circumstance = without_hindsight(circumstance, tenures)
        is_sure = self.attribution.grade in {"exact", "reported"}
        is_repeated = self.has_others and self.outcome != "hidden"
        symptom = symptom_of(self.attempt, self.origin, self.reasons, is_repeated=is_repeated)
        symptom = resolve_cut(symptom, self.attempt.response_time, self.window)
        cause, grade, _ = cause_of(symptom, circumstance, is_sure=is_sure)
        return cause, grade


def parse_line(formats: FormatTimeline, line: Line) -> ParsedLine:
    """Parse a line. stderr has no access lines."""
    at = parse_rfc3339(line.stamp)
    if line.stream != "stderr" and (result := formats.parse(line.text, at)):
        log_format, record = result
        return ParsedLine(line, at, LineKind.ACCESS, record, log_format, attempt_windows(record, at))
    if error := parse_error_line(line.text):
        return ParsedLine(line, at, LineKind.ERROR, error=error)
    if line.stream == "stderr" or is_other_line(line.text, formats.formats_at(at)):
        return ParsedLine(line, at, LineKind.OTHER)
    return ParsedLine(line, at, LineKind.PARSE_ERROR, misfit=formats.explain(line.text, at))


def output_fields(record: Record) -> dict[str, Any]:
    """Return the values of a record by their names in the output."""
    return {f"log_{name}" if name in RESERVED_NAMES else name: value for name, value in record.fields.items()}


def trace_fields(fields: dict[str, Any]) -> dict[str, str]:
    """Return the ids of the trace that a line's values name, by the first of them that are ids."""
    for trace_name, span_name, kind in TRACES:
        text, beside = fields.get(trace_name), fields.get(span_name)
        if not isinstance(text, str):
            continue
        trace, span, is_one = text, beside if isinstance(beside, str) else "", kind in {"traceparent", "b3 header"}
        if kind == "traceparent":
            version, trace, span, flags, *rest = [*text.split("-", 4), "", "", "", ""][: 4 + (text.count("-") > 3)]
            is_version = is_hex(version, 2) and version != "ff" and not (version == "00" and rest)
            if not (is_version and is_hex(flags, 2)):
                continue
        if kind == "b3 header":
            trace, span, *rest = [*text.split("-"), ""][: text.count("-") + 1 if "-" in text else 2]
            if len(rest) > 2 or rest[:1] not in ([], ["0"], ["1"], ["d"]) or not all(is_hex(x, 16) for x in rest[1:]):
                continue
        if not (is_hex(trace, 32) or (kind.startswith("b3") and is_hex(trace, 16))) or not trace.strip("0"):
            continue
        has_span = is_hex(span, 16) and bool(span.strip("0"))
        if has_span or not is_one:
            return {"trace_id": trace.rjust(32, "0"), **({"span_id": span} if has_span else {})}
    return {}


def is_hex(text: str, length: int) -> bool:
    """Return whether a text is a number of this many hexadecimal digits in lower case."""
    return len(text) == length and set(text) <= set("0123456789abcdef")


def line_time(line: Line, record: Record | None) -> str | None:
    """Return the end of the request that the line names if that tells more than the runtime's stamp, else the stamp."""
    at, named = parse_rfc3339(line.stamp), record.end if record else None
    if at is None:
        return None if named is None else format_rfc3339(named)
    if not record or end_to_show(named, record.end_uncertainty, at) is None:
        return line.stamp.decode("ascii", "replace")
    assert named is not None
    zone = line.stamp[-1:] if line.stamp[-1:] in b"zZ" else re.search(rb"[+-]\d\d:?\d\d$", line.stamp)[0]
    if zone in b"zZ":
        return format_rfc3339(named)
    hours, minutes = int(zone[:3]), int(zone[:1] + zone[-2:])
    return format_rfc3339(named + (hours * 60 + minutes) * 60 * SECOND)[:-1] + zone.decode()


def attribution_fields(attribution: Attribution, *, uid: bool) -> dict[str, Any]:
    """Return the fields of an attribution; unknown names are left out."""
    owner, service = attribution.owner, attribution.service
    fields: dict[str, Any] = owner_fields(owner, uid=uid) if owner else {}
    if service:
        fields = {**fields, "namespace": fields.get("namespace", service.namespace), "service": service.name}
    fields["attribution"] = attribution.grade
    if attribution.candidates:
        fields["candidates"] = [owner_fields(candidate, uid=True) for candidate in attribution.candidates]
    return fields


def owner_fields(owner: Owner, *, uid: bool) -> dict[str, str]:
    """Return the names of an owner that are known."""
    names = {"pod": owner.pod, "namespace": owner.namespace, "node": owner.node, "uid": owner.uid if uid else ""}
    return {name: value for name, value in names.items() if value}


def pod_fields(
    source: Source, histories: Histories, addr: str, attribution: Attribution, window: Window | None
) -> dict[str, Any]:
    """Return what an attempt has of its pod if it failed."""
    owner, pods, fields = attribution.owner, histories.pods, dict[str, Any]()
    if not owner:
        return {}
    if window:
        tenures = tenures_of_owner(pods, addr, owner)
        state, since, first_ready = state_between(tenures, window.start, latest_beginning(window), pods.certain_until)
        ages = {"state_seconds": since, "age_seconds": first_ready}
        fields |= {"state": state} if state else {}
        for name, time in ages.items():
            if time is not None:
                fields[name] = format_seconds((window.start - time) // MILLISECOND * MILLISECOND)
    status = histories.statuses.of(owner.uid) if histories.statuses else None
    workload, kind, revision = (status and status.workload) or workload_of(owner)
    lasting = {"zone": owner.zone, "workload": workload, "workload_kind": kind, "revision": revision}
    fields |= {name: value for name, value in lasting.items() if value}
    own_zones = {
        tenure.owner.zone
        for tenure in pods.tenures()
        if source.pod
        and any(service.name for service in tenure.services)
        and (tenure.owner.namespace, tenure.owner.pod) == (source.namespace, source.pod)
        and source.uid in {"", tenure.owner.uid}
    }
    if owner.zone and len(own_zones) == 1 and "" not in own_zones:
        fields["zone_crossed"] = own_zones != {owner.zone}
    return fields


def lateness(histories: Histories, addr: str, attribution: Attribution, window: Window | None) -> list[Lateness]:
    """Return how late an attempt was; nothing if it was not late, or if that is not certain."""
    if not window:
        return []
    tenures = tenures_of_owner(histories.pods, addr, attribution.owner)
    late = lateness_between(tenures, window.start, latest_beginning(window), histories.pods.certain_until)
    return [late] if late else []


def latest_beginning(window: Window) -> int:
    """Return when an attempt began at the latest: its end less the time it took, give or take nginx's clock."""
    took = window.end_earliest - window.start - 10 * MILLISECOND
    return max(window.start, min(window.end_latest, window.end_latest - took + 10 * MILLISECOND))


def error_state(histories: Histories, parsed: ParsedLine, attribution: Attribution) -> State:
    """Return the state of the pod of an error line, if it was the same for as long as the attempt may have taken."""
    window = error_window(parsed.at, parsed.error.reason) if parsed.error else None
    if not window or not parsed.error:
        return State.NONE
    tenures = tenures_of_owner(histories.pods, parsed.error.upstream, attribution.owner)
    return state_between(tenures, window.start, window.end_latest, histories.pods.certain_until).state


def message_fields(text: bytes) -> dict[str, Any]:
    """Return the fields of a line's text; bytes that are not UTF-8 become escapes and mark the line."""
    try:
        return {"message": text.decode()}
    except UnicodeDecodeError:
        return {"message": text.decode("utf-8", "backslashreplace"), "invalid_utf8": True}


def format_seconds(ns: int) -> orjson.Fragment:
    """Return a time as seconds, with nanoseconds if it is not a whole number of milliseconds."""
    if ns % MILLISECOND:
        return orjson.Fragment(b"%d.%09d" % (ns // SECOND, ns % SECOND))
    milliseconds = ns // MILLISECOND
    return orjson.Fragment(b"%d.%03d" % (milliseconds // 1000, milliseconds % 1000))


def dump_seconds(value: object) -> orjson.Fragment:
    """Return seconds for orjson as the proxy wrote them. Raise TypeError for any other type."""
    if isinstance(value, Seconds):
        return orjson.Fragment(value.text)
    raise TypeError(type(value))
