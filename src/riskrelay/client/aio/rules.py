"""Rules that combine findings."""

from riskrelay.client.aio.session import Session
from riskrelay.client.records import ExpressionTrial, Rule
from riskrelay.client.requests import Nothing, Request, body, path


class Rules:
    """Combinations of findings that give a level, or revoke the user's sessions."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def all(self) -> list[Rule]:
        """Return the account's rules, oldest first, with their failures."""
        return await self._session.result(
            Request(operation="listRules", method="GET", path=path("rules"), answer=list[Rule])
        )

    async def get(self, rule_id: str) -> Rule:
        """Return a rule. Raises: NotFound; ClientError."""
        return await self._session.result(
            Request(operation="getRule", method="GET", path=path("rules", rule_id), answer=Rule)
        )

    async def add(
        self,
        name: str,
        when: str,
        *,
        within_seconds: int = 86_400,
        level: str | None = None,
        session_revoked: bool = False,
        description: str | None = None,
        enabled: bool = True,
    ) -> Rule:
        """Add a rule. It needs a level, or *session_revoked*. The same rule again changes nothing.

        Args:
            when: a JSONata expression over a user's findings, such as `$count(findings) >= 3`.
            within_seconds: only findings that occurred within this time count.
            level: which a user has at least while the rule holds: low, medium or high.
            session_revoked: whether session-revoked is sent when the rule begins to hold.

        Raises: InvalidRequest; ClientError.
        """
        wanted = {
            "name": name,
            "when": when,
            "within_seconds": within_seconds,
            "level": level,
            "session_revoked": session_revoked,
            "description": description,
            "enabled": enabled,
        }
        return await self._session.result(
            Request(operation="addRule", method="POST", path=path("rules"), answer=Rule, body=body(wanted))
        )

    async def change(self, rule: Rule) -> Rule:
        """Store *rule* with its changed members, such as `msgspec.structs.replace(rule, enabled=False)`.

        Raises: NotFound; InvalidRequest; ClientError.
        """
        return await self._session.result(
            Request(operation="changeRule", method="PUT", path=path("rules", rule.id), answer=Rule, body=body(rule))
        )

    async def delete(self, rule_id: str) -> None:
        """Delete a rule. Levels that come from it are lowered within seconds. Raises: NotFound; ClientError."""
        await self._session.result(
            Request(
                operation="deleteRule",
                method="DELETE",
                path=path("rules", rule_id),
                answer=Nothing,
                gone=Nothing(),
            )
        )

    async def try_for(self, email: str, when: str, *, within_seconds: int = 86_400) -> ExpressionTrial:
        """Return whether an expression holds for a user now. Nothing is stored.

        Raises: NotFound; ClientError.
        """
        wanted = {"user": email, "when": when, "within_seconds": within_seconds}
        return await self._session.result(
            Request(
                operation="tryExpression",
                method="POST",
                path=path("rules", "try"),
                answer=ExpressionTrial,
                body=body(wanted),
            )
        )
