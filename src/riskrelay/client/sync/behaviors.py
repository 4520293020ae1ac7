"""Behaviors."""

from riskrelay.client.records import Behavior, OwnBehavior
from riskrelay.client.records.behaviors import Behaviors as AllBehaviors
from riskrelay.client.requests import Nothing, Request, body, given, path
from riskrelay.client.sync.session import Session


class Behaviors:
    """Kinds of risky activity, and the risk level of each."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self) -> dict[str, Behavior]:
        """Return every behavior with the account's setting, by id."""
        request = Request(operation="listBehaviors", method="GET", path=path("behaviors"), answer=AllBehaviors)
        return (self._session.result(request)).behaviors

    def set(self, behavior: str, *, enabled: bool, risk_level: str) -> Behavior:
        """Enable or disable a behavior, and set its risk level: low, medium or high.

        A new level applies at once to users who have triggered the behavior since their last reset.

        Raises: InvalidRequest: no such behavior or level; ClientError.
        """
        wanted = {"behaviors": {behavior: {"enabled": enabled, "risk_level": risk_level}}}
        request = Request(
            operation="updateBehaviors", method="PUT", path=path("behaviors"), answer=AllBehaviors, body=body(wanted)
        )
        return (self._session.result(request)).behaviors[behavior]

    def add(
        self, behavior: str, name: str, *, risk_level: str, description: str = "", enabled: bool = False
    ) -> OwnBehavior:
        """Add a behavior of the account's own. The id of a retired behavior brings it back.

        Args:
            name: which receivers get as the reason.

        Raises: ClientError.
        """
        wanted = given(id=behavior, name=name, description=description, risk_level=risk_level, enabled=enabled)
        return self._session.result(
            Request(operation="addBehavior", method="POST", path=path("behaviors"), answer=OwnBehavior, body=wanted)
        )

    def change(
        self,
        behavior: str,
        *,
        name: str | None = None,
        description: str | None = None,
        risk_level: str | None = None,
        enabled: bool | None = None,
    ) -> OwnBehavior:
        """Change a behavior of the account's own. None: unchanged.

        Raises: NotFound: it is built in, or there is none; ClientError.
        """
        wanted = given(name=name, description=description, risk_level=risk_level, enabled=enabled)
        return self._session.result(
            Request(
                operation="changeBehavior",
                method="PUT",
                path=path("behaviors", behavior),
                answer=OwnBehavior,
                body=wanted,
            )
        )

    def retire(self, behavior: str) -> None:
        """Retire a behavior of the account's own. Its findings are kept.

        Raises: NotFound; ClientError.
        """
        self._session.result(
            Request(
                operation="retireBehavior",
                method="DELETE",
                path=path("behaviors", behavior),
                answer=Nothing,
                gone=Nothing(),
            )
        )
