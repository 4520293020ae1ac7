"""The directory: the users that names in signals stand for."""

from collections.abc import Iterator, Sequence

from riskrelay.client.records import DirectoryDeleted, DirectoryEntry, DirectoryPut, MissedName
from riskrelay.client.requests import Request, body, path
from riskrelay.client.sync.session import Session


class Directory:
    """Entries, each a name and the user it stands for."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(
        self, *, kind: str | None = None, name: str | None = None, email: str | None = None
    ) -> Iterator[DirectoryEntry]:
        """Iterate over the entries, by kind and name.

        Args:
            kind: user_name, upn, host, device_id or sub; None: all.
            name: only the entries of this whole name.
            email: only the names of this user.

        Raises: ClientError.
        """
        return self._session.by_cursor(
            lambda cursor: Request(
                operation="listDirectory",
                method="GET",
                path=path("directory", query={"kind": kind, "name": name, "email": email, "cursor": cursor}),
                answer=list[DirectoryEntry],
            )
        )

    def put(self, entries: Sequence[DirectoryEntry]) -> DirectoryPut:
        """Add or replace up to 10,000 entries, all or nothing. Other entries stay.

        Raises: InvalidRequest; ClientError.
        """
        return self._session.result(
            Request(
                operation="putDirectory",
                method="PUT",
                path=path("directory"),
                answer=DirectoryPut,
                body=body(entries),
            )
        )

    def delete(self, kind: str, name: str) -> DirectoryDeleted:
        """Delete the entry of a name. Raises: ClientError."""
        return self._delete({"kind": kind, "name": name})

    def delete_all(self) -> DirectoryDeleted:
        """Delete every entry. Raises: ClientError."""
        return self._delete({"all": "true"})

    def missed(self) -> list[MissedName]:
        """Return up to 1,000 names without an entry, those with the most lost signals first. Raises: ClientError."""
        return self._session.result(
            Request(
                operation="listMissedNames", method="GET", path=path("directory", "missed"), answer=list[MissedName]
            )
        )

    def _delete(self, query: dict[str, str]) -> DirectoryDeleted:
        return self._session.result(
            Request(
                operation="deleteDirectory",
                method="DELETE",
                path=path("directory", query=query),
                answer=DirectoryDeleted,
            )
        )
