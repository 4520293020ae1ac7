"""Deliveries and replays."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from riskrelay.client.aio.session import Session
from riskrelay.client.records import Delivery, Replay, ReplayStarted
from riskrelay.client.requests import Request, body, path


class Deliveries:
    """Events for receivers, and their attempts."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self, integration_id: str, state: str | None = None) -> AsyncIterator[Delivery]:
        """Iterate over an integration's deliveries, newest first.

        Args:
            state: pending, delivered, dead, expired, cancelled, erased or superseded; None: all.

        Raises: NotFound; ClientError.
        """
        return self._session.by_cursor(
            lambda cursor: Request(
                operation="listDeliveries",
                method="GET",
                path=path("integrations", integration_id, "deliveries", query={"state": state, "cursor": cursor}),
                answer=list[Delivery],
            )
        )

    async def get(self, integration_id: str, jti: str) -> Delivery:
        """Return a delivery with its attempts. Raises: NotFound; ClientError."""
        return await self._session.result(
            Request(
                operation="getDelivery",
                method="GET",
                path=path("integrations", integration_id, "deliveries", jti),
                answer=Delivery,
            )
        )

    async def retry(self, integration_id: str, jti: str) -> Delivery:
        """Send a delivery again at once, with the same jti and claims. Raises: NotFound; ClientError."""
        return await self._session.result(
            Request(
                operation="retryDelivery",
                method="POST",
                path=path("integrations", integration_id, "deliveries", jti, "retry"),
                answer=Delivery,
            )
        )


class Replays:
    """Many deliveries, sent again in small steps."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def start(
        self,
        integration_id: str,
        state: str,
        *,
        reason: str | None = None,
        queued_from: datetime | None = None,
        queued_to: datetime | None = None,
        users: Sequence[str] | None = None,
        dry_run: bool = False,
    ) -> ReplayStarted:
        """Send an integration's deliveries again, with their jti and claims.

        Args:
            state: dead, expired, cancelled or delivered. Delivered events require *queued_from*.
            reason: only deliveries with this reason.
            users: only deliveries about the users with these e-mail addresses, at most 1,000. Requires pii-read.
            dry_run: only count them.

        Raises: NotFound; ClientError; AnswerLost: look with `all` whether it was started.
        """
        filters = {"state": state, "reason": reason, "queued_from": queued_from, "queued_to": queued_to, "users": users}
        return await self._session.result(
            Request(
                operation="startReplay",
                method="POST",
                path=path("integrations", integration_id, "deliveries", "replay"),
                answer=ReplayStarted,
                body=body({"filter": filters, "dry_run": dry_run}),
                is_repeatable=dry_run,
            )
        )

    async def all(self, integration_id: str) -> list[Replay]:
        """Return the latest hundred replays and their progress, newest first. Raises: NotFound; ClientError."""
        return await self._session.result(
            Request(
                operation="listReplays",
                method="GET",
                path=path("integrations", integration_id, "replays"),
                answer=list[Replay],
            )
        )

    async def pause(self, integration_id: str, replay_id: str) -> Replay:
        """Pause a replay. Raises: NotFound; ClientError."""
        return await self._control(integration_id, replay_id, "pause", "pauseReplay")

    async def resume(self, integration_id: str, replay_id: str) -> Replay:
        """Resume a replay. Raises: NotFound; ClientError."""
        return await self._control(integration_id, replay_id, "resume", "resumeReplay")

    async def cancel(self, integration_id: str, replay_id: str) -> Replay:
        """Cancel a replay. Raises: NotFound; ClientError."""
        return await self._control(integration_id, replay_id, "cancel", "cancelReplay")

    async def _control(self, integration_id: str, replay_id: str, verb: str, operation: str) -> Replay:
        return await self._session.result(
            Request(
                operation=operation,
                method="POST",
                path=path("integrations", integration_id, "replays", replay_id, verb),
                answer=Replay,
            )
        )
