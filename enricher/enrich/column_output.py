"""The output and the counts of lines in columns that need no closer look. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import islice, repeat
from operator import attrgetter, itemgetter
from typing import Any, cast

from enricher.endpoints.attribution import Attribution
from enricher.endpoints.slices import Service
from enricher.enrich.attempt_lists import ListedAttempt
from enricher.enrich.attributed import AttributedColumns
from enricher.enrich.cached_attribution import CachedAttribution, InColumns
from enricher.enrich.failed_attempts import FailedAttempt
from enricher.enrich.late_attempts import LateAttempt
from enricher.enrich.output import LineTemplate, no_attempt_fragment
from enricher.enrich.requests import NoAttempt, RequestLabels
from enricher.enrich.route_services import RouteServices
from enricher.timestamps import MILLISECOND, SECOND
from enricher.vocabulary import Grade

_NOBODY = CachedAttribution(Attribution(Grade.UNKNOWN), "", None, None)
"""Stands for the owner in lines that are not ordinary."""
_status_json: "attrgetter[bytes]" = attrgetter("status_json")
_route_json: "attrgetter[bytes]" = attrgetter("route_json")


class ColumnOutput:
    """The output and the counts of attributed lines: ordinary ones as whole columns, those with lists row by row."""

    def __init__(self, lines: AttributedColumns) -> None:
        self._lines = lines
        self._rows_of_routes = 0
        """How many of the first lines have been added to the Services of routes."""
        self._untried: dict[int, NoAttempt] = {}
        """Why nobody was tried for the requests of lines, by row."""

    @cached_property
    def _unordinary(self) -> set[int]:
        """Return the rows that are not ordinary, once all owners have been found."""
        return self._lines.particular | self._lines.listed.keys()

    @cached_property
    def _ordinary_owners(self) -> list[InColumns]:
        """Return the owners of ordinary lines by row."""
        owners = cast(list[InColumns], list(self._lines.row_owners))
        nobody = _NOBODY.in_columns()._replace(times=[], requests=[])
        for row in self._unordinary:
            owners[row] = nobody
        return owners

    @cached_property
    def _has_routes(self) -> bool:
        """Return whether a route, a Gateway or a listener of a request is known."""
        return any(request.route_json for request in set(self._lines.requests))

    def add_routes(self, number: int, services: RouteServices) -> None:
        """Add to which Services the requests of the lines before the one with this number went, by their routes."""
        lines, owners, first = self._lines, self._ordinary_owners, self._rows_of_routes
        self._rows_of_routes = rows = max(first, lines.rows_before(number))
        if first == rows or not self._has_routes:
            return
        pairs = zip(lines.requests[first:rows], map(id, owners[first:rows]), strict=True)
        some_rows = {pair: row for row, pair in enumerate(pairs, first)}.values()
        went = {(lines.requests[row].route, owners[row].cached.service) for row in some_rows}
        went |= {
            (lines.requests[row].route, attempts[-1].owner.service)
            for row, attempts in lines.listed.items()
            if attempts and first <= row < rows
        }
        if new := {(route, service) for route, service in went - services.known if route and service}:
            self._add_new_routes(range(first, rows), new, services)

    def _add_new_routes(self, rows: range, new: set[tuple[str, Service]], services: RouteServices) -> None:
        """Add routes and Services with the first of the rows whose request went there."""
        lines = self._lines
        for row in rows:
            listed = lines.listed.get(row)
            owner = listed[-1].owner if listed else self._ordinary_owners[row].cached
            if owner.service and (pair := (lines.requests[row].route, owner.service)) in new:
                services.add(*pair, lines.columns.numbers[row])
                new.discard(pair)
            if not new:
                return

    def count(self, rows: int, counts: Any, services: RouteServices) -> int:
        """Count the first lines; return how many of them were ordinary, or had lists of attempts."""
        lines = self._lines
        self._untried = {row: lines.explain_untried(row, services) for row in lines.without_attempt if row < rows}
        for (_, owner_times, _, owner_requests, _), time, request in zip(
            self._ordinary_owners[:rows], lines.times, lines.requests, strict=False
        ):
            owner_times.append(time)
            owner_requests.append(request)
        for row, failure in self._failures.items():
            if row < rows:
                owner = self._ordinary_owners[row].cached
                failure.add_to(lines.owners, owner)
                if failure.labels and failure.labels not in owner.exemplars:
                    owner.exemplars[failure.labels] = lines.exemplar(row, lines.times[row])
        if lines.facts.traces.have_ids:
            self._add_slowest(rows)
        for row, late in self._late.items():
            if row < rows:
                self._ordinary_owners[row].cached.late.append(late.lateness)
        for row, attempts in lines.listed.items():
            if row < rows:
                self._count_listed(row, attempts, counts)
        self._count_edges(rows, counts)
        return rows - sum(row < rows for row in lines.particular)

    def _add_slowest(self, rows: int) -> None:
        """Take the slowest attempt at each pod among the first lines for an exemplar, if none took about as long."""
        times, owners = cast(list[int], self._lines.times), self._ordinary_owners
        timed = range(rows) if None not in times else [row for row in range(rows) if times[row] is not None]
        by_time = sorted(timed, key=times.__getitem__)
        slowest = dict(zip(map(id, map(owners.__getitem__, by_time)), by_time, strict=True))
        for row in slowest.values():
            exemplars, time = owners[row].cached.exemplars, times[row]
            magnitude = (time > 10 * MILLISECOND) + (time > 100 * MILLISECOND) + (time > SECOND)
            if magnitude not in exemplars and row not in self._unordinary:
                exemplars[magnitude] = self._lines.exemplar(row, time)

    @cached_property
    def _failures(self) -> dict[int, FailedAttempt]:
        """Return the attempts of ordinary lines that failed, by row."""
        owners = self._ordinary_owners
        return {
            row: self._lines.failed_attempt(row, owners[row].cached) for row in self._lines.failed - self._unordinary
        }

    @cached_property
    def _late(self) -> dict[int, LateAttempt]:
        """Return the attempts of ordinary lines that were late."""
        return {row: late for row, late in self._lines.late.items() if row not in self._unordinary}

    def _count_listed(self, row: int, attempts: Sequence[ListedAttempt], counts: Any) -> None:
        for attempt in attempts:
            attempt.add_to(counts, self._lines.owners)
            labels = attempt.failure.labels if attempt.failure else None
            if labels and labels not in attempt.owner.exemplars:
                attempt.owner.exemplars[labels] = self._lines.exemplar(row, attempt.time)
        request = self._lines.requests[row]
        if attempts:
            last = attempts[-1]
            if not self._lines.facts.has_status and last.result.attempt:
                request = RequestLabels(last.result.attempt.status, request.route, request.listener)
            last.owner.requests.append(request)
        else:
            self._untried[row].add_to(counts, request)

    def _count_edges(self, rows: int, counts: Any) -> None:
        """Count the requests of pods among the first lines."""
        lines, edges = self._lines, Counter[tuple[Service | None, Service | None, bool]]()
        for row, client in lines.clients.items():
            if row >= rows or row in lines.particular:
                continue
            if row not in lines.listed:
                owner = cast(InColumns, lines.row_owners[row]).cached
                edges[client.service, owner.service, row in lines.failed] += 1
            elif lines.listed[row]:
                attempt = lines.listed[row][-1]
                edges[client.service, attempt.owner.service, attempt.result.failed] += 1
        for (client_service, service, failed), number in edges.items():
            counts.count_edge(client_service, service, failed=failed, requests=number)

    def render(self, template: LineTemplate, rows: int) -> list[bytes]:
        """Return the JSON of the first lines; of those set apart anything."""
        columns, facts = self._lines.columns, self._lines.facts
        owners: Any = self._ordinary_owners
        endings: Any = map(itemgetter(0), owners)
        if self._failures or self._late:
            endings = list(endings)
            particulars_by_row = {row: failure.particulars for row, failure in self._failures.items()}
            for row, late in self._late.items():
                particulars_by_row[row] = late.ending(particulars_by_row.get(row, b""))
            for row, particulars in particulars_by_row.items():
                endings[row] = owners[row].cached.ending_with(particulars)
        clients: Any = repeat(b"")
        if self._lines.clients:
            clients = [b""] * self._lines.size
            for row, client in self._lines.clients.items():
                clients[row] = client.json
        lengths = self._lines.lengths_json
        routes = [map(_route_json, self._lines.requests)] if self._has_routes else []
        pieces: tuple[Iterable[bytes], ...] = (
            *[repeat(piece) if piece else column for piece, column in self._lines.opening_pieces(template)],
            repeat(b'"attempts":[{"addr":"'),
            map(itemgetter(2), owners) if facts.verbatim_addr is None else columns.values[facts.verbatim_addr],
            map(_status_json, self._lines.results),
            self._lines.times_json,
            repeat(b"null") if lengths is None else lengths,
            endings,
            *routes,
            clients,
            repeat(template.closing),
        )
        lines = list(map(b"".join, islice(zip(*pieces, strict=False), rows)))
        for row, attempts in self._lines.listed.items():
            if row < rows:
                lines[row] = self._render_listed(template, row, attempts)
        return lines

    def _render_listed(self, template: LineTemplate, row: int, attempts: Sequence[ListedAttempt]) -> bytes:
        lines = self._lines
        in_line = attempts[-1].owner.in_line if attempts else no_attempt_fragment(self._untried[row])
        route, client = lines.requests[row].route_json, lines.clients[row].json if row in lines.clients else b""
        rendered = b",".join([attempt.render() for attempt in attempts])
        opening = lines.render_opening(template, row)
        return b'%b"attempts":[%b],%b%b%b%b' % (opening, rendered, in_line, route, client, template.closing)
