"""The operations on sources of a transaction that is bound to one account."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from riskrelay.core.sources.sources import (
    Counts,
    Sample,
    Source,
    SourceCredential,
    SourceCredentialId,
    SourceId,
)


class Sources(Protocol):
    """The account's sources, their credentials, counts and samples."""

    def add(self, source: Source) -> None:
        """Store a new source."""

    def update(self, source: Source) -> None:
        """Overwrite its name, its mapping, whether it is active, and when it is silent."""

    def delete(self, source_id: SourceId) -> None:
        """Delete a source with its credentials, counts and samples."""

    def get(self, source_id: SourceId) -> Source | None:
        """Return the source with that id. A writing transaction locks it."""

    def all(self) -> list[Source]:
        """Return all sources, oldest first."""

    def count(self) -> int:
        """Return the number of sources."""

    def add_credential(self, source_id: SourceId, credential: SourceCredential) -> None:
        """Store a new credential."""

    def credentials(self, source_id: SourceId) -> list[SourceCredential]:
        """Return the credentials of one source, oldest first."""

    def revoke(self, source_id: SourceId, credential_ids: Collection[SourceCredentialId]) -> int:
        """Delete credentials. Return their number."""

    def note(self, source_id: SourceId, counts: Counts, at: datetime) -> None:
        """Add to the counts of the hour of *at*, and delete counts older than a week."""

    def counts(self, since: datetime, source_id: SourceId | None = None) -> Mapping[SourceId, Counts]:
        """Return the counts of one source or of all, of the hour of *since* and later."""

    def samples(self, source_id: SourceId, since: datetime) -> list[Sample]:
        """Return the samples of *since* and later, the latest first."""

    def add_samples(self, source_id: SourceId, samples: Sequence[Sample], expired_before: datetime) -> None:
        """Delete expired samples, and store as many new ones as the limit allows."""

    def delete_samples(self, source_id: SourceId, sample_ids: Collection[str]) -> None:
        """Delete samples."""
