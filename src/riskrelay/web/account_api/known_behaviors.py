"""The ids of behaviors that a request may name."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from riskrelay.core.errors import FaultKind
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BEHAVIORS, BehaviorId, BehaviorSetting, behaviors_in_use, is_id, settings_with
from riskrelay.ports import Services
from riskrelay.web.account_api import model_errors

ReadSettings = Callable[[], Awaitable[Mapping[BehaviorId, BehaviorSetting]]]


class OwnBehaviorsNeeded(Exception):
    """A request names a behavior that is not built in. Load the account's own behaviors, and read the part again."""


class KnownBehaviors:
    """The built-in behaviors and, once they are needed, the account's own: most requests name built-in ones only.

    Args:
        read: returns the settings of the account's behaviors; None: the account has no behaviors of its own.
        with_retired: whether ids of retired behaviors are accepted, too.

    Attributes:
        names: the ids that are accepted so far.
    """

    def __init__(self, read: ReadSettings | None = None, *, with_retired: bool = False) -> None:
        self._read = read
        self._with_retired = with_retired
        self._in_use: Collection[str] = BEHAVIORS
        self.names: Collection[str] = BEHAVIORS

    async def complete(self) -> None:
        """Add the account's own. Raises: Unavailable: they cannot be read."""
        if self._read is not None:
            settings = await self._read()
            self._in_use = behaviors_in_use(settings)
            self.names = settings if self._with_retired else self._in_use
            self._read = None

    def check(self, name: str) -> None:
        """Refuse an id that no behavior has.

        Raises: OwnBehaviorsNeeded; a validator's error: no behavior has this id.
        """
        if name in self.names:
            return
        if self._read is not None and is_id(name):
            raise OwnBehaviorsNeeded
        raise model_errors.custom(FaultKind.UNKNOWN_BEHAVIOR, f"must be one of {', '.join(self._in_use)}")


def known_behaviors(services: Services, account_id: AccountId, *, with_retired: bool = False) -> KnownBehaviors:
    """Return those of one account."""

    async def read() -> Mapping[BehaviorId, BehaviorSetting]:
        return settings_with(await services.store.read(account_id, lambda tx: tx.behaviors.stored()))

    return KnownBehaviors(read, with_retired=with_retired)


def _known_behavior(name: str, info: ValidationInfo) -> str:
    assert isinstance(info.context, KnownBehaviors)  # noqa: S101  our own callers
    info.context.check(name)
    return name


BehaviorName = Annotated[str, AfterValidator(_known_behavior)]
"""The id of a behavior; the context of the validation is a `KnownBehaviors`."""
