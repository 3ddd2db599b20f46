"""What `enricher top --daemons` says of a row: the columns of its table, and the lines about one row."""

from collections.abc import Iterator, Sequence

from rich.console import Console

from enricher.report.console import one_line
from enricher.report.hour_rows import SORT_KEYS, HourRow
from enricher.report.pod_rows import hidden_text, sort_rows, sure_text
from enricher.report.record_view import Zone, datetime_in
from enricher.report.summary_table import INDENT, TableRow, cause_counts, counts_text, print_table, wrap_parts
from enricher.report.top_texts import Column, row_style
from enricher.report.wording import amount
from enricher.timestamps import MINUTE

BARS = " ▁▂▃▄▅▆▇█"
"""Characters for nothing, and for little to much."""
MINUTES_OF_A_BAR = 5


def clock_text(minute: int, zone: Zone | None, form: str = "%H:%M") -> str:
    """Return the time of day of a minute since the epoch, in a zone, or else in UTC."""
    return f"{datetime_in(zone, minute * MINUTE):{form}}"


def sparkline(minutes: Sequence[int]) -> str:
    """Return a bar for each MINUTES_OF_A_BAR minutes; the highest is that of the most errors."""
    sums = [sum(minutes[begin : begin + MINUTES_OF_A_BAR]) for begin in range(0, len(minutes), MINUTES_OF_A_BAR)]
    most = max(sums, default=0)
    return "".join(BARS[-(-number * (len(BARS) - 1) // most)] if most else BARS[0] for number in sums)


def _most_frequent(row: HourRow) -> str:
    return next((reason for reason, _ in row.reasons.most_common(1)), "")


def _code(row: HourRow) -> str:
    return next((code for (code, _), _ in row.codes.most_common(1)), "")


def hour_columns(zone: Zone | None) -> Sequence[Column[HourRow]]:
    """Return the columns, what matters most first: a narrow terminal has no room for the last ones."""
    return (
        Column("errors", lambda row: str(row.errors), "attempts of the last hour that failed"),
        Column("hidden", hidden_text, "those errors after which the client got a good answer"),
        Column("latest", lambda row: clock_text(row.last_minute, zone), "the minute of the latest error"),
        Column("last hour", lambda row: sparkline(row.errors_per_minute), "a bar for each five minutes", "left"),
        Column("reason", _most_frequent, "the most frequent reason, since the daemons began", "left"),
        Column("code", _code, "the most frequent code of an error, since then"),
        Column("sure %", sure_text, "attempts that certainly went to this pod, since then"),
    )


def hour_text(row: HourRow, zone: Zone | None) -> str:
    """Return what happened in the last hour: `12 errors, 9 hidden; most in 23:17: 8; the latest in 23:18`."""
    hidden = "not known how many are hidden" if row.hidden is None else f"{row.hidden:,} hidden"
    most = f"most in {clock_text(row.worst_minute, zone)}: {max(row.errors_per_minute):,}"
    return f"{amount(row.errors, 'error')}, {hidden}; {most}; the latest in {clock_text(row.last_minute, zone)}"


def total_texts(row: HourRow) -> Iterator[str]:
    """Yield what was counted since the counters of the row began, and the causes at its service."""
    attempts = f" of {amount(row.attempts, 'attempt')}" if row.attempts else ""
    sure = f", {row.sure_percent} % sure" if row.attempts else ""
    codes = ", ".join(f"{code}:{number} ({origin})" for (code, origin), number in row.codes.most_common())
    parts = filter(None, (f"in all {amount(row.all_errors, 'error')}{attempts}{sure}", codes, counts_text(row.reasons)))
    yield "; ".join(parts)
    if row.causes:
        yield f"causes at the service: {counts_text(cause_counts(row))}"


def print_hour(rows: Sequence[HourRow], names: Sequence[str], zone: Zone | None, console: Console) -> None:
    """Print the rows, the worst first, each with what is known of it below. `names` are what its key is made of."""
    if not rows:
        console.print(one_line("no errors in the last hour"))
    titles = ("errors", "hidden", "latest", "sure %")
    table = []
    for row in sort_rows(rows, SORT_KEYS["errors"], ""):
        numbers = [str(row.errors), hidden_text(row), clock_text(row.last_minute, zone), sure_text(row)]
        notes = [line for text in total_texts(row) for line in wrap_parts(text, INDENT)]
        table.append(TableRow(numbers, row.key, notes, row_style(row, coloured=True)))
    print_table(titles, names, table, console)
    console.print()
