"""A fast reader for ordinary findings, which are nearly all. It takes half of the models' time (measured).

A finding that may have a fault or be ambiguous is left to the models, which find the faults and their places.
"""

import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import Finding, FindingId, UserRef
from riskrelay.web.account_api.batches import MAX_ID_CHARACTERS, MAX_NAME_CHARACTERS, digest_of, is_email
from riskrelay.web.account_api.strict_json import MAX_VALUES, sound_object

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:[0-5]\d)", re.ASCII)

_Name = Annotated[str, Meta(max_length=MAX_NAME_CHARACTERS)]
_Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARACTERS)]


class _User(Struct, forbid_unknown_fields=True):
    email: str
    name: _Name | UnsetType | None = UNSET


class _Body(Struct, forbid_unknown_fields=True, kw_only=True):
    behavior: str
    user: _User
    timestamp: str | UnsetType | None = UNSET
    id: _Id | UnsetType | None = UNSET
    details: Raw | UnsetType = UNSET


_BODY = msgspec.json.Decoder(_Body)


def finding_of(
    finding_id: str | None, behavior: str, user: UserRef, occurred_at: datetime | None, details: dict[str, Any] | None
) -> Finding:
    """Build a finding from its members as sent."""
    sent = [behavior, user.email, user.name, user.user_id, occurred_at, details]
    known = None if finding_id is None else FindingId(finding_id)
    return Finding(
        finding_id=known,
        behavior=BehaviorId(behavior),
        user=user,
        occurred_at=occurred_at,
        details=details,
        digest=digest_of(sent),
    )


def read_plainly(written: bytes, behaviors: Collection[str]) -> Finding | None:
    """Read a finding exactly as the models would; None: the models must read it.

    Args:
        behaviors: the known ids.
    """
    if b"\\" in written or b"\x7f" in written or len(written) >= MAX_VALUES:  # so it cannot have too many values
        return None
    try:
        body = _BODY.decode(written)
        if written.count(b'"') != _quotation_marks(body):
            return None
        if body.behavior not in behaviors or not is_email(body.user.email):
            return None
        user = UserRef(body.user.email, _given(body.user.name))
        return finding_of(_given(body.id), body.behavior, user, _moment(body.timestamp), details=_details(body.details))
    except (ValueError, OverflowError, RecursionError):  # msgspec and this module raise ValueError for unusual values
        return None


def _quotation_marks(body: _Body) -> int:
    """Return the number of quotation marks in the text of *body*.

    The text of a body with a repeated member has more.
    """
    marks = 10  # around three names, the behavior and the e-mail
    for text in (body.user.name, body.timestamp, body.id):
        if text is not UNSET:
            marks += 2 if text is None else 4
    return marks if body.details is UNSET else marks + 2 + bytes(body.details).count(b'"')


def _given(text: str | UnsetType | None) -> str | None:
    return None if text is UNSET else text


def _moment(text: str | UnsetType | None) -> datetime | None:
    """Return a time in the usual form, in UTC.

    Raises: ValueError, OverflowError.
    """
    if text is UNSET or text is None:
        return None
    if not _TIMESTAMP.fullmatch(text):
        raise ValueError
    return datetime.fromisoformat(text).astimezone(UTC)


def _details(written: Raw | UnsetType) -> dict[str, Any] | None:
    """Read the details of a finding.

    Raises: ValueError, RecursionError.
    """
    if written is UNSET or bytes(written) == b"null":
        return None
    return sound_object(bytes(written), depth=2)
