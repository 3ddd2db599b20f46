"""Lines that are enriched one by one: those without columns, and those in columns that are not ordinary. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, cast

from enricher.accesslog.error_log import ErrorLine
from enricher.accesslog.record import Attempt, ErrorLabels, Record
from enricher.accesslog.trace_ids import Exemplar, find_request_id, make_exemplar
from enricher.endpoints.attribution import Attribution, Window
from enricher.endpoints.lateness import Lateness
from enricher.endpoints.slices import Service
from enricher.enrich.attempt_states import pod_of_attempt, state_throughout
from enricher.enrich.attributed import AttributedColumns
from enricher.enrich.batch import Batch
from enricher.enrich.cached_attribution import CachedAttribution
from enricher.enrich.causes import cause_of, resolve_cut, symptom_of
from enricher.enrich.column_output import ColumnOutput
from enricher.enrich.column_traces import render_trace
from enricher.enrich.error_correlation import Claim, ErrorCorrelator, error_origin
from enricher.enrich.holding import HoldPolicy
from enricher.enrich.late_attempts import late_attempt
from enricher.enrich.line_times import line_time
from enricher.enrich.output import (
    ATTEMPT,
    LineTemplate,
    OutputTemplates,
    attempt_particulars,
    attribution_fields,
    dump_fields,
    dump_integer,
    dump_response_time,
    message_fields,
    no_attempt_fragment,
    variable_fields,
)
from enricher.enrich.owners import Owners
from enricher.enrich.parsed_line import ParsedLine, reported_pod
from enricher.enrich.requests import NoAttempt, RequestCounter, RequestLabels, is_retried, main_attempt, record_outcome
from enricher.enrich.route_services import RouteServices
from enricher.enrich.windows import error_window, request_window
from enricher.vocabulary import LineKind, Outcome, RequestMissing, State


class Counts(RequestCounter, Protocol):
    """Counts lines, attempts, failures and edges; enricher.metrics.counters implements it."""

    def count_line(self, kind: str, lines: int = 1) -> None: ...

    def count_attempts(
        self,
        attribution: Attribution,
        times: Sequence[int | None],
        errors: Mapping[ErrorLabels, int],
        minutes: Mapping[int | None, int],
        hidden_minutes: Mapping[int | None, int],
    ) -> None: ...

    def add_exemplars(
        self, attribution: Attribution, exemplars: Mapping[ErrorLabels | int, Exemplar | None]
    ) -> None: ...

    def count_failure(self, attribution: Attribution, reason: str, state: str = State.NONE) -> None: ...

    def count_late(self, attribution: Attribution, late: Sequence[Lateness]) -> None: ...

    def count_edge(
        self, client: Service | None, service: Service | None, *, failed: bool, requests: int = 1
    ) -> None: ...

    def count_lone_try(self, missing: RequestMissing) -> None: ...


class Tools(NamedTuple):
    """What enriching lines takes, whatever source they are from."""

    owners: Owners
    counts: Counts
    templates: OutputTemplates
    hold_policy: HoldPolicy
    pod_variable: str
    """The variable that holds the answering pod's name; empty if there is none."""
    count_only: bool
    """Whether no JSON is made."""


class LineParts(NamedTuple):
    """What a request's line makes of it, beside its attempts."""

    opening: Callable[[], bytes]
    """Returns the beginning of its JSON, up to the attempts."""
    closing: bytes
    """The end of its JSON, which names the source."""
    exemplar: Callable[[int | None], Exemplar | None]
    """Returns the request as an exemplar of an attempt that took so long (ns); None without an id."""


class SingleLines:
    """The lines of one batch that are enriched one by one.

    Access lines come first: an error line is attributed as the attempt that it is about.
    """

    def __init__(self, tools: Tools, batch: Batch, correlator: ErrorCorrelator, routes: RouteServices) -> None:
        self._tools, self._batch, self._correlator, self._routes = tools, batch, correlator, routes
        self.kinds = Counter[LineKind]()
        """The kinds of the lines that were enriched."""
        self.now: int | None = None
        """The present time (ns); if it is None, no line waits."""
        self.number = 0
        """The number of the line in the batch that is enriched next."""
        self.columns: Sequence[ColumnOutput] = ()
        """The lines of the batch that have not been enriched yet and are in columns."""
        self._claimed: dict[int, tuple[ErrorLine, CachedAttribution, State]] = {}
        """By the identities of error lines, which are not hashable: the attempt's owner, and its state at the time."""

    # --- any line ------------------------------------------------------------------------------------------------

    def enrich(self, parsed: ParsedLine, record: Record, *, may_wait: bool = True) -> bytes | None:
        """Return the JSON of an access line without columns, or None if it must wait."""
        line = parsed.line

        def opening() -> bytes:
            fields: dict[str, Any] = {"time": line_time(line, record), "kind": parsed.kind}
            if parsed.fields_json:
                return b"{%b,%b," % (dump_fields(fields), parsed.fields_json)
            return b"{%b," % dump_fields(fields | variable_fields(record))

        closing = self._tools.templates.source(self._batch.source, line.stream)
        if line.cut:
            closing = b'"truncated":true,"truncated_bytes":%d,%b' % (line.cut, closing)
        if parsed.kind is LineKind.TRY and not record.request_missing:
            self.kinds[LineKind.TRY] += 1
            return b"" if self._tools.count_only else opening() + closing

        def exemplar(time: int | None) -> Exemplar | None:
            return make_exemplar(record.trace, find_request_id(record.fields), parsed.at, time)

        def whole_opening() -> bytes:
            return opening() + render_trace(record.trace)

        at, windows = parsed.at, parsed.windows
        parts = LineParts(whole_opening, closing, exemplar)
        return self._enrich_request(record, at, windows, parts, may_wait=may_wait)

    def enrich_released(self, lines: Iterable[ParsedLine]) -> bytes:
        """Return the JSON of lines of tries that have waited; they wait for nothing else."""
        return b"".join(self.enrich(line, line.record, may_wait=False) or b"" for line in lines if line.record)

    def enrich_row(self, group: AttributedColumns, row: int, template: LineTemplate) -> bytes | None:
        """Return the JSON of a line in columns, or None if it must wait."""
        columns, tools = group.columns, self._tools
        at = group.stamp_at(row)
        is_stamp_no_time = columns.stamps is not None and at is None
        lacks_values = tools.count_only and self._correlator.has_errors and not columns.tries
        if is_stamp_no_time or group.needs_parsing(row) or lacks_values:
            parsed = self._batch.parse(columns.numbers[row])
            if parsed.record:
                return self.enrich(parsed, parsed.record)
            return None if self.message_must_wait(parsed) else self.enrich_message(parsed)
        names = [tools.pod_variable] if tools.pod_variable else []
        if self._correlator.has_errors:
            names += ErrorCorrelator.variables
        values = {name: columns.value(name, row) for name in names}
        fields = {name: value for name, value in values.items() if value is not None}
        record = group.record(row, fields)
        windows = group.windows(row, record, at)

        def opening() -> bytes:
            return group.render_opening(template, row)

        parts = LineParts(opening, template.closing, partial(group.exemplar, row))
        return self._enrich_request(record, at, windows, parts)

    # --- lines that are not requests -----------------------------------------------------------------------------

    def message_must_wait(self, parsed: ParsedLine) -> bool:
        """Return whether a line that is not a request must wait."""
        owner = self._owner_of_error(parsed)
        return owner is not None and self._must_hold([owner], parsed.at)

    def _owner_of_error(self, parsed: ParsedLine) -> CachedAttribution | None:
        """Return the owner of the upstream that an error line names, by that line alone."""
        error = parsed.error
        if not error or not error.upstream:
            return None
        window = error_window(parsed.at, error.reason)
        return self._tools.owners.of_attempt(error.upstream, window, answered=False, upstream_name="")

    def enrich_message(self, parsed: ParsedLine) -> bytes:
        """Return the JSON of a line that is not a request, after the access lines that may be about the same."""
        line, error, tools = parsed.line, parsed.error, self._tools
        _, owner, state = self._claimed.get(id(error)) or (error, self._owner_of_error(parsed), None)
        self.kinds[parsed.kind] += 1
        out: dict[str, Any] = {"time": line_time(line, None), "kind": parsed.kind, **message_fields(line.text)}
        if error:
            out |= {"level": error.level, "connection": error.connection, **error.fields}
            if error.upstream:
                out["upstream"] = error.upstream
            if error.reason and owner:
                out["reason"] = error.reason
                if state is None:
                    state = state_throughout(tools.owners.histories, owner, error_window(parsed.at, error.reason))
                tools.counts.count_failure(owner.attribution, error.reason, state)
        elif parsed.misfit:
            out["parse_error"] = parsed.misfit
        if owner:
            out |= attribution_fields(owner.attribution)
        if line.cut:
            out |= {"truncated": True, "truncated_bytes": line.cut}
        if tools.count_only:
            return b""
        return b"{%b,%b" % (dump_fields(out), tools.templates.source(self._batch.source, line.stream))

    # --- requests ------------------------------------------------------------------------------------------------

    def _enrich_request(
        self,
        record: Record,
        at: int | None,
        windows: Sequence[Window | None],
        parts: LineParts,
        *,
        may_wait: bool = True,
    ) -> bytes | None:
        """Return the JSON of a request, or None if it must wait."""
        tools = self._tools
        owners = self._attribute_attempts(record, windows)
        if may_wait and self._must_hold(owners, at):
            return None
        self.kinds[LineKind.TRY if record.request_missing else LineKind.ACCESS] += 1
        attempts = self._count_and_render_attempts(record, owners, windows, parts)
        request = RequestLabels(record.status, record.route, record.listener).behind(tools.owners.gateway)
        window = request_window(record, at)
        client = tools.owners.of_client(record.client, window)
        if owners:
            owner = owners[main_attempt(record.attempts)]
            in_line = owner.in_line
            if record.request_missing:
                in_line += b'"request_missing":"%b",' % record.request_missing.encode()
                tools.counts.count_lone_try(record.request_missing)
            elif record.is_subrequest:
                in_line += b'"subrequest":true,'
            else:
                owner.requests.append(request)
                if request.route and owner.service and (request.route, owner.service) not in self._routes.known:
                    self._routes.add(request.route, owner.service, self.number)
            if client.json and not record.is_subrequest and not record.request_missing:
                tools.counts.count_edge(client.service, owner.service, failed=record.attempts[-1].failed)
        else:
            no_attempt = cast(
                NoAttempt,
                tools.owners.without_attempt(
                    record.upstream_name, [window], failed=request.failed, nobody_is_live=record.nobody_is_live
                ),
            )
            if request.route and no_attempt.is_unexplained:
                for output in self.columns:
                    output.add_routes(self.number, self._routes)
                services = self._routes.before(request.route, self.number)
                no_attempt = tools.owners.without_endpoints(services, [window], no_attempt) or no_attempt
            no_attempt.add_to(tools.counts, request)
            in_line = no_attempt_fragment(no_attempt)
        if tools.count_only:
            return b""
        return b'%b"attempts":[%b],%b%b%b%b' % (
            parts.opening(),
            attempts,
            in_line,
            request.route_json,
            client.json,
            parts.closing,
        )

    def _attribute_attempts(self, record: Record, windows: Sequence[Window | None]) -> list[CachedAttribution]:
        tools = self._tools
        cut_off = self._correlator.cut_off_attempts(record, windows)
        owners = [
            tools.owners.of_attempt(
                attempt.addr,
                window,
                answered=attempt.answered and index not in cut_off,
                upstream_name=record.upstream_name,
            )
            for index, (attempt, window) in enumerate(zip(record.attempts, windows, strict=True))
        ]
        if pod := reported_pod(record, tools.pod_variable):
            owners[-1] = tools.owners.prefer_reported(owners[-1], pod)
        return owners

    def _count_and_render_attempts(
        self,
        record: Record,
        owners: Sequence[CachedAttribution],
        windows: Sequence[Window | None],
        parts: LineParts,
    ) -> bytes:
        claims = self._correlator.claim(record, windows)
        if not record.attempts:
            return b""
        out = list[bytes]()
        for index, (attempt, owner, claim) in enumerate(zip(record.attempts, owners, claims, strict=True)):
            owner.times.append(attempt.response_time)
            particulars = b""
            if attempt.failed or attempt.reason or claim.errors:
                particulars = self._count_failure(record, index, owner, windows[index], claim)
                for labels in owner.errors.keys() - owner.exemplars.keys():
                    owner.exemplars[labels] = parts.exemplar(attempt.response_time)
            if owner.late_periods != () and (late := late_attempt(self._tools.owners, owner, windows[index])):
                owner.late.append(late.lateness)
                particulars = late.ending(particulars)
            if attempt.redirects:
                particulars += b',"internal_redirect":true'
            out.append(_render_attempt(attempt, owner, particulars))
        return b",".join(out)

    def _count_failure(
        self,
        record: Record,
        index: int,
        owner: CachedAttribution,
        window: Window | None,
        claim: Claim,
    ) -> bytes:
        """Count an attempt if it failed, or if a log gives a reason; return the end of its JSON object."""
        owners, counts, attempt = self._tools.owners, self._tools.counts, record.attempts[index]
        state, circumstance, of_pod = pod_of_attempt(owners, owner, window)
        for error in claim.errors:
            self._claimed.setdefault(id(error), (error, owner, state))
        reason = claim.reason or attempt.reason
        if not (attempt.failed or reason):
            return b""
        origin, outcome = error_origin(attempt, explained=claim.explained), record_outcome(record)
        reasons = {reason} if reason else claim.possible_reasons
        is_repeated = len(record.attempts) > 1 and outcome is not Outcome.HIDDEN
        symptom = symptom_of(attempt, origin, reasons, is_repeated=is_repeated)
        symptom = resolve_cut(symptom, attempt.response_time, window)
        cause = cause_of(symptom, circumstance, is_sure=owner.is_sure)
        owners.causes.add(owner, symptom, window, cause)
        if attempt.failed:
            retried = is_retried(record.attempts, index)
            labels = ErrorLabels.from_attempt(attempt, retried=retried, origin=origin, outcome=outcome, state=state)
            owner.add_error(labels, window)
        if attempt.reason:
            counts.count_failure(owner.attribution, attempt.reason, state)
        return attempt_particulars(origin, reason, attempt, outcome) + cause.json + of_pod

    def _must_hold(self, owners: Sequence[CachedAttribution], at: int | None) -> bool:
        if self.now is None:
            return False
        changeable = [owner.addr for owner in owners if owner.attribution.may_change]
        return self._tools.hold_policy.must_hold(changeable, at, self.now)


def _render_attempt(attempt: Attempt, owner: CachedAttribution, particulars: bytes) -> bytes:
    return ATTEMPT % (
        owner.addr_json,
        dump_integer(attempt.status),
        dump_response_time(attempt.response_time),
        dump_integer(attempt.response_length),
        owner.in_attempt,
        particulars,
    )
