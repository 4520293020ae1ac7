"""Behaviors."""

import msgspec


class Behavior(msgspec.Struct, frozen=True, kw_only=True):
    """A behavior with the account's setting.

    Attributes:
        risk_level: low, medium or high.
    """

    name: str
    description: str
    enabled: bool
    risk_level: str


class OwnBehavior(Behavior, frozen=True, kw_only=True):
    """A behavior that the account has added."""

    id: str


class Behaviors(msgspec.Struct, frozen=True, kw_only=True):
    """Behaviors by id."""

    behaviors: dict[str, Behavior]
