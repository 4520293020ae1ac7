"""Users at risk, and bulk resets."""

from collections.abc import Iterator

from riskrelay.client.records import (
    BulkReset,
    BulkResetFilter,
    BulkResetStarted,
    Erasure,
    FoundUser,
    LevelChange,
    User,
    UserAtRisk,
    UserExport,
    UserFinding,
)
from riskrelay.client.records.users import Summary
from riskrelay.client.requests import Nothing, Request, given, path
from riskrelay.client.sync.session import Session

_PER_PAGE = 500  # chosen: a page of some 100 KB


class Users:
    """Users, their findings and level changes."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def at_risk(self) -> Iterator[UserAtRisk]:
        """Iterate over the users with a risk level, the highest level first.

        Pages are read one after another: a user whose level changes meanwhile may be missed or come twice.

        Raises: ClientError.
        """
        page, pages = 1, 1
        while page <= pages:
            answer = self._session.answer(
                Request(
                    operation="getSummary",
                    method="GET",
                    path=path("summary", query={"page": page, "per_page": _PER_PAGE}),
                    answer=Summary,
                )
            )
            for user in answer.result.users:
                yield user
            page, pages = page + 1, answer.result_info.total_pages

    def by_email(self, email: str) -> list[FoundUser]:
        """Return the first 20 users whose e-mail address begins with *email*, whether or not they have a risk level.

        Raises: ClientError.
        """
        return self._session.result(
            Request(
                operation="listUsersByEmail",
                method="GET",
                path=path("users", query={"email": email}),
                answer=list[FoundUser],
            )
        )

    def get(self, user_id: str) -> User:
        """Return a user with the latest findings since the last reset.

        Raises: NotFound; ClientError.
        """
        return self._session.result(Request(operation="getUser", method="GET", path=path(user_id), answer=User))

    def findings(self, user_id: str) -> Iterator[UserFinding]:
        """Iterate over all findings of a user since the last reset, latest first.

        Raises: NotFound; ClientError.
        """
        page, pages = 1, 1
        while page <= pages:
            answer = self._session.answer(
                Request(
                    operation="getUser",
                    method="GET",
                    path=path(user_id, query={"page": page, "per_page": _PER_PAGE}),
                    answer=User,
                )
            )
            for finding in answer.result.events:
                yield finding
            page, pages = page + 1, answer.result_info.total_pages

    def history(self, user_id: str) -> Iterator[LevelChange]:
        """Iterate over the changes of a user's risk level, latest first.

        Raises: NotFound; ClientError.
        """
        return self._session.by_cursor(
            lambda cursor: Request(
                operation="listLevelHistory",
                method="GET",
                path=path(user_id, "history", query={"cursor": cursor}),
                answer=list[LevelChange],
            )
        )

    def reset(self, user_id: str, reason: str | None = None) -> None:
        """Clear a user's risk level and notify every receiver. Findings are kept, but no longer counted.

        It is not sent again after a lost response, because it would clear a finding that arrived meanwhile.

        Raises: NotFound; AnswerLost; ClientError.
        """
        self._session.result(
            Request(
                operation="resetUser",
                method="POST",
                path=path(user_id, "reset"),
                answer=Nothing,
                body=given(reason=reason),
                is_repeatable=False,
            )
        )

    def erase(self, user_id: str) -> Erasure:
        """Erase a user and everything about the user. Receivers keep the last level: to clear it, reset the user first.

        Returns: running: the user is no longer found, and the service is removing the rest.
        Raises: NotFound; ClientError.
        """
        return self._session.result(
            Request(
                operation="eraseUser",
                method="DELETE",
                path=path(user_id),
                answer=Erasure,
                gone=Erasure(status="completed"),
            )
        )

    def export(self, user_id: str) -> UserExport:
        """Return everything that is stored about a user.

        Raises: NotFound; ClientError.
        """
        return self._session.result(
            Request(operation="exportUser", method="GET", path=path(user_id, "export"), answer=UserExport)
        )


class Resets:
    """Bulk resets: the risk levels of many users, cleared some users at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def start(self, users: BulkResetFilter, *, reason: str | None = None, dry_run: bool = False) -> BulkResetStarted:
        """Start a bulk reset of the users that meet all conditions of *users*.

        Args:
            dry_run: only count them.

        Raises: ClientError; AnswerLost: look with `all` whether it was started.
        """
        return self._session.result(
            Request(
                operation="startBulkReset",
                method="POST",
                path=path("resets"),
                answer=BulkResetStarted,
                body=given(filter=users, reason=reason, dry_run=dry_run),
                is_repeatable=dry_run,
            )
        )

    def all(self) -> list[BulkReset]:
        """Return the latest hundred bulk resets and their progress, newest first."""
        return self._session.result(
            Request(operation="listBulkResets", method="GET", path=path("resets"), answer=list[BulkReset])
        )

    def get(self, reset_id: str) -> BulkReset:
        """Return a bulk reset and its progress. Raises: NotFound; ClientError."""
        return self._session.result(
            Request(operation="getBulkReset", method="GET", path=path("resets", reset_id), answer=BulkReset)
        )

    def pause(self, reset_id: str) -> BulkReset:
        """Pause a bulk reset. Raises: NotFound; ClientError."""
        return self._control(reset_id, "pause", "pauseBulkReset")

    def resume(self, reset_id: str) -> BulkReset:
        """Resume a bulk reset. Raises: NotFound; ClientError."""
        return self._control(reset_id, "resume", "resumeBulkReset")

    def cancel(self, reset_id: str) -> BulkReset:
        """Cancel a bulk reset. Users that it has reset stay reset. Raises: NotFound; ClientError."""
        return self._control(reset_id, "cancel", "cancelBulkReset")

    def _control(self, reset_id: str, verb: str, operation: str) -> BulkReset:
        return self._session.result(
            Request(operation=operation, method="POST", path=path("resets", reset_id, verb), answer=BulkReset)
        )
