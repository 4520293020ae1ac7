"""The list of sources, each with its health and the results of its events."""

from dataclasses import dataclass
from datetime import datetime

from riskrelay.core.sources.kinds import kind_name
from riskrelay.core.sources.sources import COUNTED_FOR, Became, Counts, Source, SourceState, state_of, total
from riskrelay.ports import Transaction
from riskrelay.web.console.lists import Choice, Column, ListOf


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """A source.

    Attributes:
        counts: its events of the last 24 hours, by result.
    """

    source: Source
    state: SourceState
    counts: Counts

    def count(self, became: Became) -> int:
        """Return the number of events with one result."""
        return total(self.counts, (became,))

    @property
    def events(self) -> int:
        """The number of all events."""
        return total(self.counts, Became)


def source_rows(tx: Transaction, now: datetime) -> list[SourceRow]:
    """Return all sources, oldest first."""
    found = tx.sources.all()
    counts = tx.sources.counts(now - COUNTED_FOR) if found else {}
    return [
        SourceRow(
            source=one, state=state_of(one, counts.get(one.source_id, {}), now), counts=counts.get(one.source_id, {})
        )
        for one in found
    ]


RESULTS = {
    "finding": "Findings",
    "activity": "Activity",
    "duplicate": "Duplicates",
    "ignored": "Ignored",
    "refused": "Refused",
}
"""The names of the figures of a source, by the result of its events."""


def _numbers(became: Became) -> Column[SourceRow]:
    return Column(
        title=RESULTS[became.value], value=lambda row: row.count(became), sort=became.value, is_largest_first=True
    )


SOURCES: ListOf[SourceRow] = ListOf(
    name="sources",
    columns=(
        Column(title="Source", value=lambda row: row.source.name, sort="name"),
        Column(title="Kind", value=lambda row: kind_name(row.source.kind)),
        Column(title="State", value=lambda row: row.state.value, sort="state"),
        Column(title="Last event", value=lambda row: row.source.last_event_at, sort="last", is_largest_first=True),
        *(_numbers(became) for became in Became),
        Column(title="Source ID", value=lambda row: row.source.source_id),
    ),
    words=lambda row: (row.source.name, row.source.kind.replace("_", " "), kind_name(row.source.kind)),
    placeholder="Name or kind contains",
    choices=(
        Choice(name="state", label="State", words={"": "any state", **{one.value: one.value for one in SourceState}}),
    ),
    fits={"state": lambda row, word: row.state.value == word},
)
