"""What evaluates mapping documents."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from riskrelay.core.integrations import AccountId
from riskrelay.core.sources.mappings import MappingDocument, Problem
from riskrelay.core.sources.signals import Mapped


class SignalMapper(Protocol):
    """Evaluates mappings outside this process, bounded in time and memory."""

    @property
    def shipped(self) -> Mapping[str, MappingDocument]:
        """The mapping documents of this version, by kind."""

    async def check(self, document: MappingDocument, owner: AccountId) -> Sequence[Problem]:
        """Return what is wrong with the expressions of an account's own document, in its order."""

    async def map(
        self, document: MappingDocument, events: Sequence[object], owner: AccountId | None = None
    ) -> list[Mapped]:
        """Map decoded events.

        Args:
            document: one that was checked.
            owner: the account that wrote the document; None: it is a shipped one.

        Returns: for each event what it becomes, in the order of *events*. An event, or a mapping that exceeds its
            bounds, is refused with its reason.
        """
