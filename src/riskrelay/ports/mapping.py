"""The evaluation of mapping documents."""

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
        """Return the faults of the expressions of an account's own document, in its order."""

    async def map(
        self, document: MappingDocument, events: Sequence[object], owner: AccountId | None = None
    ) -> list[Mapped]:
        """Map decoded events.

        Args:
            document: a checked document.
            owner: the account that wrote the document; None: a shipped document.

        Returns: the result of each event, in the order of *events*. An event or a mapping that exceeds its bounds is
            refused with a reason.
        """
